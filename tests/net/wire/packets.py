"""packets.py LAB MODE: delivery and denial of every kind of packet, seen on the wire and in the counters."""
import hashlib
import select
import socket
import struct
import sys

from wire import *

lab, mode = Lab(sys.argv[1]), sys.argv[2]
N = 40
taps = {n: lab.tap(n) for n in ("a1", "a2", "b1", "b2", "p1", "q1", "h")}
a1, a2, b1, b2, p1, q1, h = taps.values()
public = {n["name"]: n["addresses"][0]["public"] for n in api("/v1/labs/%s/instance" % lab.name)["instance"]}
PUBLIC = public["p1"]
ANY_IN, ANY_H, ANY_OUT = ("any", "inbound", "all from 10.0.0.0/16"), ("any", "inbound", "all from 198.51.100.0/24"), ("any", "outbound", "all to 0.0.0.0/0")
NACL_IN, NACL_OUT = ("open", "inbound", "100 allow all from 0.0.0.0/0"), ("open", "outbound", "100 allow all to 0.0.0.0/0")


def say(good, text, *details):
    return check(good, "%s: %s" % (mode, text), *details)


def same(got, want, text):
    return equal(got, want, "%s: %s" % (mode, text))


class Watch:
    """Everything the lab counts, before and after."""

    def __init__(self):
        self.status, self.rules, self.gates, self.routes = lab.status(), lab.rules(), lab.gates(), lab.routes()

    def rose(self):
        now = Watch()
        status = {}
        for name, s in now.status.items():
            for k, v in rise(self.status[name], s).items():
                if not k.endswith("bytes"):
                    status[name, k] = v
        return status, rise(self.rules, now.rules), rise(self.gates, now.gates), rise(self.routes, now.routes)


def burst(src, dst, send, fence_mac=ROUTER, fence_to=None, n=N):
    """n packets with a token; how many of them dst saw. send(token) sends one."""
    token = b"token-%s-%d" % (mode.encode(), id(send))
    dst.received()
    for _ in range(n):
        send(token)
    return seen(fence(src, dst, mac=fence_mac, to=fence_to), token)


# ---- counters: exactly what was sent --------------------------------------------------------------
def counted(text, src, dst, send, rules, crossing, route=("v.main", "10.0.0.0/16")):
    """N packets of src reach dst; counters rise by N, the fence's by one."""
    w = Watch()
    mac = ROUTER if crossing else dst.mac
    got = burst(src, dst, send, fence_mac=mac)
    status, rose, gates, routes = w.rose()
    s, d = src.ns.split(".")[1], dst.ns.split(".")[1]
    n = N + 1
    same(got, N, text + ": all arrive")
    want = {(s, "tx_packets"): n}
    if d != "h":
        want[d, "rx_packets"] = n
    if mode == "kernel":
        want[s, "stack"] = n
    rest = {k: v for k, v in status.items() if k[1] not in ("cached", "full")}
    same(rest, want, text + ": status rises by what was sent, nothing else")
    same(status.get((s, "cached"), 0) + status.get((s, "full"), 0), n, text + ": each took one path")
    same(rose, {r: n for r in rules}, text + ": each rule on the way rises by what was sent")
    same(gates, {}, text + ": no gate denies")
    same(routes, {route: n} if crossing else {}, text + ": the route rises by what was sent")


def denied(text, src, dst, send, gate, reason, rules, fence_mac=ROUTER, routes=None, n=N):
    """N packets of src never reach dst and are counted at gate; rules: what rises by N besides."""
    w = Watch()
    before = len(fence(src, dst, mac=fence_mac) or [])
    f = w.rose()
    got = burst(src, dst, send, fence_mac=fence_mac, n=n)
    status, rose, gates, _ = w.rose()
    s = src.ns.split(".")[1]
    same(got, 0, text + ": none arrives")
    same(gates, {(gate, reason): n}, text + ": counted at %s for %s" % (gate, reason))
    same(status.get((s, "denied")), n, text + ": status counts them denied")
    twice = {k: 2 * v for k, v in f[1].items()}
    for r in rules:
        twice[r] = twice.get(r, 0) + n
    same(rose, twice, text + ": rules they passed or fell to rise by as many")


for t in taps:
    silence(lab.ns(t))
