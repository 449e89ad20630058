# observe: verdicts as they are given: names, filters, gathered drops, sampling, what is lost. Then a flood of drops:
# counters are exact, the loss is told, the daemon stays small. LOAD_S=N floods for N seconds, RATE=N so fast; KEEP_UP=1: it is a
# failure when this machine cannot send so fast (make soak).
. "${0%/*}/../lib.sh"

flood=$B/tests/net/flood
[ -x "$flood" ] || bail "$flood is not built: make test-net"
load_s=${LOAD_S:-3} rate=${RATE:-100000}
cp "$ROOT/tests/net/small.ini" "$T/ob.ini"
json() { python3 -c "import json,sys; d=[json.loads(l) for l in sys.stdin]; print($1)"; }
gate_of() { # FLOW...: "verdict gate rule line" as probe says
	vpc probe "$@" -o json | python3 -c 'import json,sys; p=json.load(sys.stdin)["results"][0]; print(p["verdict"], (p["denied"] or {}).get("gate"), p["rule"], p["line"])'
}
last_of() { # FILTER...: the same of the last event
	vpc observe "$@" -o jsonl | json '(lambda e: "%s %s %s %s" % (e["verdict"], e["gate"], e["rule"], e["line"]))(d[-1])'
}

daemon_start
check "goes up" vpc up "$T/ob.ini"

# ---- what a probe finds is what observe tells --------------------------------------------------------
is "$(gate_of a1 b1 tcp/80)" "allow None tcp 80 from 10.0.0.0/16 24" "an allowed probe"
is "$(last_of --from a1 --proto tcp --port 80 --verdict allow)" "allow None tcp 80 from 10.0.0.0/16 24" "observe names its rule"
is "$(gate_of a1 b1 udp/9)" "deny nacl-in 10 deny udp 9 from 0.0.0.0/0 12" "a probe that an ACL denies"
is "$(last_of --to b1 --port 9)" "deny nacl-in 10 deny udp 9 from 0.0.0.0/0 12" "observe names gate and rule"
is "$(gate_of a1 b1 tcp/22)" "deny sg-in None 22" "a probe that a group denies"
is "$(last_of --instance b1 --gate sg-in@b1)" "deny sg-in None 22" "observe names the gate"
# What is remembered ends with the daemon; a test's daemon may have been killed above.
for flow in tcp/80 udp/9 tcp/22; do vpc probe a1 b1 $flow >/dev/null; done
is "$(vpc observe -o jsonl | json '" ".join(d[-1])')" "$(json_members EVENT)" "members as documented"
like "$(vpc observe --port 9 | tail -n1)" '^[0-9:.]+ +deny +denied +a1 10.0.1.4:[0-9]+ -> b1 10.0.2.4:9 udp  at nacl-in@n  "10 deny udp 9 from 0.0.0.0/0" .*ob.ini:12  \[SUBNET_ACL_RESTRICTION\]  [0-9]+ packets since ' \
	"a line for people"

# ---- filters -------------------------------------------------------------------------------------------
n_of() { vpc observe "$@" -o jsonl | grep -c '"type":"verdict"'; }
all=$(n_of)
is "$(($(n_of --verdict allow) + $(n_of --verdict deny)))" "$all" "--verdict parts them"
is "$(n_of --from b1 --port 9)" 0 "--from"
is "$(n_of --to 10.0.2.0/24 --port 9)" "$(n_of --to b1 --port 9)" "--to takes a prefix"
is "$(n_of --to 10.0.2.4 --port 9)" "$(n_of --to b1 --port 9)" "... and an address"
is "$(n_of --from 10.0.1.4 --to 10.0.2.4/32 --port 9)" "$(n_of --from a1 --to b1 --port 9)" "so does --from"
check_rc 2 "an address that is none" vpc observe --from 10.0.1/24
is "$(n_of --rule ob.ini:12)" "$(n_of --gate nacl-in)" "--rule FILE:LINE"
# Behind a gateway the packet is still who sent it.
cat >"$T/far.ini" <<'INI'
[vpc v]
cidr = 10.0.0.0/16
[vpc w]
cidr = 10.1.0.0/16
[vpc-peering-connection vw]
vpc = v
peer-vpc = w
[internet-gateway igw]
vpc = v
[route-table t]
vpc = v
route = 0.0.0.0/0 via igw:igw
[route-table u]
vpc = w
route = 10.0.0.0/16 via pcx:vw
[nacl n]
vpc = v
inbound = 10 deny udp 9 from 0.0.0.0/0
outbound = 10 allow all to 0.0.0.0/0
[subnet a]
vpc = v
cidr = 10.0.1.0/24
route-table = t
nacl = n
[subnet b]
vpc = w
cidr = 10.1.1.0/24
route-table = u
[instance web]
subnet = a
public-ip = auto
[instance peer]
subnet = b
[host laptop]
address = 203.0.113.50
INI
check "a lab with gateways" vpc up "$T/far.ini"
for who in laptop peer; do
	vpc probe $who web udp/9 --lab far >/dev/null
	for options in "--from $who" "--from $who --to web" "--instance $who"; do
		is "$(last_of far $options --verdict deny)" "deny nacl-in 10 deny udp 9 from 0.0.0.0/0 18" "$options: what is denied behind its gateway"
	done
