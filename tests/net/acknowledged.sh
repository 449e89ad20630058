# acknowledged: rules, membership, routes and ACLs change as fast as the daemon takes it, under traffic from two
# other senders. No packet is judged by a policy older than the last acknowledged change. In both modes.
# SECONDS_EACH: how long in each mode (2).
. "${0%/*}/../lib.sh"

blast=$B/tests/net/blast
[ -x "$blast" ] || bail "$blast is not built: make test-net"
topology() { # MODE
	cat <<INI
[lab ack-$1]
datapath = $1
[vpc v]
cidr = 10.0.0.0/16
[route-table r]
vpc = v
[nacl n]
vpc = v
inbound = 100 allow all from 0.0.0.0/0
outbound = 100 allow all to 0.0.0.0/0
[subnet s1]
vpc = v
cidr = 10.0.1.0/24
route-table = r
[subnet s2]
vpc = v
cidr = 10.0.2.0/24
nacl = n
[subnet s3]
vpc = v
cidr = 10.0.3.0/24
[security-group send]
vpc = v
[security-group take]
vpc = v
inbound = udp 6000 from 0.0.0.0/0
inbound = udp 5000 from 0.0.0.0/0
[security-group shut]
vpc = v
[instance a]
subnet = s1
security-groups = send
[instance load]
subnet = s1
security-groups = send
[instance mid]
subnet = s3
source-dest-check = no
security-groups = send
[instance b]
subnet = s2
address = 10.0.2.10
security-groups = take
INI
}
daemon_start
for mode in fast kernel; do
	lab=ack-$mode
	topology $mode >"$T/$mode.ini"
	check "$mode: goes up" vpc up "$T/$mode.ini"
	ip netns exec $lab.b nft "table inet silent { chain in { type filter hook input priority -500; udp dport 5000 drop; }; }"
	rm -f "$T/end"
	while [ ! -e "$T/end" ]; do ip netns exec $lab.load "$blast" 10.0.2.10 20000 5000 6001 >/dev/null || break; done &
	traffic=$!
	said=$(python3 "$ROOT/tests/net/wire/acknowledged.py" "${SECONDS_EACH:-2}" "$VPCD_RUN_DIR/vpcd.sock" $lab 2>&1)
	: >"$T/end"
	wait $traffic
	note "$mode: $said"
	like "$said" 'changes [1-9][0-9]+ packets [1-9][0-9]+ stale 0 ' "$mode: no packet is judged by what was true before an acknowledged change"
done
done_testing
