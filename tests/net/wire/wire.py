"""wire.py: frames into and out of namespaces, and what the lab says it counted.

A Tap is a packet socket on a device of a namespace: what it sees is what is on the wire there. Whether
something did NOT arrive is never waited for: a fence, a packet that is known to pass, is sent behind it
on the same way by the same CPU; when the fence is there, what came before it has come or died.
"""
import contextlib
import ctypes
import fcntl
import http.client
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
HOME = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one CPU: packets keep their order

ROUTER = bytes.fromhex("027600000000")
BROADCAST = b"\xff" * 6
TCP, UDP, ICMP = 6, 17, 1
FIN, SYN, RST, ACK = 1, 2, 4, 16
LIMIT_S = 30  # nothing here takes that long, on a busy machine either


# ---- results --------------------------------------------------------------------------------
def check(good, text, *details):
    print(("ok " if good else "not ok ") + text, flush=True)
    if not good:
        for d in details:
            print("   ", d, flush=True)
    return good


def equal(got, want, text):
    return check(got == want, text, "got:  %r" % (got,), "want: %r" % (want,))


def until(condition, limit_s=LIMIT_S):
    """Looks again and again; the last look's answer."""
    end = time.monotonic() + limit_s
    while True:
        seen = condition()
        if seen or time.monotonic() > end:
            return seen
        select.select([], [], [], 0.01)


# ---- namespaces ---------------------------------------------------------------------------------
def setns(fd):
    if libc.setns(fd, CLONE_NEWNET) < 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def inside(ns):
    fd = os.open("/run/netns/" + ns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(fd)
        yield
    finally:
        setns(HOME)
        os.close(fd)


def run(ns, *argv, **kw):
    """A command in a namespace, as the machine's root. Its CompletedProcess."""
    with inside(ns):
        return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20, **kw)


# ---- programs that the kernel calls itself (tcx) -------------------------------------------------
TCX_INGRESS = 46
PROG_ATTACH, PROG_DETACH, PROG_GET_FD_BY_ID, PROG_QUERY = 8, 9, 13, 16


def bpf(command, *fields):
    attr = ctypes.create_string_buffer(struct.pack(*fields), 128)
    r = libc.syscall({"x86_64": 321, "aarch64": 280}[os.uname().machine], command, attr, 128)
    if r < 0:
        raise OSError(ctypes.get_errno(), "bpf")
    return r


def tcx_program(ns, dev):
    """Its id; 0: none."""
    ids = (ctypes.c_uint32 * 8)()
    with inside(ns):
        bpf(PROG_QUERY, "IIIIQI", socket.if_nametoindex(dev), TCX_INGRESS, 0, 0, ctypes.addressof(ids), len(ids))
    return ids[0]


def tcx_detach(ns, dev):
    """Takes it away, where there is one."""
    program = tcx_program(ns, dev)
    if not program:
        return
    fd = bpf(PROG_GET_FD_BY_ID, "I", program)
    with inside(ns):
        bpf(PROG_DETACH, "IIIIIIQ", socket.if_nametoindex(dev), fd, TCX_INGRESS, 0, 0, 0, 0)
    os.close(fd)


def snmp(ns, *names):
    """Counters like TcpInCsumErrors of a namespace."""
    with inside(ns):
        lines = open("/proc/thread-self/net/snmp").read().splitlines()
    found = {}
    for head, values in zip(lines[::2], lines[1::2]):
        proto = head.split(":")[0]
        for k, v in zip(head.split()[1:], values.split()[1:]):
            found[proto + k] = int(v)
    return {n: found[n] for n in names}


# ---- building -----------------------------------------------------------------------------------
def csum(data):
    if len(data) % 2:
        data += b"\0"
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def ip_bytes(text):
    return socket.inet_aton(text)


def eth(dst, src, payload, kind=0x0800):
    return dst + src + struct.pack("!H", kind) + payload