across = [ANY_OUT, ANY_IN, NACL_OUT, NACL_IN]
counted("udp across", a1, b1, lambda t: a1.udp(b1, 5000, t), across, True)
counted("udp inside a subnet", a1, a2, lambda t: a1.udp(a2, 5000, t, mac=a2.mac), [ANY_OUT, ANY_IN], False)
counted("tcp across", a1, b1, lambda t: a1.ip(b1, TCP, tcp(a1.addr, b1.addr, 40001, 80, ACK, t)), across, True)
counted("tcp SYNs across", a1, b1, lambda t: a1.ip(b1, TCP, tcp(a1.addr, b1.addr, 40002, 80, SYN, t)), across, True)
counted("echo across", a1, b1, lambda t: a1.ip(b1, ICMP, icmp(8, 0, 0x12340001, t)), across, True)
counted("protocol 50 across", a1, b1, lambda t: a1.ip(b1, 50, t * 4), across, True)
counted("protocol 50 inside a subnet", a1, a2, lambda t: a1.ip(a2, 50, t * 4, mac=a2.mac), [ANY_OUT, ANY_IN], False)
counted("udp with IP options", a1, b1, lambda t: a1.udp(b1, 5001, t, options=b"\x01\x01\x01\x00"), across, True)
counted("udp through the internet gateway", p1, h, lambda t: p1.udp(h, 5000, t), [ANY_OUT, NACL_OUT], True, ("pub", "0.0.0.0/0"))

# Both ways of the ACL are closed to these, which is nobody's business inside a subnet.
for port in (6666, 6667):
    counted("udp %d to a neighbour's MAC" % port, a1, a2, lambda t: a1.udp(a2, port, t, mac=a2.mac), [ANY_OUT, ANY_IN], False)

denied("another subnet's address to a neighbour's MAC", a1, a2, lambda t: a1.udp(b1, 6667, t, mac=a2.mac), "dest-check",
       "ENI_SOURCE_DEST_CHECK_RESTRICTION", [ANY_OUT], a2.mac)
denied("udp to a closed group", a1, b2, lambda t: a1.udp(b2, 5001, t), "sg-in", "ENI_SG_RULES_MISMATCH", across[:1] + across[2:])
denied("udp to a closed NACL", a1, b1, lambda t: a1.udp(b1, 6666, t), "nacl-in", "SUBNET_ACL_RESTRICTION",
       [ANY_OUT, NACL_OUT, ("open", "inbound", "90 deny udp 6666 from 0.0.0.0/0")])
denied("udp out of a closed NACL", a1, b1, lambda t: a1.udp(b1, 6667, t), "nacl-out", "SUBNET_ACL_RESTRICTION",
       [ANY_OUT, ("open", "outbound", "80 deny udp 6667 to 0.0.0.0/0")])
denied("broadcast MAC", a1, a2, lambda t: a1.udp("10.0.1.255", 7777, t, mac=BROADCAST), "parse", "BROADCAST", [], a2.mac)
denied("limited broadcast", a1, a2, lambda t: a1.udp("255.255.255.255", 7777, t), "parse", "BROADCAST", [], a2.mac)
denied("subnet broadcast to the neighbour's MAC", a1, a2, lambda t: a1.udp("10.0.1.255", 7777, t, mac=a2.mac), "dest-check",
       "ENI_SOURCE_DEST_CHECK_RESTRICTION", [ANY_OUT], a2.mac)
denied("multicast", a1, a2, lambda t: a1.udp("224.0.0.5", 7777, t, mac=bytes.fromhex("01005e000005")), "parse", "BROADCAST", [], a2.mac)
denied("multicast to the neighbour's MAC", a1, a2, lambda t: a1.udp("239.1.2.3", 7777, t, mac=a2.mac), "parse", "BROADCAST", [], a2.mac)
denied("IPv6", a1, a2, lambda t: a1.send(eth(a2.mac, a1.mac, bytes.fromhex("6000000000103a40") + b"\xfe\x80" + bytes(30) + t, 0x86DD)),
       "parse", "IPV6_NOT_SUPPORTED", [], a2.mac)
denied("an IP header cut short", a1, b1, lambda t: a1.send(eth(ROUTER, a1.mac, b"\x45\x00\x00\x40" + t)), "parse", "MALFORMED", [])
denied("a header length below 5", a1, b1, lambda t: a1.send(eth(ROUTER, a1.mac, b"\x44" + ipv4(a1.addr, b1.addr, 17, t * 2)[1:])), "parse", "MALFORMED", [])
denied("a UDP header cut short", a1, b1, lambda t: a1.ip(b1, UDP, t[:6]), "parse", "MALFORMED", [], n=1)
denied("a TCP header cut short", a1, b1, lambda t: a1.ip(b1, TCP, tcp(a1.addr, b1.addr, 1, 2, ACK)[:16]), "parse", "MALFORMED", [], n=3)

# ---- fragments ---------------------------------------------------------------------------------------
def fragment(src, dst, ident, off, payload, more, proto=UDP):
    src.ip(dst, proto, payload, ident=ident, frag=off, mf=more)


