"""spoof.py LAB OTHER-LAB MODE: an instance (mallory) and a host (h) send what they must not."""
import socket
import sys

from wire import *

lab, two, mode = Lab(sys.argv[1]), Lab(sys.argv[2]), sys.argv[3]
N = 10
mallory, victim, shut, far, other, h, g = [lab.tap(n) for n in ("mallory", "victim", "shut", "far", "other", "h", "g")]
strangers = [two.tap(n) for n in ("mallory", "victim", "far", "other", "h")]
with inside(lab.ns("nat")):
    pass
nat = lab.tap("nat")
machine = Tap.__new__(Tap)
machine.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
machine.sock.setblocking(False)
everyone = [victim, shut, far, other, nat, h, g, machine] + strangers
instances = {i["name"]: i for i in api("/v1/labs/%s/instance" % lab.name)["instance"]}
MALLORY_PUBLIC, VICTIM_PUBLIC = (instances[n]["addresses"][0]["public"] for n in ("mallory", "victim"))
NAT = api("/v1/labs/%s/nat-gateway" % lab.name)["nat-gateway"][0]


def say(good, text, *details):
    return check(good, "%s: %s" % (mode, text), *details)


def same(got, want, text):
    return equal(got, want, "%s: %s" % (mode, text))


for t in (mallory, victim, shut, far, other, h, g):
    silence(t.ns)


def flush(src):
    """Behind what src has sent: a fence each way it could have gone."""
    if src is mallory:
        pairs = [(mallory, victim, ROUTER, None), (mallory, far, ROUTER, None), (mallory, h, ROUTER, None)]
    else:
        pairs = [(src, victim, ROUTER, VICTIM_PUBLIC)]
    return all(fence(s, d, mac=mac, to=to) is not None for s, d, mac, to in pairs)


serial = 0


def dies(text, src, frame, where, n=N, answer=None):
    """n copies of frame(token) that src sends reach nobody; where: (gate, reason), None when not counted."""
    global serial
    serial += 1
    token = b"evil-%s-%06d" % (mode.encode(), serial)
    for t in everyone + [src]:
        t.received()
    before = lab.gates()
    for _ in range(n):
        src.send(frame(token))
    arrived, through = {}, {}
    for t in everyone:
        t.held = []
    # everything that comes until the fences are through is looked at, fences aside
    for s, d, mac, to in ([(src, victim, ROUTER, None), (src, far, ROUTER, None), (src, h, ROUTER, None)] if src is mallory
                          else [(src, victim, ROUTER, VICTIM_PUBLIC)]):
        got = fence(s, d, mac=mac, to=to)
        if got is None:
            say(False, text + ": the fence comes through")
            continue
        d.held += got
    for t in everyone:
        bad = [f for f in t.held + t.received() if token in f]
        if bad:
            arrived[getattr(t, "ns", "machine")] = bad[0][:60].hex()
    same(arrived, {}, text + ": reaches nobody")
    same(rise(before, lab.gates()), {where: n} if where else {}, text + ": is counted as what it is")


def packet(src, dst, mac=ROUTER, smac=None, dport=5000, sport=40000, kind=0x0800, head=b"", who=mallory, **kw):
    return lambda t: eth(mac, smac or who.mac, head + ipv4(src, dst, UDP, udp(src, dst, sport, dport, t), **kw), kind)


me, CHECK = mallory.addr, ("source-check", "ENI_ADDRESS_RESTRICTION")

# ---- somebody else's address as source -----------------------------------------------------------------
for src in (victim.addr, far.addr, "10.9.1.4", "8.8.8.8", h.addr, MALLORY_PUBLIC, VICTIM_PUBLIC, "10.0.1.1", "10.0.1.2", "10.0.1.0",
            "10.0.1.255", "127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1", "169.254.0.1",
            "169.254.169.254", "192.0.0.8", "192.168.77.1", NAT["private"], NAT["public"]):
    dies("source %s to another subnet" % src, mallory, packet(src, far.addr), CHECK, n=2)
