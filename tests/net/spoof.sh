# spoof: root inside an instance lies about who it is, floods, marks and changes its own devices: nothing
# gets past its interface, nobody else is hurt, and the next up mends what it broke. In both modes.
. "${0%/*}/../lib.sh"
. "$ROOT/tests/net/wire/wire.sh"

topology() { # LAB MODE
	cat <<INI
[lab $1]
datapath = $2
[vpc v]
cidr = 10.0.0.0/16
[vpc w]
cidr = 10.9.0.0/16
INI
	cat <<'INI'
[internet-gateway igw]
vpc = v
[nat-gateway nat]
subnet = pub
[route-table pub]
vpc = v
route = 0.0.0.0/0 via igw:igw
[subnet a]
vpc = v
cidr = 10.0.1.0/24
route-table = pub
[subnet b]
vpc = v
cidr = 10.0.2.0/24
[subnet pub]
vpc = v
cidr = 10.0.3.0/24
route-table = pub
[subnet c]
vpc = w
cidr = 10.9.1.0/24
[security-group open]
vpc = v
inbound = all from 0.0.0.0/0
[security-group closed]
vpc = v
inbound = udp 7777 from 0.0.0.0/0
[security-group w]
vpc = w
inbound = all from 0.0.0.0/0
[instance mallory]
subnet = a
public-ip = auto
security-groups = open
[instance victim]
subnet = a
public-ip = auto
security-groups = open
[instance shut]
subnet = a
security-groups = closed
[instance far]
subnet = b
security-groups = open
[instance other]
subnet = c
security-groups = w
[host h]
address = 198.51.100.7
[host g]
address = 198.51.100.8
[expect]
allow = victim -> far icmp
allow = mallory -> victim icmp
INI
}

# The machine's own network, which nobody may reach.
ip link add machine type veth peer name wire
ip link set wire up
ip link set machine up
ip address add 192.168.77.1/24 dev machine
ip address add 8.8.4.4/32 dev machine

daemon_start
for mode in fast kernel; do
	topology "sp-$mode" $mode >"$T/$mode.ini"
	check "$mode: goes up" vpc up "$T/$mode.ini"
done
topology sp-two fast >"$T/two.ini"
check "a lab beside them goes up" vpc up "$T/two.ini"
wire spoof sp-fast sp-two fast
wire spoof sp-kernel sp-two kernel

# ---- its own devices: root inside may break its own network, not more ------------------------------------
lab=sp-fast
mallory() { vpc exec $lab/mallory -- "$@"; }
reaches() { nsenter --net=/run/netns/$lab.$1 ping -c1 -W1 -q "$2" >/dev/null; }
hurts() { # DESCRIPTION COMMAND...: what root inside does to its own namespace
	local what=$1 out
	shift
	check "$what: it may" mallory "$@"
	check "$what: others do not notice" reaches victim 10.0.2.4
	out=$(vpc up "$T/fast.ini" 2>&1) || note "$out"
	check "$what: the next up mends it" reaches mallory 10.0.1.5
	is "$(vpc up "$T/fast.ini")" "no changes" "$what: all of it"
}
check "mallory reaches its neighbour" reaches mallory 10.0.1.5
hurts "another MAC" ip link set eth0 address 02:76:00:00:00:03
hurts "link down" ip link set eth0 down
hurts "another MTU" ip link set eth0 mtu 60000
hurts "no address" ip address flush dev eth0
hurts "no route" ip route flush table main
hurts "a renamed interface" sh -c 'ip link set eth0 down && ip link set eth0 name eth7 && ip link set eth7 up'
hurts "no interface" ip link del eth0
hurts "its neighbour's address" ip address add 10.0.1.5/32 dev lo
mallory ip address del 10.0.1.5/32 dev lo
hurts "a filter at its own end" sh -c 'tc qdisc add dev eth0 clsact && tc filter add dev eth0 egress matchall action drop || tc qdisc del dev eth0 clsact'
ip link del machine
done_testing
