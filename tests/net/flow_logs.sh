# flow_logs: records of real packets, read by a strict parser that knows only AWS's table of fields: the ping of AWS's
# manual, every packet at rate in exactly one record an interface, NAT, files, NODATA, formats. In both modes.
. "${0%/*}/../lib.sh"

blast=$B/tests/net/blast
[ -x "$blast" ] || bail "$blast is not built: make test-net"
N=100000
five='${version} ${interface-id} ${srcaddr} ${dstaddr} ${pkt-srcaddr} ${pkt-dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${action} ${log-status} ${vpc-id} ${subnet-id} ${instance-id} ${region} ${az-id} ${tcp-flags} ${type} ${flow-direction} ${traffic-path} ${rule}'
topology() { # MODE
	cat <<INI
[lab fl-$1]
datapath = $1
INI
	cat <<'INI'
[vpc v]
cidr = 172.31.0.0/16
region = ap-northeast-2
[internet-gateway igw]
vpc = v
[nat-gateway nat]
subnet = pub
address = 172.31.1.9
[route-table out]
vpc = v
route = 0.0.0.0/0 via igw:igw
[route-table through]
vpc = v
route = 0.0.0.0/0 via nat:nat
[nacl no-pong]
vpc = v
inbound = 10 deny udp 6000 from 0.0.0.0/0
inbound = 100 allow all from 0.0.0.0/0
outbound = 90 deny icmp to 203.0.113.0/24
outbound = 100 allow all to 0.0.0.0/0
[subnet pub]
vpc = v
cidr = 172.31.1.0/24
route-table = out
[subnet a]
vpc = v
cidr = 172.31.16.0/24
route-table = out
nacl = no-pong
[subnet b]
vpc = v
cidr = 172.31.17.0/24
route-table = through
[security-group g]
vpc = v
inbound = icmp from 0.0.0.0/0
inbound = udp 5000-6000 from 172.31.0.0/16
[instance target]
subnet = a
address = 172.31.16.139
public-ip = 198.51.100.12
security-groups = g
[instance inner]
subnet = b
address = 172.31.17.10
security-groups = g
[host home]
address = 203.0.113.12
listen = tcp/80
[flow-log everything]
vpc = v
max-aggregation-interval = 600
[flow-log rejected]
subnet = a
traffic = reject
max-aggregation-interval = 600
format = ${srcaddr} ${dstaddr} ${dstport} ${packets} ${action} ${flow-direction} ${rule}
log-destination = none
[flow-log of-inner]
interface = inner
traffic = accept
max-aggregation-interval = 600
format = ${interface-id} ${srcaddr} ${dstaddr} ${protocol} ${dstport} ${action} ${flow-direction}
log-destination = none
INI
}
read_lines() { PYTHONDONTWRITEBYTECODE=1 python3 "$ROOT/tests/net/wire/flow_records.py" "$@"; }
file_of() { vpc show flow-log $lab/$1 -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)["flow-log"][0]["path"])'; }
window() { vpc flows --lab $lab --now >"$T/window" || bail "no window"; }
eni() { vpc show interfaces --lab $lab -o json | python3 -c "import json,sys; print({e['name']: e['eni'] for e in json.load(sys.stdin)['interface']}['$1'])"; }