dies("a neighbour's address to a neighbour", mallory, packet(shut.addr, victim.addr, victim.mac), CHECK)
dies("the victim's own address to the victim", mallory, packet(victim.addr, victim.addr, victim.mac), CHECK)
dies("a neighbour's address to the internet", mallory, packet(victim.addr, h.addr), CHECK)
dies("a forged answer of a flow that lives", mallory, packet(far.addr, victim.addr, victim.mac, sport=7777, dport=7777), CHECK)
dies("a fragment with a foreign source", mallory, lambda t: eth(ROUTER, mallory.mac, ipv4(victim.addr, far.addr, UDP, t, frag=512)), ("parse", "FRAGMENT_ORPHAN"))
dies("a first fragment with a foreign source", mallory, packet(victim.addr, far.addr, mf=True), CHECK)
error = icmp(3, 1, 0, ipv4(victim.addr, far.addr, UDP, udp(victim.addr, far.addr, 7777, 7777, b"")))
dies("a forged ICMP error of the router", mallory, lambda t: eth(victim.mac, mallory.mac, ipv4("10.0.1.1", victim.addr, ICMP, error + t)), CHECK)

# ---- somebody else's MAC ------------------------------------------------------------------------------
token = b"own address, foreign MAC"
for name, t in (("victim", victim), ("far", far), ("h", h)):
    t.received()
    mallory.send(packet(me, t.addr, smac=victim.mac if t is not victim else shut.mac)(token))
    got = [f for f in fence(mallory, t) or [] if token in f]
    say(all(f[6:12] == ROUTER and f[:6] == t.mac for f in got), "a forged source MAC is not seen by %s" % name, *[f[:14].hex() for f in got])
dies("the neighbour's MAC, another's address", mallory, packet(me, far.addr, victim.mac), ("dest-check", "ENI_SOURCE_DEST_CHECK_RESTRICTION"))
dies("the neighbour's MAC, an internet address", mallory, packet(me, h.addr, victim.mac), ("dest-check", "ENI_SOURCE_DEST_CHECK_RESTRICTION"))
dies("a closed neighbour's MAC", mallory, packet(me, shut.addr, shut.mac), ("sg-in", "ENI_SG_RULES_MISMATCH"))
dies("the MAC of another subnet's interface", mallory, packet(me, far.addr, far.mac), ("route", "NO_POSSIBLE_DESTINATION"))
dies("the MAC of another VPC's interface", mallory, packet(me, other.addr, other.mac), ("route", "NO_POSSIBLE_DESTINATION"))
dies("its own MAC", mallory, packet(me, far.addr, mallory.mac), ("route", "NO_POSSIBLE_DESTINATION"))
dies("a host's MAC", mallory, packet(me, h.addr, h.mac), ("route", "NO_POSSIBLE_DESTINATION"))
dies("a MAC beyond all ports", mallory, packet(me, far.addr, bytes.fromhex("0276ffffffff")), ("route", "NO_POSSIBLE_DESTINATION"))
dies("a MAC of nobody", mallory, packet(me, far.addr, bytes.fromhex("020000000001")), ("parse", "BROADCAST"))
own = {int.from_bytes(t.mac[2:], "big") for t in (victim, shut)}
ports = [p for p in range(1, 40) if p not in own]
before = lab.gates()
for t in everyone:
    t.received()
for p in ports:
    mallory.send(packet(me, far.addr, b"\x02\x76" + p.to_bytes(4, "big"))(b"every port"))
got = [t for t in everyone if seen(t.received(), b"every port")] if fence(mallory, far) is not None else ["no fence"]
same(len(got), 0, "no port of the lab takes a frame from outside its subnet")
same(rise(before, lab.gates()), {("route", "NO_POSSIBLE_DESTINATION"): len(ports)}, "each of them is counted")

