# pcapng_split.py PCAPNG PREFIX: the packets of each interface into a file of their own, PREFIXNAME; prints the names
import struct, sys

data = open(sys.argv[1], "rb").read()
section, interfaces, blocks, at = b"", [], {}, 0
while at + 12 <= len(data):
    kind, size = struct.unpack_from("<II", data, at)
    block = data[at:at + size]
    at += size
    if kind == 0x0A0D0D0A:
        section = block
    elif kind == 1:
        options = 16
        while True:
            code, n = struct.unpack_from("<HH", block, options)
            if code in (0, 2):
                break
            options += 4 + (n + 3) // 4 * 4
        assert code == 2, "an interface without a name"
        name = block[options + 4:options + 4 + n].decode()
        interfaces.append(name)
        blocks[name] = [section, block]
    elif kind == 6:  # of which interface it is stands first
        blocks[interfaces[struct.unpack_from("<I", block, 8)[0]]].append(block[:8] + bytes(4) + block[12:])
for name in interfaces:
    open(sys.argv[2] + name, "wb").write(b"".join(blocks[name]))
print(*interfaces)
