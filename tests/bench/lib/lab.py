"""lab.py: a daemon of the benchmark's own, and its commands with their time."""
import json, os, re, signal, socket, subprocess, sys, time


def fail(text):
	sys.exit(f"bench: {text}")


def pause(seconds=0.01):
	signal.sigtimedwait([], seconds)


def timed(*argv):
	start = time.perf_counter()
	done = subprocess.run(argv, capture_output=True, text=True)
	return (time.perf_counter() - start) * 1e3, done


class Daemon:
	def __init__(self, b):
		run_dir = os.environ["VPCD_RUN_DIR"]
		self.vpc, self.sock = f"{b}/vpc", f"{run_dir}/vpcd.sock"
		self.log = open(f"{os.environ['TEST_DIR']}/vpcd.log", "w")
		self.process = subprocess.Popen([f"{b}/vpcd", "--log-level", "warn"], stderr=self.log)
		end = time.monotonic() + 10
		while not os.path.exists(self.sock):
			if time.monotonic() > end or self.process.poll() is not None:
				fail("vpcd does not start")
			pause()

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

	def eni(self, lab, name):
		return next(e for e in json.loads(self.do("status", "--lab", lab, "-o", "json")[1])["enis"] if e["name"] == name)

	def edit(self, lab, group, op, value):
		"""Milliseconds from the request to its answer; the answer comes after the effect."""
		body = json.dumps({"edits": [{"op": op, "kind": "security-group", "name": group, "key": "inbound", "value": value}]})
		ask = f"POST /v1/labs/{lab}/changes HTTP/1.1\r\nHost: vpcd\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}"
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
