"""paths.py: what a packet from CLIENT to SERVER goes through: a bare veth pair, plain forwarding between two, nftables
with conntrack and sets, iptables with ipset, or a lab of ours. All have the same addresses, MTU and rules; all can be up side by side."""
import json, os, shutil, subprocess

CLIENT, SERVER, MTU = "10.0.0.10", "10.0.1.10", 9001
# udp 7000: no rule of the receiver's group. udp 7500: the ACL says no. The rest of what the generators send may pass.
FORBIDDEN = {"sg-in": 7000, "nacl-in": 7500}
UDP_PORT = 6000


class Path:
	def __init__(self, name, client, server, rules=None):
		self.name, self.client, self.server, self.rules = name, client, server, rules
		self.is_ours = False


def run(argv, text=None):
	done = subprocess.run(argv, input=text, capture_output=True, text=True)
	if done.returncode:
		raise SystemExit(f"bench: {' '.join(argv)}: {done.stderr.strip()[:400]}")
	return done.stdout


def mac(path, n):
	return f"02:10:00:00:{sum(map(ord, path)) % 256:02x}:{n:02x}"


def end_up(ns, dev, addr, n, name):
	return [f"-n {ns} link set lo up", f"-n {ns} link set {dev} address {mac(name, n)}", f"-n {ns} addr add {addr} dev {dev}",
		f"-n {ns} link set {dev} up"]


def ip(*lines):
	for line in lines:
		run(["ip", *line.split()])
		if line.startswith("netns add"): # nothing of IPv6's own talk: it would be counted among the load
			run(["ip", "netns", "exec", line.split()[2], "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"])


def pair(a, a_dev, b, b_dev):
	return f"-n {a} link add {a_dev} mtu {MTU} numtxqueues 1 numrxqueues 1 type veth peer name {b_dev} mtu {MTU} numtxqueues 1 numrxqueues 1 netns {b}"


def bare():
	ip("netns add bare.a", "netns add bare.b", pair("bare.a", "eth0", "bare.b", "eth0"), *end_up("bare.a", "eth0", f"{CLIENT}/16", 1, "bare"),
	   *end_up("bare.b", "eth0", f"{SERVER}/16", 2, "bare"),
	   f"-n bare.a neigh add {SERVER} lladdr {mac('bare', 2)} nud permanent dev eth0",
	   f"-n bare.b neigh add {CLIENT} lladdr {mac('bare', 1)} nud permanent dev eth0")
	return Path("bare", "bare.a", "bare.b")


def forwarding(name):
	a, r, b = f"{name}.a", f"{name}.r", f"{name}.b"
	ip(f"netns add {a}", f"netns add {r}", f"netns add {b}", pair(r, "in", a, "eth0"), pair(r, "out", b, "eth0"),
	   *end_up(a, "eth0", f"{CLIENT}/24", 1, name), *end_up(b, "eth0", f"{SERVER}/24", 2, name),
	   *end_up(r, "in", "10.0.0.1/24", 3, name), *end_up(r, "out", "10.0.1.1/24", 4, name),
	   f"-n {a} neigh add 10.0.0.1 lladdr {mac(name, 3)} nud permanent dev eth0", f"-n {b} neigh add 10.0.1.1 lladdr {mac(name, 4)} nud permanent dev eth0",
	   f"-n {r} neigh add {CLIENT} lladdr {mac(name, 1)} nud permanent dev in", f"-n {r} neigh add {SERVER} lladdr {mac(name, 2)} nud permanent dev out",
	   f"-n {a} route add default via 10.0.0.1", f"-n {b} route add default via 10.0.1.1")
	run(["ip", "netns", "exec", r, "sysctl", "-qw", "net.ipv4.ip_forward=1"])
	return Path(name, a, b)


def fill(n):
	"""n rules that say nothing of the measured packets, none overlapping another: (protocol, first port, last port, prefix)."""
	return [("udp" if i % 3 == 0 else "tcp", 10000 + i * 7919 % 50000, 10000 + i * 7919 % 50000 + i % 400,
		 f"20.{i >> 8}.{i & 255}.0/24") for i in range(n)]


def nft(name, n, acls=True):
	"""The same rules as ours, as one writes them by hand: the group as state and a set, the ACLs as sets that each packet
	meets. acls=False: the common stateful ruleset, which looks at sets for new connections only."""
	path = forwarding(name)
	path.rules = n
	elements = ", ".join([f"{a} . {p} . {lo}-{hi}" for p, lo, hi, a in fill(n)] + ["10.0.0.0/16 . tcp . 0-65535"] +
			     [f"10.0.0.0/16 . udp . {r}" for r in ("0-7499", "7501-65535")])
	group = ", ".join([f"{a} . {p} . {lo}-{hi}" for p, lo, hi, a in fill(n)] +
			  ["10.0.0.0/24 . udp . 5000-6999", "10.0.0.0/24 . tcp . 5201"])
	one_set = "type ipv4_addr . inet_proto . inet_service; flags interval;"
	acl = ("ip daddr . meta l4proto . th dport != @acl_out drop; ip saddr . meta l4proto . th dport != @acl_in drop;" if acls else "")
	run(["nsenter", f"--net=/run/netns/{name}.r", "nft", "-f", "-"], f"""table inet f {{
		set acl_in {{ {one_set} elements = {{ {elements} }} }}
		set acl_out {{ {one_set} elements = {{ {elements} }} }}
		set group {{ {one_set} elements = {{ {group} }} }}
		chain forward {{ type filter hook forward priority 0; policy drop;
			{acl} ct state vmap {{ established : accept, related : accept, invalid : drop }}
			ip saddr . meta l4proto . th dport @group counter accept
		}}
		}}
""")
	run(["ip", "netns", "exec", f"{name}.r", "sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_timeout_time_wait=1"])
	return path


