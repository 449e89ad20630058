# uplink: a lab's internet reaches the network of the machine: TCP, UDP, ICMP and their errors; only when vpcd was told
# so and the machine forwards; nothing is left of it afterwards, whatever became of vpcd. The machine is this test's own
# network namespace, and the world beyond it another one. In both modes.
. "${0%/*}/../lib.sh"
[ "${VPCD_TEST_NS:-}" = 1 ] && [ -z "$(ip -o link show up 2>/dev/null | grep -v ': lo:')" ] || bail "not on a machine of its own"

topology() { # LAB MODE UPLINK
	cat "$ROOT/tests/net/public-private.ini" - <<INI
[lab $1]
datapath = $2
[internet]
uplink = $3
[nat-gateway nat]
subnet = pub
[route-table priv]
vpc = v
route = 0.0.0.0/0 via nat:nat
[security-group open]
vpc = v
inbound = all from 0.0.0.0/0
[instance web]
subnet = pub
public-ip = auto
security-groups = open
listen = tcp/80
[instance app]
subnet = priv
[host laptop]
address = 203.0.113.77
listen = tcp/80
INI
}
inside() { # LAB NAME COMMAND...
	ip netns exec "$1.$2" "${@:3}"
}
client() { # LAB NAME tcp|udp ADDRESS PORT: what the server says: whom it sees
	inside "$1" "$2" timeout 5 python3 -c 'import socket, sys
kind, address, port = sys.argv[1:]
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
s.settimeout(2)
s.connect((address, int(port)))
s.send(b"who am I?")
print(s.recv(100).decode())' "${@:3}" 2>&1 | tail -n1
}
pings() { # LAB NAME ADDRESS
	inside "$1" "$2" ping -c1 -W1 "$3"
}
machine_link() { # LAB: the machine's end of its uplink
	ip -o link | sed -n "s/^[0-9]*: \(vpcd[^:@]*\).*alias vpcd $1 uplink.*/\1/p"
}
ip_received() { # LAB: IP packets that have come to its uplink, without ARP
	ip netns exec "$1.internet.uplink" awk '/^Ip: [0-9]/ { print $4 }' /proc/net/snmp
}
machine() { # everything of the machine that an uplink could leave something in
	ip -o link | sed 's/^[0-9]*: //; s/ mtu.*//'
	ip -4 -o addr | awk '{ print $2, $4 }'
	ip -4 route show table all | sort
	ip rule
	nft list ruleset
	sysctl -a 2>/dev/null | grep -E '^net\.ipv4\.(ip_forward|conf\.(all|default)\.)' | sort
	grep -c 169.254 /proc/net/nf_conntrack
}

# ---- the machine and the world ----
ip netns add world
ip link add up0 type veth peer name eth0 netns world
ip addr add 192.0.2.1/24 dev up0
ip link set up0 up
ip -n world addr add 192.0.2.2/24 dev eth0
ip -n world addr add 198.18.5.5/32 dev lo
ip -n world addr add 192.168.44.1/32 dev lo
ip -n world link set lo up
ip -n world link set eth0 up
ip -n world route add 203.0.113.0/24 via 192.0.2.1
ip route add default via 192.0.2.2
cat >"$T/server.py" <<'SERVER'
import socket, threading
def tcp():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", 80))
    s.listen(16)
    while True:
        c, a = s.accept()
        try:
            c.recv(100)
            c.send(a[0].encode())
        except OSError: # a probe resets what it has opened
            pass
        c.close()
def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("198.18.5.5", 53))
    while True:
        _, a = s.recvfrom(100)
        s.sendto(a[0].encode(), a)
threading.Thread(target=tcp, daemon=True).start()
udp()
SERVER
ip netns exec world python3 "$T/server.py" &
server=$!
trap 'kill $server 2>/dev/null; on_exit' EXIT
wait_for ip netns exec world python3 -c 'import socket; socket.create_connection(("127.0.0.1", 80))' || bail "no server"
leftovers_before=$(leftovers)
sysctl -qw net.ipv4.ip_forward=0

