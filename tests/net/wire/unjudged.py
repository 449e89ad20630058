"""unjudged.py LAB MODE: takes filters away as the machine's root and looks what still passes."""
import os
import socket
import subprocess
import sys

from wire import *

lab, mode = Lab(sys.argv[1]), sys.argv[2]
a, b, h, g = [lab.tap(n) for n in ("a", "b", "h", "g")]
for t in (a, b, h, g):
    silence(t.ns)
public = {i["name"]: i["addresses"][0]["public"] for i in api("/v1/labs/%s/instance" % lab.name)["instance"]}
ROUTER_NS, INTERNET_NS = lab.name + ".v.router", lab.name + ".internet"


def say(good, text, *details):
    return check(good, "%s: %s" % (mode, text), *details)


def same(got, want, text):
    return equal(got, want, "%s: %s" % (mode, text))


def vpc(*argv):
    return subprocess.run([os.environ["VPC"], *argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)


def links(ns):
    """Devices by the end of their alias: "eni a", "igw igw", "host h"."""
    found = json.loads(run(ns, "ip", "-j", "link").stdout)
    # The internet's end of a gateway's link is the peer, and has no alias.
    return {" ".join(d.get("ifalias", "vpcd lab igw igw").split()[2:]): d["ifname"] for d in found if d["ifname"] != "lo"}


router, internet = links(ROUTER_NS), links(INTERNET_NS)
WAYS = {  # who sends, to whom, to which address
    "a -> b": (a, b, None), "b -> a": (b, a, None), "a -> h": (a, h, None), "h -> a": (h, a, public["a"]),
    "b -> h": (b, h, None), "h -> b": (h, b, public["b"]), "g -> a": (g, a, public["a"]), "a -> g": (a, g, None)}


def passing():
    """Which ways are open. All are on one CPU, so what has not come when others have is dead; a second look
    waits for what a busy machine delays."""
    tokens = {}
    for t in (a, b, h, g):
        t.received()
    for n, (src, dst, to) in WAYS.items():
        tokens[n] = b"way-%s-%s" % (n.encode(), os.urandom(4).hex().encode())
        src.udp(to or dst, 5000, tokens[n])
    got = {t: [] for t in (a, b, h, g)}

    def settled():
        fresh = 0
        for t in got:
            more = t.received()
            got[t] += more
            fresh += len(more)
        return not fresh

    until(settled)
    return {n for n, (src, dst, to) in WAYS.items() if seen(got[dst], tokens[n])}


def health():
    s = api("/v1/labs/%s/status" % lab.name)
    return s["programs"], sorted(e["name"] for e in s["enis"] if e["filters"] != "ok")


ALL = set(WAYS)
same(passing(), ALL, "all ways are open")
same(health(), ("ok", []), "status says ok")


def breaks(text, ns, dev, command, dead, missing, may=()):
    """After command the ways in dead are closed, others open, those in may either; up mends all."""
    tcx_detach(ns, dev)  # else the kernel calls the program all the same
    r = run(ns, "tc", *command)
    if not say(r.returncode == 0, text + ": is gone", r.stdout):
        return
    open_now = passing()
    same(sorted(open_now & set(dead)), [], text + ": nothing passes there")
    same(sorted(ALL - open_now - set(dead) - set(may)), [], text + ": all else does")
    same(health(), ("missing", missing), text + ": status says so")
    r = vpc("up", os.environ["INI"])
    say(r.returncode == 0 and "repair" in r.stdout, text + ": up mends it", r.stdout)
    same(passing(), ALL, text + ": all ways are open again")
    same(health(), ("ok", []), text + ": status says ok again")
    same(vpc("up", os.environ["INI"]).stdout, "no changes\n", text + ": and there is no more to do")


dev = router["eni a"]
from_a = [n for n in WAYS if n.startswith("a ")]
to_a = [n for n in WAYS if n.endswith(" a")]
breaks("the filter of what a sends", ROUTER_NS, dev, ("filter", "del", "dev", dev, "ingress"), from_a, ["a"])
# What reaches a was judged where it came in; by the stack it still carries the mark of that.
breaks("the filter of what reaches a", ROUTER_NS, dev, ("filter", "del", "dev", dev, "egress"), [], ["a"], to_a)
breaks("both filters of a", ROUTER_NS, dev, ("qdisc", "del", "dev", dev, "clsact"), from_a, ["a"], to_a)
gw = router["igw igw"]
inward = [n for n in WAYS if n[0] in "hg"]
outward = [n for n in WAYS if n[-1] in "hg"]
breaks("the gateway's filter inward", ROUTER_NS, gw, ("filter", "del", "dev", gw, "ingress"), inward, [])
breaks("the gateway's filter outward", ROUTER_NS, gw, ("filter", "del", "dev", gw, "egress"), [], [], outward)
far = internet["igw igw"]
breaks("the internet's filter at the gateway", INTERNET_NS, far, ("filter", "del", "dev", far, "ingress"), outward, [])
hl = internet["host h"]
breaks("the internet's filter at h", INTERNET_NS, hl, ("filter", "del", "dev", hl, "ingress"), [n for n in WAYS if n[0] == "h"], [])

# ---- another program in the way ---------------------------------------------------------------------
tcx_detach(ROUTER_NS, dev)
r = run(ROUTER_NS, "tc", "filter", "replace", "dev", dev, "ingress", "prio", "1", "handle", "1", "bpf", "da", "pinned",
        "%s/%s/prog_link_ingress" % (os.environ["VPCD_BPF_DIR"], lab.name))
if r.returncode == 0:
    same(health(), ("missing", ["a"]), "another program in the filter's place: status sees it")
    say(vpc("up", os.environ["INI"]).returncode == 0 and passing() == ALL, "another program in the filter's place: up mends it")
    same(health(), ("ok", []), "another program in the filter's place: status says ok again")
else:
    say(False, "another program can be put in the filter's place", r.stdout)

# ---- straight into the router ------------------------------------------------------------------------
before = lab.gates()
for t in (a, b, h, g):
    t.received()
with inside(ROUTER_NS):
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
said = []
for dst in (a.addr, b.addr, h.addr, public["a"], "8.8.8.8"):
    try:
        raw.sendto(ipv4("10.0.1.1", dst, UDP, udp("10.0.1.1", dst, 1, 2, b"straight")), (dst, 0))
        said.append("sent to " + dst)
    except OSError:
        pass
same(said, [], "the router itself has no way to anybody")


def put(t, frame):
    try:
        t.send(frame)
    except OSError as e:  # how the kernel says that the filter at its way out has dropped it
        assert e.errno == 105, e


for alias, to in (("eni a", a), ("eni b", b), ("igw igw", h)):
    t = Tap(ROUTER_NS, router[alias])
    for proto, payload in ((UDP, udp(b.addr, to.addr, 1, 2, b"straight")), (TCP, tcp(b.addr, to.addr, 1, 2, SYN, b"straight")),
                           (50, b"straight"), (ICMP, icmp(8, 0, 1, b"straight"))):
        put(t, eth(to.mac, ROUTER, ipv4(b.addr, to.addr, proto, payload)))
    put(t, eth(to.mac, ROUTER, bytes.fromhex("6000000000083a40") + bytes(32) + b"straight", 0x86DD))
    put(t, eth(to.mac, ROUTER, b"straight" * 8, 0x88CC))
    t.close()
fence(a, b), fence(b, a), fence(a, h)
same([t.ns for t in (a, b, h, g) if seen(t.received(), b"straight")], [], "what is put on a router's device without a mark dies")
rose = rise(before, lab.gates())
same(sum(n for (gate, reason), n in rose.items() if reason == "NOT_JUDGED"), 12, "it is counted as not judged")
same(rose.get(("parse", "IPV6_NOT_SUPPORTED")), 3, "IPv6 as IPv6")
same(rose.get(("parse", "NOT_IP")), 3, "and others as no IP")
# Arriving in the router's stack from elsewhere: a device that is not the lab's.
run(ROUTER_NS, "ip", "link", "add", "stray", "type", "veth", "peer", "name", "yarts")
for d in ("stray", "yarts"):
    run(ROUTER_NS, "ip", "link", "set", d, "up")
t, into = Tap(ROUTER_NS, "yarts"), Tap(ROUTER_NS, "stray")
for src in (a.addr, b.addr, "10.0.9.9", h.addr):
    for dst in (a, b, h):
        t.send(eth(into.mac, t.mac, ipv4(src, dst.addr, UDP, udp(src, dst.addr, 1, 2, b"stray-token"))))
same(seen(until(into.received), b"stray-token") > 0, True, "a stray device hands packets to the router")
fence(a, b), fence(b, a), fence(a, h)
same([t.ns for t in (a, b, h, g) if seen(t.received(), b"stray-token")], [], "which passes none of them on")
run(ROUTER_NS, "ip", "link", "del", "stray")
same(vpc("up", os.environ["INI"]).stdout, "no changes\n", "nothing of the lab was changed by all that")