IPTABLES = ("iptables-legacy-restore", "iptables-restore") # the first one there; the other may be nftables under its name


def ipset_is_there():
	return shutil.which("ipset") and any(map(shutil.which, IPTABLES))


def ipset(name, n):
	"""The same rules once more, by iptables. A set has one element a port: the ranges are written out, and what is for all
	ports are rules of their own."""
	path = forwarding(name)
	path.rules = n
	elements = "".join(f"add {s} {a},{p}:{lo}-{hi}\n" for s in ("acl", "group") for p, lo, hi, a in fill(n))
	sets = "".join(f"create {s} hash:net,port hashsize 65536 maxelem 4194304\n" for s in ("acl", "group"))
	def acl(chain, way, flag):
		return (f"-A {chain} -p udp --dport {FORBIDDEN['nacl-in']} -j DROP\n-A {chain} -m set --match-set acl {way},dst -j RETURN\n"
			f"-A {chain} {flag} 10.0.0.0/16 -j RETURN\n-A {chain} -j DROP\n")
	os.environ["XTABLES_LOCKFILE"] = f"{os.environ['TEST_DIR']}/xtables.lock"
	run(["nsenter", f"--net=/run/netns/{name}.r", "ipset", "restore"], sets + elements)
	run(["nsenter", f"--net=/run/netns/{name}.r", next(filter(shutil.which, IPTABLES))], f"""*filter
:FORWARD DROP
:acl_out -
:acl_in -
-A FORWARD -j acl_out
-A FORWARD -j acl_in
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -m conntrack --ctstate INVALID -j DROP
-A FORWARD -m set --match-set group src,dst -j ACCEPT
-A FORWARD -s 10.0.0.0/24 -p udp --dport 5000:6999 -j ACCEPT
-A FORWARD -s 10.0.0.0/24 -p tcp --dport 5201 -j ACCEPT
{acl("acl_out", "dst", "-d")}{acl("acl_in", "src", "-s")}COMMIT
""")
	run(["ip", "netns", "exec", f"{name}.r", "sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_timeout_time_wait=1"])
	return path


def lab_text(lab, n, peer="10.0.0.0/24"):
	rules = fill(n)
	group = "".join(f"inbound = {p} {lo}-{hi} from {a}\n" for p, lo, hi, a in rules)
	acl = "".join(f"{d} = {i + 2} allow {p} {lo}-{hi} {w} {a}\n" for d, w in (("inbound", "from"), ("outbound", "to"))
		      for i, (p, lo, hi, a) in enumerate(rules))
	return f"""[lab {lab}]
quotas = off
[vpc v]
cidr = 10.0.0.0/16
[nacl n]
vpc = v
inbound = 1 deny udp {FORBIDDEN["nacl-in"]} from 0.0.0.0/0
{acl}inbound = 32000 allow all from 10.0.0.0/16
outbound = 32000 allow all to 10.0.0.0/16
[security-group c]
vpc = v
[security-group s]
vpc = v
{group}inbound = udp 5000-6999 from {peer}
inbound = tcp 5201 from {peer}
[subnet a]
vpc = v
cidr = 10.0.0.0/24
nacl = n
[subnet b]
vpc = v
cidr = 10.0.1.0/24
nacl = n
[instance client]
subnet = a
address = {CLIENT}
security-groups = c
[instance server]
subnet = b
address = {SERVER}
security-groups = s
"""


def ours(daemon, tmp, lab, n, peer="10.0.0.0/24"):
	path = Path(lab, f"{lab}.client", f"{lab}.server", n)
	path.is_ours = True
	with open(f"{tmp}/{lab}.ini", "w") as f:
		f.write(lab_text(lab, n, peer))
	daemon.do("up", f"{tmp}/{lab}.ini")
	return path


def prepare(path):
	"""The receiver throws the load away where it arrives, by the same rule everywhere; sockets in TIME_WAIT are few."""
	run(["nsenter", f"--net=/run/netns/{path.server}", "nft", f"table inet sink {{ chain in {{ type filter hook prerouting priority -450; udp dport {UDP_PORT}-{UDP_PORT + 999} drop; }}; }}"])
	for ns in (path.client, path.server):
		run(["nsenter", f"--net=/run/netns/{ns}", "sysctl", "-qw", "net.ipv4.tcp_max_tw_buckets=64", "net.ipv4.ip_local_port_range=21000 60999"])


def received(path):
	"""Packets that the receiver's device has taken in."""
	out = run(["nsenter", f"--net=/run/netns/{path.server}", "ip", "-j", "-s", "link", "show", "eth0"])
	rx = json.loads(out)[0]["stats64"]["rx"]
	return rx["packets"] - rx["dropped"]
