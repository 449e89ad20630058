"""five_ways.py LAB TOPOLOGY FLOWS SENT PARSED: each flow of FLOWS (a line SRC DST PROTO) by itself, and what five verbs say of
it: trace, probe, observe, the comments of a capture that runs meanwhile, and the flow log of all interfaces. SENT is opened when
all were sent, and what pcapng.py makes of the capture is read from PARSED then. Prints a line for each that names another verdict,
gate, rule or reason than trace, and for each verb that did not hear of all flows of which packets are sent; how many were compared
goes to stderr.

capture: each packet that is let through names the rule that decided last of that hop, by trace; each denial its gate and rule.
flows: of each interface on the way a record of that direction, action and rule, and no other. A record has no ICMP type, and its
gate is its rule's: of a group, of an ACL (which has a number, or is *), or of these groups none."""
import datetime, json, os, re, subprocess, sys, time

from comments import COMMENT
from wire import Unix, api

lab, topology, flows_file, sent, parsed = sys.argv[1:]
VPC = os.environ["B"] + "/vpc"
GATES = ("sg-out", "nacl-out", "nacl-in", "sg-in")
FORMAT = "${interface-id} ${pkt-srcaddr} ${pkt-dstaddr} ${srcport} ${dstport} ${protocol} ${action} ${flow-direction} ${rule}"
ERRORS = (3, 11)  # ICMP types
PROTOS = {"tcp": 6, "udp": 17, "icmp": 1}
excused = set()  # flows of which no packet was sent, or whose NAT gateway drew a port that passes
bad, heard = [], {"trace": 0, "probe": 0, "observe": 0, "capture": 0, "flows": 0}


def post(path, body):
    c = Unix("vpcd")
    c.request("POST", path, json.dumps(body))
    r = c.getresponse()
    text = r.read()
    c.close()
    if r.status != 200:
        raise RuntimeError("%s: %s" % (path, text))
    return json.loads(text)


def events(since):
    c = Unix("vpcd")
    c.request("GET", "/v1/events?since=%d" % since)
    text = c.getresponse().read().decode()
    c.close()
    return [e for e in map(json.loads, text.splitlines()) if e["lab"] == lab]


def is_stray(note):
    """No gate stops it: the answer arrives from another address, or at the one who sent it."""
    return bool(note and re.search("which was asked|leads back to the instance", note))


def step_words(s):
    return (s["gate"] if s["rule"] or s["verdict"] == "deny" else None, s["rule"], s["line"])


def verdict(o):
    d = o["denied"]
    return ("allow",) if o["verdict"] == "allow" else ("deny", d["leg"], d["gate"], d["object"], d["reason"])


def vague(want):
    return want[0] == "deny" and want[4] == "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS"


