"""captures.py: writes captures of every kind for replay.sh. captures.py FOLDER makes them all; the stories are told once
and written in each form."""
import random, struct, sys

PCAP, PCAP_NS = 0xA1B2C3D4, 0xA1B23C4D
EN10MB, RAW, SLL, IPV4, SLL2, PPP = 1, 101, 113, 228, 276, 9
SYN, ACK, RST, FIN = 2, 16, 4, 1


def checksum(b):
    b += b"\0" * (len(b) % 2)
    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    while s >> 16:
        s = (s >> 16) + (s & 0xFFFF)
    return ~s & 0xFFFF


def quad(a):
    return bytes(map(int, a.split(".")))


def ip(src, dst, proto, payload, frag=0, ident=7):
    h = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), ident, frag, 64, proto, 0, quad(src), quad(dst))
    return h[:10] + struct.pack("!H", checksum(h)) + h[12:] + payload


def tcp(src, sport, dst, dport, flags, data=b""):
    return ip(src, dst, 6, struct.pack("!HHIIBBHHH", sport, dport, 1, 1, 0x50, flags, 1000, 0, 0) + data)


def udp(src, sport, dst, dport, data=b"x"):
    return ip(src, dst, 17, struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data)


def icmp(src, dst, kind, code, rest=b"\0\7\0\1data"):
    h = struct.pack("!BBH", kind, code, 0) + rest
    return ip(src, dst, 1, h[:2] + struct.pack("!H", checksum(h)) + h[4:])


def ether(l3, kind=0x0800):
    return b"\x02\0\0\0\0\1\x02\0\0\0\0\2" + struct.pack("!H", kind) + l3


LINKS = {
    EN10MB: lambda l3, kind: ether(l3, kind),
    RAW: lambda l3, kind: l3,
    IPV4: lambda l3, kind: l3,
    SLL: lambda l3, kind: struct.pack("!HHH8sH", 0, 1, 6, b"\2\0\0\0\0\1", kind) + l3,
    SLL2: lambda l3, kind: struct.pack("!HHIHBB8s", kind, 0, 2, 1, 0, 6, b"\2\0\0\0\0\1") + l3,
    PPP: lambda l3, kind: b"\xff\3\0\x21" + l3,
}


def frames(story, link, snap=65535):
    """(seconds, frame as captured, its length) of (seconds, l3[, ethertype])"""
    for s in story:
        f = LINKS[link](s[1], s[2] if len(s) > 2 else 0x0800)
        yield s[0], f[:snap], len(f)


def pcap(path, story, link=EN10MB, magic=PCAP, order="<", snap=65535, cut=0):
    b = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    unit = 1e9 if magic == PCAP_NS else 1e6
    for at, f, n in frames(story, link, snap):
        b += struct.pack(order + "IIII", int(at), round((at % 1) * unit), len(f), n) + f
    open(path, "wb").write(b[: len(b) - cut])


def block(kind, body, order="<"):
    body += b"\0" * (-len(body) % 4)
    n = len(body) + 12
    return struct.pack(order + "II", kind, n) + body + struct.pack(order + "I", n)


def pcapng(path, story, links=(EN10MB,), order="<"):
    b = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)
    for link in links:
        b += block(1, struct.pack(order + "HHI", link, 0, 65535), order)
    for i, (at, f, n) in enumerate(frames(story, links[0])):
        us = round(at * 1e6)
        head = struct.pack(order + "IIIII", i % len(links), us >> 32, us & 0xFFFFFFFF, len(f), n)
        b += block(6, head + f, order)
    open(path, "wb").write(b)


WEB, APP, LAP, BASTION = "10.0.0.10", "10.0.10.10", "198.51.100.7", "10.0.0.20"
T0 = 1700000000


def handshake(at, a, ap, b, bp):
    return [(at, tcp(a, ap, b, bp, SYN)), (at + 0.001, tcp(b, bp, a, ap, SYN | ACK)), (at + 0.002, tcp(a, ap, b, bp, ACK))]