# ---- ARP ------------------------------------------------------------------------------------------------
SPOOF, UNKNOWN = ("parse", "ARP_SPOOFED"), ("parse", "ARP_UNKNOWN")


def arp_frame(op, sha, spa, tpa, tha=b"\0" * 6, to=BROADCAST):
    return lambda t: eth(to, mallory.mac, arp(op, sha, spa, tha, tpa) + t, 0x0806)


dies("ARP request with the neighbour's address", mallory, arp_frame(1, mallory.mac, victim.addr, "10.0.1.1"), SPOOF)
dies("ARP request with the neighbour's MAC", mallory, arp_frame(1, victim.mac, me, "10.0.1.1"), SPOOF)
dies("gratuitous ARP for the router", mallory, arp_frame(1, mallory.mac, "10.0.1.1", "10.0.1.1"), SPOOF)
dies("gratuitous ARP for the neighbour", mallory, arp_frame(2, mallory.mac, victim.addr, victim.addr), SPOOF)
dies("ARP reply claiming the router", mallory, arp_frame(2, mallory.mac, "10.0.1.1", victim.addr, victim.mac, victim.mac), SPOOF)
dies("ARP reply with a service's address", mallory, arp_frame(2, mallory.mac, "169.254.169.254", victim.addr, victim.mac, victim.mac), SPOOF)
dies("its own true ARP reply, unasked for", mallory, arp_frame(2, mallory.mac, me, victim.addr, victim.mac, victim.mac), None)
dies("its own announcement", mallory, arp_frame(1, mallory.mac, me, me), None)
dies("ARP for an address that nobody has", mallory, arp_frame(1, mallory.mac, me, "10.0.1.77"), UNKNOWN)
dies("ARP for another subnet's interface", mallory, arp_frame(1, mallory.mac, me, far.addr), UNKNOWN)
dies("ARP of another kind (RARP)", mallory, lambda t: eth(BROADCAST, mallory.mac, arp(3, mallory.mac, me, b"\0" * 6, me) + t, 0x8035), ("parse", "NOT_IP"))
dies("ARP cut short", mallory, lambda t: eth(BROADCAST, mallory.mac, arp(1, mallory.mac, me, b"\0" * 6, "10.0.1.1")[:20], 0x0806), ("parse", "MALFORMED"))
for t, who, mac in (("10.0.1.1", "the router", ROUTER), (victim.addr, "the neighbour", victim.mac), ("169.254.169.254", "the services", ROUTER)):
    mallory.received()
    victim.received()
    mallory.send(arp_frame(1, mallory.mac, me, t)(b""))
    got = mallory.wait(lambda f: f[12:14] == b"\x08\x06", 2)
    say(bool(got) and got[-1][:42] == eth(mallory.mac, mac, arp(2, mac, t, mallory.mac, me), 0x0806), "ARP for %s is answered" % who,
        *[f.hex() for f in got])
    same([f for f in victim.received() if f[12:14] == b"\x08\x06"], [], "and the neighbour hears nothing of it")

# ---- what is not IP ---------------------------------------------------------------------------------------
NOT_IP = ("parse", "NOT_IP")
inner = b"\x08\x00"
for what, kind, head in (("a VLAN tag", 0x8100, b"\x00\x05" + inner), ("a priority tag", 0x8100, b"\x60\x00" + inner),
                         ("a service tag", 0x88A8, b"\x00\x05" + inner), ("two tags", 0x88A8, b"\x00\x05\x81\x00\x00\x06" + inner),
                         ("two equal tags", 0x8100, b"\x00\x05\x81\x00\x00\x06" + inner), ("an old double tag", 0x9100, b"\x00\x05" + inner),
                         ("MPLS", 0x8847, b"\x00\x01\x01\x40"), ("PPPoE", 0x8864, b"\x11\x00\x00\x01\x00\x40\x00\x21"),
                         ("LLDP", 0x88CC, b""), ("a length instead of a type", 0x0040, b"\xaa\xaa\x03\x00\x00\x00\x08\x00"),
                         ("an unknown type", 0xFFFF, b"")):
    dies(what + " to the router", mallory, packet(me, far.addr, kind=kind, head=head), NOT_IP, n=3)
    dies(what + " to the neighbour", mallory, packet(me, victim.addr, victim.mac, kind=kind, head=head), NOT_IP, n=3)
