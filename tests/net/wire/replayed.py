# replayed.py PCAPNG-JSON REPLAY-JSONL: prints packets of which replay says something else; on stderr how many were compared
import json, re, sys

OWN = {"out": ("source-check", "sg-out", "nacl-out", "route", "igw", "peering", "nat"), "in": ("nacl-in", "dest-check", "sg-in")}
COMMENT = re.compile(r'(allow|deny)(?: (?:by|at) ([a-z-]+)(?:@\S+)?)?(?:: rule "(.*?)")?(?: (\S+):(\d+))? \[([A-Z_]+)\]$')
packets = json.load(open(sys.argv[1]))["packets"]
compared = denied = named = 0
lost = set()  # flows with a packet that another's gate denied: it left no state, and replay does not know
for line in open(sys.argv[2]):
    r = json.loads(line)
    p = packets[r["n"] - 1]
    verdict, gate, rule, _, at, reason = COMMENT.match(p["comment"]).groups()
    # Whether an address of the VPC has an interface, a capture is not asked: the packet may be of another time.
    own = gate in OWN[p["dir"]] and reason != "NO_POSSIBLE_DESTINATION"
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
        print(r["n"], p["dir"], p["src"], p["dst"], p["proto"], p["dport"], p["comment"], r)
    compared += 1
    denied += r["verdict"] == "deny"
print(compared, denied, named, file=sys.stderr)
