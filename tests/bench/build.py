#!/usr/bin/env python3
"""build.py [-n INSTANCES] [-r ROUNDS] [-j FILE]: what a lab costs to build, change and remove.

`up` and `down` as ratios to the same kernel work done by bare system calls (build.c), measured in turns in the same
run; an unchanged plan; one rule edited; memory. Root; runs on a machine of its own (tests/isolate).
A figure is printed only if the lab was right: `plan` finds nothing to do, a permitted packet came, a forbidden died.
"""
import argparse, json, os, platform, re, signal, socket, statistics, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
EDITS, WARM_EDITS, PLANS = 41, 4, 5
BARS = {"up ÷ bare": 1.5, "down ÷ bare": 1.5, "edit ms": 10, "plan ms": 50, "daemon peak MB": 64, "kernel MB an instance": 0.5}


def fail(text):
	sys.exit(f"build.py: {text}")


def mem_available():
	with open("/proc/meminfo") as f:
		return int(re.search(r"MemAvailable: +(\d+)", f.read())[1]) / 1024


def timed(*argv):
	start = time.perf_counter()
	done = subprocess.run(argv, capture_output=True, text=True)
	return (time.perf_counter() - start) * 1e3, done


class Daemon:
	def __init__(self, b, run_dir):
		self.vpc, self.sock = f"{b}/vpc", f"{run_dir}/vpcd.sock"
		self.log = open(f"{os.environ['TEST_DIR']}/vpcd.log", "w")
		self.process = subprocess.Popen([f"{b}/vpcd", "--log-level", "warn"], stderr=self.log)
		end = time.monotonic() + 10
		while not os.path.exists(self.sock):
			if time.monotonic() > end or self.process.poll() is not None:
				fail("vpcd does not start")
			select_pause()

	def status_mb(self, key):
		with open(f"/proc/{self.process.pid}/status") as f:
			return int(re.search(rf"{key}:\s+(\d+)", f.read())[1]) / 1024

	def end(self):
		self.process.send_signal(signal.SIGTERM)
		self.process.wait()
		self.log.close()

	def do(self, *argv):
		ms, done = timed(self.vpc, *argv)
		if done.returncode:
			fail(f"vpc {' '.join(argv)}: exit {done.returncode}: {done.stderr.strip()}")
		return ms, done.stdout

	def edit(self, op, value):
		"""Milliseconds from the request to its answer; the answer comes after the effect."""
		body = json.dumps({"edits": [{"op": op, "kind": "security-group", "name": "v0-0", "key": "inbound", "value": value}]})
		ask = f"POST /v1/labs/bench/changes HTTP/1.1\r\nHost: vpcd\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}"
		start, answer = time.perf_counter(), b""
		with socket.socket(socket.AF_UNIX) as s:
			s.connect(self.sock)
			s.sendall(ask.encode())
			while part := s.recv(65536):
				answer += part
		ms = (time.perf_counter() - start) * 1e3
		if b" 200 " not in answer[:16] or b'"applied":true' not in answer:
			fail(f"edit: {answer.decode()}")
		return ms


def select_pause():
	signal.sigtimedwait([], 0.01)


def is_right(d, ini, n):
	"""The lab does what it says; else no figure of it counts."""
	if d.do("plan", ini)[1].strip() != "no changes":
		fail("plan finds changes in a lab that is up")
	far = f"i{min(n - 1, 100)}"  # 100: another subnet of the same VPC
	if subprocess.run([d.vpc, "probe", "i0", far, "icmp"], capture_output=True).returncode != 0:
		fail("a permitted packet did not arrive")
	if subprocess.run([d.vpc, "probe", "i0", far, "tcp/9"], capture_output=True).returncode != 1:
		fail("a forbidden packet was not denied")


def one_round(b, n, ini, r, details):
	bare = subprocess.run([f"{b}/tests/bench/build", "bare", str(n)], capture_output=True, text=True, check=True).stdout.split()
	d = Daemon(b, os.environ["VPCD_RUN_DIR"])
	before = mem_available()
	up, _ = d.do("up", ini)
	used = before - mem_available()
	is_right(d, ini, n)
	if details:
		r["plan ms"] += [d.do("plan", ini)[0] for _ in range(PLANS)]
		edits = [d.edit("unset" if i % 2 else "set", "tcp 5999 from 10.1.0.0/16") for i in range(EDITS + WARM_EDITS)]
		r["edit ms"] += edits[WARM_EDITS:]
	r["daemon peak MB"].append(d.status_mb("VmHWM"))
	r["kernel MB an instance"].append((used - d.status_mb("VmRSS")) / n)
	down, _ = d.do("down", "bench")
	d.end()
	for key, value in (("up ms", up), ("bare up ms", float(bare[0])), ("down ms", down), ("bare down ms", float(bare[1])),
			   ("up ÷ bare", up / float(bare[0])), ("down ÷ bare", down / float(bare[1]))):
		r[key].append(value)


def interval(v):
	"""Median and a 95 % interval of it, from the order of the values."""
	v = sorted(v)
	k = max(0, int((len(v) - 1.96 * len(v) ** 0.5) / 2))
	return statistics.median(v), v[k], v[-1 - k]


def machine():
	with open("/proc/cpuinfo") as f:
		cpu = re.search(r"model name\s*: (.*)", f.read())
	return {"kernel": platform.release(), "cpu": cpu[1] if cpu else platform.machine(), "cores": os.cpu_count(),
		"load": os.getloadavg()[0]}


def main():
	p = argparse.ArgumentParser()
	p.add_argument("-n", type=int, default=1000)
	p.add_argument("-r", type=int, default=7)
	p.add_argument("-j")
	o = p.parse_args()
	if "VPCD_TEST_NS" not in os.environ:
		os.execv(f"{HERE}/../isolate", ["isolate", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
	b = os.path.abspath(os.environ.get("B", f"{HERE}/../../build"))
	ini, r = f"{os.environ['TEST_DIR']}/bench.ini", {}
	keys = ["up ÷ bare", "up ms", "bare up ms", "down ÷ bare", "down ms", "bare down ms", "plan ms", "edit ms",
		"daemon peak MB", "kernel MB an instance"]
	for k in keys:
		r[k] = []
	with open(ini, "w") as f:
		subprocess.run([f"{b}/tests/bench/build", "topology", str(o.n)], stdout=f, check=True)
	m = machine()
	for i in range(o.r):
		one_round(b, o.n, ini, r, i < 3)
	print(f"{o.n} instances, {o.r} rounds; Linux {m['kernel']}, {m['cpu']}, {m['cores']} cores, load {m['load']:.1f}")
	print("| figure | median | 95 % interval | bar |  |\n|---|---|---|---|---|")
	out = {}
	for k in keys:
		mid, low, high = interval(r[k])
		bar = BARS.get(k) if o.n == 1000 or "÷" in k or "an instance" in k else None
		verdict = "" if bar is None else "met" if mid <= bar else "missed" if low > bar else "not decided"
		print(f"| {k} | {mid:.2f} | {low:.2f} – {high:.2f} | {'' if bar is None else f'≤ {bar}'} | {verdict} |")
		out[k] = {"median": mid, "low": low, "high": high, "values": r[k], "bar": bar}
	if o.j:
		with open(o.j, "w") as f:
			json.dump({"machine": m, "instances": o.n, "figures": out}, f, indent=1)


main()
