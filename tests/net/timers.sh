# timers: [lab] clock reaches the filter and the NAT gateway, idle connections through which end; timers of one instance; a
# share of the table.
. "${0%/*}/../lib.sh"
. "$ROOT/tests/net/wire/wire.sh"

json() { python3 -c "import json,sys; d=json.load(sys.stdin); print($1)"; }
lab() { # SETTINGS
	cat <<INI
[lab t]
$1
[vpc v]
cidr = 10.0.0.0/16
[internet-gateway g]
vpc = v
[route-table out]
vpc = v
route = 0.0.0.0/0 via igw:g
[subnet pub]
vpc = v
cidr = 10.0.0.0/24
route-table = out
[route-table nat]
vpc = v
route = 0.0.0.0/0 via nat:gw
[subnet priv]
vpc = v
cidr = 10.0.1.0/24
route-table = nat
[nat-gateway gw]
subnet = pub
[security-group s]
vpc = v
inbound = tcp 80,81 from sg:s
inbound = udp 53 from sg:s
[instance a]
subnet = priv
security-groups = s
[instance b]
subnet = priv
security-groups = s
listen = tcp/80 udp/53
tcp-established-timeout = 60
[host h]
address = 198.51.100.7
INI
}
lab "" >"$T/t.ini"
daemon_start
check "up" vpc up "$T/t.ini"
left() { # ENI PROTO: seconds of its youngest entry
	vpc ct t -o json | json "max([e['idle_left_s'] for e in d['entries'] if e['eni'] == '$1' and e['proto'] == '$2' and e['tracked']] or [-1])"
}
between() { # LOW VALUE HIGH WHAT
	if [ "$2" -ge "$1" ] && [ "$2" -le "$3" ]; then ok "$4"; else not_ok "$4: $2 is not from $1 to $3"; fi
}
check "UDP" vpc probe a b udp/53
between 25 "$(left b udp)" 30 "UDP, one answer: 30 s"
nat_timer() { ip netns exec t.gw cat "/proc/sys/net/netfilter/nf_conntrack_$1"; }
is "$(nat_timer tcp_timeout_established) $(nat_timer udp_timeout)" "350 350" "the NAT gateway's timers are AWS's"
pid=$(vpc version -o json | json 'd["vpcd"]["pid"]')

# A connection that stays open until descriptor 9 is closed.
mkfifo "$T/open"
address=$(vpc show instance t/b -o json | json 'd["instance"][0]["addresses"][0]["private"]')
ip netns exec t.b python3 -c 'import socket; s=socket.create_server(("", 81)); c=s.accept()[0]; c.recv(1)' &
wait_for eval 'ip netns exec t.b ss -ltn | grep -q ":81 "'
ip netns exec t.a python3 -c 'import socket,sys; s=socket.create_connection((sys.argv[1], 81)); sys.stdin.read()' "$address" <"$T/open" &
exec 9>"$T/open"
states() { vpc ct t -o json | json "' '.join(sorted(e['state'] for e in d['entries'] if e['tracked'] and e['proto'] == 'tcp'))"; }
wait_for eval '[ "$(states)" = "established established" ]' && ok "a connection, seen by both ends" || not_ok "no connection: $(vpc ct t)"
between 40 "$(left b tcp)" 60 "b's own timer: 60 s"
between 431900 "$(left a tcp)" 432000 "a's is AWS's: five days"

lab "clock = 50x" >"$T/t.ini"
like "$(vpc up "$T/t.ini")" 'clock 1x -> 50x' "the clock is changed while the lab runs"
between 8500 "$(left a tcp)" 8640 "50x: five days are 8640 s"
wait_for eval '[ "$(left b tcp)" = -1 ]' && ok "b's minute is over after 1.2 s" || not_ok "still there: $(vpc ct t)"
is "$(nat_timer tcp_timeout_established) $(nat_timer udp_timeout)" "7 7" "the NAT gateway's clock runs too"
is "$(vpc version -o json | json 'd["vpcd"]["pid"]')" "$pid" "by the same daemon"
exec 9>&-

# 350 s idle: two, at this clock.
for mode in fast kernel; do
	lab "datapath = $mode
clock = 175x" >"$T/t.ini"
	check "$mode, 175x" vpc up "$T/t.ini"
	is "$(nat_timer tcp_timeout_established)" 2 "$mode: the NAT gateway's 350 s are 2 s"
	wire nat_idle t 2
done

# The share of an interface.
lab "conntrack-entries = 2" >"$T/t.ini"
check "two entries each" vpc up "$T/t.ini"
vpc ct flush --lab t >/dev/null
check "the first" vpc probe a b tcp/80 --from-port 2001
check "the second" vpc probe a b tcp/81 --from-port 2002
check_rc 1 "the third finds no room" vpc probe a b tcp/80 --from-port 2003
like "$(vpc probe a b tcp/80 --from-port 2004)" 'conntrack.*CONNTRACK_FULL' "gate and reason"
between 1 "$(vpc status t -o json | json 'sum(e["conntrack_full"] for e in d["enis"])')" 100 "status counts what was dropped"
is "$(vpc status t -o json | json 'd["conntrack"]["entries"]')" 4 "nothing was evicted: two at each end"
vpc ct flush t/a >/dev/null
vpc ct flush t/b >/dev/null
check "room again" vpc probe a b tcp/80 --from-port 2005

done_testing
