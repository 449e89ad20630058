"""acknowledged.py SECONDS SOCKET LAB: rules, membership, routes and ACLs are changed back and forth, one after another as fast as the
daemon takes them, while two flows run. Once a change is acknowledged, the very next packets are judged by it: a
packet is delivered in the sender's own time, so that what has not come when send() returns never will.

Prints "changes N packets M stale S per-kind {...}". stale: packets judged by what was true before an acknowledged change."""
import json, socket, sys, time
from wire import setns

seconds, path, lab = float(sys.argv[1]), sys.argv[2], sys.argv[3]
PORT, SERVER = 6000, "10.0.2.10"


def in_ns(name, make):
	with open(f"/run/netns/{lab}.{name}") as f:
		setns(f.fileno())
	return make()


def bound():
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.bind(("", PORT))
	s.setblocking(False)
	return s


def sender(port):
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.bind(("", port))
	s.connect((SERVER, PORT))
	return s


class Api:
	def __init__(self):
		self.s = socket.socket(socket.AF_UNIX)
		self.s.connect(path)
		self.f = self.s.makefile("rb")

	def change(self, op, kind, name, key, value):
		body = json.dumps({"edits": [{"op": op, "kind": kind, "name": name, "key": key, "value": value}]})
		self.s.sendall(f"POST /v1/labs/{lab}/changes HTTP/1.1\r\nHost: vpcd\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
		status, length = self.f.readline(), 0
		while (line := self.f.readline().strip()):
			if line.lower().startswith(b"content-length:"):
				length = int(line.split(b":")[1])
		answer = self.f.read(length)
		if b" 200 " not in status or b'"applied":true' not in answer:
			sys.exit(f"{op} {kind} {name} {key} {value}: {status} {answer}")


# kind: (name, key, how it becomes closed, how it becomes open again)
KINDS = {
	"nacl": (("set", "nacl", "n", "inbound", "10 deny udp 6000 from 0.0.0.0/0"), ("unset", "nacl", "n", "inbound", "10 deny udp 6000 from 0.0.0.0/0")),
	"route": (("set", "route-table", "r", "route", "10.0.2.0/24 via instance:mid"), ("unset", "route-table", "r", "route", "10.0.2.0/24 via instance:mid")),
	"rule": (("unset", "security-group", "take", "inbound", "udp 6000 from 0.0.0.0/0"), ("set", "security-group", "take", "inbound", "udp 6000 from 0.0.0.0/0")),
	"membership": (("set", "instance", "b", "security-groups", "shut"), ("set", "instance", "b", "security-groups", "take")),
}
receiver = in_ns("b", bound)
old = in_ns("a", lambda: sender(20000)) # one flow that is there all the time
api, changes, packets, stale, kinds = Api(), 0, 0, [], dict.fromkeys(KINDS, 0)


def comes(s):
	global packets
	packets += 1
	s.send(b"%d" % packets)
	got = []
	try:
		while True:
			got.append(receiver.recv(64))
	except BlockingIOError:
		return b"%d" % packets in got


def look(kind, want):
	"""A new flow is judged by all; the old one too, but a group's rule lets an established flow go on: it is untracked here."""
	global fresh_port
	fresh_port = 20001 + (fresh_port - 20000) % 40000
	fresh = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	fresh.bind(("", fresh_port))
	fresh.connect((SERVER, PORT))
	for who, s in (("new flow", fresh), ("old flow", old)):
		for nth in range(3):
			if comes(s) != want:
				stale.append(f"{kind}: packet {nth} of the {who} {'was denied' if want else 'came'}")
	fresh.close()


fresh_port = 20000
end = time.monotonic() + seconds
if not comes(old):
	sys.exit("the first packet does not come")
while time.monotonic() < end:
	for kind, (shut, opened) in KINDS.items():
		for change, want in ((shut, False), (opened, True)):
			api.change(*change)
			changes, kinds[kind] = changes + 1, kinds[kind] + 1
			look(kind, want)
print(f"changes {changes} packets {packets} stale {len(stale)} {kinds}")
for line in stale[:5]:
	print(line)
