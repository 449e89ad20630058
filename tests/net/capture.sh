# capture: several interfaces in one pcapng, each packet with its verdict and what decided, as it was sent and as it would
# be received; filter, count, snaplen; a flood whose losses are counted. Read back by a reader of our own and by tshark.
. "${0%/*}/../lib.sh"

flood=$B/tests/net/flood
[ -x "$flood" ] || bail "$flood is not built: make test-net"
topology() { # MODE
	cat "$ROOT/tests/net/small.ini"
	printf '[lab ca-%s]
datapath = %s
' "$1" "$1"
}
parsed() { python3 "$ROOT/tests/net/wire/pcapng.py" "$T/cap.pcapng" >"$T/cap.json" && python3 -c "
import json
d = json.load(open('$T/cap.json')); p = d['packets']
print($1)"; }
rows() { # EXPRESSION: of packets to port DPORT: interface, direction, src, dst, verdict, comment
	parsed "'\n'.join('%s %s %s>%s %d %s' % (q['if'], q['dir'], q['src'], q['dst'], q['verdict'], q['comment'].replace('$T/', '')) for q in p if $1)"
}
begin() { # NAME… -w FILE …
	rm -f "$T/cap.pcapng"
	"$VPC" capture "$@" 2>"$T/cap.err" &
	capture=$!
	wait_for eval '[ -s "$T/cap.pcapng" ]' || bail "no capture begins: $(cat "$T/cap.err")"
}
end() { # waits until CONDITION holds of what was captured
	wait_for "$@" || note "never came: $*"
	kill -INT "$capture"
	wait "$capture"
}
has() { rows "$1" | grep -q .; }

daemon_start
for mode in fast kernel; do
	lab=ca-$mode act=7
	[ $mode = fast ] || act=0 # TC_ACT_REDIRECT, TC_ACT_OK: what the program really answers
	topology $mode >"$T/$mode.ini"
	check "$mode: goes up" vpc up "$T/$mode.ini"
	check "$mode: a flow" vpc probe $lab/a1 b1 tcp/80
	check_rc 1 "$mode: a denied one" vpc probe $lab/a1 b1 udp/9
	check_rc 1 "$mode: another" vpc probe $lab/a1 b1 tcp/22
	begin $lab/a1 b1 laptop -w "$T/cap.pcapng"
	for flow in 'a1 b1 tcp/80' 'laptop b1 tcp/80' 'a1 b1 udp/9' 'laptop b1 tcp/22' 'b1 a1 tcp/22'; do vpc probe --lab $lab $flow >/dev/null; done
	end has "q['src'] == '10.0.2.4' and q['dport'] == 22"
	is $? 0 "$mode: a capture that is interrupted is done"
	like "$(cat "$T/cap.err")" '^[0-9]+ packets captured, 0 lost$' "$mode: it says how much"
	is "$(parsed "[i['name'] for i in d['interfaces']]")" "['a1', 'b1', 'laptop']" "$mode: interfaces are named as instances"
	# fields: interface, direction, as that end sees it, the program's answer, why
	is "$(rows "q['dport'] == 80 and q['src'] == '10.0.1.4'" | sort -u)" "$(
		cat <<-WANT
			a1 out 10.0.1.4>10.0.2.4 $act allow by sg-in: rule "tcp 80 from 10.0.0.0/16" $mode.ini:24 [ACCEPT]
			a1 out 10.0.1.4>10.0.2.4 $act allow by sg-in: rule "tcp 80 from 10.0.0.0/16" $mode.ini:24 [TRACKED]
			b1 in 10.0.1.4>10.0.2.4 $act allow by sg-in: rule "tcp 80 from 10.0.0.0/16" $mode.ini:24 [ACCEPT]
			b1 in 10.0.1.4>10.0.2.4 $act allow by sg-in: rule "tcp 80 from 10.0.0.0/16" $mode.ini:24 [TRACKED]
		WANT
	)" "$mode: an allowed flow, at both ends"
	is "$(rows "q['dport'] == 80 and q['src'] == '198.51.100.7' and 'TRACKED' not in q['comment']" | sort -u)" "$(
		cat <<-WANT
			b1 in 198.51.100.7>10.0.2.4 $act allow by sg-in: rule "tcp 80 from 198.51.100.0/24" $mode.ini:25 [ACCEPT]
			laptop out 198.51.100.7>203.0.113.20 $act allow [ACCEPT]
		WANT
	)" "$mode: through the internet gateway: each end sees the address it knows"
	is "$(rows "q['dport'] == 9")" "$(
		cat <<-WANT
			a1 out 10.0.1.4>10.0.2.4 2 deny at nacl-in@n: rule "10 deny udp 9 from 0.0.0.0/0" $mode.ini:12 [SUBNET_ACL_RESTRICTION]
			b1 in 10.0.1.4>10.0.2.4 2 deny at nacl-in@n: rule "10 deny udp 9 from 0.0.0.0/0" $mode.ini:12 [SUBNET_ACL_RESTRICTION]
		WANT
	)" "$mode: denied at the receiver's ACL: shown at both ends"
	is "$(rows "q['dport'] == 22 and q['if'] == 'b1' and q['dir'] == 'in'" | sort -u)" \
		"b1 in 198.51.100.7>10.0.2.4 2 deny at sg-in@b1 $mode.ini:22 [ENI_SG_RULES_MISMATCH]" "$mode: denied at its group: as it would have been received"
	is "$(parsed "sorted({q['mac'] for q in p if q['if'] == 'b1' and q['dir'] == 'in'}) == ['$(vpc exec $lab/b1 -- cat /sys/class/net/eth0/address)']")" \
		True "$mode: addressed to its own MAC address"
	is "$(parsed "[i['ifrecv'] == i['packets'] == i['accepted'] == i['delivered'] and i['ifdrop'] == 0 for i in d['interfaces']]")" "[True, True, True]" "$mode: statistics"
	if command -v tshark >/dev/null; then
		is "$(tshark -r "$T/cap.pcapng" -T fields -e frame.interface_name -e ip.dst -e frame.verdict.ebpf_tc -e frame.comment 'udp.dstport == 9' 2>/dev/null | sed "s,$T/,," | tail -n1)" \
			$'b1\t10.0.2.4\t2\t'"deny at nacl-in@n: rule \"10 deny udp 9 from 0.0.0.0/0\" $mode.ini:12 [SUBNET_ACL_RESTRICTION]" "$mode: tshark reads it"
		is "$(tshark -r "$T/cap.pcapng" -Y '_ws.malformed || _ws.expert.group == 0x07000000' 2>/dev/null)" "" "$mode: and finds nothing wrong"
	else
		skip "$mode: tshark reads it" "tshark is not installed"
		skip "$mode: and finds nothing wrong" "tshark is not installed"
	fi
	rm -f "$T/cap.pcapng"
