# mtu: what fits each way, to the byte; who says so of what does not, and that it passes in pieces where it may; that TCP
# finds its size by itself, both ways, without a rule for ICMP. In both modes. (EC2's network_mtu page; semantics 3.1, 4.1, 9.1)
. "${0%/*}/../lib.sh"

topology() { # MODE
	cat <<INI
[lab mtu]
datapath = $1
[vpc v]
cidr = 10.1.0.0/16
[vpc near]
cidr = 10.2.0.0/16
[vpc far]
cidr = 10.3.0.0/16
region = eu-west-1
[vpc-peering-connection v-near]
vpc = v
peer-vpc = near
[vpc-peering-connection v-far]
vpc = v
peer-vpc = far
[internet-gateway igw]
vpc = v
[nat-gateway nat]
subnet = pub
[nat-gateway inner]
subnet = pub
connectivity = private
[route-table pub]
vpc = v
main = yes
route = 10.2.0.0/16 via pcx:v-near
route = 10.3.0.0/16 via pcx:v-far
route = 0.0.0.0/0 via igw:igw
[route-table priv]
vpc = v
route = 10.2.0.0/16 via nat:inner
route = 0.0.0.0/0 via nat:nat
[route-table near]
vpc = near
main = yes
route = 10.1.0.0/16 via pcx:v-near
[route-table far]
vpc = far
main = yes
route = 10.1.0.0/16 via pcx:v-far
[subnet pub]
vpc = v
cidr = 10.1.1.0/24
[subnet priv]
vpc = v
cidr = 10.1.2.0/24
route-table = priv
[subnet near]
vpc = near
cidr = 10.2.1.0/24
[subnet far]
vpc = far
cidr = 10.3.1.0/24
[security-group v]
vpc = v
inbound = tcp 80 from 0.0.0.0/0
inbound = udp 53 from 0.0.0.0/0
inbound = icmp echo-request from 0.0.0.0/0
[security-group near]
vpc = near
inbound = tcp 80 from 10.0.0.0/8
inbound = udp 53 from 10.0.0.0/8
inbound = icmp echo-request from 10.0.0.0/8
[security-group far]
vpc = far
inbound = tcp 80 from 10.0.0.0/8
inbound = udp 53 from 10.0.0.0/8
inbound = icmp echo-request from 10.0.0.0/8
[instance a]
subnet = pub
address = 10.1.1.10
public-ip = 203.0.113.10
security-groups = v
[instance a2]
subnet = pub
address = 10.1.1.11
security-groups = v
[instance p]
subnet = priv
address = 10.1.2.10
security-groups = v
[instance n]
subnet = near
address = 10.2.1.10
security-groups = near
[instance f]
subnet = far
address = 10.3.1.10
security-groups = far
[host h]
address = 198.51.100.7
INI
}
inside() { # NAME COMMAND...
	ip netns exec "mtu.$1" "${@:2}"
}
forget() { # NAME: what it has learnt of ways
	inside "$1" ip route flush cache
}
# row WHAT FROM ADDRESS LIMIT WHO: of LIMIT bytes all arrive; of one more WHO says that LIMIT is all
row() {
	local what="$mode: $1" from=$2 to=$3 limit=$4 who=$5 got
	forget "$from"
	check "$what: $limit bytes fit" inside "$from" ping -c1 -W2 -M "do" -s $((limit - 28)) "$to"
	forget "$from"
	got=$(inside "$from" ping -c1 -W2 -M "do" -s $((limit - 27)) "$to" 2>&1 | grep -Eo 'From [0-9.]* .*mtu ?= ?[0-9]+|message too long, mtu ?= ?[0-9]+' | head -n1)
	is "$(sed -E 's/^From ([0-9.]*).*mtu ?= ?([0-9]+)/\1 \2/; s/.*mtu ?= ?([0-9]+)/itself \1/' <<<"$got")" "$who $limit" "$what: one more does not, says $who"
	forget "$from"
}
# pieces WHAT FROM TO-NAME ADDRESS SIZE: a datagram of SIZE bytes without DF arrives whole
pieces() {
	local got
	inside "$3" timeout 5 python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 53)); s.settimeout(4)
open("'"$T/ready"'", "w").close()
print(len(s.recv(65536)))' >"$T/pieces" 2>&1 &
	local server=$!
	wait_for test -e "$T/ready"
	inside "$2" python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.SOL_IP, 10, 0)