done
is "$(vpc observe far --from laptop --to web --verdict allow -o jsonl | json 'd[-1]["to"]')" igw "what is for an address is for who has it"
is "$(vpc observe far --from web -o jsonl | json 'len(d)')" 0 "... and of nobody else"
# A denial at the gateway itself is counted with its name.
vpc probe web 192.168.9.9 udp/9 --lab far >/dev/null
gates() { curl -sS --unix-socket "$VPCD_RUN_DIR/vpcd.sock" http://vpcd/v1/labs/far/gates | json 'sorted("%(eni)s %(gate)s@%(object)s" % g for g in d[0]["gates"] if g["gate"] == "igw")'; }
is "$(vpc observe far --gate igw -o jsonl | json '["%(from)s %(gate)s@%(object)s" % e for e in d]')" "['web igw@igw']" "a denial at a gateway names it"
is "$(gates)" "['web igw@igw']" "... in the counters too"
vpc down far >/dev/null
is "$(n_of --rule 'deny udp')" "$(n_of --gate nacl-in)" "--rule TEXT"
is "$(n_of --since 1h)" "$all" "--since an hour ago: all"
is "$(n_of --since 2199-01-01T00:00:00)" 0 "--since later: none"
check_rc 2 "a gate that is none" vpc observe --gate sg
check_rc 2 "a gate of nothing" vpc observe --gate nacl-in@
check_rc 2 "a month that is none" vpc observe --since 2026-13-01T00:00:00
check_rc 2 "a time with something behind it" vpc observe --since 2026-01-01T00:00:00x
for since in 2026-01-01 2026-01-01T00:00 2026-01-01T00:00:00Z 2026-01-01T00:00:00.5; do is "$(n_of --since $since)" "$all" "--since $since: all"; done
like "$(vpc observe nolab 2>&1) $?" 'lab nolab is not up, and no event of it is remembered 2$' "a lab that is not there is told"
for option in --from --to --instance; do
	like "$(vpc observe $option nobody 2>&1) $?" 'lab ob has nothing called nobody that sends or receives 2$' "$option of nobody is told"
	is "$(vpc observe $option igw --port 4711 2>&1) $?" " 0" "$option of somebody who had no such packet is not"
done
nobody_told() { grep -q 'lab ob has nothing called nobody' "$T/nobody"; }
"$VPC" observe ob -f --from nobody 2>"$T/nobody" & follower=$!
check "-f --from nobody: told, and it waits" wait_for nobody_told
check "... still" kill -0 $follower
kill $follower && wait $follower 2>/dev/null
ip netns exec ob.a1 python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 99)
s.sendto(b'x' * 8, ('10.0.2.4', 0))"
wait_for eval 'vpc observe --proto 99 | grep -q .'
like "$(vpc observe --proto 99)" 'a1 10.0.1.4 -> b1 10.0.2.4 99  at' "a protocol without ports has none"
is "$(vpc observe | grep -c ' $')" 0 "no line ends in blanks"
check_rc 2 "a time that is none" vpc observe --since yesterday
check_rc 2 "a verdict that is none" vpc observe --verdict drop
check_rc 2 "sampling of what was" vpc observe --sample-new 3

