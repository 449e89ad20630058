# rate: 200,000 packets as fast as they go, allowed and denied mixed, from two senders at once: every
# counter is exact. In both modes.
. "${0%/*}/../lib.sh"

blast=$B/tests/net/blast
[ -x "$blast" ] || bail "$blast is not built: make test-net"
N=100000 # a sender; half of it may pass
topology() { # MODE
	cat <<INI
[lab ra-$1]
datapath = $1
[vpc v]
cidr = 10.0.0.0/16
[nacl n]
vpc = v
inbound = 10 deny udp 6000-6999 from 0.0.0.0/0
inbound = 100 allow all from 0.0.0.0/0
outbound = 100 allow all to 0.0.0.0/0
[subnet a]
vpc = v
cidr = 10.0.1.0/24
nacl = n
[subnet b]
vpc = v
cidr = 10.0.2.0/24
nacl = n
[security-group send]
vpc = v
[security-group take]
vpc = v
inbound = udp 5000-6999 from 10.0.0.0/16
[instance a1]
subnet = a
security-groups = send
[instance a2]
subnet = a
security-groups = send
[instance b1]
subnet = b
security-groups = take
INI
}
pick() { python3 -c "import json,sys; o=json.load(sys.stdin); print($1)"; }
status() { vpc status --lab "$lab" -o json | pick "[{e['name']: e for e in o['enis']}['$1'][k] for k in '$2'.split()]"; }
rules() { vpc rules --lab "$lab" -o json | pick "sorted((r['owner'], r['direction'], r['text'], r['packets']) for r in o['rules'] if r['packets'])"; }

daemon_start
for mode in fast kernel; do
	lab=ra-$mode
	topology $mode >"$T/$mode.ini"
	check "$mode: goes up" vpc up "$T/$mode.ini"
	ip netns exec $lab.b1 nft "table inet silent { chain in { type filter hook input priority -500; policy drop; }; }"
	# To 5000: passes all gates. To 6000: dies at the NACL. To 7000: dies at the group.
	ip netns exec $lab.a1 "$blast" 10.0.2.4 $N 5000 6000 >"$T/a1" 2>&1 &
	one=$!
	ip netns exec $lab.a2 "$blast" 10.0.2.4 $N 5000 7000 >"$T/a2" 2>&1 &
	two=$!
	wait $one && wait $two || bail "$(cat "$T/a1" "$T/a2")"
	note "$mode: a1 $(cat "$T/a1"); a2 $(cat "$T/a2")"
	for i in a1 a2; do
		is "$(ip netns exec $lab.$i ip -j -s link show eth0 | pick 'o[0]["stats64"]["tx"]["dropped"]')" 0 "$mode: $i: the device took all packets"
		is "$(status $i 'tx_packets denied events_lost' | sed 's/, [0-9]*]//; s/\[//')" "$((N / 2)), $((N / 2))" "$mode: $i: half passed, half was denied, none is missing"
		is "$(vpc status --lab $lab -o json | pick "(lambda e: e['cached'] + e['full'])({e['name']: e for e in o['enis']}['$i'])")" $N "$mode: $i: each took one path"
	done
	is "$(status b1 'rx_packets tx_packets denied')" "[$N, 0, 0]" "$mode: b1 received what passed"
	is "$(ip netns exec $lab.b1 ip -j -s link show eth0 | pick 'o[0]["stats64"]["rx"]["packets"] - o[0]["stats64"]["rx"]["dropped"]')" $N "$mode: its device says the same"
	[ $mode = fast ] || is "$(status a1 stack), $(status a2 stack)" "[$((N / 2))], [$((N / 2))]" "$mode: all of it by the stack"
	is "$(rules)" "[('n', 'inbound', '10 deny udp 6000-6999 from 0.0.0.0/0', $((N / 2))), ('n', 'inbound', '100 allow all from 0.0.0.0/0', $((N + N / 2))), ('n', 'outbound', '100 allow all to 0.0.0.0/0', $((2 * N))), ('send', 'outbound', 'all to 0.0.0.0/0', $((2 * N))), ('take', 'inbound', 'udp 5000-6999 from 10.0.0.0/16', $N)]" \
		"$mode: every rule is exact"
	is "$(vpc show route-tables --lab $lab -o json | pick 'sum(r["packets"] for t in o["route-table"] for r in t["routes"])')" $((2 * N)) "$mode: so is the route"
done
done_testing