whole = udp(a1.addr, b1.addr, 40003, 5003, b"F" * 1000 + b"fragment-token")
w = Watch()
fragment(a1, b1, 100, 0, whole[:512], True)
fragment(a1, b1, 100, 512, whole[512:], False)
got = fence(a1, b1)
same(len([f for f in got or [] if Ip(f).ident == 100]), 2, "a first and a later fragment both arrive")
same(rise({}, w.rose()[2]), {}, "no gate denies fragments that follow their first")
fragment(b1, a1, 101, 0, udp(b1.addr, a1.addr, 1, 2, b"x" * 504), True)
fragment(b1, a1, 101, 512, b"last", False)
same(len([f for f in fence(b1, a1) or [] if Ip(f).ident == 101]), 2, "also the other way")
denied("an orphan later fragment", a1, b1, lambda t: fragment(a1, b1, 200, 512, t, False), "parse", "FRAGMENT_ORPHAN", [])
denied("a tiny first fragment of TCP", a1, b1, lambda t: fragment(a1, b1, 201, 0, b"12345678", True, TCP), "parse", "FRAGMENT_TINY", [], n=5)
denied("a later fragment that overlaps the header", a1, b1, lambda t: fragment(a1, b1, 100, 8, t, True), "parse", "FRAGMENT_TINY", [])
denied("later fragments of a denied first one", a1, b2, lambda t: fragment(a1, b2, 202, 512, t, False), "parse", "FRAGMENT_ORPHAN", [])
w = Watch()
fragment(a1, b2, 203, 0, udp(a1.addr, b2.addr, 1, 5001, b"x" * 504), True)
fragment(a1, b2, 203, 512, b"rest", False)
same([Ip(f).ident for f in fence(a1, b2) or []], [], "a denied first fragment takes its later ones with it")
same(w.rose()[2], {("sg-in", "ENI_SG_RULES_MISMATCH"): 1, ("parse", "FRAGMENT_ORPHAN"): 1}, "each is counted where it died")
for t in taps:
    speech(lab.ns(t))

# ---- real programs -----------------------------------------------------------------------------------
for src, to, opts in (("a1", b1.addr, ()), ("a1", a2.addr, ()), ("h", PUBLIC, ()), ("p1", h.addr, ())):
    r = run(lab.ns(src), "ping", "-c", "2", "-i", "0.02", "-W", "2", "-s", "4000", to)
    say(r.returncode == 0, "ping of 4000 bytes %s -> %s" % (src, to), r.stdout)


def socket_in(name, kind):
    with inside(lab.ns(name)):
        return socket.socket(socket.AF_INET, kind)