dies("a tagged ARP", mallory, lambda t: eth(BROADCAST, mallory.mac, b"\x00\x05\x08\x06" + arp(1, mallory.mac, me, b"\0" * 6, "10.0.1.1") + t, 0x8100), NOT_IP)
dies("IPv6 to the neighbour", mallory, lambda t: eth(victim.mac, mallory.mac, bytes.fromhex("6000000000103a40") + bytes(32) + t, 0x86DD), ("parse", "IPV6_NOT_SUPPORTED"))
dies("an IPv4 header in an IPv6 frame", mallory, packet(me, far.addr, kind=0x86DD), ("parse", "IPV6_NOT_SUPPORTED"))
dies("an IPv6 header in an IPv4 frame", mallory, lambda t: eth(ROUTER, mallory.mac, bytes.fromhex("6000000000103a40") + bytes(32) + t), ("parse", "MALFORMED"))

# ---- services of the network -----------------------------------------------------------------------------
dies("a DHCP answer to the neighbour", mallory, packet(me, victim.addr, victim.mac, sport=67, dport=68), ("parse", "DHCP_SPOOFED"))
dies("a DHCP answer to another subnet", mallory, packet(me, far.addr, sport=67, dport=68), ("parse", "DHCP_SPOOFED"))
dies("a DHCP answer to all", mallory, packet(me, "255.255.255.255", BROADCAST, sport=67, dport=68), ("parse", "BROADCAST"))
for dst in ("10.0.1.1", "10.0.1.2", "10.0.1.3", "10.0.2.1", "10.0.0.2", "169.254.169.254", "169.254.0.1", "169.254.1.1"):
    dies("to the VPC's own %s" % dst, mallory, packet(me, dst), ("service", "NO_SERVICE"), n=2)
for dst in ("127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3", "240.0.0.1", "255.255.255.255", "239.1.1.1"):
    dies("to the impossible %s" % dst, mallory, packet(me, dst), ("parse", "BROADCAST"), n=2)

# ---- other places --------------------------------------------------------------------------------------
for dst, why in (("10.9.1.4", "NOT_IN_RFC1918"), ("192.168.77.1", "NOT_IN_RFC1918"), ("172.17.0.1", "NOT_IN_RFC1918"), ("100.64.0.1", "NOT_IN_RFC6598")):
    dies("to %s, which is not in the VPC" % dst, mallory, packet(me, dst), ("igw", "IGW_DESTINATION_ADDRESS_%s_EGRESS" % why), n=2)
for dst in ("8.8.4.4", "192.0.0.8", "203.0.113.250"):
    dies("to %s, which is not of this lab" % dst, mallory, packet(me, dst), ("internet", "UNKNOWN_DESTINATION"), n=2)
dies("to an address of the VPC that nobody has", mallory, packet(me, "10.0.2.99"), ("route", "NO_POSSIBLE_DESTINATION"))
dies("to the NAT gateway itself", mallory, packet(me, NAT["private"]), ("nat", "NGW_SOURCE_ADDRESS_REASSIGN"))
source_route = b"\x83\x07\x04" + ip_bytes(other.addr) + b"\x00"
victim.received()
other.received()
mallory.send(packet(me, victim.addr, options=source_route)(b"source routed"))
fence(mallory, victim)
same(seen(other.received(), b"source routed"), 0, "a source route leads nowhere")

# ---- marks ---------------------------------------------------------------------------------------------
for t in (victim, far, shut):
    run(t.ns, "nft", "table inet marks { counter seen { }; chain in { type filter hook prerouting priority -600; meta mark != 0 counter name seen; }; }")


