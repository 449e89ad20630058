"""five_ways.py LAB TOPOLOGY FLOWS SENT PARSED: each flow of FLOWS (a line SRC DST PROTO) by itself, and what five verbs say of
it: trace, probe, observe, the comments of a capture that runs meanwhile, and the flow log of all interfaces. SENT is opened when
all were sent, and what pcapng.py makes of the capture is read from PARSED then. Prints a line for each that names another verdict, gate, rule or reason than trace; how many were compared
goes to stderr."""
import datetime, json, os, re, subprocess, sys, time

from wire import Unix, api

lab, topology, flows_file, sent, parsed = sys.argv[1:]
VPC = os.environ["B"] + "/vpc"
GATES = ("sg-out", "nacl-out", "nacl-in", "sg-in")
FORMAT = "${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${action} ${flow-direction} ${rule}"
COMMENT = re.compile(r'(allow|deny)(?: (?:by|at) ([a-z-]+)(?:@(\S+))?)?(?:: rule "(.*?)")?(?: (\S+):(\d+))? \[([A-Z_0-9]+)\]$')
PROTOS = {"tcp": 6, "udp": 17, "icmp": 1}
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
        continue
    strays = p["note"] and re.search("which was asked$|leads back to the instance", p["note"])  # no gate stops it
    if number == 6 and not any(s["gate"] == "nat" for s in steps):
        seen = [e for e in seen if port in (e["sport"], e["dport"])]
    denials = {(e["gate"], e["object"], e["reason"], e["rule"], e["line"]) for e in seen if e["verdict"] == "deny"}
    heard["observe"] += 1
    mine = {(want[2], want[3], said[4]) + rule[1:]} if want[0] == "deny" and not strays else set()
    if denials != mine and not (vague(want) and {d[0::2] for d in denials} == {d[0::2] for d in mine}):
        differs(flow, "observe", sorted(denials, key=str), sorted(mine, key=str))
    if want[0] == "allow" and rule[0] and not any((e["rule_gate"], e["rule"], e["line"]) == rule for e in seen if e["verdict"] == "allow"):
        differs(flow, "observe", sorted({(e["rule_gate"], e["rule"], e["line"]) for e in seen}, key=str), rule)
open(sent, "w").close()

# ---- capture -----------------------------------------------------------------------------------------------
packets = json.load(open(parsed))["packets"]
for n, ((src, dst, proto, port), t, note, (begin, end)) in enumerate(zip(flows, traces, notes, windows)):
    flow = "%s -> %s %s" % (src, dst, proto)
    number = PROTOS.get(proto.split("/")[0]) or int(proto)
    mine = [COMMENT.match(p["comment"]).groups() for p in packets if begin <= p["time_ns"] <= end and p["proto"] == number and is_own(n, begin, p)]
    want = verdict(t)
    s = t["steps"][-1] if want[0] == "deny" else None
    if want[0] == "deny" and want[4] == "REMAP_EPHEMERAL_PORT" or not mine:
        continue
    heard["capture"] += 1
    denials = {(g, o, r, int(line) if line else None, why) for v, g, o, r, _, line, why in mine if v == "deny"}
    strays = re.search("which was asked|leads back to the instance", note)
    wanted = {(s["gate"], s["object"], s["rule"], s["line"], s["reason"])} if s and not strays else set()
    if vague(want):  # of all VPCs that hold the address, only the asker knows which is meant
        denials, wanted = {d[:1] + d[2:] for d in denials}, {d[:1] + d[2:] for d in wanted}
    if denials - wanted or (want[0] == "allow" and denials):
        differs(flow, "capture", sorted(denials, key=str), sorted(wanted, key=str))
    if wanted and not denials and s["gate"] in ("source-check", "sg-out", "nacl-out", "dest-check", "nat", "sg-in", "nacl-in"):
        differs(flow, "capture", "no denial", sorted(wanted, key=str))

# ---- flow logs -----------------------------------------------------------------------------------------------
names = {i["eni"]: i["name"] for i in api("/v1/labs/%s/interface" % lab)["interface"]}
out = subprocess.run([VPC, "flows", "--lab", lab, "--now", "--format", FORMAT], capture_output=True, text=True)
records = [dict(zip("eni src dst sport dport proto action direction rule".split(), line.split())) for line in out.stdout.splitlines() if line[:4] == "eni-"]
by_port = {}
for r in records:
    for k in ("sport", "dport"):
        by_port.setdefault((r["proto"], r[k]), []).append(r)
OWN = {"sg-out": "egress", "nacl-out": "egress", "sg-in": "ingress", "nacl-in": "ingress"}
for (src, dst, proto, port), t in zip(flows, traces):
    if proto[:3] not in ("tcp", "udp"):
        continue
    flow = "%s -> %s %s" % (src, dst, proto)
    mine = by_port.get((str(PROTOS[proto[:3]]), str(port)), [])
    rejects = {(names.get(r["eni"], r["eni"]), r["direction"], r["rule"]) for r in mine if r["action"] == "REJECT"}
    want = verdict(t)
    s = t["steps"][-1] if want[0] == "deny" else None
    heard["flows"] += bool(mine)
    if want[0] == "deny" and want[4] == "REMAP_EPHEMERAL_PORT":
        continue
    if want[0] == "allow" and rejects:
        differs(flow, "flows", sorted(rejects), want)
    if s and s["gate"] in OWN:
        if not any(d == OWN[s["gate"]] and (not s["rule"] or s["object"] + "/" in rule) for _, d, rule in rejects) and \
                None not in (s["sport"], s["dport"]):
            differs(flow, "flows", sorted(rejects) or [(r["eni"], r["direction"], r["action"], r["rule"]) for r in mine], (want, s["rule"]))
for line in bad:
    print(line)
print("%d flows: %s" % (len(flows), ", ".join("%s %d" % kv for kv in heard.items())), file=sys.stderr)
sys.exit(bool(bad))
