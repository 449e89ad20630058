"""nat_addresses.py LAB MODE: connections through a NAT gateway whose addresses come and go."""
import os
import socket
import subprocess
import sys

from wire import *

lab, mode = Lab(sys.argv[1]), sys.argv[2]
CONNECTIONS = 60


def say(good, text, *details):
    return check(good, "%s: %s" % (mode, text), *details)


def same(got, want, text):
    return equal(got, want, "%s: %s" % (mode, text))


def gateway():
    return {n["name"]: n for n in api("/v1/labs/%s/nat-gateway" % lab.name)["nat-gateway"]}["gw"]


def vpc(*argv):
    r = subprocess.run([os.environ["B"] + "/vpc", *argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)
    say(r.returncode == 0, " ".join(argv), r.stdout)


def socket_in(name):
    with inside(lab.ns(name)):
        s = socket.socket()
    s.settimeout(LIMIT_S)
    return s


listener = socket_in("h")
listener.bind(("0.0.0.0", 8080))
listener.listen(CONNECTIONS)


class Connection:
    def __init__(self):
        self.c = socket_in("a")
        self.c.connect(("198.51.100.7", 8080))
        self.s, (self.public, self.port) = listener.accept()
        self.s.settimeout(LIMIT_S)

    def talks(self):
        try:
            self.c.sendall(b"there")
            if self.s.recv(100) != b"there":
                return False
            self.s.sendall(b"back")
            return self.c.recv(100) == b"back"
        except OSError:
            return False

    def reset(self):
        try:
            self.c.sendall(b"anybody there?")
            self.c.recv(100)
        except ConnectionResetError:
            return True
        except OSError:
            pass
        return False


def spread(connections):
    return {p: sum(c.public == p for c in connections) for p in {c.public for c in connections}}


# ---- spread --------------------------------------------------------------------------------------
leaving = lab.tap("gw")
old = [Connection() for _ in range(CONNECTIONS)]
n = spread(old)
same(sorted(n), ["203.0.113.50", "203.0.113.60"], "the world sees both addresses")
say(min(n.values()) > CONNECTIONS // 8, "about as often", n)
private = {}  # by port: two addresses may draw the same one
try:
    while True:  # what the gateway sent
        frame, where = leaving.sock.recvfrom(2000)
        p = Ip(frame)
        if where[2] == socket.PACKET_OUTGOING and p.ok and p.proto == TCP and p.dst == "198.51.100.7":
            private.setdefault(p.sport, set()).add(p.src)
except BlockingIOError:
    pass
leaving.close()
same({(src, c.public) for c in old for src in private[c.port] if len(private[c.port]) == 1}, {(a["private"], a["public"]) for a in gateway()["addresses"]},
     "the internet gateway makes of each private address its own public one")
say(all(c.talks() for c in old), "a connection stays on its address")

# ---- one comes ----------------------------------------------------------------------------------
vpc("set", "nat-gateway", "gw", "public-ip", "203.0.113.70", "--lab", lab.name)
say(all(c.talks() for c in old), "an address that comes leaves connections alone")
new = [Connection() for _ in range(CONNECTIONS)]
n = spread(new)
same(sorted(n), ["203.0.113.50", "203.0.113.60", "203.0.113.70"], "it takes part")
say(min(n.values()) > CONNECTIONS // 12, "as much as the others", n)

# ---- one goes -----------------------------------------------------------------------------------
idle = gateway()["metrics"]["IdleTimeoutCount"]
vpc("unset", "nat-gateway", "gw", "public-ip", "203.0.113.60", "--lab", lab.name)
gone = [c for c in old + new if c.public == "203.0.113.60"]
stay = [c for c in old + new if c.public != "203.0.113.60"]
say(all(c.talks() for c in stay), "an address that goes leaves the connections of others alone",
    [(c.public, c.port) for c in stay if not c.talks()])
say(all(c.reset() for c in gone), "and its own are told by a reset")
m = gateway()["metrics"]
same((m["ActiveConnectionCount"], m["IdleTimeoutCount"] - idle), (len(stay), 0), "what it cut is neither active nor idle")
same(sorted(spread([Connection() for _ in range(CONNECTIONS)])), ["203.0.113.50", "203.0.113.70"], "nothing takes it any more")
