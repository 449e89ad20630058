"""isolation.py LAB LAB LAB: everyone sends to every address there is; then the second lab goes down."""
import os
import socket
import subprocess
import sys

from wire import *

labs = [Lab(n) for n in sys.argv[1:]]
names = [v + x for v in ("v-", "w-") for x in "ab"] + ["only-v", "only-w"]
taps, home = {}, {}
for l in labs:
    for n in names:
        taps[l.name, n] = l.tap(n)
        home[l.name, n] = (l.name, "v" if n in ("v-a", "v-b", "only-v") else "w")
    taps[l.name, "h"] = l.tap("h")
    home[l.name, "h"] = (l.name, "internet")
machine = Tap.__new__(Tap)
machine.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
machine.sock.setblocking(False)
for t in taps.values():
    silence(t.ns)
public = {(l.name, i["name"]): i["addresses"][0]["public"] for l in labs for i in api("/v1/labs/%s/instance" % l.name)["instance"]}
everywhere = sorted({t.addr for t in taps.values()} | {p for p in public.values() if p} | {"10.0.1.1", "203.0.113.2", "203.0.113.200", "192.0.2.1"})
equal(sorted(taps["one", n].addr for n in names), sorted(taps["two", n].addr for n in names), "both labs have the same addresses")
check(set(p for k, p in public.items() if p and k[0] == "one") & set(p for k, p in public.items() if p and k[0] == "two"),
      "and the same public ones", public)

held = {k: [] for k in taps}
for who, t in taps.items():
    token = b"from-%s-%s;" % (who[0].encode(), who[1].encode())
    for to in everywhere:
        t.udp(to, 5000, token)
        t.ip(to, ICMP, icmp(8, 0, 1, token))
        t.ip(to, TCP, tcp(t.addr, to, 40000, 80, SYN, token))
    for other, o in taps.items():
        if other != who and home[other] == home[who] and other[1] != "h":
            mac = o.mac if o.addr.rsplit(".", 1)[0] == t.addr.rsplit(".", 1)[0] else ROUTER
            got = fence(t, o, mac=mac)
            check(got is not None, "%s/%s reaches %s" % (who + (other[1],)))
            held[other] += got or []
crossed = {}
for k, t in taps.items():
    for f in held[k] + t.received():
        i = f.find(b"from-")
        if i < 0:
            continue
        lab_name, name = f[i + 5:f.index(b";", i)].decode().split("-", 1)
        same_lab, same_home = lab_name == k[0], home[lab_name, name] == home[k]
        # Between VPCs, and with hosts, the internet is the way: then the addresses are public ones.
        by_internet = same_lab and not same_home and not Ip(f).src.startswith("10.")
        if not (same_home or by_internet):
            crossed[lab_name, name, k] = f[:40].hex()
equal(crossed, {}, "no packet crosses from lab to lab, nor between VPCs but by public addresses")
equal([f[:60].hex() for f in machine.received() if b"from-" in f], [], "none comes to the machine")
r = subprocess.run(["ping", "-c1", "-W1", "-q", "10.0.1.10"], stdout=subprocess.PIPE, timeout=5)
equal(r.returncode, 0, "the machine's own address is the machine's")
machine.received()
equal(sum(seen(t.received(), b"") for k, t in taps.items() if k[1] == "v-a"), 0, "no lab hears of that")
for t in taps.values():
    speech(t.ns)


# ---- one goes down ------------------------------------------------------------------------------------
def connect(lab, src, dst):
    with inside(lab.ns(dst)):
        listener = socket.socket()
    listener.bind(("0.0.0.0", 8080))
    listener.listen(1)
    with inside(lab.ns(src)):
        c = socket.socket()
    c.settimeout(LIMIT_S)
    c.connect((lab.tap(dst).addr, 8080))
    s, _ = listener.accept()
    s.settimeout(LIMIT_S)
    return c, s


pairs = [connect(l, "v-a", "v-b") for l in (labs[0], labs[2])]
a, b = taps["one", "v-a"], taps["one", "v-b"]
silence(b.ns)
b.received()
down = subprocess.Popen([os.environ["VPC"], "down", "two"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
sent = 0
while down.poll() is None and sent < 100000:
    a.udp(b, 5000, b"while-%08d" % sent)
    sent += 1
    select.select([], [], [], 0.0005)
say = down.stdout.read()
equal((down.returncode, sent > 10), (0, True), "two goes down, while one is busy")
got = fence(a, b) or []
equal(seen(got, b"while-"), sent, "not one packet of lab one is lost meanwhile")
speech(b.ns)
for c, s in pairs:
    c.sendall(b"still there")
    equal(s.recv(100), b"still there", "connections of the other labs go on")
equal([n for n in os.listdir("/run/netns") if n.startswith("two.")], [], "nothing of two is left")
