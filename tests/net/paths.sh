# paths: each composite path (semantics 8.3) with a trap at each of its gates. A trap is a port that one rule list denies and
# nothing else minds: a packet to that port must die there, and nowhere if the list is not on the way. By the walk and by
# packets, in both modes.
. "${0%/*}/../lib.sh"

# lab MODE: the topology, and for each path what each trap must do
lab() {
	python3 - "$1" <<'PY'
import sys

# name: path, sender, destination, what is on the way there, what of it is also on the way back by port, other lists near by
# Lists: nacl-out@SUBNET, nacl-in@SUBNET, sg-out@INTERFACE, sg-in@INTERFACE. Behind a NAT gateway ports are drawn: no trap.
PATHS = [
    ("one subnet", "a1", "a2", "sg-out@a1 sg-in@a2", "", "nacl-out@a nacl-in@a"),
    ("two subnets", "a1", "b1", "sg-out@a1 nacl-out@a nacl-in@b sg-in@b1", "nacl-out@b nacl-in@a", "nacl-in@a sg-in@a1"),
    ("out by the internet gateway", "p1", "h", "sg-out@p1 nacl-out@p", "nacl-in@p", "nacl-in@p sg-in@p1"),
    ("in by the internet gateway", "h", "p1", "nacl-in@p sg-in@p1", "nacl-out@p", "nacl-out@p sg-out@p1"),
    ("NAT gateway", "a1", "h", "sg-out@a1 nacl-out@a nacl-in@n nacl-out@n", "nacl-out@n nacl-in@a", "nacl-in@a sg-in@a1"),
    ("peering", "a1", "w1", "sg-out@a1 nacl-out@a nacl-in@w sg-in@w1", "nacl-out@w nacl-in@a", "nacl-in@a nacl-out@w"),
    ("private NAT gateway, peering", "d1", "w1", "sg-out@d1 nacl-out@d nacl-in@n nacl-out@n nacl-in@w sg-in@w1", "nacl-out@n nacl-in@d",
     "nacl-in@d nacl-out@w"),
    ("appliance", "c1", "b1", "sg-out@c1 nacl-out@c nacl-in@f sg-in@fw sg-out@fw nacl-out@f nacl-in@b sg-in@b1",
     "nacl-out@b nacl-in@f nacl-out@f nacl-in@c", "nacl-in@c sg-in@c1 nacl-out@b"),
    ("appliance with a leg in each subnet", "s1", "t1", "sg-out@s1 sg-in@bridge sg-out@bridge-t sg-in@t1", "",
     "nacl-out@s nacl-in@s nacl-out@t nacl-in@t sg-out@bridge sg-in@bridge-t"),
    ("in by an edge table", "h", "e1", "nacl-in@g sg-in@gate sg-out@gate nacl-out@g nacl-in@e sg-in@e1", "nacl-out@e nacl-in@g nacl-out@g",
     "nacl-out@e sg-out@e1"),
    ("out past the same appliance", "e1", "h", "sg-out@e1 nacl-out@e nacl-in@g sg-in@gate sg-out@gate nacl-out@g",
     "nacl-in@g nacl-out@g nacl-in@e", "nacl-in@e sg-in@e1"),
]
SUBNETS = "a b p n c f s t d e g w".split()
INTERFACES = {"a1": "a", "a2": "a", "b1": "b", "p1": "p", "c1": "c", "fw": "f", "s1": "s", "t1": "t", "bridge": "s", "bridge-t": "t",
              "d1": "d", "e1": "e", "gate": "g", "w1": "w"}
PUBLIC = ("p1", "e1", "gate")
APPLIANCES = ("fw", "bridge", "bridge-t", "gate")
ROUTES = {"p": ["0.0.0.0/0 via igw:igw"], "n": ["0.0.0.0/0 via igw:igw", "10.1.0.0/16 via pcx:pcx"],
          "a": ["0.0.0.0/0 via nat:nat", "10.1.0.0/16 via pcx:pcx"], "d": ["10.1.0.0/16 via nat:inner"],
          "c": ["10.0.2.0/24 via instance:fw"], "b": ["10.0.5.0/24 via instance:fw"],
          "s": ["10.0.8.0/24 via eni:bridge"], "t": ["10.0.7.0/24 via eni:bridge-t"],
          "e": ["0.0.0.0/0 via instance:gate"], "g": ["0.0.0.0/0 via igw:igw"], "w": ["10.0.0.0/16 via pcx:pcx"]}

traps = {}
for i, gate in enumerate(["%s@%s" % (k, s) for s in SUBNETS for k in ("nacl-out", "nacl-in")] +
                         ["%s@%s" % (k, i) for i in INTERFACES for k in ("sg-out", "sg-in")]):
    traps[gate] = 101 + 2 * i  # below 1024: a NAT gateway never draws them
out = ["[lab paths-%s]" % sys.argv[1], "datapath = %s" % sys.argv[1], "quotas = off",
       "[vpc v]", "cidr = 10.0.0.0/16", "[vpc peer]", "cidr = 10.1.0.0/16", "[vpc-peering-connection pcx]", "vpc = v", "peer-vpc = peer",
       "[internet-gateway igw]", "vpc = v", "[nat-gateway nat]", "subnet = n", "[nat-gateway inner]", "subnet = n", "connectivity = private",
       "[route-table edge]", "vpc = v", "edge = igw:igw", "route = 10.0.10.0/24 via instance:gate", "[host h]", "address = 198.51.100.7"]
for i, s in enumerate(SUBNETS):
    vpc = "peer" if s == "w" else "v"
    out += ["[subnet %s]" % s, "vpc = " + vpc, "cidr = 10.%d.%d.0/24" % (s == "w", i + 1), "nacl = " + s]
    if s in ROUTES:
        out += ["route-table = " + s, "[route-table %s]" % s, "vpc = " + vpc] + ["route = " + r for r in ROUTES[s]]
    out += ["[nacl %s]" % s, "vpc = " + vpc]
    for way, peer in (("in", "from"), ("out", "to")):
        out += ["%sbound = 10 deny tcp %d %s 0.0.0.0/0" % (way, traps["nacl-%s@%s" % (way, s)], peer),
                "%sbound = 100 allow all %s 0.0.0.0/0" % (way, peer)]
for name, s in INTERFACES.items():
    out += ["[security-group %s]" % name, "vpc = " + ("peer" if s == "w" else "v")]
    for way, peer in (("in", "from"), ("out", "to")):
        t = traps["sg-%s@%s" % (way, name)]
        out += ["%sbound = tcp 1-%d,%d-65535 %s 0.0.0.0/0" % (way, t - 1, t + 1, peer)]
    out += ["[interface bridge-t]", "instance = bridge"] if name == "bridge-t" else ["[instance %s]" % name]
    out += ["subnet = " + s, "security-groups = " + name]
    out += ["public-ip = auto"] if name in PUBLIC else []
    out += ["source-dest-check = no"] if name in APPLIANCES else []
out.append("[expect]")
for what, src, dst, there, back, near in PATHS:
    dst += "@public" if src == "h" else ""
    there, back, near = there.split(), back.split(), near.split()
    out += ["; " + what, "allow = %s -> %s tcp/80" % (src, dst)]
    for gate in there:
        out.append("deny = %s -> %s tcp/%d at %s" % (src, dst, traps[gate], gate))
    for gate in back:
        out.append("deny = %s:%d -> %s tcp/80 at return:%s" % (src, traps[gate], dst, gate))
    # What is near by and not on the way, and lists that are on the way there only, do not mind.
    for gate in near:
        if gate not in there:
            out.append("allow = %s -> %s tcp/%d" % (src, dst, traps[gate]))
        if gate not in back and gate.startswith("nacl"):
            out.append("allow = %s:%d -> %s tcp/80" % (src, traps[gate], dst))
print("\n".join(out))
PY
}
verdicts() { # FILE: flow, verdict, leg, gate, object, a line each
	python3 -c 'import json, sys
for r in json.load(open(sys.argv[1]))["results"]:
	d = r["denied"] or {}
	print(r["flow"], r["verdict"], d.get("leg", ""), d.get("gate", ""), d.get("object", ""), d.get("reason", ""))' "$1"
}
daemon_start
for mode in fast kernel; do
	lab $mode >"$T/$mode.ini"
	n=$(grep -c '^allow = \|^deny = ' "$T/$mode.ini")
	check "$mode: goes up" vpc up "$T/$mode.ini"
	check "$mode: walk: $n flows do as they must" vpc test "$T/$mode.ini"
	check "$mode: packets: so do they" vpc test --live paths-$mode
	vpc test "$T/$mode.ini" -o json >"$T/static.json"
	vpc test --live paths-$mode -o json >"$T/live.json"
	is "$(verdicts "$T/live.json")" "$(verdicts "$T/static.json")" "$mode: gate, object and reason are the same"
	is "$(verdicts "$T/live.json" | wc -l)" "$n" "$mode: all were asked"
	check "$mode: goes down" vpc down paths-$mode
done
done_testing