def ipv4(src, dst, proto, payload, ttl=64, ident=0, frag=0, df=False, mf=False, options=b""):
    """frag: offset in bytes."""
    options += b"\0" * (-len(options) % 4)
    ihl = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH4s4s", 0x40 | ihl, 0, ihl * 4 + len(payload), ident,
                       (0x4000 if df else 0) | (0x2000 if mf else 0) | frag // 8, ttl, proto, 0,
                       ip_bytes(src), ip_bytes(dst)) + options
    return head[:10] + struct.pack("!H", csum(head)) + head[12:] + payload


def pseudo(src, dst, proto, n):
    return ip_bytes(src) + ip_bytes(dst) + struct.pack("!BBH", 0, proto, n)


def udp(src, dst, sport, dport, data, sum_it=True):
    head = struct.pack("!HHHH", sport, dport, 8 + len(data), 0)
    c = csum(pseudo(src, dst, UDP, len(head) + len(data)) + head + data) if sum_it else 0
    return head[:6] + struct.pack("!H", c) + data


def tcp(src, dst, sport, dport, flags, data=b"", seq=1000, ack=0):
    head = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 0x50, flags, 64000, 0, 0)
    c = csum(pseudo(src, dst, TCP, len(head) + len(data)) + head + data)
    return head[:16] + struct.pack("!H", c) + head[18:] + data


def icmp(kind, code, rest, data=b""):
    head = struct.pack("!BBHI", kind, code, 0, rest)
    return head[:2] + struct.pack("!H", csum(head + data)) + head[4:] + data


def arp(op, sha, spa, tha, tpa):
    return struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, op, sha, ip_bytes(spa), tha, ip_bytes(tpa))


class Ip:
    """A received IPv4 packet, as far as it can be read."""

    def __init__(self, frame):
        self.frame, self.kind = frame, struct.unpack("!H", frame[12:14])[0]
        self.ok = self.kind == 0x0800 and len(frame) >= 34
        if not self.ok:
            return
        b = frame[14:]
        self.ihl = (b[0] & 15) * 4
        self.total, self.ident, fr = struct.unpack("!HHH", b[2:8])
        self.df, self.mf, self.frag = bool(fr & 0x4000), bool(fr & 0x2000), (fr & 0x1FFF) * 8
        self.ttl, self.proto = b[8], b[9]
        self.src, self.dst = socket.inet_ntoa(b[12:16]), socket.inet_ntoa(b[16:20])
        self.l4 = b[self.ihl:self.total or None]
        if self.proto in (TCP, UDP) and not self.frag and len(self.l4) >= 8:
            self.sport, self.dport = struct.unpack("!HH", self.l4[:4])
        if self.proto == ICMP and len(self.l4) >= 8:
            self.type, self.code = self.l4[0], self.l4[1]


# ---- the wire -----------------------------------------------------------------------------------
class Tap:
    """eth0 of a namespace, or another device."""

    def __init__(self, ns, dev="eth0"):
        self.ns, self.dev = ns, dev
        with inside(ns):
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUFFORCE if hasattr(socket, "SO_RCVBUFFORCE") else 33,
                                 64 << 20)
            self.sock.bind((dev, 3))
            req = struct.pack("16s256s", dev.encode(), b"")
            self.mac = fcntl.ioctl(self.sock, 0x8927, req)[18:24]
            try:
                self.addr = socket.inet_ntoa(fcntl.ioctl(self.sock, 0x8915, req)[20:24])
            except OSError:
                self.addr = None
        self.sock.setblocking(False)

    def close(self):
        self.sock.close()

    def send(self, *frames):
        for f in frames:
            self.sock.send(f)

    def ip(self, to, proto, payload, mac=ROUTER, src=None, **kw):
        """Sends one IPv4 packet; to: a Tap or an address."""
        self.send(eth(mac, self.mac, ipv4(src or self.addr, getattr(to, "addr", to), proto, payload, **kw)))

    def udp(self, to, dport, data, sport=40000, mac=ROUTER, src=None, **kw):
        dst = getattr(to, "addr", to)
        self.ip(dst, UDP, udp(src or self.addr, dst, sport, dport, data), mac=mac, src=src, **kw)

    def received(self):
        """All that has come from the wire until now; what the namespace itself sent is left out."""
        got = []
        while True:
            try:
                frame, where = self.sock.recvfrom(1 << 18)
            except BlockingIOError:
                return got
            if where[2] != socket.PACKET_OUTGOING:
                got.append(frame)

    def wait(self, wanted, limit_s=LIMIT_S):
        """All frames up to the first that is wanted, that one last; [] when it does not come."""
        got, end = [], time.monotonic() + limit_s
        while True:
            try:
                frame, where = self.sock.recvfrom(1 << 18)
            except BlockingIOError:
                left = end - time.monotonic()
                if left <= 0:
                    return []
                select.select([self.sock], [], [], left)
                continue
            if where[2] == socket.PACKET_OUTGOING:
                continue
            got.append(frame)
            if wanted(frame):
                return got