def transfer(src, dst, to, total):
    """total bytes over TCP both ways at once; hash of both directions right?"""
    listener = socket_in(dst, socket.SOCK_STREAM)
    listener.bind(("0.0.0.0", 8080))
    listener.listen(1)
    listener.settimeout(LIMIT_S)
    client = socket_in(src, socket.SOCK_STREAM)
    client.settimeout(LIMIT_S)
    client.connect((to, 8080))
    server, peer = listener.accept()
    ends = [client, server]
    block = hashlib.sha256(to.encode()).digest() * 8192
    left, sums, want = [total, total], [hashlib.sha256(), hashlib.sha256()], hashlib.sha256()
    for i in range(total // len(block)):
        want.update(block)
    for s in ends:
        s.setblocking(False)
    pos, got, end = [0, 0], [0, 0], time.monotonic() + 15
    while min(got) < total and time.monotonic() < end:
        r, wr, _ = select.select([e for i, e in enumerate(ends) if got[i] < total],
                                 [e for i, e in enumerate(ends) if left[i]], [], 1)
        for s in r:
            i = ends.index(s)
            data = s.recv(1 << 20)
            if not data:
                break
            sums[i].update(data)
            got[i] += len(data)
        for s in wr:
            i = ends.index(s)
            n = s.send(block[pos[i]:])
            pos[i] = (pos[i] + n) % len(block)
            left[i] -= n
    for s in (client, server, listener):
        s.close()
    return got == [total, total] and all(s.digest() == want.digest() for s in sums), peer[0]


errors = ("TcpInCsumErrors", "UdpInCsumErrors", "IcmpInCsumErrors")
for src, dst, to in (("a1", "b1", b1.addr), ("a1", "a2", a2.addr), ("h", "p1", PUBLIC), ("p1", "h", h.addr), ("q1", "h", h.addr)):
    taps[dst].received()
    good, peer = transfer(src, dst, to, 16 << 20)
    frames = taps[dst].received()
    say(good, "16 MB both ways over TCP %s -> %s" % (src, to))
    big = max(len(f) for f in frames) if frames else 0
    if "h" not in (src, dst):
        say(big > 9015, "%s -> %s: segments arrive uncut (GSO)" % (src, to), "largest frame %d" % big)
    for name in (src, dst):
        same(snmp(lab.ns(name), *errors), dict.fromkeys(errors, 0), "%s has seen no bad checksum" % name)

# ---- UDP without a checksum -------------------------------------------------------------------------
for src, dst, to in (("a1", "b1", b1.addr), ("p1", "h", h.addr), ("h", "p1", PUBLIC), ("q1", "h", h.addr)):
    receiver = socket_in(dst, socket.SOCK_DGRAM)
    receiver.bind(("0.0.0.0", 5005))
    receiver.settimeout(LIMIT_S)
    sender = socket_in(src, socket.SOCK_DGRAM)
    sender.setsockopt(socket.SOL_SOCKET, 11, 1)  # SO_NO_CHECK
    taps[dst].received()
    sender.sendto(b"no checksum", (to, 5005))
    try:
        data, peer = receiver.recvfrom(100)
    except socket.timeout:
        data = None
    same(data, b"no checksum", "UDP without checksum %s -> %s is received" % (src, to))
    sums = [Ip(f).l4[6:8] for f in taps[dst].received() if b"no checksum" in f]
    same(sums, [b"\0\0"], "and has none on the wire")
    receiver.close()
    sender.close()


# ---- ICMP errors -------------------------------------------------------------------------------------
def refused(src, to):
    s = socket_in(src, socket.SOCK_DGRAM)
    s.settimeout(2)
    s.connect((to, 9))
    s.send(b"x")
    try:
        return s.recv(10)
    except OSError as e:
        return type(e).__name__
    finally:
        s.close()


for src, to in (("a1", b1.addr), ("a1", a2.addr), ("p1", h.addr), ("h", PUBLIC), ("q1", h.addr)):
    same(refused(src, to), "ConnectionRefusedError", "a closed UDP port says so: %s -> %s" % (src, to))


# ---- path MTU ------------------------------------------------------------------------------------------
IP_MTU, IP_MTU_DISCOVER, PMTUDISC_DO, PMTUDISC_DONT = 14, 10, 2, 0


def path_mtu(src, to, size):
    """What sender learns of the way: (MTU, who said it or None)."""
    run(lab.ns(src), "ip", "route", "flush", "cache")
    s = socket_in(src, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_IP, IP_MTU_DISCOVER, PMTUDISC_DO)
    s.connect((to, 5006))
    taps[src].received()
    said = None
    try:
        s.send(b"m" * size)
        for f in taps[src].wait(lambda f: Ip(f).ok and Ip(f).proto == ICMP and Ip(f).type == 3 and Ip(f).code == 4, 2)[-1:]:
            said = Ip(f).src
            until(lambda: s.getsockopt(socket.SOL_IP, IP_MTU) < 9001, 2)
    except OSError as e:
        said = type(e).__name__
    mtu = s.getsockopt(socket.SOL_IP, IP_MTU)
    s.close()
    return mtu, said


def arrives(src, dst, to, size):
    """A datagram without DF: does it arrive whole, and in how many pieces?"""
    receiver = socket_in(dst, socket.SOCK_DGRAM)
    receiver.bind(("0.0.0.0", 5006))
    receiver.settimeout(2)
    sender = socket_in(src, socket.SOCK_DGRAM)
    sender.setsockopt(socket.SOL_IP, IP_MTU_DISCOVER, PMTUDISC_DONT)
    taps[dst].received()
    sender.sendto(b"m" * size, (to, 5006))
    try:
        whole = receiver.recv(65536) == b"m" * size
    except socket.timeout:
        whole = False
    pieces = [f for f in taps[dst].received() if Ip(f).ok and Ip(f).proto == UDP]
    receiver.close()
    sender.close()
    return whole, len(pieces), max([len(f) - 14 for f in pieces] or [0])


receiver = socket_in("b1", socket.SOCK_DGRAM)
receiver.bind(("0.0.0.0", 5006))
receiver.settimeout(2)
s = socket_in("a1", socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_IP, IP_MTU_DISCOVER, PMTUDISC_DO)
s.sendto(b"m" * 8973, (b1.addr, 5006))
say(len(receiver.recv(65536)) == 8973, "9001 bytes fit inside the VPC")
s.close()
receiver.close()
same(arrives("p1", "h", h.addr, 3000), (True, 3, 1500), "through the internet gateway, without DF: in pieces of 1500")
same(path_mtu("p1", h.addr, 3000), (1500, "10.0.3.1"), "through the internet gateway, with DF: the subnet's router says 1500")
whole, pieces, largest = arrives("q1", "h", h.addr, 3000)
same((whole, pieces, largest), (True, 3, 1500), "through the NAT gateway, without DF: in pieces of 1500")
mtu, said = path_mtu("q1", h.addr, 3000)
same(mtu, 1500, "through the NAT gateway, with DF: the sender learns 1500")
mtu, said = path_mtu("q1", "198.51.100.8", 8900)
same((mtu, said), (8500, "10.0.4.1"), "more than the NAT gateway takes, with DF: the subnet's router says 8500")
