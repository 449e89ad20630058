# nat_addresses: NAT gateways with several addresses. Connections are spread over them and stay; each has its own
# public address; one that comes leaves what is there alone, one that goes takes its own along. In both modes.
. "${0%/*}/../lib.sh"
. "$ROOT/tests/net/wire/wire.sh"

topology() { # MODE
	cat "$ROOT/tests/net/public-private.ini" - <<INI
[lab wide-$1]
datapath = $1
quotas = public-ips-per-nat-gateway=8
INI
	cat <<'INI'
[nat-gateway gw]
subnet = pub
public-ip = 203.0.113.50
public-ip = 203.0.113.60
address = 10.0.1.9
[nat-gateway inner]
subnet = pub
connectivity = private
address = auto
address = 10.0.1.20
address = auto
[route-table priv]
vpc = v
route = 0.0.0.0/0 via nat:gw
route = 10.0.3.0/24 via nat:inner
[subnet deep]
vpc = v
cidr = 10.0.3.0/24
[security-group of-inner]
vpc = v
inbound = tcp 80 from 10.0.1.0/24
inbound = tcp 81 from 10.0.1.20/32
[instance a]
subnet = priv
[instance b]
subnet = deep
security-groups = of-inner
listen = tcp/80
[host h]
address = 198.51.100.7
listen = tcp/443
[expect]
allow = a -> h tcp/443
allow = a -> h udp/53
allow = a -> h icmp
allow = a -> b tcp/80
deny = h -> 203.0.113.60 tcp/443 at nat@gw
INI
}
addresses() { # LAB GATEWAY
	vpc show nat-gateways "$2" --lab "$1" -o json | python3 -c 'import json, sys
print(*["%(private)s=%(public)s" % a for a in json.load(sys.stdin)["nat-gateway"][0]["addresses"]])'
}
daemon_start
for mode in fast kernel; do
	lab=wide-$mode
	topology $mode >"$T/$mode.ini"
	check "$mode: goes up" vpc up "$T/$mode.ini"
	is "$(addresses $lab gw)" "10.0.1.9=203.0.113.50 10.0.1.4=203.0.113.60" "$mode: each public address has a private one"
	is "$(addresses $lab inner)" "10.0.1.5=None 10.0.1.20=None 10.0.1.6=None" "$mode: a private gateway has private ones only"
	check "$mode: walk" vpc test "$T/$mode.ini"
	check "$mode: packets" vpc test --live $lab
	like "$(vpc trace "$T/$mode.ini" a h tcp/443)" '203.0.113.50\|203.0.113.60:1024-65535' "$mode: the trace says what the world may see"
	like "$(vpc trace "$T/$mode.ini" a b tcp/81)" "1 of the NAT gateway's 3 addresses would work" "$mode: and which part of it is admitted"
	wire nat_addresses $lab $mode
	is "$(addresses $lab gw)" "10.0.1.9=203.0.113.50 10.0.1.7=203.0.113.70" "$mode: the others keep their pairs"
	like "$(vpc probe --lab $lab h 203.0.113.70 tcp/80)" 'nat.*NGW_SOURCE_ADDRESS_REASSIGN' "$mode: nothing comes in by the new one"
	daemon_stop
	daemon_start
	is "$(addresses $lab gw)" "10.0.1.9=203.0.113.50 10.0.1.7=203.0.113.70" "$mode: after a restart, too"
	vpc show topology --lab $lab >"$T/now.ini"
	is "$(vpc up "$T/now.ini")" "no changes" "$mode: and nothing is to be mended"
	like "$(vpc plan "$T/$mode.ini")" 'gw +address 10.0.1.7 -> 10.0.1.[0-9]; public-ip 203.0.113.70 -> 203.0.113.60' "$mode: the plan says what would come and go"
	check "$mode: goes down" vpc down $lab
done

# What a gateway with one more or with many more than it can have gets.
topology fast | sed 's/^quotas.*//; s/^public-ip = 203.0.113.60/&\npublic-ip = auto/' >"$T/over.ini"
like "$(vpc validate "$T/over.ini" 2>&1)" 'nat-gateway gw.*public-ips-per-nat-gateway is 2, and there are 3' "the quota is AWS's"
done_testing
