#!/usr/bin/env python3
"""build.py [-n INSTANCES] [-r ROUNDS] [-j FILE]: what a lab costs to build, change and remove.

`up` and `down` as ratios to the same kernel work done by bare system calls (build.c), measured in turns in the same
run; an unchanged plan; one rule edited under traffic; memory. Root; runs on a machine of its own (tests/isolate).
A figure is printed only if the lab was right: `plan` finds nothing to do, a permitted packet came, a forbidden died.
"""
import argparse, json, os, random, re, shutil, subprocess, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import machine, stats
from lib.lab import Daemon, fail, timed

EDITS, WARM_EDITS, PLANS, MATRICES, DETAILED_ROUNDS = 41, 4, 5, 3, 3
BARS = {"up ÷ bare": 1.5, "down ÷ bare": 1.5, "edit ms": 10, "plan ms": 50, "matrix ms": 1000, "lost in edits": 0,
	"daemon peak MB": 64, "kernel MB an instance": 0.5}
KEYS = ["up ÷ bare", "up ms", "bare up ms", "down ÷ bare", "down ms", "bare down ms", "plan ms", "edit ms", "lost in edits",
	"matrix ms", "daemon peak MB", "kernel MB an instance"]


def mem_available():
	return int(re.search(r"MemAvailable: +(\d+)", machine.read("/proc/meminfo"))[1]) / 1024


def far(n):
	return "i100" if n > 100 else "i1" # 100: another subnet of the same VPC


def is_right(d, ini, n):
	"""The lab does what it says; else no figure of it counts."""
	if d.do("plan", ini)[1].strip() != "no changes":
		fail("plan finds changes in a lab that is up")
	if subprocess.run([d.vpc, "probe", "i0", far(n), "icmp"], capture_output=True).returncode != 0:
		fail("a permitted packet did not arrive")
	if subprocess.run([d.vpc, "probe", "i0", far(n), "tcp/9"], capture_output=True).returncode != 1:
		fail("a forbidden packet was not denied")


