"""nat.py LAB MODE: an instance behind a NAT gateway, one beside it, a host they talk to, and one they do not."""
import os
import select
import socket
import struct
import subprocess
import sys

from wire import *

lab, mode = Lab(sys.argv[1]), sys.argv[2]
q1, q4, h, k, beside, good, relay = [lab.tap(n) for n in ("q1", "q4", "h", "k", "beside", "good", "relay")]
gateway = {n["name"]: n for n in api("/v1/labs/%s/nat-gateway" % lab.name)["nat-gateway"]}["good"]
PUBLIC, PRIVATE = gateway["public"], gateway["private"]


def say(good, text, *details):
    return check(good, "%s: %s" % (mode, text), *details)


def same(got, want, text):
    return equal(got, want, "%s: %s" % (mode, text))


for t in (q1, q4, h, k, beside):
    silence(t.ns)
NAT = ("nat", "NGW_SOURCE_ADDRESS_REASSIGN")
CARRIED = ("nat", "PROTOCOL_RESTRICTION")


def arrives(send, token, at=None):
    """What h receives of what q1 sends, up to a fence."""
    at = at or h
    at.received()
    send()
    got = fence(q1, at)
    return [Ip(f) for f in got or [] if token in f] if got is not None else None


# ---- out ------------------------------------------------------------------------------------------
for text, proto, payload in (("tcp", TCP, tcp(q1.addr, h.addr, 40000, 443, SYN, b"tok-tcp")), ("udp", UDP, udp(q1.addr, h.addr, 40000, 53, b"tok-udp")),
                             ("icmp", ICMP, icmp(8, 0, 0x77770001, b"tok-icmp"))):
    got = arrives(lambda: q1.ip(h, proto, payload), b"tok-" + text.encode()) or []
    same([(p.src, p.dst) for p in got], [(PUBLIC, h.addr)], text + " leaves with the gateway's public address")
got = arrives(lambda: [q1.udp(h, 53, b"tok-ports", sport=s) for s in range(2000, 2300)], b"tok-ports") or []
ports = [p.sport for p in got]
same(len(ports), 300, "300 flows arrive")
say(len(set(ports)) == 300, "each has a port of its own")
say(all(1024 <= p <= 65535 for p in ports), "all from 1024 to 65535", min(ports), max(ports))
say(min(ports) < 10000 and max(ports) > 55000, "from one end of that range to the other", min(ports), max(ports))
say(sum(b == a + 1 for a, b in zip(ports, ports[1:])) < 5, "in no order", ports[:10])
say(sum(a == b for a, b in zip(ports, range(2000, 2300))) < 5, "and not the client's own")

# ---- by its MAC: no route table is asked (semantics 2.1) ---------------------------------------------------
for text, src, by, source in (("the gateway", beside, good, PUBLIC), ("an appliance", q1, relay, PUBLIC)):
    h.received()
    src.udp(h, 53, b"tok-by-mac", mac=by.mac)
    got = [Ip(f) for f in h.wait(lambda f: b"tok-by-mac" in f, 2) or []]
    same([(p.src, p.dst) for p in got if p.ok and p.proto == UDP], [(source, h.addr)], "a neighbour's frame to %s goes on from there" % text)
beside.received()
beside.udp(h, 53, b"m" * 8473, mac=good.mac, df=True)
got = beside.wait(lambda f: Ip(f).ok and Ip(f).proto == ICMP and (Ip(f).type, Ip(f).code) == (3, 4), 2)
same([(Ip(f).src, struct.unpack("!H", Ip(f).l4[6:8])[0]) for f in got[-1:]], [(PRIVATE, 8500)], "one that is larger than the gateway's MTU is told so")

# ---- what it does not carry ----------------------------------------------------------------------------
for text, send, token in (
        ("protocol 50", lambda: q1.ip(h, 50, b"tok-esp-12345678"), b"tok-esp"),
        ("GRE", lambda: q1.ip(h, 47, b"tok-gre-12345678"), b"tok-gre"),
        ("a first TCP fragment", lambda: q1.ip(h, TCP, tcp(q1.addr, h.addr, 41000, 443, ACK, b"tok-ftcp" * 4), mf=True, ident=5), b"tok-ftcp"),
        ("a first ICMP fragment", lambda: q1.ip(h, ICMP, icmp(8, 0, 5, b"tok-ficmp" * 8), mf=True, ident=6), b"tok-ficmp")):
    before = lab.gates()
    same(len(arrives(send, token) or []), 0, text + " does not arrive")
    same(rise(before, lab.gates()), {CARRIED: 1}, text + " is counted at the gateway")
