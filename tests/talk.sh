# talk.sh: long TCP connections for scripts in tests/net (source it after lib.sh).
#
#	$TALK_RUN			a `run` value: answers each line with the line itself, TCP port 9000
#	talk_open ID LAB/SRC ADDRESS	connects to port 9000, bounded; false when it cannot
#	talk_says ID			sends a line of its own and waits 2 s for it to come back
#	talk_close ID			ends it
TALK_RUN='python3 -c "import socketserver as s; s.ThreadingTCPServer.allow_reuse_address = 1; H = type(str(), (s.StreamRequestHandler,), dict(handle=lambda h: [h.wfile.write(l) for l in h.rfile])); s.ThreadingTCPServer((str(), 9000), H).serve_forever()"'

declare -A talk_in talk_out talk_pid
talk_n=0

talk_open() { # ID LAB/SRC ADDRESS
	local in out
	mkfifo "$T/talk-$1.in" "$T/talk-$1.out"
	exec {in}<>"$T/talk-$1.in" {out}<>"$T/talk-$1.out"
	talk_in[$1]=$in talk_out[$1]=$out
	timeout 120 "$VPC" exec "$2" -- bash -c '
		exec 3<>/dev/tcp/$0/9000 || exit
		echo connected
		cat <&3 &
		cat >&3
	' "$3" <&$in >&$out 2>/dev/null {in}<&- {out}<&- {tick}<&- &
	talk_pid[$1]=$!
	talk_hears "$1" connected 30
}
talk_hears() { # ID LINE SECONDS
	local line end=$((${EPOCHREALTIME/[.,]/} + $3 * 1000000))
	while ((${EPOCHREALTIME/[.,]/} < end)); do
		read -rt 0.1 -u "${talk_out[$1]}" line || continue
		[ "$line" != "$2" ] || return 0
	done
	return 1
}
talk_says() { # ID
	talk_n=$((talk_n + 1))
	echo "line $talk_n" >&"${talk_in[$1]}"
	talk_hears "$1" "line $talk_n" 5
}
talk_close() { # ID
	kill "${talk_pid[$1]}" 2>/dev/null
	wait "${talk_pid[$1]}" 2>/dev/null
	exec {talk_in[$1]}>&- {talk_out[$1]}>&-
	rm -f "$T/talk-$1".*
}
