"""flow_records: a strict reader of flow log lines, written from AWS's table of fields and from nothing of ours.

flow_records.py FORMAT EXPRESSION <lines
Reads lines in FORMAT ("default", or fields between blanks), checks every value, and prints EXPRESSION of r, the list
of records (dicts by field), with a few helpers."""

import ipaddress
import re
import sys

NUMBER = r"0|[1-9][0-9]*"
ID = r"[0-9a-f]{17}"
FIELDS = {  # name: (version, pattern or check)
    "version": (2, r"[2-8]"), "account-id": (2, r"[0-9]{12}"), "interface-id": (2, "eni-" + ID),
    "srcaddr": (2, ipaddress.ip_address), "dstaddr": (2, ipaddress.ip_address),
    "srcport": (2, NUMBER), "dstport": (2, NUMBER), "protocol": (2, NUMBER), "packets": (2, NUMBER), "bytes": (2, NUMBER),
    "start": (2, NUMBER), "end": (2, NUMBER), "action": (2, "ACCEPT|REJECT"), "log-status": (2, "OK|NODATA|SKIPDATA"),
    "vpc-id": (3, "vpc-" + ID), "subnet-id": (3, "subnet-" + ID), "instance-id": (3, "i-" + ID),
    "tcp-flags": (3, NUMBER), "type": (3, "IPv4|IPv6|EFA"),
    "pkt-srcaddr": (3, ipaddress.ip_address), "pkt-dstaddr": (3, ipaddress.ip_address),
    "region": (4, r"[a-z]+(-[a-z]+)+-[0-9]"), "az-id": (4, r"[a-z]+[0-9]-az[0-9]"),
    "sublocation-type": (4, "wavelength|outpost|localzone"), "sublocation-id": (4, r"\S+"),
    "pkt-src-aws-service": (5, r"[A-Z0-9_]+"), "pkt-dst-aws-service": (5, r"[A-Z0-9_]+"),
    "flow-direction": (5, "ingress|egress"), "traffic-path": (5, "[1-8]"),
    "rule": (0, r"[a-z0-9.-]+(,[a-z0-9.-]+)*/(inbound|outbound)/\S+"),
}
FLOW = {"srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets", "bytes", "action", "tcp-flags", "type",
        "pkt-srcaddr", "pkt-dstaddr", "flow-direction", "traffic-path", "rule"}
DEFAULT = list(FIELDS)[:14]


def read_line(line, names):
    values = line.rstrip("\n").split(" ")
    assert len(values) == len(names), f"{len(values)} values for {len(names)} fields: {line}"
    r = dict(zip(names, values))
    for name, value in r.items():
        check = FIELDS[name][1]
        if value == "-":
            continue
        if callable(check):
            check(value)
        else:
            assert re.fullmatch(check, value), f"{name}: {value}"
    if "version" in r:
        assert int(r["version"]) == max(2, *(FIELDS[n][0] for n in names)), line
    status = r.get("log-status", "OK")
    for name in FLOW & set(names):
        if status != "OK":
            assert r[name] == "-", f"{status} with a {name}: {line}"
        elif name not in ("traffic-path", "rule"):
            assert r[name] != "-", f"no {name}: {line}"
    if status == "OK" and {"srcport", "protocol"} <= set(names):
        assert int(r["srcport"]) < 65536 and int(r["dstport"]) < 65536 and int(r["protocol"]) < 256, line
        if r["protocol"] == "1":
            assert r["srcport"] == r["dstport"] == "0", f"ICMP has no ports: {line}"
    if {"start", "end"} <= set(names):
        assert int(r["start"]) <= int(r["end"]), line
    for name in ("srcport", "dstport", "protocol", "packets", "bytes", "start", "end", "tcp-flags"):
        if r.get(name, "-") != "-":
            r[name] = int(r[name])
    return r


def packets(records, **want):
    return sum(r["packets"] for r in records
               if r.get("log-status", "OK") == "OK" and all(r[k.replace("_", "-")] == v for k, v in want.items()))


if __name__ == "__main__":
    names = DEFAULT if sys.argv[1] == "default" else re.findall(r"\$\{([a-z-]+)\}", sys.argv[1])
    r = [read_line(line, names) for line in sys.stdin]
    print(eval(sys.argv[2]))