s.sendto(b"m" * (int(sys.argv[2]) - 28), (sys.argv[1], 53))' "$4" "$5"
	wait $server
	rm -f "$T/ready"
	is "$(cat "$T/pieces")" $(($5 - 28)) "$mode: $1: $5 bytes that may be cut arrive whole"
}
# answer WHAT FROM TO-NAME ADDRESS SIZE LIMIT: to what FROM asks by UDP, TO-NAME answers with SIZE bytes that may not be
# cut; it hears that LIMIT is all, and so many arrive
answer() {
	local got
	inside "$3" timeout 5 python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 53)); s.settimeout(4)
s.setsockopt(socket.SOL_IP, 10, 2) # IP_MTU_DISCOVER: always DF
open("'"$T/ready"'", "w").close()
s.connect(s.recvfrom(100)[1])
for ask in range(100):
	try: s.send(b"a" * (int(sys.argv[1]) - 28)); s.recv(100)
	except OSError: break
mtu = s.getsockopt(socket.SOL_IP, 14)
s.send(b"a" * (mtu - 28))
print(mtu)' "$5" >"$T/told" 2>&1 &
	local server=$!
	wait_for test -e "$T/ready"
	got=$(inside "$2" timeout 5 python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect((sys.argv[1], 53)); s.settimeout(.05)
for ask in range(90):
	s.send(b"?")
	try: print(len(s.recv(65536)) + 28); break
	except TimeoutError: pass' "$4" 2>&1)
	wait $server
	rm -f "$T/ready"
	is "$(cat "$T/told"), $got" "$6, $6" "$mode: $1: who answers with too much is told, and what fits arrives"
}
# stream WHAT FROM TO-NAME ADDRESS: TCP carries 300,000 bytes there and back
stream() {
	inside "$3" timeout 10 python3 -c 'import socket
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("", 80)); s.listen(1)
open("'"$T/ready"'", "w").close()
c, _ = s.accept(); got = b""
while len(got) < 300000: got += c.recv(65536)
c.sendall(got); c.close()' &
	local server=$! got
	wait_for test -e "$T/ready"
	got=$(inside "$2" timeout 10 python3 -c 'import socket, sys
s = socket.create_connection((sys.argv[1], 80), 5); s.sendall(bytes(range(200)) * 1500); got = b""
while True:
	some = s.recv(65536)
	if not some: break
	got += some
print(len(got), got == bytes(range(200)) * 1500)' "$4" 2>&1 | tail -n1)
	wait $server
	rm -f "$T/ready"
	is "$got" "300000 True" "$mode: $1: TCP finds its size, there and back"
}

daemon_start
for mode in fast kernel; do
	topology $mode >"$T/mtu.ini"
	check "$mode: goes up" vpc up "$T/mtu.ini"
	row "in a subnet" a 10.1.1.11 9001 itself
	row "between subnets" p 10.1.1.10 9001 itself
	row "over peering in a region" a 10.2.1.10 9001 itself
	row "over peering between regions" a 10.3.1.10 1500 10.1.1.1
	row "and back" f 10.1.1.10 1500 10.3.1.1
	row "by the internet gateway" a 198.51.100.7 1500 10.1.1.1
	row "by a private NAT gateway" p 10.2.1.10 8500 10.1.2.1
	# a NAT gateway takes 8500; the internet gateway behind it 1500, and its subnet's router tells it so
	check "$mode: by a public NAT gateway: 1500 bytes fit" inside p ping -c1 -W2 -M "do" -s 1472 198.51.100.7
	forget p
	like "$(inside p ping -c1 -W2 -M "do" -s 1473 198.51.100.7 2>&1)" "mtu ?= ?1500" "$mode: by a public NAT gateway: one more does not"
	forget p
	like "$(inside p ping -c1 -W2 -M "do" -s 8473 198.51.100.7 2>&1)" "From 10.1.2.1 .*mtu ?= ?8500" "$mode: by a public NAT gateway: of more than 8500 its own subnet's router says so"
	forget p

	pieces "over peering between regions" a f 10.3.1.10 4000
	pieces "by the internet gateway" a h 198.51.100.7 4000
	pieces "by a public NAT gateway" p h 198.51.100.7 4000
	pieces "by a private NAT gateway" p n 10.2.1.10 8900
	answer "by a private NAT gateway" p n 10.2.1.10 8600 8500

	# both ends have 9001, so only the way tells them
	stream "over peering between regions" a f 10.3.1.10
	stream "over peering in a region" a n 10.2.1.10
	stream "by the internet gateway" a h 198.51.100.7
	stream "by a public NAT gateway" p h 198.51.100.7
	stream "by a private NAT gateway" p n 10.2.1.10
	stream "from the internet" h a 203.0.113.10
	vpc down mtu >/dev/null
done
done_testing