whole = udp(q1.addr, h.addr, 42000, 53, b"tok-fudp" * 200)
got = arrives(lambda: [q1.ip(h, UDP, whole[:800], mf=True, ident=7), q1.ip(h, UDP, whole[800:], frag=800, ident=7)], b"tok-fudp") or []
same((len(got) > 0, sum(len(p.l4) for p in got)), (True, len(whole)), "UDP fragments arrive, all of them")

# ---- in ----------------------------------------------------------------------------------------------------
h.received()
q1.udp(h, 5353, b"tok-open", sport=43000)
port = Ip(h.wait(lambda f: b"tok-open" in f)[-1]).sport


def comes_in(src, proto, payload, token):
    """Does what a host sends to the gateway reach q1? A right answer is the fence behind it."""
    q1.received()
    src.ip(PUBLIC, proto, payload)
    h.ip(PUBLIC, UDP, udp(h.addr, PUBLIC, 5353, port, b"tok-answer"))
    got = q1.wait(lambda f: b"tok-answer" in f)
    return (bool(got), seen(got, token))


before = lab.gates()
same(comes_in(h, UDP, udp(h.addr, PUBLIC, 5353, port, b"tok-right"), b"tok-right"), (True, 1), "an answer comes in")
for text, src, proto, payload, token in (
        ("another port of the same host", h, UDP, udp(h.addr, PUBLIC, 5354, port, b"tok-in-1"), b"tok-in-1"),
        ("another host", k, UDP, udp(k.addr, PUBLIC, 5353, port, b"tok-in-2"), b"tok-in-2"),
        ("a port that nobody asked from", h, UDP, udp(h.addr, PUBLIC, 5353, port ^ 1, b"tok-in-3"), b"tok-in-3"),
        ("a connection from outside", h, TCP, tcp(h.addr, PUBLIC, 5353, 443, SYN, b"tok-in-4"), b"tok-in-4"),
        ("TCP to a port that is open for UDP", h, TCP, tcp(h.addr, PUBLIC, 5353, port, SYN, b"tok-in-5"), b"tok-in-5"),
        ("a ping from outside", h, ICMP, icmp(8, 0, 1, b"tok-in-6"), b"tok-in-6"),
        ("an echo reply nobody asked for", h, ICMP, icmp(0, 0, 0x12340001, b"tok-in-7"), b"tok-in-7")):
    before = lab.gates()
    same(comes_in(src, proto, payload, token), (True, 0), text + " does not come in")
    same(rise(before, lab.gates()), {NAT: 1}, text + " is counted at the gateway")
before = lab.gates()
got = arrives(lambda: q1.ip(PRIVATE, ICMP, icmp(8, 0, 9, b"tok-self")), b"tok-self")
same(rise(before, lab.gates()), {NAT: 1}, "the gateway's own address takes nothing from inside either")

# ---- TTL ---------------------------------------------------------------------------------------------------
q1.received()
q1.udp(h, 33434, b"tok-ttl", ttl=1)
got = q1.wait(lambda f: Ip(f).ok and Ip(f).proto == ICMP and Ip(f).type == 11, 2)
same([Ip(f).src for f in got[-1:]], [PRIVATE], "TTL 1 ends at the gateway, which says so")
enough = 2 if mode == "fast" else 3  # with datapath = kernel the internet is a hop, as traceroute shows
same(len(arrives(lambda: q1.udp(h, 33435, b"tok-ttl2", ttl=enough), b"tok-ttl2") or []), 1, "TTL %d is enough for the host" % enough)
for t in (q1, q4, h, k, beside):
    speech(t.ns)