# ---- refused ----
topology a fast yes >"$T/a.ini"
daemon_start
check_rc 3 "not without --allow-uplink" vpc up "$T/a.ini"
like "$(vpc up "$T/a.ini" 2>&1)" "not started with --allow-uplink" "which it says"
check_rc 3 "not even a plan" vpc plan "$T/a.ini"
is "$(ls /run/netns)" world "and nothing is made"
daemon_stop
daemon_start --allow-uplink
check_rc 3 "not on a machine that does not forward" vpc up "$T/a.ini"
like "$(vpc up "$T/a.ini" 2>&1)" "net.ipv4.ip_forward is 0; .sysctl net.ipv4.ip_forward=1" "it says why, and how to mend it"
sysctl -qw net.ipv4.ip_forward=1
nft add table inet fw
nft add chain inet fw gate '{ type filter hook forward priority 0; policy drop; }'
check_rc 3 "not where a chain drops what is forwarded" vpc up "$T/a.ini"
like "$(vpc up "$T/a.ini" 2>&1)" "policy of chain inet fw gate is drop" "it names the chain"
nft delete table inet fw
nft add table ip filter
nft add chain ip filter FORWARD '{ type filter hook forward priority 0; policy drop; }'
like "$(vpc up "$T/a.ini" 2>&1)" "policy of chain ip filter FORWARD is drop" "one as iptables makes it, too"
nft add chain ip filter FORWARD '{ policy accept; }'
like "$(vpc plan "$T/a.ini" 2>&1)" "uplink .*goes into this machine" "a plan shows it"
nft delete table ip filter
legacy_policy() { python3 "$ROOT/tests/net/wire/legacy_policy.py" "$1"; }
legacy_policy ACCEPT
if [ $? = 77 ]; then
	skip "iptables-legacy's policy is read" "the kernel has no tables of iptables-legacy"
else
	check "iptables-legacy's policy is drop" legacy_policy DROP
	check_rc 3 "not where that drops what is forwarded" vpc up "$T/a.ini"
	like "$(vpc up "$T/a.ini" 2>&1)" "iptables-legacy's chain FORWARD is drop; .iptables-legacy -P FORWARD ACCEPT" "it says so, and how to mend it"
	check "the policy is accept" legacy_policy ACCEPT
	check "nobody minds" vpc plan "$T/a.ini"
fi
before=$(machine)

