# packets: what may pass arrives, whole and counted once; what may not dies with its reason. In both modes.
. "${0%/*}/../lib.sh"
. "$ROOT/tests/net/wire/wire.sh"

topology() { # MODE
	cat <<INI
[lab pk-$1]
datapath = $1
INI
	cat <<'INI'
[vpc v]
cidr = 10.0.0.0/16
[internet-gateway igw]
vpc = v
[nat-gateway nat]
subnet = pub
[route-table pub]
vpc = v
route = 0.0.0.0/0 via igw:igw
[route-table priv]
vpc = v
route = 0.0.0.0/0 via nat:nat

[nacl open]
vpc = v
inbound = 90 deny udp 6666 from 0.0.0.0/0
inbound = 100 allow all from 0.0.0.0/0
outbound = 80 deny udp 6667 to 0.0.0.0/0
outbound = 100 allow all to 0.0.0.0/0

[subnet a]
vpc = v
cidr = 10.0.1.0/24
nacl = open
[subnet b]
vpc = v
cidr = 10.0.2.0/24
nacl = open
[subnet pub]
vpc = v
cidr = 10.0.3.0/24
route-table = pub
nacl = open
[subnet priv]
vpc = v
cidr = 10.0.4.0/24
route-table = priv
nacl = open

[security-group any]
vpc = v
inbound = all from 10.0.0.0/16
inbound = all from 198.51.100.0/24
[security-group tight]
vpc = v
inbound = udp 7777 from 10.0.0.0/16
inbound = udp 5000 from sg:any

[instance a1]
subnet = a
security-groups = any
[instance a2]
subnet = a
security-groups = any
[instance b1]
subnet = b
security-groups = any
[instance b2]
subnet = b
security-groups = tight
[instance p1]
subnet = pub
public-ip = auto
security-groups = any
[instance q1]
subnet = priv
security-groups = any
[host h]
address = 198.51.100.7
INI
}

daemon_start
for mode in fast kernel; do
	topology $mode >"$T/$mode.ini"
	check "$mode: goes up" vpc up "$T/$mode.ini"
	wire packets "pk-$mode" $mode
done
done_testing