def last_ns(e):
    if "time_ns" in e:
        return e["time_ns"]
    return int(datetime.datetime.strptime(e["last"], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp() * 10**6) * 1000


def is_own(n, begin, e):
    """Is it of flow n? With ports, it is of the flow in whose time they were first seen: a NAT gateway draws others than were asked
    for. Without, a number of denials that is told when a flow has rested (1.5 s) has the time of the last one."""
    if any(e[k] != flows[n][3] and e[k] in ports for k in ("sport", "dport")):
        return False
    if e.get("type") in ERRORS:
        return False
    if not e["sport"]:
        return last_ns(e) >= begin - 10**8  # two clocks
    return flow_of.setdefault((e["proto"], frozenset({(e["src"], e["sport"]), (e["dst"], e["dport"])})), n) == n


def differs(flow, verb, says, trace, more=""):
    bad.append("%s: %s says %s, trace %s %s" % (flow, verb, says, trace, more))


# ---- trace ------------------------------------------------------------------------------------------
flows = [line.split() for line in open(flows_file) if line.strip()]
for n, f in enumerate(flows):
    f.append(28600 + n)  # a NAT gateway draws none of them
text = "".join("%s%s -> %s %s\n" % (s, ":%d" % port if proto[:3] in ("tcp", "udp") else "", d, proto) for s, d, proto, port in flows)
run = lambda *o: subprocess.run([VPC, "trace", topology, "--flows", "-", *o], input=text, capture_output=True, text=True).stdout.splitlines()
traces = [json.loads(line) for line in run("-o", "json")]
notes = [line for line in run("--minimal") if re.match(r"(allow|deny ) ", line)]
assert len(traces) == len(notes) == len(flows), (len(traces), len(notes), len(flows))

ports = {f[3] for f in flows}
flow_of = {}

# ---- one after the other: probe and observe ---------------------------------------------------------------
windows = []
seq = max([e["seq"] for e in events(0)] or [0])
for n, ((src, dst, proto, port), t, note) in enumerate(zip(flows, traces, notes)):
    flow = "%s -> %s %s" % (src, dst, proto)
    begin = time.time_ns()
    p = post("/v1/labs/%s/probes" % lab, {"flows": [{"src": src, "dst": dst, "proto": proto, "from_port": port if proto[:3] in ("tcp", "udp", "icm") else None}], "timeout_ms": 2000})["results"][0]
    seen = events(seq)
    windows.append((begin, time.time_ns()))
    seq = max([seq] + [e["seq"] for e in seen])
    number = PROTOS.get(proto.split("/")[0]) or int(proto)
    seen = [e for e in seen if e["type"] == "verdict" and e["proto"] == number and is_own(n, begin, e)]
    heard["trace"] += 1
    steps = t["steps"]
    want = verdict(t)
    if t["verdict"] == "deny":
        rule = step_words(steps[-1])
    else:
        rule = ([step_words(s) for s in steps if s["leg"] == "forward" and s["gate"] in GATES and s["rule"]] or [(None, None, None)])[-1]
    luck = want[0] == "deny" and want[4] == "REMAP_EPHEMERAL_PORT"
    heard["probe"] += 1
    said = verdict(p)
    rule_said = (p["rule_gate"], p["rule"], p["line"])
    if luck:
        excused.add(n)
    if luck and said[0] == "allow":
        continue
    if said != (want if not luck else want[:4] + said[4:]):
        differs(flow, "probe", said, want, p["note"])
        continue
    if rule_said != rule:
        differs(flow, "probe", (said, rule_said), (want, rule), p["note"])
    if p["note"] and want[0] == "deny" and "(%s)" % p["note"] not in note and not re.search("no packet was sent|no interface answers", p["note"]):
        differs(flow, "the probe's note", p["note"], note)
    if p["note"] and re.search("no packet was sent|no interface answers", p["note"]):
        excused.add(n)
        continue
    strays = is_stray(p["note"])
    if number == 6 and not any(s["gate"] == "nat" for s in steps):
        seen = [e for e in seen if port in (e["sport"], e["dport"])]
    denials = {(e["gate"], e["object"], e["reason"], e["rule"], e["line"]) for e in seen if e["verdict"] == "deny"}
    heard["observe"] += not luck
    mine = {(want[2], want[3], said[4]) + rule[1:]} if want[0] == "deny" and not strays else set()
    if denials != mine and not (vague(want) and {d[0::2][:2] for d in denials} == {d[0::2][:2] for d in mine}):
        differs(flow, "observe", sorted(denials, key=str), sorted(mine, key=str))
    if want[0] == "allow" and rule[0] and not any((e["rule_gate"], e["rule"], e["line"]) == rule for e in seen if e["verdict"] == "allow"):
        differs(flow, "observe", sorted({(e["rule_gate"], e["rule"], e["line"]) for e in seen}, key=str), rule)
open(sent, "w").close()

# ---- what the walk says of each way from one interface to the next -------------------------------------------------
EGRESS, INGRESS = ("sg-out", "nacl-out", "route"), ("nacl-in", "sg-in", "nat")
UNLOGGED = ("parse", "source-check", "service")


def halves(t):
    """Runs of steps of one side of one interface, as (leg, direction, interface, steps); what no interface judges has none."""
    out = []
    for s in t["steps"]:
        side = s["eni"] and ("egress" if s["gate"] in EGRESS + UNLOGGED else "ingress" if s["gate"] in INGRESS + ("dest-check",) else None)
        if not out or (side and out[-1][:3] != (s["leg"], side, s["eni"])) or out[-1][0] != s["leg"]:
            out.append((s["leg"], side, s["eni"], []))
        out[-1][3].append(s)
    return out


def hops(t):
    """Steps of each time that a packet is judged: from one interface's egress to the next one's ingress, or to the end of its VPC;
    from there, or from outside, to an ingress."""
    out = []
    for leg, side, _, steps in halves(t):
        if side == "egress" or not out or out[-1][0]["leg"] != leg:
            out.append([])
        for s in steps:
            last = out[-1][-1]["gate"] if out[-1] else None
            if last == "nat" or (last in ("igw", "peering") and out[-1][0]["eni"] and out[-1][0]["gate"] in EGRESS):
                out.append([])
            out[-1].append(s)
    return out


# ---- capture -----------------------------------------------------------------------------------------------
packets = json.load(open(parsed))["packets"]
for n, ((src, dst, proto, port), t, note, (begin, end)) in enumerate(zip(flows, traces, notes, windows)):
    flow = "%s -> %s %s" % (src, dst, proto)
    number = PROTOS.get(proto.split("/")[0]) or int(proto)
    mine = [COMMENT.match(p["comment"]).groups() for p in packets if begin <= p["time_ns"] <= end and p["proto"] == number and is_own(n, begin, p)]
    want = verdict(t)
    s = t["steps"][-1] if want[0] == "deny" else None
    if n in excused:
        continue
    denials = {(g, o, r, int(line) if line else None, why) for v, g, o, r, _, line, why in mine if v == "deny"}
    strays = is_stray(note)
    wanted = {(s["gate"], s["object"], s["rule"], s["line"], s["reason"])} if s and not strays else set()
    if vague(want):  # of all VPCs that hold the address, only the asker knows which is meant
        denials, wanted = {d[0::2][::2] for d in denials}, {d[0::2][::2] for d in wanted}
    if s and s["gate"] not in INGRESS + ("dest-check",) and not hops(t)[-1][0]["eni"]:
        wanted = wanted & denials  # beyond the VPC, where no interface sees it
    if denials != wanted:
        differs(flow, "capture", sorted(denials, key=str), sorted(wanted, key=str))
    passed = set()
    for hop in hops(t):
        if hop[-1]["verdict"] == "allow":
            passed.update([step_words(s) for s in hop if s["gate"] in GATES and s["rule"]][-1:])
    heard["capture"] += bool(mine or strays or not wanted | passed)
    if strays:
        continue
    allowed = {(g, r, int(line) if line else None) for v, g, o, r, _, line, why in mine if v == "allow" and r}
    if allowed != passed:
        differs(flow, "capture", sorted(allowed, key=str), sorted(passed, key=str))

# ---- flow logs -----------------------------------------------------------------------------------------------
lines = open(topology).read().split("\n")


def owner(line):
    """Of a group rule; those of a VPC's default group stand where the VPC does."""
    while not lines[line - 1].startswith("["):
        line -= 1
    kind, name = lines[line - 1].strip("[]").split()
    return name + ".default" if kind == "vpc" else name


def record_rule(steps):
    """OWNER/DIRECTION/RULE, without the owner where the file does not say it. A tracked packet's rule may be of the other direction."""
    s = ([s for s in steps if s["gate"] in GATES and (s["rule"] or s["verdict"] == "deny")] or [None])[-1]
    if s and s["verdict"] == "deny" and s["gate"][:2] == "sg":
        return "%s/%sbound/-" % (groups[s["object"]], s["gate"][3:])
    if not s or not s["rule"]:
        return "-"
    name = s["object"] if s["gate"][:4] == "nacl" else owner(s["line"]) if s["line"] else ""
    inbound = " from " in s["rule"] or (s["gate"] == "nacl-in" and s["rule"] == "*")
    return "%s/%s/%s" % (name, "inbound" if inbound else "outbound", s["rule"].replace(" ", "_"))


def same_rule(word, rule):
    return word.endswith(rule) if rule[0] == "/" else word == rule


def flow_at(s, number):
    return s["src"], s["dst"], *((s["sport"], s["dport"]) if number in (6, 17) else (0, 0))


def records_of(t, number):
    """What the walk lets expect: (interface, direction, protocol), (source, destination, ports; None: a NAT gateway's to choose),
    action, rule"""
    passed = None
    for leg, side, eni, steps in halves(t):
        s, last = steps[0], steps[-1]
        if passed and side != "egress":  # in the gateway's own subnet: neither an ACL nor a route
            yield (passed, "egress", number), flow_at(s, number), "ACCEPT", "-"
        passed = eni if last["gate"] == "nat" and last["verdict"] == "allow" else None
        denied = last["gate"] if last["verdict"] == "deny" else None
        if side and denied not in UNLOGGED + ("dest-check",):
            yield (eni, side, number), flow_at(s, number), "REJECT" if denied in GATES else "ACCEPT", record_rule(steps)


interfaces = api("/v1/labs/%s/interface" % lab)["interface"]
names = {i["eni"]: i["name"] for i in interfaces}
groups = {i["name"]: ",".join(i["security_groups"]) for i in interfaces}
out = subprocess.run([VPC, "flows", "--lab", lab, "--now", "--format", FORMAT], capture_output=True, text=True)
records = {}
for line in out.stdout.splitlines():
    if line[:4] == "eni-" and " - - " not in line:  # of an interface that saw nothing
        eni, a, b, sport, dport, number, action, direction, rule = line.split()
        records.setdefault((names.get(eni, eni), direction, int(number)), set()).add(((a, b, int(sport), int(dport)), action, rule))


def fits(flow, known):
    return all(k is None or p == k for p, k in zip(flow, known))


expected, loose = {}, []
for n, ((src, dst, proto, port), t, note) in enumerate(zip(flows, traces, notes)):
    flow = "%s -> %s %s" % (src, dst, proto)
    number = PROTOS.get(proto.split("/")[0]) or int(proto)
    whole = n not in excused
    if is_stray(note):
        t = dict(t, steps=t["steps"][:-1])
    if is_stray(note) or n in excused:
        loose.append((number, port))
    for key, known, action, rule in records_of(t, number):
        expected.setdefault(key, []).append((known, action, rule))
        # Without ports, the first of several flows between two ends had its rule recorded.
        found = [(a, r) for f, a, r in records.get(key, ()) if fits(f, known)]
        if n not in excused and not any(a == action and (number not in (6, 17) or same_rule(r, rule)) for a, r in found):
            whole = False
            differs(flow, "flows", found, (key, known, action, rule))
    heard["flows"] += whole


def may_be(number, f):
    """Is it of a flow whose way the walk does not tell to its end, or, of ICMP, an error about one?"""
    return any(number == 1 or number == n and (port in f or not ports & set(f)) for n, port in loose)


for key, found in records.items():
    for f, action, word in found:
        wanted = [(a, rule) for known, a, rule in expected.get(key, ()) if fits(f, known)]
        if not any(a == action and same_rule(word, rule) for a, rule in wanted) and not may_be(key[2], f):
            differs("no flow", "flows", (key, f, action, word), wanted)
heard_all = len(flows) - len(excused)
for verb, n in heard.items():
    if n < (len(flows) if verb in ("trace", "probe") else heard_all):
        bad.append("%s: heard of %d of %d flows" % (verb, n, heard_all))
if 2 * heard_all < len(flows):
    bad.append("%d of %d flows are excused" % (len(excused), len(flows)))
for line in bad:
    print(line)
print("%d flows, %d excused: %s" % (len(flows), len(excused), ", ".join("%s %d" % kv for kv in heard.items())), file=sys.stderr)
sys.exit(bool(bad))