fences = 0


def fence(src, dst, mac=ROUTER, dport=7777, to=None):
    """What dst received before a packet that src sends it now; None when that one is lost."""
    global fences
    fences += 1
    token = b"fence-%08d" % fences
    src.udp(to or dst, dport, token, sport=7777, mac=mac)
    got = dst.wait(lambda f: token in f)
    return got[:-1] if got else None


def seen(frames, token):
    return sum(token in f for f in frames or [])


def silence(ns):
    """The namespace answers nothing by itself: taps see all, the kernel behind them none."""
    rules = "table inet silent { chain in { type filter hook input priority -500; policy drop; }; }"
    r = run(ns, "nft", rules)
    assert r.returncode == 0, r.stdout


def speech(ns):
    run(ns, "nft", "delete table inet silent")


# ---- what the lab says --------------------------------------------------------------------------
class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(os.environ["VPCD_RUN_DIR"] + "/vpcd.sock")


def api(path):
    c = Unix("vpcd")
    c.request("GET", path)
    r = c.getresponse()
    body = r.read()
    c.close()
    if r.status != 200:
        raise RuntimeError("%s: %s" % (path, body))
    return json.loads(body)


class Lab:
    def __init__(self, name):
        self.name, self.taps = name, {}

    def tap(self, name):
        if name not in self.taps:
            self.taps[name] = Tap(self.name + "." + name)
        return self.taps[name]

    def ns(self, name):
        return self.name + "." + name

    def status(self):
        return {e["name"]: e for e in api("/v1/labs/%s/status" % self.name)["enis"]}

    def rules(self):
        """(owner, direction, text) -> packets"""
        return {(r["owner"], r["direction"], r["text"]): r["packets"] for r in api("/v1/labs/%s/rules" % self.name)["rules"]}

    def routes(self):
        """(table, destination) -> packets"""
        return {(t["name"], r["destination"]): r["packets"]
                for t in api("/v1/labs/%s/route-table" % self.name)["route-table"] for r in t["routes"]}

    def gates(self):
        """(gate, reason) -> packets, over all interfaces: denials as the data path counts them."""
        path = "%s/%s/map_gate_hits" % (os.environ["VPCD_BPF_DIR"], self.name)
        dump = json.loads(subprocess.run(["bpftool", "-j", "map", "dump", "pinned", path], check=True,
                                         stdout=subprocess.PIPE, timeout=10).stdout)
        names = abi_names()
        sums = {}
        for entry in dump:
            key = bytes(int(b, 16) for b in entry["key"])
            gate, reason = struct.unpack("=HH", key[4:8])
            n = sum(struct.unpack("=Q", bytes(int(b, 16) for b in v["value"])[:8])[0] for v in entry["values"])
            k = (names[0][gate], names[1][reason])
            sums[k] = sums.get(k, 0) + n
        return sums


def abi_names():
    """Gates and reasons by number, read from the header."""
    import re
    text = open(os.environ["ROOT"] + "/bpf/abi.h").read()
    gates = text.split("#define ABI_GATES(X)")[1].split("enum abi_gate")[0]
    reasons = text.split("#define ABI_REASONS(X)")[1].split("enum abi_reason")[0]
    return re.findall(r'X\(\w+, "([^"]+)"\)', gates), re.findall(r"X\((\w+), \"", reasons)


def rise(before, after):
    """What rose, by how much."""
    return {k: v - before.get(k, 0) for k, v in after.items() if isinstance(v, int) and v != before.get(k, 0)}
