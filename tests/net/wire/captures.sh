# captures.sh: what the interfaces of a lab see, and what vpc replay makes of it. To be sourced behind lib.sh.
captures_interfaces() { # LAB: names of all interfaces that run
	vpc show interfaces --lab "$1" -o json | python3 -c 'import json,sys; print(*[i["name"] for i in json.load(sys.stdin)["interface"] if i["state"] == "running"])'
}
captures_start() { # LAB NAME...: returns when they are heard
	local lab=$1
	shift
	rm -f "$T"/cap.*
	"$VPC" capture "${@/#/$lab/}" -w "$T/cap.all" 2>"$T/cap.error" &
	capturing=$!
	wait_for test -s "$T/cap.all" || bail "no capture: $(cat "$T/cap.error")"
}
captures_end() { # when nothing has been added for 25 looks: what was sent has been captured
	local same=0
	touch -d @0 "$T/cap.seen"
	wait_for captures_rest
	kill -INT $capturing
	wait $capturing
	like "$(cat "$T/cap.error")" ' captured, 0 lost$' "no packet is missing in the capture"
}
captures_rest() { # without a process a look
	if [ "$T/cap.all" -nt "$T/cap.seen" ]; then
		same=0
		touch -r "$T/cap.all" "$T/cap.seen"
	else same=$((same + 1)); fi
	[ $same -ge 25 ]
}
captures_replay() { # TOPOLOGY: "$T/replayed.bad" has packets of which replay says something else; compared, denied, named: how many there were
	local name names
	names=$(python3 "$ROOT/tests/net/wire/pcapng_split.py" "$T/cap.all" "$T/cap.")
	for name in $names; do
		vpc replay "$1" --eni $name "$T/cap.$name" -o jsonl >"$T/cap.$name.jsonl" 2>"$T/cap.$name.error"
	done
	python3 "$ROOT/tests/net/wire/pcapng.py" "$T/cap.all" >"$T/cap.json"
	python3 "$ROOT/tests/net/wire/replayed.py" "$T/cap.json" "$T/cap." $names >"$T/replayed.bad" 2>"$T/n"
	read -r compared denied named <"$T/n" || compared=0 denied=0 named=0
}
