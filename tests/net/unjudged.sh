# unjudged: where a filter is missing nothing passes, status says so, and up mends it; what is put into a
# router past its filters goes nowhere. In both modes.
. "${0%/*}/../lib.sh"
. "$ROOT/tests/net/wire/wire.sh"

topology() { # MODE
	cat <<INI
[lab un-$1]
datapath = $1
INI
	cat <<'INI'
[vpc v]
cidr = 10.0.0.0/16
[internet-gateway igw]
vpc = v
[route-table pub]
vpc = v
main = yes
route = 0.0.0.0/0 via igw:igw
[security-group open]
vpc = v
inbound = all from 0.0.0.0/0
[subnet s]
vpc = v
cidr = 10.0.1.0/24
[subnet t]
vpc = v
cidr = 10.0.2.0/24
[instance a]
subnet = s
public-ip = auto
security-groups = open
[instance b]
subnet = t
public-ip = auto
security-groups = open
[host h]
address = 198.51.100.7
[host g]
address = 198.51.100.8
INI
}
daemon_start
for mode in fast kernel; do
	topology $mode >"$T/$mode.ini"
	check "$mode: goes up" vpc up "$T/$mode.ini"
	export VPC INI=$T/$mode.ini
	wire unjudged un-$mode $mode
done
done_testing
