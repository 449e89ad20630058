# replay: captures of every kind through the filter of an interface, by the host's engine and by the programs.
. "${0%/*}/../lib.sh"

three=$ROOT/topologies/three-tier.ini
seed=${SEED:-$((RANDOM * 32768 + RANDOM))}
note "SEED=$seed"
mkdir "$T/c"
PYTHONDONTWRITEBYTECODE=1 python3 "$ROOT/tests/net/wire/captures.py" "$T/c" "$seed" || bail "no captures"
cat >"$T/times.ini" <<'INI'
[vpc v]
cidr = 10.0.0.0/16
[subnet a]
vpc = v
cidr = 10.0.1.0/24
[security-group out]
vpc = v
outbound = udp 53 to 10.0.0.0/16
[instance client]
subnet = a
address = 10.0.1.10
security-groups = out
INI
(printf '[lab fast]\nclock = 60x\n' && cat "$T/times.ini") >"$T/fast.ini"
words() { # jsonl on stdin: verdict, gate and reason of each packet in few letters
	python3 -c 'import json, sys
for line in sys.stdin:
    o = json.loads(line)
    assert list(o) == ["n", "verdict", "gate", "rule", "file", "line", "reason"], o
    assert (o["rule"] is None) or isinstance(o["rule"], str) and (o["file"] is None) == (o["line"] is None)
    print(o["n"], o["verdict"], o["gate"], o["line"] or "-", o["reason"])'
}
story='1 allow sg-in 147 ACCEPT
2 allow sg-out 147 TRACKED
3 allow sg-in 147 TRACKED
4 deny sg-in 145 ENI_SG_RULES_MISMATCH
5 allow sg-out 150 ACCEPT
6 allow sg-in 150 TRACKED
7 allow sg-out 150 TRACKED
8 allow sg-in 148 ACCEPT
9 deny sg-in 145 ENI_SG_RULES_MISMATCH
10 deny nacl-in 107 SUBNET_ACL_RESTRICTION
11 deny nacl-in 107 SUBNET_ACL_RESTRICTION'
sed -n '148p' "$three" | grep -q 'tcp 22 from sg:bastion' || bail "three-tier.ini has moved: line 148"

for engine in host bpf; do
	replay() { vpc replay "$three" --eni web-1 --engine $engine "$@"; }
	for f in us.pcap ns.pcap big-endian.pcap ng.pcapng ng-big-endian.pcapng; do
		is "$(replay "$T/c/$f" -o jsonl 2>/dev/null | words)" "$story
14 allow sg-out 147 TRACKED" "$engine: $f"
	done
	for f in raw ipv4 sll sll2; do # without the ARP packet
		is "$(replay "$T/c/$f.pcap" -o jsonl 2>/dev/null | words)" "$story
13 allow sg-out 147 TRACKED" "$engine: $f.pcap"
	done
	is "$(replay - -o jsonl <"$T/c/us.pcap" 2>/dev/null | wc -l)" 12 "$engine: from stdin"
	check_rc 1 "$engine: something was denied" replay "$T/c/us.pcap"
	check_rc 0 "$engine: nothing was denied" replay "$T/c/public.pcap"
	like "$(replay "$T/c/us.pcap" -o jsonl 2>&1 >/dev/null)" '12 packets judged: 8 allowed, 4 denied.*1 not judged: ARP.*1 not judged: neither from nor to web-1' "$engine: sums behind a stream"
	is "$(replay "$T/c/us.pcap" -o json | python3 -c 'import json, sys
o = json.load(sys.stdin)
print(o["packets"], o["allowed"], o["denied"], o["not_judged"], [(r["line"], r["packets"], r["bytes"]) for r in o["rules"] if r["line"] == 147])')" \
		"12 8 4 {'arp': 1, 'foreign': 1, 'cut': 0} [(147, 4, 160)]" "$engine: sums as JSON"
	is "$(replay "$T/c/odd.pcap" -o jsonl 2>"$T/err" | words)" "1 deny parse 178 NOT_IP
2 deny parse 178 NOT_IP
3 deny parse 178 NOT_IP
4 deny parse 178 NOT_IP
5 deny parse 178 IPV6_NOT_SUPPORTED
6 deny parse 178 BROADCAST
7 deny parse 178 DHCP_SPOOFED
8 deny service 178 NO_SERVICE
9 deny parse 178 MALFORMED
10 allow sg-in 147 ACCEPT" "$engine: what no interface carries"
	like "$(cat "$T/err")" '2 not judged: cut short' "$engine: frames with next to nothing in them"
	is "$(vpc replay "$T/times.ini" --eni client --engine $engine "$T/c/times.pcap" -o jsonl 2>/dev/null | words)" \
		"1 allow sg-out 8 ACCEPT
2 allow sg-in 8 TRACKED
3 allow sg-in 8 TRACKED
4 deny sg-in 6 SG_HAS_NO_RULES
5 allow sg-out 8 ACCEPT
6 deny sg-in 6 SG_HAS_NO_RULES" "$engine: connections run out by the capture's clock"
	is "$(vpc replay "$T/fast.ini" --eni client --engine $engine "$T/c/times.pcap" -o jsonl 2>/dev/null | words)" \
		"$(vpc replay "$T/times.ini" --eni client --engine $engine "$T/c/times.pcap" -o jsonl 2>/dev/null | words | sed 's/ 8 / 10 /; s/ 6 / 8 /')" \
		"$engine: ... not by the lab's"
	is "$(replay "$T/c/odd.pcap" 2>/dev/null | awk '$1 ~ /^[0-9]+$/ && $2 ~ /[.]/ { printf "%s ", $3 }')" \
		"- - - - - outbound outbound outbound - inbound " "$engine: what has no addresses went no way that is known"
	is "$(replay "$T/c/foreign.pcap" -o jsonl 2>/dev/null)" "" "$engine: another machine's capture has nothing of web-1's"
	is "$(replay "$T/c/foreign.pcap" --assume inbound -o jsonl 2>/dev/null | words)" \
		"1 allow sg-in 147 ACCEPT
