# circles: routes that lead a packet back to who sent it on before. No gate stops it, its TTL does; whoever says what becomes
# of it says where the circle closes.
. "${0%/*}/../lib.sh"

lab() { # DATAPATH
	cat <<-INI
		[lab circle]
		datapath = $1
		[vpc v]
		cidr = 10.0.0.0/16
		[internet-gateway ig]
		vpc = v
		[security-group open]
		vpc = v
		inbound = all from 0.0.0.0/0
		[host h]
		address = 198.51.100.7
	INI
	local kind
	for kind in nat box; do # a sends to b, b to c, c to b
		place $kind a 0 "$kind-b"
		place $kind b 1 "$kind-c"
		place $kind c 2 "$kind-b"
		echo "[instance $kind-a]
subnet = $kind-a
security-groups = open"
	done
	printf '[nat-gateway nat-%s]\nsubnet = nat-%s\n' b b c c
	printf '[instance box-%s]\nsubnet = box-%s\nsecurity-groups = open\nsource-dest-check = no\n' b b c c
	echo "[expect]"
	for kind in nat box; do
		printf "deny = $kind-a -> h %s at route@$kind-c\n" tcp/80 udp/53 icmp
	done
	echo "deny = box-b -> h udp/53 at route@box-c"
}
place() { # KIND LETTER NUMBER NEXT
	local via=instance net=$3
	[ "$1" = box ] || via=nat net=$(($3 + 10))
	echo "[route-table $1-$2]
vpc = v
route = 0.0.0.0/0 via $via:$4
[subnet $1-$2]
vpc = v
cidr = 10.0.$net.0/24
route-table = $1-$2"
}
daemon_start
for datapath in fast kernel; do
	lab $datapath >"$T/circle.ini"
	check "$datapath: the walk names the route that closes the circle" vpc test "$T/circle.ini"
	check "up" vpc up "$T/circle.ini"
	check "... and so does a probe" vpc test --live circle
	check "... and once more" vpc test --live circle
	like "$(vpc probe nat-a h udp/53 2>&1)" "at route@nat-c: [^
]*\(the routes lead it round in a circle: it has been there before\)[^
]*NO_POSSIBLE_DESTINATION\]$" "... and why, with no other answer than the walk's"
	check "down" vpc down circle
done
done_testing
