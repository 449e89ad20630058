# timeout: 120
# replay_live: what interfaces send and receive while a lab's expectations are tried is captured; replayed, each packet meets
# at the interface's own gates the verdict, gate and rule that it met when it was real.
. "${0%/*}/../lib.sh"

cat >"$T/compare.py" <<'PY'
# compare.py PCAPNG-JSON REPLAY-JSONL: prints packets of which replay says something else; on stderr how many were compared
import json, re, sys

OWN = {"out": ("source-check", "sg-out", "nacl-out", "route", "peering", "nat"), "in": ("nacl-in", "dest-check", "sg-in")}
COMMENT = re.compile(r'(allow|deny)(?: (?:by|at) ([a-z-]+)(?:@\S+)?)?(?:: rule "(.*?)")?(?: (\S+):(\d+))? \[([A-Z_]+)\]$')
packets = json.load(open(sys.argv[1]))["packets"]
compared = denied = named = 0
for line in open(sys.argv[2]):
    r = json.loads(line)
    p = packets[r["n"] - 1]
    verdict, gate, rule, _, at, reason = COMMENT.match(p["comment"]).groups()
    # Whether an address of the VPC has an interface, a capture is not asked: the packet may be of another time.
    own = gate in OWN[p["dir"]] and reason != "NO_POSSIBLE_DESTINATION"
    want = {"verdict": "deny" if verdict == "deny" and own else "allow"}
    if own and (verdict == "deny" or gate == r["gate"]):  # of an allowed one replay names the group's rule
        named += 1
        want.update(gate=gate, rule=rule, line=at and int(at), reason=reason)
    if any(r[k] != v for k, v in want.items()):
        print(r["n"], p["dir"], p["src"], p["dst"], p["proto"], p["dport"], p["comment"], r)
    compared += 1
    denied += r["verdict"] == "deny"
print(compared, denied, named, file=sys.stderr)
PY
capturing() { # NAME: it hears
	[ -s "$T/cap.$1" ]
}
written() { # nothing has been added for 25 looks: what was sent has been captured
	local now
	now=$(cat "$T"/cap.* | wc -c)
	[ "$now" = "$last" ] && same=$((same + 1)) || same=0
	last=$now
	[ $same -ge 25 ]
}
daemon_start
for topology in three-tier nat-gateway aws-public-private peering-three-vpcs watched-web; do
	file=$ROOT/topologies/$topology.ini
	check "$topology goes up" vpc up "$file"
	names=$(vpc show instances --lab $topology -o json | python3 -c 'import json,sys; print(*[i["name"] for i in json.load(sys.stdin)["instance"]])')
	captures=()
	rm -f "$T"/cap.*
	for name in $names; do
		"$VPC" capture $topology/$name -w "$T/cap.$name" 2>/dev/null &
		captures+=($!)
	done
	for name in $names; do wait_for 10 capturing $name || bail "no capture of $name"; done
	vpc test --live $topology -o json >"$T/live.json"
	last=0 same=0
	wait_for 10 written
	for pid in "${captures[@]}"; do kill -INT $pid; done
	for pid in "${captures[@]}"; do wait $pid; done
	compared=0 denied=0 named=0
	for name in $names; do
		python3 "$ROOT/tests/net/wire/pcapng.py" "$T/cap.$name" >"$T/cap.json"
		vpc replay "$file" --eni $name "$T/cap.$name" -o jsonl >"$T/replayed" 2>/dev/null
		is "$(python3 "$T/compare.py" "$T/cap.json" "$T/replayed" 2>"$T/n")" "" "$topology: $name: replayed as it was"
		read -r c d n <"$T/n"
		compared=$((compared + c)) denied=$((denied + d)) named=$((named + n))
	done
	is "$((compared > 10)) $((denied > 0)) $((named > compared / 3))" "1 1 1" "$topology: $compared packets, $denied of them denied, of $named gate and rule"
	check "$topology goes down" vpc down $topology
done
done_testing