def marked(ns):
    out = run(ns, "nft", "-j", "list", "counter", "inet", "marks", "seen").stdout
    return json.loads(out)["nftables"][-1]["counter"]["packets"]


port = int.from_bytes(shut.mac[2:], "big")
for mark in (0x10000, port << 18 | 0x10000, port << 18 | 0x30000, 1 << 18 | 1, 0xFFFFFFFF, 1, 2, 3):
    with inside(mallory.ns):
        pass
    mallory.sock.setsockopt(socket.SOL_SOCKET, 36, mark - (1 << 32) if mark >> 31 else mark)  # SO_MARK
    dies("mark %#x to a closed group" % mark, mallory, packet(me, shut.addr), ("sg-in", "ENI_SG_RULES_MISMATCH"), n=2)
    dies("mark %#x to a foreign address" % mark, mallory, packet(victim.addr, far.addr), CHECK, n=2)
mallory.sock.setsockopt(socket.SOL_SOCKET, 36, 0)
same([marked(t.ns) for t in (victim, far, shut)], [0, 0, 0], "no mark is left on what arrives")
for t in (victim, far, shut):
    run(t.ns, "nft", "delete table inet marks")

# ---- a host on the internet -------------------------------------------------------------------------------
BAD = ("internet", "GATEWAY_REJECTS_SPOOFED_TRAFFIC")


def from_h(src, dst, **kw):
    return packet(src, dst, who=h, **kw)


for src in (g.addr, MALLORY_PUBLIC, VICTIM_PUBLIC, "10.0.1.4", "8.8.8.8", "127.0.0.1", "169.254.0.1", "100.64.0.1", NAT["public"]):
    dies("a host with source %s" % src, h, from_h(src, VICTIM_PUBLIC), BAD, n=2)
for dst in (victim.addr, other.addr, NAT["private"], "10.0.1.1"):
    dies("a host to the private %s" % dst, h, from_h(h.addr, dst), ("igw", "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS"), n=2)
dies("a host to the machine", h, from_h(h.addr, "192.168.77.1"), ("internet", "UNKNOWN_DESTINATION"))
dies("a host to the gateway's link", h, from_h(h.addr, "169.254.0.1"), ("internet", "UNKNOWN_DESTINATION"))
dies("a host to the NAT gateway", h, from_h(h.addr, NAT["public"]), ("nat", "NGW_SOURCE_ADDRESS_REASSIGN"))
dies("a host to all", h, from_h(h.addr, "255.255.255.255", mac=BROADCAST), ("internet", "UNKNOWN_DESTINATION"))
dies("a host with a VLAN tag", h, from_h(h.addr, VICTIM_PUBLIC, kind=0x8100, head=b"\x00\x05" + inner), NOT_IP)
forged = icmp(3, 1, 0, ipv4(victim.addr, h.addr, UDP, udp(victim.addr, h.addr, 1, 2, b"")))
dies("a host's ICMP error about an untranslated packet", h, lambda t: eth(ROUTER, h.mac, ipv4(h.addr, VICTIM_PUBLIC, ICMP, forged + t)),
     ("igw", "GATEWAY_REJECTS_SPOOFED_TRAFFIC"))

# ---- nobody was moved ------------------------------------------------------------------------------------
for t in (mallory, victim, shut, far, other, h, g):
    speech(t.ns)
for src, dst in (("victim", far.addr), ("far", victim.addr), ("victim", h.addr), ("h", VICTIM_PUBLIC)):
    r = run(lab.ns(src), "ping", "-c1", "-W2", dst)
    say(r.returncode == 0, "%s still reaches %s" % (src, dst), r.stdout)
same(run(lab.ns("victim"), "ip", "neighbour", "show", "10.0.1.1").stdout.count("02:76:00:00:00:00"), 1, "the neighbour's router is still the router")