# ---- rules, status -----------------------------------------------------------------------------------------
last_hits() { vpc rules -o json | python3 -c "
import datetime, json, sys, time
for r in json.load(sys.stdin)['rules']:
    if r['text'] in ('10 deny udp 9 from 0.0.0.0/0', 'icmp from 10.0.0.0/16'):
        t = r['last_hit'] and datetime.datetime.strptime(r['last_hit'], '%Y-%m-%dT%H:%M:%SZ').replace(tzinfo=datetime.timezone.utc).timestamp()
        print(r['text'].split()[0], t and 0 <= time.time() - t < 10)"; }
vpc probe a1 b1 udp/9 >/dev/null
is "$(last_hits | sort)" "10 True
icmp None" "rules: last hit, or none"
like "$(vpc rules | grep '10 deny udp 9')" ' [0-9]s +.*ob.ini:12$' "how long ago"
is "$(vpc status -o json | python3 -c "import json,sys; d={m['name']: m for m in json.load(sys.stdin)['maps']}; print(d['addrs']['entries'] >= 2, all(m['entries'] is None or m['entries'] < m['max'] for m in d.values()), d['flows']['max'] >= 16384)")" \
	"True True True" "status: how full maps are"
is "$(vpc rules -o json | python3 -c "import json,sys; print({(r['file'].rsplit('/')[-1], r['line']) for r in json.load(sys.stdin)['rules'] if r['text'] == '*' and r['owner'] == 'n'})")" \
	"{('ob.ini', $(grep -n '^\[nacl n\]' "$T/ob.ini" | cut -d: -f1))}" "what an ACL denies without a rule stands where the ACL does"
dev=$(ip netns exec ob.v.router ip -o link | sed -nE 's/^[0-9]+: ([^:@]*a1[^:@]*)[:@].*/\1/p')
python3 "$ROOT/tests/net/wire/tcx.py" ob.v.router "$dev" detach >/dev/null # else the kernel calls it all the same
check "a program is taken away" ip netns exec ob.v.router tc filter del dev "$dev" ingress
is "$(vpc status -o json | python3 -c "import json,sys; d=json.load(sys.stdin); print(d['programs'], {e['name']: e['filters'] for e in d['enis']})")" \
	"missing {'a1': 'missing', 'b1': 'ok'}" "status says whose"
check "up mends it" vpc up "$T/ob.ini"

# ---- following: sampling, gathered drops ------------------------------------------------------------------
follow() { # FILE OPTION...: an observer in the background, once it hears
	local out=$1 n=0
	shift
	"$VPC" observe -f -o jsonl "$@" >"$out" 2>&1 &
	follower=$!
	wait_for follower_hears "$out" || bail "the observer hears nothing: $(cat "$out")"
}
follower_hears() { vpc probe b1 a1 icmp >/dev/null; grep -q '"from":"b1"' "$1"; }
follow_end() { kill "$follower" && wait "$follower" 2>/dev/null; true; }
send() { ip netns exec ob.$1 python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', 4000))
for i in range($4): s.sendto(b'x', ('$2', $3))"; }
follow "$T/f"
send a1 10.0.2.4 9 500
gathered() { json '[e["count"] for e in d if e.get("dport") == 9][-1]' <"$T/f" | grep -qx 500; }
wait_for gathered
is "$(json '[e["count"] for e in d if e.get("dport") == 9][-1]' <"$T/f")" 500 "500 drops of one flow: the last event has their number"
is "$(json 'len([e for e in d if e.get("dport") == 9]) <= 3' <"$T/f")" True "in a few events"
is "$(json '[e["first"] <= e["last"] for e in d if e.get("dport") == 9][-1]' <"$T/f")" True "with first and last"
follow_end
follow "$T/f" --sample-established 10 --proto icmp
ip netns exec ob.a1 ping -qf -c 200 10.0.2.4 >/dev/null
sampled() { json 'len([e for e in d if e.get("kind") == "established" and e["from"] == "a1" and e["icmp_type"] == 8])' <"$T/f"; }
wait_for eval '[ $(sampled) -ge 19 ]'
like "$(sampled)" '^(19|20)$' "one of ten packets of a known flow"
is "$(json 'sorted({(e["reason"], e["rule"]) for e in d if e.get("kind") == "established" and e["from"] == "b1" and e["icmp_type"] == 0})' <"$T/f")" "[('TRACKED', 'all to 0.0.0.0/0')]" \
	"an answer is tracked, by the rule that let the request out"
follow_end

# Very many flows at once: each that was told of ends with its number, whichever other ones were told of meanwhile.
follow "$T/f"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$ROOT/tests/net/wire python3 - "$T/f" <<'PY'
import socket, sys
from wire import inside, until
ends = []
for name, to in ("a1", "10.0.2.4"), ("b1", "10.0.1.4"):
    with inside("ob." + name):
        ends.append((socket.socket(socket.AF_INET, socket.SOCK_DGRAM), to))
    ends[-1][0].bind(("", 4444))
for _ in range(2): # the second ones as soon as the first are told of: they have no event of their own
    for s, to in ends:
        for port in range(1000, 1000 + 95 * 613, 613):
            s.sendto(b"x", (to, port))
    until(lambda: open(sys.argv[1]).read().count('"sport":4444') >= 190)
PY
last_says() { # NUMBER: of how many flows the last event says it
	json "list({(e['from'], e['dport']): e['count'] for e in d if e.get('sport') == 4444}.values()).count($1)" <"$T/f"
}
wait_for eval '[ "$(last_says 2)" = 190 ]'
is "$(last_says 2)" 190 "two drops each of 190 flows: the last event of each says so"
follow_end

# ---- a flood ---------------------------------------------------------------------------------------------------
stat_of() { vpc status ob -o json | python3 -c "import json,sys; d=json.load(sys.stdin); print({e['name']: e for e in d['enis']}['a1']['denied'], d['events_lost'])"; }
cpu_us() { awk '{printf "%d", $1 / 1000}' "/proc/$daemon_pid/schedstat"; }
told() { json 'sum(e["events"] for e in d if e["type"] == "lost" and e["time"])' <"$T/f"; }
flow9() { json "[e['count'] for e in d if e.get('dport') == 9 and e['to'] == 'b1'][-1]" <"$T/f"; }
flooded() { # WHAT RATE SECONDS SENDERS
	local what=$1 cpu0 cpu1 t0 t1 denied0 lost0 denied1 lost1 used rss total=0 behind= n senders=()
	read -r denied0 lost0 <<<"$(stat_of)"
	follow "$T/f"
	cpu0=$(cpu_us) t0=${EPOCHREALTIME/[.,]/}
	for n in $(seq "$4"); do
		ip netns exec ob.a1 "$flood" 10.0.2.4 "$2" "$3" >"$T/sent$n" &
		senders+=($!)
	done
	for n in $(seq "$4"); do
		wait "${senders[n - 1]}" || behind+=" $(cat "$T/sent$n")"
		total=$((total + $(cut -d' ' -f1 "$T/sent$n")))
	done
	cpu1=$(cpu_us) t1=${EPOCHREALTIME/[.,]/}
	read -r denied1 lost1 <<<"$(stat_of)"
	if [ -n "${KEEP_UP:-}" ]; then is "$behind" "" "$what: it was sent as fast as it should"; elif [ -n "$behind" ]; then note "the flood fell behind:$behind"; fi
	is "$((denied1 - denied0))" "$total" "$what: every drop is counted"
	used=$(((cpu1 - cpu0) * 1000 / (t1 - t0))) # in thousandths
	rss=$(awk '/^VmHWM/ {print int($2 / 1024)}' "/proc/$daemon_pid/status")
	note "$what: $total packets, $((total * 1000 / ((t1 - t0) / 1000))) a second; the daemon used $((used / 10)).$((used % 10)) % of a core, $rss MB at most; $((lost1 - lost0)) events lost"
	is "$((used < 500))" 1 "$what: the daemon uses less than half a core"
	is "$((rss < 64))" 1 "$what: and less than 64 MB"
	is "$((lost1 > lost0))" 1 "$what: not every drop can be told of"
	wait_for eval '[ $(told) -ge $((lost1 - lost0)) ]'
	is "$(told)" "$((lost1 - lost0))" "$what: what was lost is told"
	like "$(vpc observe --since 1m | grep -c ' lost  ')" '^[1-9]' "$what: in a line"
	[ "$4" = 1 ] || { follow_end && return; }
	wait_for eval '[ $(flow9) = $((total / 2)) ]'
	is "$(flow9)" "$((total / 2))" "$what: the drops of the one flow are all in its number"
	follow_end
}
flooded "a flood" "$rate" "$load_s" 1
flooded "as fast as two senders can" 0 "${LOAD_S:-1}" 2
done_testing
