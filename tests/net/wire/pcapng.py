"""pcapng.py FILE: reads a pcapng file by the words of the draft, apart from vpcd's writer: prints one JSON object
{"interfaces":[{"name","packets","ifrecv","ifdrop","accepted","delivered"}],"packets":[{"if","dir","src","dst","proto",
"sport","dport","verdict","comment","len","cap","mac","time_ns"}]}. Any contradiction is an error."""
import json, socket, struct, sys

data = open(sys.argv[1], "rb").read()
interfaces, packets, at = [], [], 0


def need(ok, what):
    if not ok:
        sys.exit("byte %d: %s" % (at, what))


def options(b):
    out = []
    while b:
        code, n = struct.unpack_from("=HH", b)
        if code == 0:
            need(n == 0 and len(b) == 4, "opt_endofopt is not the end")
            return out
        need(4 + n <= len(b), "an option is longer than its block")
        out.append((code, b[4:4 + n]))
        need(not any(b[4 + n:4 + (n + 3 & ~3)]), "padding is not zero")
        b = b[4 + (n + 3 & ~3):]
    need(not out, "no opt_endofopt")
    return out


def one(opts, code):
    found = [v for c, v in opts if c == code]
    need(len(found) < 2, "option %d stands twice" % code)
    return found[0] if found else None


def dissect(f):
    p = {"src": None, "dst": None, "proto": None, "sport": None, "dport": None, "mac": f[:6].hex(":")}
    if f[12:14] != b"\x08\x00":
        return p
    ihl = (f[14] & 15) * 4
    p.update(src=socket.inet_ntoa(f[26:30]), dst=socket.inet_ntoa(f[30:34]), proto=f[23])
    if f[23] == 1:
        p["type"] = f[14 + ihl]
    if f[23] in (6, 17):
        p["sport"], p["dport"] = struct.unpack_from("!HH", f, 14 + ihl)
    return p


while at < len(data):
    need(len(data) - at >= 12, "cut off")
    kind, n = struct.unpack_from("=II", data, at)
    need(n >= 12 and n % 4 == 0 and at + n <= len(data), "length %d of a block" % n)
    need(struct.unpack_from("=I", data, at + n - 4)[0] == n, "both lengths differ")
    body = data[at + 8:at + n - 4]
    need((kind == 0x0A0D0D0A) == (at == 0), "a section begins at the head, and there only")
    if kind == 0x0A0D0D0A:
        need(struct.unpack_from("=IHHq", body) == (0x1A2B3C4D, 1, 0, -1), "the section's head")
        options(body[16:])
    elif kind == 1:
        link, pad, snaplen = struct.unpack_from("=HHI", body)
        opts = options(body[8:])
        need(link == 1 and pad == 0 and one(opts, 9) == b"\x09", "link type or resolution")
        interfaces.append({"name": one(opts, 2).decode(), "packets": 0, "snaplen": snaplen})
    elif kind == 6:
        i, hi, lo, cap, length = struct.unpack_from("=IIIII", body)
        need(i < len(interfaces) and cap <= length and cap <= interfaces[i]["snaplen"], "a packet's numbers")
        opts = options(body[20 + (cap + 3 & ~3):])
        verdict = one(opts, 7)
        need(len(verdict) == 9 and verdict[0] == 1, "verdict option")
        flags = struct.unpack("=I", one(opts, 2))[0]
        p = dissect(body[20:20 + cap])
        p.update({"if": interfaces[i]["name"], "dir": {1: "in", 2: "out"}[flags], "len": length, "cap": cap,
                  "verdict": struct.unpack("=Q", verdict[1:])[0], "comment": one(opts, 1).decode(),
                  "time_ns": hi << 32 | lo})
        interfaces[i]["packets"] += 1
        packets.append(p)
    elif kind == 5:
        i = struct.unpack_from("=I", body)[0]
        for code, v in options(body[12:]):
            name = {4: "ifrecv", 5: "ifdrop", 6: "accepted", 8: "delivered"}[code]
            interfaces[i][name] = struct.unpack("=Q", v)[0]
    else:
        need(False, "block type %#x" % kind)
    at += n
print(json.dumps({"interfaces": interfaces, "packets": packets}))