daemon_start
for mode in fast kernel; do
	lab=fl-$mode
	topology $mode >"$T/$mode.ini"
	check "$mode: goes up" vpc up "$T/$mode.ini"
	window
	is "$(vpc flows $lab/everything | read_lines default 'sorted(set(x["log-status"] for x in r))')" "['NODATA']" "$mode: an interface without traffic has a NODATA line"
	file=$(file_of everything)
	is "$(read_lines default 'len(r)' <"$file")" 3 "$mode: one an interface"

	# ---- AWS's example: the group lets the ping in, the network ACL keeps the answer
	: >"$file"
	ip netns exec $lab.home ping -c 4 -i 0.2 -W 1 198.51.100.12 >/dev/null
	window
	id=$(eni target)
	is "$(read_lines default "[(x['srcaddr'], x['dstaddr'], x['protocol'], x['packets'], x['bytes'], x['action']) for x in sorted(r, key=str) if x['interface-id'] == '$id']" <"$file" | tr -d "'" | sed 's/), (/)\n(/g' | tr -d '[]()' | sort)" \
		"172.31.16.139, 203.0.113.12, 1, 4, 336, REJECT
203.0.113.12, 172.31.16.139, 1, 4, 336, ACCEPT" "$mode: a ping that is let in and not out again: ACCEPT and REJECT"
	is "$(vpc flows $lab/rejected | tail -n1)" "172.31.16.139 203.0.113.12 0 4 REJECT egress no-pong/outbound/90_deny_icmp_to_203.0.113.0/24" "$mode: a format of its own, rejected ones only, with the rule"

	# ---- one interface, and of that what it let pass: not what its groups stop, nor what others saw
	ip netns exec $lab.target bash -c 'for p in 5001 7000; do echo >/dev/udp/172.31.17.10/$p; done' || bail "target sends nothing"
	window
	is "$(vpc flows $lab/of-inner | awk '$6 != "-" && $4 == 17')" "$(eni inner) 172.31.16.139 172.31.17.10 17 5001 ACCEPT ingress" "$mode: one interface as the scope, what was accepted"
	is "$(vpc flows $lab/of-inner | awk '$6 != "-" { print $1, $6 }' | sort -u)" "$(eni inner) ACCEPT" "$mode: ... and nothing else"
	is "$(vpc show flow-log $lab/of-inner -o json | python3 -c 'import json,sys; f = json.load(sys.stdin)["flow-log"][0]; print(f["traffic"])')" accept "$mode: ... as show says"

	# ---- every packet, at rate: half passes, half is rejected by the receiver's network ACL
	: >"$file"
	ip netns exec $lab.target nft "table inet silent { chain in { type filter hook input priority -500; policy drop; }; }"
	ip netns exec $lab.inner "$blast" 172.31.16.139 $N 5000 6000 >"$T/blast" & sender=$!
	window
	wait $sender || bail "$(cat "$T/blast")"
	window
	note "$mode: $(cat "$T/blast")"
	is "$(read_lines default "packets(r, interface_id='$id', action='ACCEPT'), packets(r, interface_id='$id', action='REJECT'), packets(r, interface_id='$(eni inner)', action='ACCEPT'), len([x for x in r if x['log-status'] == 'SKIPDATA'])" <"$file")" \
		"($((N / 2)), $((N / 2)), $N, 0)" "$mode: the records hold $N packets, each once an interface, over two windows"

	# ---- through the NAT gateway: its interface is srcaddr or dstaddr, pkt- says whose packet it is
	ip netns exec $lab.inner ping -c 1 -W 2 203.0.113.12 >/dev/null || bail "the NAT gateway does not answer"
	vpc flows $lab/everything --now --format "$five" | grep " 203.0.113.12 " >"$T/five"
	nat=$(eni nat)
	is "$(read_lines "$five" "sorted((x['srcaddr'], x['dstaddr'], x['pkt-srcaddr'], x['pkt-dstaddr'], x['flow-direction'], x['traffic-path']) for x in r if x['interface-id'] == '$nat')[:9]" <"$T/five" | tr -d "[]'()" | sed 's/, \(egress\|ingress\), \(.\), /, \1, \2\n/g; s/, \(egress\|ingress\), \(.\)$/, \1, \2/')" \
		"172.31.1.9, 172.31.17.10, 203.0.113.12, 172.31.17.10, egress, 1
172.31.1.9, 203.0.113.12, 172.31.1.9, 203.0.113.12, egress, 8
172.31.17.10, 172.31.1.9, 172.31.17.10, 203.0.113.12, ingress, -
203.0.113.12, 172.31.1.9, 203.0.113.12, 172.31.1.9, ingress, -" "$mode: both legs at the NAT gateway"
	is "$(read_lines "$five" "sorted(set((x['region'], x['az-id'], x['instance-id'] == '-') for x in r if x['interface-id'] == '$nat'))" <"$T/five")" "[('ap-northeast-2', 'apne2-az1', True)]" "$mode: region, zone, and no instance"

	# ---- what was counted outlives the daemon
	: >"$file"
	ip netns exec $lab.home ping -c 3 -i 0.2 -W 1 198.51.100.12 >/dev/null
	daemon_kill
	daemon_start
	labs_rest || wait_for labs_rest
	window
	is "$(read_lines default "packets(r, interface_id='$id', srcaddr='203.0.113.12', action='ACCEPT')" <"$file")" 3 "$mode: packets counted before the daemon was killed are in the records after"
done

# ---- usage, following, going away
check_rc 2 "no such flow log" vpc flows fl-fast/nothing
check_rc 2 "no such field" vpc flows --lab fl-fast --format '${srcadr}'
like "$(vpc flows --lab fl-fast --format '${srcadr}' 2>&1)" 'there is no field "srcadr"; did you mean \$\{srcaddr\}' "it says which is meant"
vpc flows fl-fast/everything -f >"$T/follow" & follower=$!
ip netns exec fl-fast.home ping -c 1 -W 1 198.51.100.12 >/dev/null
vpc flows --lab fl-fast --now >/dev/null
check "a follower sees the next window" wait_for grep -q "203.0.113.12 172.31.16.139 0 0 1 1 84 " "$T/follow"
kill $follower
sed -i 's/^traffic = reject/traffic = everything/; s/^vpc = v$/&/' "$T/fast.ini"
like "$(vpc validate "$T/fast.ini" 2>&1)" 'fast.ini:[0-9]+: error: flow-log rejected: traffic: ' "a bad value has its line"
sed '/^traffic/d; /^\[flow-log rejected/,$d' "$T/fast.ini" >"$T/one.ini"
check "one flow log goes, the lab stays" vpc up "$T/one.ini"
is "$(vpc show flow-logs --lab fl-fast -o json | python3 -c 'import json,sys; print([f["name"] for f in json.load(sys.stdin)["flow-log"]])')" "['everything']" "it is gone"
vpc flows fl-fast/everything -f >"$T/follow" 2>"$T/end" & follower=$!
waits() { [ -s "$T/follow" ] && ss -xH state established | grep -q "$VPCD_RUN_DIR/vpcd.sock"; }
vpc flows --lab fl-fast --now >/dev/null
wait_for waits
daemon_stop
wait $follower
is "$?" 3 "a follower is told when vpcd ends"
like "$(cat "$T/end")" "vpcd is ending" "in words"
done_testing
