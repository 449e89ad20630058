"""as_live.py CAPTURE.json REPLAY.jsonl ENI ADDRESS…: what a replay says of a capture against what the programs said of the
same packets when they went by (pcapng.py's JSON; the comments hold verdict, gate, object and rule). Prints what differs, then
"N packets, N denied, N tracked". ADDRESS: those of the interface; what comes from them is outbound."""
import json, re, sys

live = json.load(open(sys.argv[1]))["packets"]
said = [json.loads(line) for line in open(sys.argv[2])]
eni, own = sys.argv[3], sys.argv[4:]
OUT, IN = ("source-check", "sg-out", "nacl-out", "route", "igw", "nat", "peering"), ("nacl-in", "dest-check", "sg-in")
COMMENT = re.compile(r"(allow|deny) (?:by|at) ([a-z-]+)(?:@\S+)?(?:: rule \".*\"(?: \S+:(\d+))?)? \[(\w+)\]$")
denied = tracked = 0

if len(live) != len(said):
    print(f"{len(live)} packets captured, {len(said)} judged")
for n, (was, now) in enumerate(zip(live, said), 1):
    m = COMMENT.match(was["comment"])
    if not m:
        print(f"{n}: not understood: {was['comment']}")
        continue
    verdict, gate, line, reason = m.groups()
    # Of what leaves, a replay judges the interface's own gates and the route's target; in its world somebody has every address.
    here = gate in (OUT if was["src"] in own else IN) and reason != "NO_POSSIBLE_DESTINATION"
    want = verdict if here else "allow"
    tracked += now["reason"] == "TRACKED"
    denied += now["verdict"] == "deny"
    if now["verdict"] != want or (want == "deny" and (now["gate"] != gate or now["reason"] != reason)):
        print(f"{n}: {was['src']} > {was['dst']}: {was['comment']}, and now {now}")
    elif now["gate"] == gate and line and str(now["line"]) != line:
        print(f"{n}: {was['src']} > {was['dst']}: by line {line}, and now by {now['line']}")
print(f"{min(len(live), len(said))} packets, {denied} denied, {tracked} tracked")