def edits(b, d, n):
	"""Milliseconds of each, and what a datagram flow and a TCP connection lost meanwhile."""
	shown = subprocess.run(["ip", "-j", "-n", f"bench.{far(n)}", "addr", "show", "eth0"], capture_output=True, text=True, check=True)
	address = next(a["local"] for a in json.loads(shown.stdout)[0]["addr_info"] if a["family"] == "inet")
	pace = subprocess.Popen([f"{b}/tests/bench/load", "1", "pace", "bench.i0", f"bench.{far(n)}", address],
				stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
	ms = [d.edit("bench", "v0-0", "unset" if i % 2 else "set", "tcp 5999 from 10.1.0.0/16") for i in range(EDITS + WARM_EDITS)]
	sent, lost = pace.communicate()[0].split()
	if int(sent) < len(ms):
		fail("there was no traffic during the edits")
	return ms[WARM_EDITS:], int(lost)


def edits_among(b, n):
	"""Milliseconds of each edit of one rule in a group of n with random prefixes, on two interfaces."""
	rnd, ini = random.Random(n), f"{os.environ['TEST_DIR']}/rules-{n}.ini"
	with open(ini, "w") as f:
		f.write("[lab rules]\nquotas = off\nrule-table-entries = 65536\n[vpc v]\ncidr = 10.0.0.0/16\n[subnet s]\nvpc = v\n"
			"cidr = 10.0.0.0/24\n[security-group many]\nvpc = v\n")
		for _ in range(n):
			a = f"{rnd.randrange(11, 224)}.{rnd.randrange(256)}.{rnd.randrange(256)}.{rnd.randrange(256)}/{rnd.choice((16, 20, 24, 28, 32))}"
			f.write(f"inbound = {rnd.choice(('tcp', 'udp'))} {rnd.randrange(1, 65536)} from {a}\n")
		f.write("".join(f"[instance {i}]\nsubnet = s\nsecurity-groups = many\n" for i in "ab"))
	d = Daemon(b)
	d.do("up", ini)
	ms = []
	for i in range(EDITS + WARM_EDITS):
		ms.append(d.edit("rules", "many", "unset" if i % 2 else "set", "tcp 5999 from 10.0.0.0/24"))
		if i >= EDITS + WARM_EDITS - 2 and subprocess.run([d.vpc, "probe", "a", "b", "tcp/5999"], capture_output=True).returncode != i % 2:
			fail("an edited rule has no effect")
	d.do("down", "rules")
	d.end()
	return ms[WARM_EDITS:]


def details(b, d, n, ini, r):
	r["plan ms"] += [d.do("plan", ini)[0] for _ in range(PLANS)]
	ms, lost = edits(b, d, n)
	r["edit ms"] += ms
	r["lost in edits"].append(lost)
	r["matrix ms"] += [timed(d.vpc, "matrix", ini, "tcp/1000")[0] for _ in range(MATRICES)] if n <= 1000 else []


def one_round(b, n, ini, r, with_details):
	bare = subprocess.run([f"{b}/tests/bench/build", "bare", str(n)], capture_output=True, text=True, check=True).stdout.split()
	d = Daemon(b)
	before = mem_available()
	up, _ = d.do("up", ini)
	used = before - mem_available()
	is_right(d, ini, n)
	if with_details:
		details(b, d, n, ini, r)
	r["daemon peak MB"].append(d.status_mb("VmHWM"))
	r["kernel MB an instance"].append((used - d.status_mb("VmRSS")) / n)
	down, _ = d.do("down", "bench")
	d.end()
	for key, value in (("up ms", up), ("bare up ms", float(bare[0])), ("down ms", down), ("bare down ms", float(bare[1])),
			   ("up ÷ bare", up / float(bare[0])), ("down ÷ bare", down / float(bare[1]))):
		r[key].append(value)


def measure(b, n, rounds, detailed=DETAILED_ROUNDS):
	"""{figure: [values]} of a lab of n instances; detailed: how many rounds change it, too."""
	r, ini = {k: [] for k in KEYS}, f"{os.environ['TEST_DIR']}/bench-{n}.ini"
	with open(ini, "w") as f:
		subprocess.run([f"{b}/tests/bench/build", "topology", str(n)], stdout=f, check=True)
	for i in range(rounds):
		one_round(b, n, ini, r, i < detailed)
	return r


MININET = "/usr/bin/mn"


def mininet(b, n, rounds):
	"""{figure: [values]} of n hosts behind one bridge, by Mininet and by us, in turns; {} where Mininet is not there."""
	if not (os.path.exists(MININET) and shutil.which("brctl") and shutil.which("ifconfig")):
		return {}
	r, ini = {}, f"{os.environ['TEST_DIR']}/mininet.ini"
	python = machine.read(MININET).split("\n")[0].removeprefix("#!").split() # the one that has its package
	with open(ini, "w") as f:
		f.write("[lab bench]\n[vpc v]\ncidr = 10.0.0.0/16\n[subnet s]\nvpc = v\ncidr = 10.0.0.0/20\n"
			"[security-group g]\nvpc = v\ninbound = icmp from 10.0.0.0/16\n" +
			"".join(f"[instance i{i}]\nsubnet = s\nsecurity-groups = g\n" for i in range(n)))
	for _ in range(rounds):
		done = subprocess.run(["unshare", "--net", *python, f"{machine.TOP}/tests/bench/mininet_hosts.py", str(n)],
				      capture_output=True, text=True, timeout=120)
		if done.returncode:
			fail(f"Mininet: {done.stderr.strip()[-400:]}")
		theirs = [float(x) / n for x in done.stdout.split()]
		d = Daemon(b)
		ours = [d.do("up", ini)[0] / n]
		is_right(d, ini, n)
		ours.append(d.do("down", "bench")[0] / n)
		d.end()
		for way, mine, other in zip(("up", "down"), ours, theirs):
			for key, value in ((f"Mininet {way}, ms a host", other), (f"ours {way}, ms a host", mine), (f"ours {way} ÷ Mininet", mine / other)):
				r.setdefault(key, []).append(value)
	return r


def main():
	p = argparse.ArgumentParser()
	p.add_argument("-n", type=int, default=1000)
	p.add_argument("-r", type=int, default=7)
	p.add_argument("-j")
	o = p.parse_args()
	machine.isolate()
	m = machine.machine()
	r = measure(machine.build_dir(), o.n, o.r)
	print(f"{o.n} instances, {o.r} rounds; {machine.machine_text(m)} Load {m['load']:.1f}.")
	print("| figure | median | 95 % interval | bar |  |\n|---|---|---|---|---|")
	out = {}
	for k in KEYS:
		if not r[k]:
			continue
		mid, low, high = stats.interval(r[k])
		bar = BARS.get(k) if o.n == 1000 or "÷" in k or "an instance" in k else None
		said = stats.verdict(mid, low, high, None if bar is None else ("<=", bar))
		print(f"| {k} | {mid:.2f} | {low:.2f} – {high:.2f} | {'' if bar is None else f'≤ {bar}'} | {said} |")
		out[k] = {"median": mid, "low": low, "high": high, "values": r[k], "bar": bar}
	if o.j:
		with open(o.j, "w") as f:
			json.dump({"machine": m, "instances": o.n, "figures": out}, f, indent=1)


if __name__ == "__main__":
	main()
