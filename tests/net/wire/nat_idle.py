"""nat_idle.py LAB SECONDS: a NAT gateway's idle timeout by the clock: TCP is told when it goes on, UDP is not."""
import socket
import sys

from wire import *

lab, idle_s = Lab(sys.argv[1]), float(sys.argv[2])
HOST = "198.51.100.7"


def socket_in(name, kind=socket.SOCK_STREAM):
    with inside(lab.ns(name)):
        s = socket.socket(socket.AF_INET, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.settimeout(LIMIT_S)
    return s


def metrics():
    return {n["name"]: n for n in api("/v1/labs/%s/nat-gateway" % lab.name)["nat-gateway"]}["gw"]["metrics"]


listener, udp_server = socket_in("h"), socket_in("h", socket.SOCK_DGRAM)
listener.bind(("0.0.0.0", 8080))
listener.listen(4)
udp_server.bind(("0.0.0.0", 5353))
before = metrics()
c, u, busy = socket_in("a"), socket_in("a", socket.SOCK_DGRAM), socket_in("a")
c.connect((HOST, 8080))
s, _ = listener.accept()
busy.connect((HOST, 8080))
talker, _ = listener.accept()
u.sendto(b"ask", (HOST, 5353))
_, asked_from = udp_server.recvfrom(100)
start = time.monotonic()


def only_busy():
    busy.sendall(b"still here")
    talker.recv(100)
    return metrics()["ActiveConnectionCount"] == before["ActiveConnectionCount"] + 1


check(until(only_busy, 3 * idle_s + LIMIT_S), "a connection without a packet is no longer active")
took = time.monotonic() - start
check(idle_s * 0.9 <= took, "not before its time: %g s" % idle_s, took)
equal(metrics()["IdleTimeoutCount"] - before["IdleTimeoutCount"], 1, "it counts as idle, the one with packets does not")
host, client = lab.tap("h"), lab.tap("a")
host.received()
client.received()
try:
    c.sendall(b"anybody there?")
    c.recv(100)
    said = "nothing"
except OSError as e:
    said = type(e).__name__
equal(said, "ConnectionResetError", "who goes on is told by a reset")
ends = [Ip(f) for f in client.received() if Ip(f).ok and Ip(f).proto == TCP and f[47] & RST]
equal({p.src for p in ends}, {HOST}, "which looks as if the other end had sent it")
equal([f for f in host.received() if Ip(f).ok and Ip(f).proto == TCP and f[47] & RST], [], "and it has not, nor is it told")
udp_server.sendto(b"late answer", asked_from)
u.sendto(b"ask again", (HOST, 5353))
_, again = udp_server.recvfrom(100)
udp_server.sendto(b"answer", again)
equal(u.recv(100), b"answer", "a late answer of UDP comes nowhere, without a word")
check(again != asked_from, "who asks again has another port", again, asked_from)
busy.sendall(b"still here")
equal(talker.recv(100), b"still here", "the connection with packets lives")