2 allow sg-out 147 TRACKED
3 allow sg-in 147 TRACKED
4 deny sg-in 145 ENI_SG_RULES_MISMATCH
5 allow sg-out 147 TRACKED" "$engine: unless it is assumed to be"
	like "$(replay "$T/c/snap.pcap" 2>&1)" 'cut short' "$engine: packets cut short are counted"
	check_rc 4 "$engine: a file that ends in a packet" replay "$T/c/cut.pcap"
	is "$(replay "$T/c/cut.pcap" -o jsonl 2>/dev/null | wc -l)" 11 "$engine: what came before it is judged"
done
cat >"$T/storm.ini" <<'INI'
[vpc v]
cidr = 10.0.0.0/16
[internet-gateway g]
vpc = v
[route-table r]
vpc = v
main = yes
route = 0.0.0.0/0 via igw:g
[nacl n]
vpc = v
inbound = 100 deny all from 10.0.20.0/24
inbound = 110 allow all from 0.0.0.0/0
outbound = 100 deny tcp 22 to 0.0.0.0/0
outbound = 110 allow all to 0.0.0.0/0
[subnet a]
vpc = v
cidr = 10.0.0.0/24
nacl = n
[subnet b]
vpc = v
cidr = 10.0.10.0/24
[security-group s]
vpc = v
inbound = tcp 443 from 0.0.0.0/0
inbound = all from sg:s
inbound = udp 0-1023 from 10.0.0.0/8
outbound = tcp 443 to 0.0.0.0/0
outbound = icmp to 0.0.0.0/0
outbound = all to sg:s
[instance x]
subnet = a
address = 10.0.0.10
public-ip = 203.0.113.9
security-groups = s
[instance y]
subnet = b
address = 10.0.10.10
security-groups = s
INI
vpc replay "$T/storm.ini" --eni x "$T/c/noise.pcap" >"$T/by-host"
vpc replay "$T/storm.ini" --eni x "$T/c/noise.pcap" --engine bpf >"$T/by-bpf"
check "both engines say the same of every packet of a storm" cmp "$T/by-host" "$T/by-bpf"
for word in allow deny sg-in sg-out nacl-in nacl-out parse service inbound outbound TRACKED RELATED FRAGMENT_ORPHAN; do
	check "... which meets $word" grep -q -w -- "$word" "$T/by-host"
done
vpc replay "$three" --eni nat-a "$T/c/noise.pcap" >"$T/by-host"
vpc replay "$three" --eni nat-a "$T/c/noise.pcap" --engine bpf >"$T/by-bpf"
check "... for a NAT gateway too" cmp "$T/by-host" "$T/by-bpf"

# ---- bad input -----------------------------------------------------------------------------------------
replay() { vpc replay "$three" --eni web-1 "$@"; }
for f in empty text ppp.pcap huge-record.pcap two-links.pcapng; do
	check_rc 4 "$f" replay "$T/c/$f"
done
like "$(replay "$T/c/ppp.pcap" 2>&1)" 'PPP.*Ethernet, Linux cooked and raw IP can' "an unknown link is named"
like "$(replay "$T/c/none" 2>&1)" "$T/c/none: No such file" "a file that is not there is named"
check_rc 0 "a capture without packets" replay "$T/c/header-only.pcap"
bad=
for f in "$T"/c/mad-*; do
	replay "$f" >/dev/null 2>&1
	case $? in 0 | 1 | 4) ;; *) bad+=" ${f##*/}" ;; esac
done
is "$bad" "" "60 captures with changed bytes: no crash"
check_rc 2 "no interface" vpc replay "$three" "$T/c/us.pcap"
like "$(vpc replay "$three" --eni web1 "$T/c/us.pcap" 2>&1)" 'did you mean web-1\?' "an unknown interface"
like "$(vpc replay "$ROOT/topologies/multi-eni.ini" --eni app "$T/c/header-only.pcap" 2>&1)" \
	'app has 2 interfaces; this is its eth0; --eni takes the others by name: app-admin' "which of several interfaces it is"
check_rc 2 "a host has no filter" vpc replay "$three" --eni laptop "$T/c/us.pcap"
check_rc 2 "an unknown engine" replay "$T/c/us.pcap" --engine ebpf
check_rc 3 "the programs are for root" setpriv --reuid=65534 --clear-groups "$VPC" replay "$three" --eni web-1 --engine bpf /dev/stdin <"$T/c/us.pcap"

# ---- 280,000 packets in the memory of 14 ------------------------------------------------------------------
peak_kb() { python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$VPC" replay "$three" --eni web-1 "$1"; }
few=$(peak_kb "$T/c/us.pcap") many=$(peak_kb "$T/c/long.pcap")
note "peak $few kB for 14 packets, $many kB for 280,000"
check "memory does not grow with the capture" [ $((many - few)) -lt 4096 ]
done_testing
