"""replayed.py PCAPNG-JSON PREFIX NAME...: prints packets of interface NAME of which replay, whose lines are in PREFIXNAME.jsonl and
whose last word is in PREFIXNAME.error, says something else; on stderr how many were compared"""
import json, re, sys

from comments import COMMENT

OWN = {"out": ("source-check", "sg-out", "nacl-out", "route", "igw", "peering", "nat"), "in": ("nacl-in", "dest-check", "sg-in", "nat")}
compared = denied = named = 0


def differing(packets, lines):
    global compared, denied, named
    lost = set()  # flows with a packet that another's gate denied: it left no state, and replay does not know
    for r in map(json.loads, lines):
        p = packets[r["n"] - 1]
        verdict, gate, _, rule, _, at, reason = COMMENT.match(p["comment"]).groups()
        own = gate in OWN[p["dir"]]
        # Whether an address that the lab does not have has an interface, a capture is not asked: the packet may be of another time.
        if own and reason == "NO_POSSIBLE_DESTINATION":
            own = r["verdict"] == "deny"
        want = {"verdict": "deny" if verdict == "deny" and own else "allow"}
        flow = frozenset([(p["src"], p["sport"]), (p["dst"], p["dport"])]), p["proto"]
        if verdict == "deny" and not own:
            lost.add(flow)
        # The ACL of the target's subnet denied first; what stands behind it is judged all the same.
        if gate == "nacl-in" and p["dir"] == "out" and verdict == "deny" and r["gate"] in ("nat", "dest-check"):
            want = {}
        if own and (verdict == "deny" or gate == r["gate"]):  # of an allowed one replay names the group's rule
            named += 1
            want.update(gate=gate, rule=rule, line=at and int(at), reason=reason)
            if flow in lost and (reason, r["reason"]) == ("ACCEPT", "TRACKED"):
                want = {"verdict": "allow", "gate": gate}
        if any(r[k] != v for k, v in want.items()):
            yield "%d %s %s %s %s %s %s: %s" % (r["n"], p["dir"], p["src"], p["dst"], p["proto"], p["dport"], p["comment"], r)
        compared += 1
        denied += r["verdict"] == "deny"


packets = json.load(open(sys.argv[1]))["packets"]
for name in sys.argv[3:]:
    here, before = [p for p in packets if p["if"] == name], compared
    for line in differing(here, open(sys.argv[2] + name + ".jsonl")):
        print(name + ": " + line)
    said = open(sys.argv[2] + name + ".error").read()
    judged = re.search(r"^(\d+) packets? judged", said, re.M)
    if not judged or int(judged[1]) != compared - before:
        print("%s: %d packets captured, %d compared: %s" % (name, len(here), compared - before, said))
print(compared, denied, named, file=sys.stderr)