done

# ---- filter, count, snaplen, pipe ------------------------------------------------------------------------
begin ca-fast/a1 -w "$T/cap.pcapng" --filter 'udp dst port 9' --snaplen 60
for flow in udp/9 tcp/80 udp/9; do vpc probe ca-fast/a1 b1 $flow >/dev/null; done
end eval '[ "$(rows True | wc -l)" = 2 ]'
is "$(parsed "sorted({(q['proto'], q['dport'], q['cap'] <= 60) for q in p})")" "[(17, 9, True)]" "--filter, --snaplen"
is "$(parsed "(lambda i: i['delivered'] > i['accepted'] == i['packets'])(d['interfaces'][0])")" True "what the filter left out is counted"
rm -f "$T/cap.pcapng"
"$VPC" capture ca-fast/a1 -w - --count 3 >"$T/cap.pcapng" 2>/dev/null &
capture=$!
wait_for eval '[ -s "$T/cap.pcapng" ]'
vpc probe ca-fast/a1 b1 tcp/80 >/dev/null
wait $capture
is "$? $(parsed 'len(p)')" "0 3" "-w - --count ends by itself"
check_rc 2 "an instance that is none" vpc capture ca-fast/zz -w "$T/none"
check_rc 2 "a filter that is none" vpc capture ca-fast/a1 -w "$T/none" --filter 'tcp prot 80'
like "$(vpc capture ca-fast/a1 -w "$T/none" --filter $'tcp\nprot\t80\e[31m' 2>&1)" $'^vpc: capture: --filter \'tcp\\?prot\t80\\?\\[31m\': [^\n]*$' "... is quoted in one line"
check_rc 2 "nowhere to write" vpc capture ca-fast/a1

# ---- more than can be taken: a reader that sleeps -------------------------------------------------------
denied() { vpc status ca-fast -o json | python3 -c "import json,sys; print({e['name']: e for e in json.load(sys.stdin)['enis']}['a1']['denied'])"; }
rm -f "$T/cap.pcapng"
before=$(denied)
begin ca-fast/a1 -w "$T/cap.pcapng"
kill -STOP "$capture"
sent=$(ip netns exec ca-fast.a1 "$flood" 10.0.2.4 50000 1) || note "the flood fell behind: $sent"
kill -CONT "$capture"
late() { vpc probe ca-fast/a1 b1 tcp/7 >/dev/null; has "q['dport'] == 7"; }
end late
note "$sent; $(cat "$T/cap.err")"
is "$(($(denied) - before >= ${sent%% *}))" 1 "a flood under capture: every drop is counted"
is "$(parsed "(lambda i: i['ifdrop'] > 0 and i['ifrecv'] == i['delivered'] + i['ifdrop'] and i['ifrecv'] >= ${sent%% *})(d['interfaces'][0])")" True \
	"each frame was written, or counted as lost"
like "$(cat "$T/cap.err")" ', [1-9][0-9]* lost$' "the loss is told of"
is "$(vpc capture ca-fast/a1 -w /dev/full --count 1 2>&1 >/dev/null & c=$!; wait_for eval 'vpc probe ca-fast/a1 b1 tcp/7 >/dev/null; ! kill -0 $c'; wait $c)" \
	"vpc: /dev/full: No space left on device" "a disk that is full is told of"
done_testing
