# pairs: in every shipped topology, for every pair of instances and hosts, TCP on 22, 80, 443 and 5432, UDP on 53 and ICMP
# echo, and for what the topology expects itself: the walk and real packets give the same verdict, leg, gate, object, reason
# and rule; what the interfaces saw of them, replayed, meets verdict, gate and rule again. Fast mode, and kernel mode
# where there are few pairs; MODES="fast kernel" PAIRS=9999 takes all in both, `make soak` does (ONLY=NAME takes one topology).
. "${0%/*}/../lib.sh"
. "$ROOT/tests/net/wire/captures.sh"

# all_pairs MODE FILE: the file with that data path and with all pairs among its expectations
all_pairs() {
	python3 - "$@" <<'PY'
import re, sys
mode, path = sys.argv[1:]
out, names, expected, lab = [], [], set(), False
for line in open(path):
    head = re.match(r"\[(\S+)(?: ([^]]+))?\]", line)
    if head:
        if head[1] in ("instance", "host"):
            names.append(head[2])
        out.append(line)
        if head[1] == "lab":
            lab = True
            out.append("datapath = %s\n" % mode)
    elif not re.match(r"datapath *=", line):
        out.append(line)
if not lab:
    out.append("[lab %s]\ndatapath = %s\n" % (re.sub(r".*/|\.ini$", "", path), mode))
    flow = re.match(r"(?:allow|deny) *= *(\S+) -> (\S+) (\S+)", line)
    if flow:
        expected.add(flow.groups())
out.append("[expect all-pairs]\n")
for what in "tcp/22", "tcp/80", "tcp/443", "tcp/5432", "udp/53", "icmp":
    out += ["allow = %s -> %s %s\n" % (a, b, what) for a in names for b in names if a != b and (a, b, what) not in expected]
sys.stdout.write("".join(out))
PY
}
# compare: what the walk and the packets differ in; on stderr, how many flows were compared and allowed
compare() {
	python3 - "$T/static.json" "$T/live.json" <<'PY'
import json, sys
static, live = (json.load(open(f))["results"] for f in sys.argv[1:])
if [r["flow"] for r in static] != [r["flow"] for r in live]:
    print("not the same flows")
for s, l in zip(static, live):
    if l["ok"] is None:
        print(s["flow"], "no answer by packets:", l["note"])
    elif (s["verdict"], s["denied"], s["decided"]) != (l["verdict"], l["denied"], l["decided"]):
        print(s["flow"], s["denied"], s["decided"], l["denied"], l["decided"], l["note"])
print(len(static), "flows,", sum(s["verdict"] == "allow" for s in static), "allowed", file=sys.stderr)
PY
}
daemon_start
for file in "$ROOT"/topologies/${ONLY:-*}.ini; do
	for mode in ${MODES:-fast kernel}; do
		ini=$T/$(basename "$file")
		all_pairs $mode "$file" >"$ini"
		flows=$(grep -cE '^(allow|deny) *=' "$ini")
		[ $mode = fast ] || [ "$flows" -le "${PAIRS:-200}" ] || continue
		lab=$(sed -nE 's/^\[lab ([^]]+)\].*/\1/p' "$ini")
		what="${file##*/}, $mode:"
		check "$what goes up" vpc up "$ini"
		vpc test "$ini" -o json >"$T/static.json"
		captures_start "$lab" $(captures_interfaces "$lab")
		vpc test --live "$lab" -o json >"$T/live.json"
		captures_end
		out=$(compare 2>"$T/sums")
		is "$out" "" "$what walk and packets agree: $(cat "$T/sums")"
		like "$(cat "$T/sums")" "^$flows flows," "$what all $flows were asked"
		captures_replay "$ini"
		is "$(head -n 5 "$T/replayed.bad")" "" "$what replayed as it was: $compared packets, $denied of them denied, of $named gate and rule"
		is "$((compared > flows)) $((denied > 0)) $((named > compared / 3))" "1 1 1" "$what a share of the packets has gate and rule"
		check "$what goes down" vpc down "$lab"
	done
done
done_testing