# ---- connections -------------------------------------------------------------------------------------------
def socket_in(name, kind=socket.SOCK_STREAM):
    with inside(lab.ns(name)):
        s = socket.socket(socket.AF_INET, kind)
    s.settimeout(LIMIT_S)
    return s


listener = socket_in("h")
listener.bind(("0.0.0.0", 8080))
listener.listen(4)


def connect():
    c = socket_in("q1")
    c.connect((h.addr, 8080))
    s, peer = listener.accept()
    s.settimeout(LIMIT_S)
    return c, s, peer


def talk(c, s, text):
    c.sendall(text)
    if s.recv(100) != text:
        return False
    s.sendall(text[::-1])
    return c.recv(100) == text[::-1]


def metrics():
    return {n["name"]: n for n in api("/v1/labs/%s/nat-gateway" % lab.name)["nat-gateway"]}["good"]["metrics"]


def grown(before):
    return {name: n - before[name] for name, n in metrics().items() if n != before[name]}


before = metrics()
c, s, peer = connect()
same({name: grown(before).get(name, 0) for name in ("ActiveConnectionCount", "ConnectionAttemptCount", "ConnectionEstablishedCount")},
     dict.fromkeys(("ActiveConnectionCount", "ConnectionAttemptCount", "ConnectionEstablishedCount"), 1), "a connection is counted")
say(talk(c, s, b"before"), "a connection works")
until(lambda: grown(before)["PacketsOutToDestination"] >= 4 and grown(before)["PacketsOutToSource"] >= 3)
g = grown(before)
say(g["PacketsInFromSource"] == g["PacketsOutToDestination"] and g["BytesInFromSource"] == g["BytesOutToDestination"] >= 4 * 52 + 6,
    "what comes of the source goes on to the destination", g)
say(g["PacketsInFromDestination"] == g["PacketsOutToSource"] and g["BytesInFromDestination"] == g["BytesOutToSource"] >= 3 * 52 + 6,
    "and the other way", g)
say("PacketsDropCount" not in g and "ErrorPortAllocation" not in g and "IdleTimeoutCount" not in g, "nothing is dropped, nothing idle", g)
c2, s2, peer2 = connect()
c2.close()
s2.close()
say(until(lambda: grown(before)["ActiveConnectionCount"] == 1), "one that was closed is not active", grown(before))
same(grown(before).get("IdleTimeoutCount", 0), 0, "nor idle")
same(peer[0], PUBLIC, "the host sees the gateway")
r = subprocess.run(os.environ["UP"].split(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)
say(r.returncode == 0 and "new" in r.stdout, "a change of other things is applied", r.stdout)
say(talk(c, s, b"after"), "the connection goes on")
r = subprocess.run(os.environ["UP"].split(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)
same(r.stdout, "no changes\n", "applied again: no changes")

# What the gateway has forgotten it answers by a reset, to the inside only.
with inside(lab.ns("good")):
    nfct = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
nfct.send(struct.pack("=IHHIIBBH", 20, 1 << 8 | 2, 5, 1, 0, 2, 0, 0))  # all of its connections
same(struct.unpack("=i", nfct.recv(1000)[16:20])[0], 0, "the gateway forgets its connections")
h.received()
q1.received()
try:
    c.sendall(b"anybody there?")
    c.recv(100)
    said = "nothing"
except OSError as e:
    said = type(e).__name__
same(said, "ConnectionResetError", "who goes on is told by a reset")
g = grown(before)
same((g.get("ActiveConnectionCount", 0), g["ConnectionEstablishedCount"], g.get("IdleTimeoutCount")), (0, 2, 1),
     "open, never ended and gone is counted as idle, over a change of the lab")
say(g["PacketsDropCount"] >= 1, "what was answered by a reset is a drop", g)
drops, sent = metrics()["PacketsDropCount"], 5
for i in range(sent):
    h.ip(PUBLIC, UDP, udp(h.addr, PUBLIC, 999, 4000 + i, b"stray"))
say(until(lambda: metrics()["PacketsDropCount"] == drops + sent), "what comes unasked is a drop", drops, metrics())
same([Ip(f).src for f in h.received() if Ip(f).ok and Ip(f).proto == TCP], [], "the host is not")
c, s, peer = connect()
say(talk(c, s, b"again"), "a new connection works")