# What web-1 of three-tier.ini sees; every packet has its answer in replay.sh.
STORY = (
    handshake(T0, LAP, 40000, WEB, 443)
    + [(T0 + 1, tcp("198.51.100.8", 40001, WEB, 22, SYN))]
    + handshake(T0 + 2, WEB, 40002, APP, 8080)
    + [
        (T0 + 3, tcp(BASTION, 50000, WEB, 22, SYN)),
        (T0 + 4, tcp("10.0.0.77", 50000, WEB, 22, SYN)),
        (T0 + 5, icmp(LAP, WEB, 3, 3, b"\0\0\0\0" + tcp(WEB, 443, LAP, 40000, ACK)[:28])),
        (T0 + 6, icmp(LAP, WEB, 3, 3, b"\0\0\0\0" + tcp(WEB, 443, LAP, 41000, ACK)[:28])),
        (T0 + 7, tcp("10.0.0.66", 1, "8.8.8.8", 2, SYN)),
        (T0 + 8, b"\0" * 28, 0x0806),
        (T0 + 9, tcp(WEB, 443, LAP, 40000, ACK)),
    ]
)
# Two questions of a UDP client and answers after 20, 29 and 45 seconds of silence.
TIMES = [
    (T0, udp("10.0.1.10", 5000, "10.0.2.10", 53)),
    (T0 + 20, udp("10.0.2.10", 53, "10.0.1.10", 5000)),
    (T0 + 49, udp("10.0.2.10", 53, "10.0.1.10", 5000)),
    (T0 + 400, udp("10.0.2.10", 53, "10.0.1.10", 5000)),
    (T0 + 401, udp("10.0.1.10", 5000, "10.0.2.10", 53)),
    (T0 + 446, udp("10.0.2.10", 53, "10.0.1.10", 5000)),
]
# A machine at 172.31.9.9 that the lab does not know.
FOREIGN = handshake(T0, "203.0.113.200", 60000, "172.31.9.9", 443) + [
    (T0 + 1, tcp("203.0.113.200", 60001, "172.31.9.9", 3306, SYN)),
    (T0 + 2, tcp("172.31.9.9", 443, "203.0.113.200", 60000, ACK)),
]


def noise(n, seed):
    """Packets of every sort to, from and past web-1, whole and broken."""
    r = random.Random(seed)
    ends = [WEB, APP, LAP, BASTION, "10.0.0.1", "10.0.0.77", "10.0.1.10", "10.0.20.10", "203.0.113.9", "169.254.169.254"]
    yield from STORY  # an ICMP error about a connection among them
    at = T0 + 60
    for _ in range(n):
        at += r.choice((0, 0.0001, 0.001, 0.01, 0.1, 0.1, 0.5, 0.5, r.choice((1, 40, 200))))
        a, b = r.sample(ends, 2)
        if r.random() < 0.7:
            a, b = r.choice(((WEB, b if b != WEB else LAP), (a if a != WEB else LAP, WEB)))
        port = lambda: r.choice((443, 40000)) if r.random() < 0.6 else r.choice((22, 80, 8080, 5432, 40001, 65535))
        kind = r.randrange(8)
        if kind < 3:
            p = tcp(a, port(), b, port(), r.choice((SYN, SYN | ACK, ACK, FIN | ACK, RST)), b"d" * r.choice((0, 9, 1400, 3000)))
        elif kind == 3:
            p = udp(a, port(), b, port(), b"u" * r.randrange(30))
        elif kind == 4:
            p = icmp(a, b, r.choice((0, 8, 3, 11, 13)), r.randrange(3), b"\0\0\0\0" + tcp(b, port(), a, port(), ACK)[:28])
        elif kind == 5:
            p = ip(a, b, 17, b"f" * 16, r.choice((0x2000, 2, 0x2002, 4)), r.randrange(3))
        elif kind == 6:
            p = ip(a, b, r.choice((2, 47, 50, 132)), b"o" * 12)
        else:
            p = bytearray(tcp(a, port(), b, port(), SYN))
            p[r.randrange(len(p))] = r.randrange(256)
            p = bytes(p[: r.randrange(1, len(p) + 1)])
        yield at, p, r.choice((0x0800,) * 20 + (0x86DD, 0x8100, 0x88CC))


