"""legacy_policy.py ACCEPT|DROP: the policy of iptables-legacy's chain FORWARD in this network namespace, as
`iptables-legacy -P FORWARD` sets it (linux/netfilter_ipv4/ip_tables.h). Exit 77: the kernel has no such tables."""
import ctypes
import socket
import struct
import sys

SO_REPLACE, SO_INFO, SO_ENTRIES = 64, 64, 65
FORWARD, NAME = 2, b"filter".ljust(32, b"\0")
VERDICT = {"DROP": -1, "ACCEPT": -2}[sys.argv[1]]
INFO = "=32sI5I5III"  # name, valid hooks, hook entries, underflows, entries, size
TARGET_OFFSET = 88    # of an ipt_entry: where its target_offset stands

raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
libc = ctypes.CDLL(None, use_errno=True)


def ask(option, size, head):
    """getsockopt that is asked with a filled buffer."""
    buf, n = ctypes.create_string_buffer(head.ljust(size, b"\0"), size), ctypes.c_uint(size)
    if libc.getsockopt(raw.fileno(), socket.SOL_IP, option, buf, ctypes.byref(n)) < 0:
        sys.exit(77)
    return buf.raw


name, hooks, *rest = struct.unpack(INFO, ask(SO_INFO, struct.calcsize(INFO), NAME))
at, underflow, count, size = rest[:5], rest[5:10], rest[10], rest[11]
head = struct.calcsize("=32sI4x")
table = bytearray(ask(SO_ENTRIES, head + size, NAME + struct.pack("=I", size))[head:])
policy = underflow[FORWARD]
target = policy + struct.unpack_from("=H", table, policy + TARGET_OFFSET)[0]
struct.pack_into("=i", table, target + 32, VERDICT)
counters = ctypes.create_string_buffer(16 * count)
order = struct.pack("=32sIII5I5IIQ", NAME, hooks, count, size, *at, *underflow, count, ctypes.addressof(counters))
raw.setsockopt(socket.SOL_IP, SO_REPLACE, order + bytes(table))
