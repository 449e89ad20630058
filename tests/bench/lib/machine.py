"""machine.py: what a figure was measured on, and starting again on a "machine" of its own."""
import glob, json, os, platform, re, statistics, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.abspath(f"{HERE}/../../..")


def isolate():
	"""Starts the running script again in tests/isolate, unless it is there."""
	if "VPCD_TEST_NS" in os.environ:
		return
	if os.geteuid():
		sys.exit("bench: needs root")
	os.environ["BENCH_JIT"] = read("/proc/sys/net/core/bpf_jit_enable") # only the machine's own network namespace has it
	os.execv(f"{TOP}/tests/isolate", ["isolate", sys.executable, os.path.abspath(sys.argv[0]), *sys.argv[1:]])


def build_dir():
	b = os.environ.get("B", "build")
	return b if b.startswith("/") else f"{TOP}/{b}"


def read(path, default=""):
	try:
		with open(path) as f:
			return f.read().strip()
	except OSError:
		return default


def machine():
	cpu = re.search(r"model name\s*: (.*)", read("/proc/cpuinfo"))
	mitigations = {os.path.basename(p): read(p) for p in sorted(glob.glob("/sys/devices/system/cpu/vulnerabilities/*"))}
	jit = {"0": "off", "1": "on", "2": "on, debug"}.get(os.environ.get("BENCH_JIT"), "unknown")
	return {"kernel": platform.release(), "cpu": cpu[1] if cpu else platform.machine(), "cores": os.cpu_count(),
		"bpf_jit": jit,
		"mitigations": {k: v for k, v in mitigations.items() if v.startswith("Mitigation") or v.startswith("Vulnerable")},
		"governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "none (virtual machine or no cpufreq)"),
		"load": os.getloadavg()[0]}


def work_ms():
	"""A fixed piece of work, of the processor and of memory as a daemon's is: what neighbours take of a shared machine shows."""
	def once():
		start = time.perf_counter()
		json.loads(json.dumps({f"name-{i}": [i, str(i)] for i in range(50000)}))
		return (time.perf_counter() - start) * 1e3
	return statistics.median(once() for _ in range(5))


def machine_text(m):
	mitigated = ", ".join(f"{k}: {v.removeprefix('Mitigation: ')}" for k, v in m["mitigations"].items()) or "none"
	return (f"Linux {m['kernel']}, {m['cpu']}, {m['cores']} cores, BPF JIT {m['bpf_jit']}, governor {m['governor']}.\n"
		f"Mitigations: {mitigated}.")