for mode in fast kernel; do
	topology a $mode yes >"$T/a.ini"
	topology b $mode yes >"$T/b.ini"
	topology quiet $mode no >"$T/quiet.ini"
	check "$mode: goes up" vpc up "$T/a.ini"
	is "$(vpc plan "$T/a.ini" 2>/dev/null)" "no changes" "$mode: and is what was wanted"
	check "$mode: a second one beside it" vpc up "$T/b.ini"
	check "$mode: and one without" vpc up "$T/quiet.ini"

	for from in web app laptop; do
		is "$(client a $from tcp 198.18.5.5 80)" 192.0.2.1 "$mode: $from: TCP, from the machine's address"
		is "$(client b $from udp 198.18.5.5 53)" 192.0.2.1 "$mode: $from: UDP"
		check "$mode: $from: ICMP" pings a $from 198.18.5.5
	done
	like "$(client a web udp 198.18.5.5 99)" "Connection refused" "$mode: ICMP errors find their way back"
	like "$(vpc status a)" "uplink ok" "$mode: status knows it"

	# what does not leave
	check_rc 1 "$mode: not to private addresses by the gateway" pings a web 192.168.44.1
	check_rc 1 "$mode: nor from a host" pings a laptop 192.168.44.1
	check_rc 1 "$mode: nor to the machine itself" pings a web 192.0.2.1
	check_rc 1 "$mode: nor without an uplink" pings quiet web 198.18.5.5
	check_rc 1 "$mode: nor does the world get in" ip netns exec world ping -c1 -W1 203.0.113.77
	# even if the machine had a route into another lab
	ip route add 198.18.7.7 via "$(ip -n b.internet.uplink -o -4 addr show dev uplink | sed 's/.* inet \([0-9.]*\).*/\1/')"
	before_b=$(ip_received b)
	check_rc 1 "$mode: nor does one lab reach another" pings a laptop 198.18.7.7
	check_rc 1 "$mode: nor the machine one" ping -c1 -W1 198.18.7.7
	check_rc 1 "$mode: nor the world" ip netns exec world ping -c1 -W1 -I 198.18.5.5 198.18.7.7
	after_b=$(ip_received b)
	((after_b - before_b <= 1)) && ok "$mode: nothing of that but the machine's own packet came as far as its uplink" || not_ok "$mode: $((after_b - before_b)) packets came as far as its uplink"
	ip route del 198.18.7.7
	like "$(vpc probe --lab a web 192.168.44.1 tcp/80 -o json)" IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS "$mode: the reason is AWS's"
	like "$(vpc probe --lab a laptop 192.168.44.1 tcp/80 -o json)" UNKNOWN_DESTINATION "$mode: on the internet nobody has such an address"
	like "$(vpc trace "$T/a.ini" web 192.168.44.1 tcp/80)" IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS "$mode: the walk says so too"
	like "$(vpc trace "$T/a.ini" laptop 192.168.44.1 tcp/80)" UNKNOWN_DESTINATION "$mode: both times"
	check "$mode: vpc trace lets it leave" vpc trace "$T/a.ini" app 198.18.5.5 tcp/80
	like "$(vpc trace "$T/a.ini" app 198.18.5.5 tcp/80)" "leaves the lab by the uplink" "$mode: and says how"
	check_rc 1 "$mode: without an uplink it does not" vpc trace "$T/quiet.ini" app 198.18.5.5 tcp/80

	check "$mode: vpc probe meets who is there" vpc probe --lab a web 198.18.5.5 tcp/80
	check "$mode: from a private subnet too" vpc probe --lab a app 198.18.5.5 tcp/80
	check "$mode: and by ICMP" vpc probe --lab a app 198.18.5.5 icmp

	# path MTU: the machine's own network is narrower
	ip link set up0 mtu 1400
	like "$(inside a web ping -c1 -W1 -M "do" -s 1400 198.18.5.5 2>&1)" "mtu ?= ?1400" "$mode: a narrower way says so"
	ip link set up0 mtu 1500

	# somebody takes it away
	nft delete table ip vpcd-a
	like "$(vpc status a)" "uplink missing" "$mode: its ruleset is gone, and status knows"
	like "$(vpc plan "$T/a.ini")" "repair +internet +uplink" "$mode: a plan repairs it"
	check "$mode: up does" vpc up "$T/a.ini"
	ip link del "$(machine_link a)"
	check_rc 1 "$mode: its link is gone" pings a web 198.18.5.5
	check "$mode: up makes it anew" vpc up "$T/a.ini"
	is "$(client a web tcp 198.18.5.5 80)" 192.0.2.1 "$mode: and it works again"
	is "$(client b web tcp 198.18.5.5 80)" 192.0.2.1 "$mode: the other lab's did all the time"

	# vpcd is killed, and comes back with and without leave
	daemon_kill
	is "$(client a web tcp 198.18.5.5 80)" 192.0.2.1 "$mode: it outlives vpcd"
	daemon_start --allow-uplink
	wait_for labs_rest
	is "$(vpc plan "$T/a.ini" 2>/dev/null)" "no changes" "$mode: which finds all as it was"
	daemon_stop
	daemon_start
	wait_for labs_rest
	check_rc 1 "$mode: a vpcd that may not takes it away" pings a web 198.18.5.5
	is "$(ip -o link | grep -c vpcd)" 0 "$mode: wholly"
	daemon_stop
	daemon_start --allow-uplink
	wait_for labs_rest
	is "$(client a web tcp 198.18.5.5 80)" 192.0.2.1 "$mode: one that may brings it back"

	# by an edit, and down
	check "$mode: a file without it takes it away" vpc up <(topology b $mode no) --lab b
	check_rc 1 "$mode: b has none now" pings b web 198.18.5.5
	is "$(machine_link b)" "" "$mode: nor a link"
	is "$(client a web tcp 198.18.5.5 80)" 192.0.2.1 "$mode: a has"
	sysctl -qw net.ipv4.ip_forward=0
	like "$(vpc status a)" "uplink blocked: .*ip_forward is 0" "$mode: a machine that forwards no longer is told of"
	check "$mode: another change is made all the same" vpc set --lab a instance web source-dest-check no
	sysctl -qw net.ipv4.ip_forward=1
	check "$mode: down" vpc down b
	daemon_kill
	daemon_start --allow-uplink
	check "$mode: down after vpcd was killed" vpc down --all
	is "$(diff <(echo "$before") <(machine))" "" "$mode: nothing is left on the machine"

	# of a lab whose folders and namespaces somebody removed, the ruleset is left
	printf '[lab bare]\ndatapath = %s\n[internet]\nuplink = yes\n[vpc v]\ncidr = 10.0.0.0/16\n[internet-gateway igw]\nvpc = v\n' $mode >"$T/bare.ini"
	check "$mode: a lab of a gateway alone" vpc up "$T/bare.ini"
	daemon_stop
	ip netns list | sed -n 's/^\(bare\.[^ ]*\).*/\1/p' | xargs -n1 ip netns del
	rm -rf "$VPCD_STATE_DIR/bare" "$VPCD_RUN_DIR/ns" "$VPCD_BPF_DIR/bare"
	ip link del "$(machine_link bare)"
	is "$(machine_link bare), $(nft list tables)" ", table ip vpcd-bare" "$mode: nothing but its ruleset is left of it"
	daemon_start --allow-uplink
	like "$(vpc show labs)" "bare +failed" "$mode: vpcd shows the lab"
	check "$mode: down clears it" vpc down bare
	is "$(diff <(echo "$before") <(machine))" "" "$mode: and nothing is left"
done
done_testing