SYN_IN = tcp("198.51.100.7", 40000, WEB, 443, SYN)
ODD = [(T0 + i, *f) for i, f in enumerate((
    (b"\0\5\x08\0" + SYN_IN, 0x8100),  # a VLAN tag, two of them
    (b"\0\5\x81\0\0\6\x08\0" + SYN_IN, 0x88A8),
    (b"lldp" * 10, 0x88CC),
    (b"\xaa\xaa\3" + b"x" * 40, 43),  # a length instead of a type
    (struct.pack("!IHBB", 6 << 28, 8, 17, 255) + b"\xfe\x80" + b"\1" * 30 + b"\0" * 8, 0x86DD),
    (udp(WEB, 5353, "224.0.0.251", 5353),),
    (udp(WEB, 67, "10.0.0.99", 68),),  # a DHCP answer
    (tcp(WEB, 40000, "169.254.169.254", 80, SYN),),
    (b"\x65" + b"\0" * 40,),  # IPv4 that says it is IPv6
    (SYN_IN + b"\0" * 18,),  # padded
    (b"",),
    (b"\x45" + b"\0" * 9,),
))]


def main(d):
    pcap(f"{d}/odd.pcap", ODD)
    pcap(f"{d}/us.pcap", STORY)
    pcap(f"{d}/ns.pcap", STORY, magic=PCAP_NS)
    pcap(f"{d}/big-endian.pcap", STORY, order=">")
    for name, link in (("raw", RAW), ("ipv4", IPV4), ("sll", SLL), ("sll2", SLL2)):
        pcap(f"{d}/{name}.pcap", [s for s in STORY if len(s) < 3], link)
    pcapng(f"{d}/ng.pcapng", STORY)
    pcapng(f"{d}/ng-big-endian.pcapng", STORY, order=">")
    pcap(f"{d}/times.pcap", TIMES)
    pcap(f"{d}/foreign.pcap", FOREIGN)
    public = [(t, f.replace(quad(WEB), quad("203.0.113.3")), *k) for t, f, *k in STORY[:3]]
    pcap(f"{d}/public.pcap", public)
    pcap(f"{d}/noise.pcap", noise(4000, int(sys.argv[2])))
    # broken ones
    pcap(f"{d}/snap.pcap", STORY, snap=30)
    pcap(f"{d}/cut.pcap", STORY, cut=10)
    pcap(f"{d}/ppp.pcap", STORY, PPP)
    pcapng(f"{d}/two-links.pcapng", STORY, (EN10MB, RAW))
    open(f"{d}/empty", "wb").close()
    open(f"{d}/text", "w").write("no capture at all\n" * 20)
    open(f"{d}/header-only.pcap", "wb").write(struct.pack("<IHHiIII", PCAP, 2, 4, 0, 0, 65535, EN10MB))
    whole = open(f"{d}/us.pcap", "rb").read()
    open(f"{d}/huge-record.pcap", "wb").write(whole[:24] + struct.pack("<IIII", T0, 0, 0x7FFFFFFF, 0x7FFFFFFF) + b"x" * 99)
    r = random.Random(int(sys.argv[2]))
    for i in range(60):  # bytes changed at random, in either form
        b = bytearray(open(f"{d}/{r.choice(('us.pcap', 'ng.pcapng', 'sll2.pcap'))}", "rb").read())
        for _ in range(r.randrange(1, 8)):
            b[r.randrange(len(b))] = r.randrange(256)
        open(f"{d}/mad-{i}", "wb").write(b)
    with open(f"{d}/long.pcap", "wb") as f:  # the story again and again, the clock running on
        f.write(whole[:24])
        for i in range(20000):
            for at, p, n in frames(STORY, EN10MB):
                f.write(struct.pack("<IIII", int(at) + 10 * i, 0, len(p), n) + p)


if __name__ == "__main__":
    main(sys.argv[1])
