# captures.sh: what the interfaces of a lab see, and what vpc replay makes of it. To be sourced behind lib.sh.
captures_start() { # LAB NAME...: returns when they are heard
	local lab=$1
	shift
	rm -f "$T"/cap.*
	"$VPC" capture "${@/#/$lab/}" -w "$T/cap.all" 2>"$T/cap.error" &
	capturing=$!
	wait_for 10 test -s "$T/cap.all" || bail "no capture: $(cat "$T/cap.error")"
}
captures_end() { # when nothing has been added for 25 looks: what was sent has been captured
	local last=0 same=0
	wait_for 10 captures_rest
	kill -INT $capturing
	wait $capturing
	like "$(cat "$T/cap.error")" ' captured, 0 lost$' "no packet is missing in the capture"
}
captures_rest() {
	local now
	now=$(stat -c %s "$T/cap.all")
	[ "$now" = "$last" ] && same=$((same + 1)) || same=0
	last=$now
	[ $same -ge 25 ]
}
captures_replay() { # TOPOLOGY: "$T/replayed.bad" has packets of which replay says something else; compared, denied, named: how many there were
	local name c d n
	compared=0 denied=0 named=0
	: >"$T/replayed.bad"
	for name in $(python3 "$ROOT/tests/net/wire/pcapng_split.py" "$T/cap.all" "$T/cap."); do
		python3 "$ROOT/tests/net/wire/pcapng.py" "$T/cap.$name" >"$T/cap.json"
		vpc replay "$1" --eni $name "$T/cap.$name" -o jsonl >"$T/replayed" 2>"$T/replay.error"
		python3 "$ROOT/tests/net/wire/replayed.py" "$T/cap.json" "$T/replayed" 2>"$T/n" | sed "s/^/$name: /" >>"$T/replayed.bad"
		read -r c d n <"$T/n" && [ $c = "$(sed -nE 's/^([0-9]+) packets? judged.*/\1/p' "$T/replay.error")" ] || echo "$name: $(cat "$T/replay.error" "$T/n")" >>"$T/replayed.bad"
		compared=$((compared + c)) denied=$((denied + d)) named=$((named + n))
	done
}
