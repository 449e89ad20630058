# timeout: 120
# random: random labs, a new seed each run (SEED=N repeats one, COUNT=N takes more of them). For every pair of
# instances and hosts and seven protocols the walk, real packets and, inside a VPC, the oracle must agree
# in verdict, leg, gate and object. The modes of the data path alternate.
. "${0%/*}/../lib.sh"

seed=${SEED:-$((RANDOM * 32768 + RANDOM))} count=${COUNT:-20}
# Seeds of labs in which the three once differed.
known='4 8 13 18 20 53786 937743512'
[ -z "${SEED:-}" ] || known=
note "seeds from $seed on; SEED=$seed $0 repeats this run, SEED=N COUNT=1 a single lab"

cat >"$T/agree.py" <<'PY'
# agree.py TOPOLOGY STATIC LIVE ANSWERS: prints where two of the three differ, the topology's rules not spared
import json, sys

def words(r):
    d = r["denied"]
    return "allow" if r["verdict"] == "allow" else " ".join(["deny"] + [str(d[k]) for k in ("leg", "gate", "object")])

def rule(r):
    d = r["decided"]
    return "no rule" if d is None else "%s at %s" % (d["rule"], d["line"])

def results(path):
    return {r["flow"]: r for r in json.load(open(path))["results"]}

static, live = results(sys.argv[2]), results(sys.argv[3])
oracle = dict(line.rstrip("\n").split("\t") for line in open(sys.argv[4]))
bad = compared = judged = 0
if static.keys() != live.keys():
    print("not the same flows:", static.keys() ^ live.keys())
    bad += 1
for flow, s in static.items():
    l = live.get(flow)
    says = {"walk": words(s), "packets": words(l) if l else "nothing"}
    if l and len(set(says.values())) == 1 and rule(s) != rule(l):
        says = {"walk": words(s) + " by " + rule(s), "packets": words(l) + " by " + rule(l)}
    if flow in oracle:
        says["oracle"] = oracle[flow]
        judged += 1
    compared += 1
    if len(set(says.values())) > 1:
        bad += 1
        if bad <= 10:
            print(flow, says, l and l["note"])
if bad:
    print(bad, "of", compared, "differ")
print("%d flows compared, %d with the oracle" % (compared, judged), file=sys.stderr)
sys.exit(bad > 0)
PY

daemon_start
for n in $known $(seq $seed $((seed + count - 1))); do
	mode=fast
	((n % 2)) && mode=kernel
	what="seed $n, $mode:"
	"$B/tests/net/random_topology" $n rnd $mode "$T/rnd.ini" "$T/answers" || bail "no topology of seed $n"
	check "$what goes up" vpc up "$T/rnd.ini"
	vpc test "$T/rnd.ini" -o json >"$T/static.json"
	vpc test --live rnd -o json >"$T/live.json"
	if out=$(python3 "$T/agree.py" "$T/rnd.ini" "$T/static.json" "$T/live.json" "$T/answers" 2>"$T/sums"); then
		ok "$what walk, packets and oracle agree: $(cat "$T/sums")"
	else
		not_ok "$what walk, packets and oracle agree"
		note "$out"
		note "$(cat "$T/sums")"
		cp "$T/rnd.ini" "${KEEP:-$T}/rnd-$n.ini"
	fi
	is "$(vpc up "$T/rnd.ini" 2>&1)" "no changes" "$what up again does nothing"
	check "$what goes down" vpc down rnd
done
done_testing
