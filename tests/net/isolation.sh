# isolation: two labs from one file, each with two VPCs of equal ranges, on a machine that has the same
# addresses itself: no packet crosses, and taking one lab down disturbs nobody.
. "${0%/*}/../lib.sh"
. "$ROOT/tests/net/wire/wire.sh"

topology() { # LAB MODE
	printf '[lab %s]\ndatapath = %s\n' "$1" "$2"
	for v in v w; do
		cat <<INI
[vpc $v]
cidr = 10.0.0.0/16
[internet-gateway $v]
vpc = $v
[route-table $v]
vpc = $v
main = yes
route = 0.0.0.0/0 via igw:$v
[security-group $v]
vpc = $v
inbound = all from 0.0.0.0/0
[subnet $v-1]
vpc = $v
cidr = 10.0.1.0/24
[subnet $v-2]
vpc = $v
cidr = 10.0.2.0/24
[instance $v-a]
subnet = $v-1
address = 10.0.1.10
public-ip = auto
security-groups = $v
[instance $v-b]
subnet = $v-2
address = 10.0.2.10
security-groups = $v
[instance only-$v]
subnet = $v-2
address = 10.0.2.$([ $v = v ] && echo 50 || echo 60)
security-groups = $v
INI
	done
	printf '[host h]\naddress = 198.51.100.7\n'
}

# The machine has the labs' addresses itself, and is on the labs' internet by its own routes.
ip link add machine type veth peer name wire
ip link set machine up
ip link set wire up
for a in 10.0.1.10/24 10.0.2.10/32 10.0.1.1/32 198.51.100.7/24 203.0.113.2/24; do ip address add $a dev machine; done
ip route add default via 10.0.1.1
echo 1 >/proc/sys/net/ipv4/ip_forward
machine() {
	ip -4 -o address show
	ip -4 route show table all
	ip -4 rule
	nft list ruleset
	cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/{all,machine}/{rp_filter,forwarding,accept_local}
}
before=$(machine)

daemon_start
for lab in one two; do
	topology $lab fast >"$T/$lab.ini"
	check "$lab goes up" vpc up "$T/$lab.ini"
done
topology three kernel >"$T/three.ini"
check "three, in kernel mode, goes up" vpc up "$T/three.ini"
is "$(machine)" "$before" "the machine's own network is as it was"
export VPC T
wire isolation one two three
is "$(machine)" "$before" "the machine's own network still is"
check "two goes up again" vpc up "$T/two.ini"
ip link del machine
ip route flush table main
done_testing
