#!/usr/bin/env python3
"""replay.py [MB]: a capture of MB megabytes (1024) through `vpc replay`, from a pipe, a new connection every other packet.
Its memory must be what it is for one of 40 MB, when the table of connections is full."""
import os, resource, struct, subprocess, sys, time

VPC = os.path.join(os.environ.get("B", "build"), "vpc")
LAB = "topologies/three-tier.ini"
FRAME = 14 + 20 + 20
RECORD = 16 + FRAME
BLOCK = 2000
FULL_MB = 40  # until then the table of connections fills
GROWTH_KB = 4096


def block():
    out = bytearray()
    for i in range(BLOCK):
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, 6, 0, bytes([198, 51, 100, 1]), bytes([10, 0, 0, 10]))
        tcp = struct.pack("!HHIIBBHHH", 1024 + i, 443 if i % 2 else 22, 1, 0, 0x50, 2, 1000, 0, 0)
        out += struct.pack("<IIII", 0, 0, FRAME, FRAME) + bytes(12) + b"\x08\x00" + head + tcp
    return out


def run(megabytes):
    """(packets, seconds, peak kB of vpc)"""
    p = subprocess.Popen([VPC, "replay", LAB, "--eni", "web-1", "--summary", "-"], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
    b, n, start = block(), 0, time.time()
    p.stdin.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
    while n * RECORD < megabytes << 20:
        round_ = n // BLOCK
        for i in range(BLOCK):
            at = i * RECORD
            struct.pack_into("<I", b, at, 1700000000 + round_ // 50)
            struct.pack_into("!H", b, at + 16 + 14 + 14, round_ & 0xffff)  # half of the sender's address
        p.stdin.write(b)
        n += BLOCK
    p.stdin.close()
    out = p.stdout.read().decode()
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    judged = f"{n} packets judged"
    if p.returncode != 1 or judged not in out:
        sys.exit(f"not ok - vpc replay: exit {p.returncode} instead of 1, or not \"{judged}\":\n{out}")
    return n, time.time() - start, usage.ru_maxrss


megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
few = run(FULL_MB)
many = run(megabytes)
good = many[2] - few[2] <= GROWTH_KB
print(f"# {few[0]} packets: {few[2]} kB; {many[0]} packets ({megabytes} MB): {many[2]} kB, {many[1]:.0f} s")
print(f"{'ok' if good else 'not ok'} 1 - replay: memory stays flat\n1..1")
sys.exit(not good)
