# observe_readers: who follows the event stream says how many of a kind it wants; of all readers the finest wish holds, until
# that reader goes. Alarms stand in the stream, and packets' filters leave them out.
. "${0%/*}/../lib.sh"

{
	cat "$ROOT/tests/net/small.ini"
	cat <<-'INI'
		[lab re]
		[alarm knocked]
		metric = vpcd_gate_packets_total
		dimensions = verdict=deny gate=nacl-in subnet=b
		comparison = GreaterThanOrEqualToThreshold
		threshold = 1
		period = 1
	INI
} >"$T/re.ini"
follow() { # FILE OPTION...: a reader in the background, once it hears; its pid is $reader
	local out=$1
	shift
	"$VPC" observe re -f -o jsonl "$@" >"$out" 2>&1 &
	reader=$!
	wait_for fence "$out" || bail "the reader hears nothing: $(cat "$out")"
}
end() { kill "$1" 2>/dev/null; wait "$1" 2>/dev/null; } # one that lived through the daemon's death has ended
fences() { grep -c '"from":"laptop"' "$1"; }
fence() { # FILE: what comes behind everything else has come: a probe's packets are told of, whatever is sampled
	fenced=$(fences "$1")
	vpc probe re/laptop b1 tcp/80 >/dev/null && wait_up_to 2 eval "[ \$(fences '$1') -gt $fenced ]"
}
# From a1: 40 new ICMP flows of two packets each, and 40 denied datagrams, each another flow.
cat >"$T/burst.py" <<'PY'
import socket, struct, sys
first = int(sys.argv[1])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(first, first + 40):
    for n in (1, 2):
        head = struct.pack("!BBHHH", 8, 0, 0, i, n)
        checksum = 0xFFFF - (sum(struct.unpack("!4H", head)) % 0xFFFF)
        raw.sendto(struct.pack("!BBHHH", 8, 0, checksum, i, n), ("10.0.2.4", 0))
    udp.sendto(b"x", ("10.0.2.4", i))
PY
first=1000
burst() { # FILE: $got is how many new, established and denied packets of a burst the reader of FILE was told of
	local from
	from=$(($(wc -l <"$1") + 1)) first=$((first + 40))
	ip netns exec re.a1 python3 "$T/burst.py" $first
	fence "$1" || note "no fence"
	got=$(tail -n "+$from" "$1" | python3 -c "
import json, sys
of = [e['kind'] for e in map(json.loads, sys.stdin) if e['type'] == 'verdict' and e['from'] == 'a1']
print(*(of.count(kind) for kind in ('new', 'established', 'denied')))")
}
heard() { # FILE GOT: a burst comes out like that, now or soon: a reader that has gone is noticed a moment later
	burst "$1"
	[ "$got" = "$2" ]
}
daemon_start
vpc up "$T/re.ini" 2>/dev/null >&2 || bail "no lab"

# ---- each of its own; the finest of all; 0 is none, and every other number is finer -----------------------------------------
follow "$T/one" && one=$reader
burst "$T/one"
is "$got" "40 0 40" "a reader without wishes: each new flow, no known one, each drop"
end "$one"
follow "$T/one" --sample-new 10 && one=$reader
wait_for heard "$T/one" "4 0 40"
is "$got" "4 0 40" "--sample-new 10: one of ten new flows"
end "$one"
follow "$T/one" --sample-denied 10 && one=$reader
wait_for heard "$T/one" "40 0 4"
is "$got" "40 0 4" "--sample-denied 10: one of ten drops"
end "$one"
follow "$T/one" --sample-new 0 --sample-denied 0 && one=$reader
wait_for heard "$T/one" "0 0 0"
is "$got" "0 0 0" "0: none"
follow "$T/two" --sample-new 20 --sample-established 4 --sample-denied 10 && two=$reader
burst "$T/two"
is "$got" "2 10 4" "another reader's wishes are finer than none"
burst "$T/one"
is "$got" "2 10 4" "... and hold for both"
follow "$T/three" --sample-new 4 --sample-established 8 --sample-denied 20 && three=$reader
burst "$T/one"
is "$got" "10 10 4" "the finest of three, kind by kind"
end "$two"
wait_for heard "$T/three" "10 5 2"
is "$got" "10 5 2" "one of them gone: the finest of the other two"
end "$three"
wait_for heard "$T/one" "0 0 0"
is "$got" "0 0 0" "the last one's own"
end "$one"
"$VPC" observe re --since 0 -o jsonl -f >"$T/all" 2>&1 &
reader=$!
wait_for fence "$T/all"
burst "$T/all"
is "$got" "40 0 40" "and again as it was"
end "$reader"

# ---- alarms: for people, for programs, and where packets are asked for --------------------------------------------------------
alarms() { vpc observe re "$@" | grep ' alarm  '; }
alarm_rings() { vpc probe a1 b1 udp/9 >/dev/null; alarms "$@" | grep -q "state ALARM  was OK"; }
alarm_rests() { alarms "$@" | tail -n1 | grep -q "state OK  was ALARM"; }
follow "$T/one"
check "an alarm is told of" wait_for alarm_rings
check "and its end" wait_for alarm_rests
number='[0-9]+\.0' clock='[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}'
like "$(alarms | grep 'state ALARM' | tail -n1)" "^$clock  alarm  alarm knocked  state ALARM  was OK  metric vpcd_gate_packets_total  value $number  comparison GreaterThanOrEqualToThreshold  threshold 1\.0\$" \
	"a line for people"
like "$(alarms | tail -n1)" "^$clock  alarm  alarm knocked  state OK  was ALARM  metric vpcd_gate_packets_total  value 0\.0  comparison GreaterThanOrEqualToThreshold  threshold 1\.0\$" "... of its end"
told() { grep '"type":"alarm"' "$1" | tail -n1; }
wait_for eval 'told "$T/one" | grep -q "\"state\":\"OK\""'
like "$(told "$T/one")" '^\{"seq":[0-9]+,"time":"[0-9T:.-]+Z","lab":"re","type":"alarm","alarm":"knocked","state":"OK","was":"ALARM","metric":"vpcd_gate_packets_total","value":0\.0,"comparison":"GreaterThanOrEqualToThreshold","threshold":1\.0\}$' \
	"who follows has its members"
end "$reader"
for options in "--since 1h" "--since 2026-01-01" "--lab re"; do
	is "$(vpc observe $options | grep -c ' alarm  ')" "$(alarms | wc -l)" "$options lets alarms pass"
done
is "$(vpc observe re --since 2199-01-01 | wc -l)" 0 "--since later does not"
for options in "--verdict deny" "--gate nacl-in" "--from a1" "--to b1" "--instance b1" "--proto udp" "--port 9" "--rule deny"; do
	is "$(vpc observe re $options | grep -c ' alarm  ') $(($(vpc observe re $options | grep -c ' deny  ') > 0))" "0 1" "$options asks for packets: no alarm among them"
done
done_testing
