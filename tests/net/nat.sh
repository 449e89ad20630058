# nat: what a NAT gateway carries and what not, which ports it takes, who may come back in, and that
# connections through it outlive changes that are none of its business. In both modes.
. "${0%/*}/../lib.sh"
. "$ROOT/tests/net/wire/wire.sh"

topology() { # MODE
	cat <<INI
[lab nat-$1]
datapath = $1
INI
	cat <<'INI'
[vpc v]
cidr = 10.0.0.0/16
[internet-gateway igw]
vpc = v
[nat-gateway good]
subnet = pub1
[nat-gateway closed-in]
subnet = pub2
[nat-gateway closed-out]
subnet = pub3
[route-table pub]
vpc = v
route = 0.0.0.0/0 via igw:igw
[route-table good]
vpc = v
route = 0.0.0.0/0 via nat:good
[route-table in]
vpc = v
route = 0.0.0.0/0 via nat:closed-in
[route-table out]
vpc = v
route = 0.0.0.0/0 via nat:closed-out
[nacl no-answers]
vpc = v
inbound = 10 deny all from 198.51.100.0/24
inbound = 100 allow all from 0.0.0.0/0
outbound = 100 allow all to 0.0.0.0/0
[nacl no-way-back]
vpc = v
inbound = 100 allow all from 0.0.0.0/0
outbound = 10 deny all to 10.0.13.0/24
outbound = 100 allow all to 0.0.0.0/0
[subnet pub1]
vpc = v
cidr = 10.0.1.0/24
route-table = pub
[subnet pub2]
vpc = v
cidr = 10.0.2.0/24
route-table = pub
nacl = no-answers
[subnet pub3]
vpc = v
cidr = 10.0.3.0/24
route-table = pub
nacl = no-way-back
[subnet priv1]
vpc = v
cidr = 10.0.11.0/24
route-table = good
[subnet priv2]
vpc = v
cidr = 10.0.12.0/24
route-table = in
[subnet priv3]
vpc = v
cidr = 10.0.13.0/24
route-table = out
[subnet priv4]
vpc = v
cidr = 10.0.14.0/24
route-table = good
nacl = no-answers
[instance beside]
subnet = pub1
[instance q1]
subnet = priv1
[instance q2]
subnet = priv2
[instance q3]
subnet = priv3
[instance q4]
subnet = priv4
[instance relay]
subnet = priv1
source-dest-check = no
[host h]
address = 198.51.100.7
[host k]
address = 198.51.100.8
[expect]
allow = q1 -> h tcp/443
allow = q1 -> h udp/53
allow = q1 -> h icmp
deny = q1 -> h 50 at nat@good
deny = q2 -> h tcp/443 at return:nacl-in@no-answers
deny = q2 -> h icmp at return:nacl-in@no-answers
deny = q3 -> h udp/53 at return:nacl-out@no-way-back
deny = q4 -> h tcp/443 at return:nacl-in@no-answers
deny = h -> good tcp/443 at nat@good
; forwarded for somebody who has no interface here: inside the VPC's range, and outside
deny = relay@10.0.11.77 -> h tcp/443 at nat@good
deny = relay@172.20.1.1 -> h icmp at nat@good
INI
}
daemon_start
for mode in fast kernel; do
	topology $mode >"$T/$mode.ini"
	check "$mode: goes up" vpc up "$T/$mode.ini"
	check "$mode: each gate of the way back is named, with real packets" vpc test --live "nat-$mode"
	check "$mode: and without" vpc test "$T/$mode.ini"
	{
		cat "$T/$mode.ini"
		printf '[subnet new]\nvpc = v\ncidr = 10.0.77.0/24\n[instance new]\nsubnet = new\n'
		printf '[security-group new]\nvpc = v\ninbound = tcp 80 from 0.0.0.0/0\n'
	} | sed 's/^inbound = 100 allow all/inbound = 20 deny tcp 9999 from 192.0.2.0\/24\n&/' >"$T/more.ini"
	export UP="$VPC up $T/more.ini"
	wire nat "nat-$mode" $mode
done
done_testing
