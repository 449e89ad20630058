#!/usr/bin/env python3
"""bench.py [--quick] [--only traffic|build] [-j FILE.json] [-m FILE.md] [--svg FOLDER] [--docs FILE.md]: all figures, as ratios.

Each is measured against its baselines in turns in the same run: a slice of this, a slice of that, in another order each
round; the ratio of each round is one value; printed are their median and its 95 % interval. No figure of the data path is
printed unless in this run forbidden packets died, permitted ones came, and the counters equal the packets sent.
lib/paths.py has the baselines, load.c the generators, build.py what building costs. Root; `make bench`.
"""
import argparse, datetime, json, os, shutil, subprocess, sys, time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import chart, machine, paths, stats
from lib.lab import Daemon, fail, pause
import build

SIZES = (10, 100, 1000, 10000)
PACKETS, CONNECTS, TURNS, STREAM_MS = 16384, 800, 4000, 200
TIMES_A_FLOW = 13 # each flow must come again and again in a slice, or what the other paths left of the caches is measured
FORBIDDEN_PACKETS = 6400
SETTLE_S = 6 # of the kernels that know tcx: until small labs have it at all hooks
# Rounds of each, of them with plans, edits and matrices; sizes of rulesets and labs. Never fewer than seven for a figure with a bar.
FULL = {"packets": 31, "pairs": 31, "stream": 21, "build": 7, "details": 3, "rules": SIZES, "labs": (10, 100, 1000, 5000)}
QUICK = {"packets": 7, "pairs": 7, "stream": 7, "build": 7, "details": 1, "rules": (10, 100, 10000), "labs": (1000,)}
MININET_HOSTS = 50
OTHER_ROUNDS, IPERF_S = 3, 2 # of labs of other sizes, which have no bars; of the second opinion


