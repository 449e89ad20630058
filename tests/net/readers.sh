# timeout: 60
# readers: those of streams who go while nothing happens are found out at once, whatever killed them; many who stay keep
# nobody from asking, at neither door.
. "${0%/*}/../lib.sh"

cat >"$T/re.ini" <<'INI'
[vpc v]
cidr = 10.0.0.0/16
[subnet a]
vpc = v
cidr = 10.0.1.0/24
[instance a1]
subnet = a
[instance a2]
subnet = a
INI
readers() { python3 "$ROOT/tests/net/wire/readers.py" "$VPCD_RUN_DIR/$1" "$2" "$3"; } # SOCKET N HOW
fds() { ls "/proc/$daemon_pid/fd" | wc -l; }
fds_are() { [ "$(fds)" = "$1" ]; }

daemon_start
check "goes up" vpc up "$T/re.ini"
check "a look" vpc show
check "another, and the daemon was killed once" vpc show

# ---- who goes ----------------------------------------------------------------------------------------------
before=$(fds)
for door in vpcd.sock view.sock; do
	is "$(readers $door 600 leave)" 600 "$door: 600 readers come and go, one behind the other"
	wait_for 5 fds_are "$before"
	is "$(fds)" "$before" "... and nothing of them stays open"
done
for verb in "observe re -f" "capture re/a1 -w -"; do
	"$VPC" $verb >"$T/out" &
	client=$!
	wait_for 5 fds_are $((before + 1))
	is "$(fds)" $((before + 1)) "$verb: one connection"
	kill -KILL $client && wait $client 2>/dev/null
	wait_for 5 fds_are "$before"
	is "$(fds)" "$before" "... and none when it is killed"
done
readers vpcd.sock 1 half >"$T/half" &
half=$!
wait_for 5 grep -q . "$T/half"
vpc probe a1 a2 udp/9 >/dev/null
wait $half
is "$(tail -n1 "$T/half")" "an event" "who has ended only his own side still reads"

# ---- who stays ---------------------------------------------------------------------------------------------
for door in view.sock vpcd.sock; do
	mkfifo "$T/$door"
	readers $door 600 stay <"$T/$door" >"$T/stay" &
	stay=$!
	exec {go_on}>"$T/$door"
	wait_for 10 grep -q . "$T/stay"
	like "$(cat "$T/stay")" "^448 HTTP/1.1 503 .*\"$VPCD_RUN_DIR/$door: 448 readers follow what happens, and it takes no more; end some\"" \
		"$door: the 449th that would stay is told why not"
	for other in view.sock vpcd.sock; do
		is "$(curl -sS --max-time 5 --unix-socket "$VPCD_RUN_DIR/$other" http://vpcd/v1/labs | grep -o '"name":"re"')" '"name":"re"' "... questions are answered at $other"
	done
	[ $door = view.sock ] && is "$(readers vpcd.sock 1 leave)" 1 "... and readers let in at vpcd.sock"
	if [ $door = vpcd.sock ]; then
		like "$(vpc observe re -f 2>&1) $?" "vpc: .*vpcd.sock: 448 readers follow what happens, and it takes no more; end some 3" "... observe says so"
		like "$(vpc capture re/a1 -w "$T/cap" 2>&1) $?" "vpc: .*vpcd.sock: 448 readers follow what happens, and it takes no more; end some 3" "... so does capture"
		check "... probes run" vpc probe a1 a2 icmp
	fi
	exec {go_on}>&-
	wait $stay
	wait_for 5 fds_are "$before"
	is "$(fds)" "$before" "... and all end together"
done
# Connections that ask nothing take all of a door's places, and no other door's.
mkfifo "$T/silent"
readers view.sock 512 silent <"$T/silent" >"$T/stay" &
stay=$!
exec {go_on}>"$T/silent"
wait_for 10 grep -q ^512 "$T/stay"
check "vpc asks at vpcd.sock while view.sock is full" vpc show
exec {go_on}>&-
wait $stay
done_testing