class Load:
	"""A generator between the ends of a path, waiting for its next amount."""
	def __init__(self, b, path, kind, *rest):
		ends = [path.client] if kind == "udp" else [path.client, path.server]
		self.path, self.sent = path, 0
		self.process = subprocess.Popen([f"{b}/tests/bench/load", "0", kind, *ends, paths.SERVER, *map(str, rest)],
						stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

	def go(self, amount):
		self.process.stdin.write(f"{amount}\n")
		self.process.stdin.flush()
		words = self.process.stdout.readline().split()
		if not words:
			fail(f"{self.path.name}: the generator ended; see above")
		self.sent += int(float(words[-1]))
		return float(words[0])

	def end(self):
		self.process.stdin.close()
		self.process.wait()


def in_turns(loads, rounds, amount):
	"""{path name: [value a round]}"""
	values = {l.path.name: [] for l in loads}
	for l in loads: # a connection's first packets, the pages of sets: not what is measured
		l.go(max(amount // 8, 64))
	for i in range(rounds):
		turn = loads[i % len(loads):] + loads[:i % len(loads)]
		for l in turn if i % 2 else reversed(turn):
			values[l.path.name].append(l.go(amount))
	return values


class Traffic:
	def __init__(self, b, daemon, rounds):
		tmp = os.environ["TEST_DIR"]
		self.b, self.daemon, self.rounds, self.checks = b, daemon, rounds, []
		every = [paths.bare(), paths.forwarding("forward"), paths.nft("nft-state", 100, acls=False)]
		every += [paths.nft(f"nft-{n}", n) for n in rounds["rules"]]
		if paths.ipset_is_there():
			every.append(paths.ipset("ipset-100", 100))
		else:
			self.checks.append("ipset or iptables is not installed: no figure of them")
		every += [paths.ours(daemon, tmp, f"ours-{n}", n) for n in rounds["rules"]]
		every += [paths.ours(daemon, tmp, "ours-open", 10, "0.0.0.0/0")]
		self.paths = {p.name: p for p in every}
		for p in every:
			paths.prepare(p)
		pause(SETTLE_S)

	def forbidden(self):
		for p in self.paths.values():
			if p.rules is None:
				continue
			before, denied = paths.received(p), p.is_ours and self.daemon.eni(p.name, "client")["denied"]
			for gate, port in paths.FORBIDDEN.items():
				if gate == "nacl-in" and p.name == "nft-state":
					continue # it has no ACL
				load = Load(self.b, p, "udp", port, 18, 1)
				load.go(FORBIDDEN_PACKETS)
				load.end()
			if paths.received(p) != before:
				fail(f"{p.name}: a forbidden packet came through: no figure of it is worth anything")
			if p.is_ours:
				counted = self.daemon.eni(p.name, "client")["denied"] - denied
				if counted != FORBIDDEN_PACKETS * len(paths.FORBIDDEN):
					fail(f"{p.name}: {counted} denials were counted, not {FORBIDDEN_PACKETS * len(paths.FORBIDDEN)}")
				self.checks.append(f"{p.name}: {counted:,} forbidden packets died and were counted")

	def packets(self, size, flows, names):
		"""ns a packet. Counters of ours and of the receivers' devices must equal what was sent."""
		chosen = [self.paths[n] for n in names]
		before = {p.name: (paths.received(p), p.is_ours and self.daemon.eni(p.name, "client")["tx_packets"]) for p in chosen}
		loads = [Load(self.b, p, "udp", paths.UDP_PORT, size, flows) for p in chosen]
		values = in_turns(loads, self.rounds["packets"], max(PACKETS, flows * TIMES_A_FLOW))
		for l in loads:
			l.end()
			p, came = l.path, paths.received(l.path) - before[l.path.name][0]
			if came != l.sent:
				fail(f"{p.name}: {l.sent} packets were sent and {came} came: not the same work")
			if p.is_ours:
				counted = self.daemon.eni(p.name, "client")["tx_packets"] - before[p.name][1]
				if counted != l.sent:
					fail(f"{p.name}: {l.sent} packets were sent and {counted} counted")
				self.checks.append(f"{p.name}: {l.sent:,} packets of {size} bytes in {flows:,} flow{'s' if flows > 1 else ''} sent, received, counted")
		return values

	def turns(self, kind, rounds, amount, names):
		loads = [Load(self.b, self.paths[n], kind) for n in names]
		values = in_turns(loads, rounds, amount)
		for l in loads:
			l.end()
		return values


class Report:
	def __init__(self):
		self.rows, self.figures, self.missed = [], {}, 0

	def add(self, name, values, bar=None, digits=2, unit=""):
		if not values:
			fail(f"{name}: nothing was measured")
		mid, low, high = stats.interval(values)
		said = stats.verdict(mid, low, high, bar)
		self.missed += "MISSED" in said
		wide = "" if said or not mid or (high - low) / abs(mid) <= stats.SPREAD_MAX else "spread too wide to say"
		bar_text = "" if bar is None else f"{'≤' if bar[0] == '<=' else '≥'} {bar[1]:g}"
		self.rows.append(f"| {name} | {mid:,.{digits}f}{unit} | {low:,.{digits}f} – {high:,.{digits}f} | {bar_text} | {said or wide} |")
		self.figures[name] = {"median": mid, "low": low, "high": high, "values": values, "bar": bar, "verdict": said or wide,
				      "load": os.getloadavg()[0]}

	def head(self, text):
		self.rows.append(f"| *{text}* | | | | |")

	def table(self):
		return "\n".join(["| figure | median | 95 % interval | bar | |", "|---|---|---|---|---|", *self.rows])


def report_packets(r, title, v):
	bare, forward = v["bare"], v["forward"]
	main = [n for n in ("ours-100", "ours-open") if n in v]
	r.head(title)
	for n in v:
		r.add(f"{title}: {n}, ns a packet", v[n], digits=0)
	for n in main:
		full = n == "ours-100"
		r.add(f"{title}: added by {n} ÷ by plain forwarding", stats.added(v[n], forward, bare), ("<=", 0.5) if full else None)
		r.add(f"{title}: added by {n} ÷ by nftables with sets", stats.added(v[n], v["nft-100"], bare), ("<=", 0.25) if full else None)
	if "ipset-100" in v:
		r.add(f"{title}: added by ours-100 ÷ by iptables with ipset", stats.added(v["ours-100"], v["ipset-100"], bare))
	if "nft-state" in v:
		r.add(f"{title}: added by ours-100 ÷ by nftables, stateful rules only", stats.added(v["ours-100"], v["nft-state"], bare))
	if "ours-10000" in v:
		r.add(f"{title}: a packet with 10,000 rules ÷ with 10", stats.ratios(v["ours-10000"], v["ours-10"]), ("<=", 1.10))


def second_opinion(t, names, r):
	"""One TCP stream by iperf3, where it is installed. Once a path: no bar hangs on it."""
	if not shutil.which("iperf3"):
		t.checks.append("iperf3 is not installed: no second opinion on the stream")
		return
	for p in (t.paths[n] for n in names):
		server = subprocess.Popen(["ip", "netns", "exec", p.server, "iperf3", "-s", "-1", "-p", "5201"], stdout=subprocess.DEVNULL)
		for _ in range(100): # until it listens
			done = subprocess.run(["ip", "netns", "exec", p.client, "iperf3", "-J", "-c", paths.SERVER, "-p", "5201", "-t", str(IPERF_S)],
					      capture_output=True, text=True)
			if done.returncode == 0:
				r.add(f"stream by iperf3: {p.name}, Gbit/s", [json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"] / 1e9], digits=1)
				break
			pause()
		else:
			t.checks.append(f"iperf3 did not work over {p.name}: no second opinion")
		server.kill()
		server.wait()


def traffic(b, rounds, r):
	daemon = Daemon(b)
	t = Traffic(b, daemon, rounds)
	t.forbidden()
	four = ["bare", "forward", "nft-100", "ours-100"]
	others = [n for n in rounds["rules"] if n != 100]
	ipset = [n for n in t.paths if n.startswith("ipset")]
	v = t.packets(18, 1, [*four, *ipset, "nft-state", "ours-open", *(f"ours-{n}" for n in others), *(f"nft-{n}" for n in others)])
	report_packets(r, "64-byte frames, one flow", v)
	curve = {name: [(n, *[stats.interval(v[f"{name}-{n}"])[k] for k in (1, 0, 2)]) for n in rounds["rules"]] for name in ("ours", "nft")}
	for name, text in (("bare", "bare veth"), ("forward", "plain forwarding")):
		curve[text] = [(n, *[stats.interval(v[name])[k] for k in (1, 0, 2)]) for n in rounds["rules"]]
	report_packets(r, "64-byte frames, 10,000 flows", t.packets(18, 10000, four))
	report_packets(r, "1,400 bytes, one flow", t.packets(1400, 1, four))
	v = t.turns("connect", rounds["pairs"], CONNECTS, [*four, *ipset, "ours-10000"])
	r.head("TCP connect, request, response, close")
	for n in v:
		r.add(f"connections: {n}, µs each", [x / 1e3 for x in v[n]], digits=1)
	r.add("connections a second: ours-100 ÷ plain forwarding", stats.ratios(v["forward"], v["ours-100"]), (">=", 0.95), 3)
	for n, text in [("nft-100", "nftables with sets"), *((n, "iptables with ipset") for n in ipset)]:
		r.add(f"connections a second: ours-100 ÷ {text}", stats.ratios(v[n], v["ours-100"]))
	v = t.turns("pong", rounds["pairs"], TURNS, four)
	r.head("a datagram there and one back")
	for n in v:
		r.add(f"there and back: {n}, µs", [x / 1e3 for x in v[n]])
	v = t.turns("stream", rounds["stream"], STREAM_MS, four)
	r.head("one TCP stream, sender and receiver on two processors")
	for n in v:
		r.add(f"stream: {n}, Gbit/s", [x / 1e9 for x in v[n]], digits=1)
	r.add("stream: ours-100 ÷ bare veth", stats.ratios(v["ours-100"], v["bare"]), (">=", 0.95), 3)
	r.add("stream: ours-100 ÷ plain forwarding", stats.ratios(v["ours-100"], v["forward"]), None, 3)
	second_opinion(t, four, r)
	daemon.do("down", "--all")
	daemon.end()
	return t.checks, chart.svg("A packet against the number of rules", "rules in each ACL and group", "ns a packet, 64-byte frames, one flow",
				   {"ours": curve["ours"], "nftables with sets": curve["nft"], **{k: curve[k] for k in ("plain forwarding", "bare veth")}})


def building(b, rounds, r):
	sizes = rounds["labs"]
	figures = {n: build.measure(b, n, rounds["build"], rounds["details"]) if n == 1000 else build.measure(b, n, OTHER_ROUNDS, 1) for n in sizes}
	at = figures[1000]
	r.head("1,000 instances in 50 subnets of 5 VPCs")
	for name, bar, digits in (("up ÷ bare", ("<=", 1.5), 2), ("down ÷ bare", ("<=", 1.5), 2), ("up ms", None, 0), ("bare up ms", None, 0),
				  ("down ms", None, 0), ("bare down ms", None, 0), ("plan ms", ("<=", 50), 1), ("edit ms", ("<=", 10), 1),
				  ("lost in edits", ("<=", 0), 0), ("matrix ms", ("<=", 1000), 0), ("daemon peak MB", ("<=", 64), 1),
				  ("kernel MB an instance", ("<=", 0.5), 3)):
		r.add({"lost in edits": "packets and bytes of connections lost in edits"}.get(name, name), at[name], bar, digits)
	r.head("10,000 rules in one group")
	r.add("one rule of them edited ms", build.edits_among(b, 10000), ("<=", 10), 1)
	if len(sizes) > 1:
		r.head("other sizes")
	for n in sizes:
		if n != 1000:
			for name, digits in (("up ÷ bare", 2), ("down ÷ bare", 2), ("up ms", 0), ("plan ms", 1), ("edit ms", 1)):
				r.add(f"{n:,} instances: {name}", figures[n][name], None, digits)
	hosts = build.mininet(b, MININET_HOSTS, OTHER_ROUNDS)
	r.head(f"{MININET_HOSTS} hosts in one subnet")
	for name, digits in (("Mininet up, ms a host", 1), ("ours up, ms a host", 1), ("ours up ÷ Mininet", 2), ("Mininet down, ms a host", 1),
			     ("ours down, ms a host", 1), ("ours down ÷ Mininet", 2)):
		if hosts:
			r.add(f"{MININET_HOSTS} hosts: {name}", hosts[name], None, digits)
	def line(key):
		return [(n, *[stats.interval(figures[n][key])[k] / 1e3 for k in (1, 0, 2)]) for n in sizes]
	checks = [] if hosts else ["mininet or bridge-utils is not installed: no figure of Mininet"]
	return checks, chart.svg("Build time against instances", "instances in one lab", "seconds",
			 {"up": line("up ms"), "bare up": line("bare up ms"), "down": line("down ms"), "bare down": line("bare down ms"), "plan": line("plan ms")})


def put(path, text):
	if path:
		with open(path, "w") as f:
			f.write(text)


BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def put_between(path, text):
	if path:
		page = machine.read(path)
		if BEGIN not in page or END not in page:
			fail(f"{path}: no {BEGIN} and {END}")
		put(path, page[:page.index(BEGIN)] + f"{BEGIN}\n{text}{END}" + page[page.index(END) + len(END):] + "\n")


def main():
	p = argparse.ArgumentParser()
	p.add_argument("--quick", action="store_true")
	p.add_argument("--only", choices=("traffic", "build"))
	p.add_argument("-j", metavar="FILE.json")
	p.add_argument("-m", metavar="FILE.md")
	p.add_argument("--svg", metavar="FOLDER")
	p.add_argument("--docs", metavar="FILE.md", help="the page whose part between the marks is replaced")
	o = p.parse_args()
	machine.isolate()
	b, rounds, r, start = machine.build_dir(), QUICK if o.quick else FULL, Report(), time.monotonic()
	m, checks, work = machine.machine(), [], [machine.work_ms()]
	day = datetime.date.today().isoformat()
	if o.only != "build":
		checks, curve = traffic(b, rounds, r)
		put(o.svg and f"{o.svg}/cost-against-rules.svg", curve)
		work.append(machine.work_ms())
	if o.only != "traffic":
		more, curve = building(b, rounds, r)
		checks += more
		put(o.svg and f"{o.svg}/build-against-instances.svg", curve)
		work.append(machine.work_ms())
	load = (m["load"], os.getloadavg()[0])
	text = (f"{day}, {machine.machine_text(m)}\nLoad average {load[0]:.1f} at the start, {load[1]:.1f} at the end; {time.monotonic() - start:.0f} seconds. "
		f"A fixed piece of work (docs/benchmarks.md) took {', '.join(f'{w:.0f}' for w in work)} ms on the way.\n\n{r.table()}\n")
	print(text)
	for line in checks:
		print(f"checked: {line}")
	print(f"{r.missed} bars missed" if r.missed else "no bar is missed")
	put(o.m, text)
	put_between(o.docs, text)
	put(o.j, json.dumps({"day": day, "machine": m, "load": load, "work_ms": work, "checks": checks, "figures": r.figures}, indent=1))
	return 1 if r.missed else 0


if __name__ == "__main__":
	sys.exit(main())
