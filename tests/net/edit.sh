# Edits of a running lab: one rule of a large lab is changed without looking at all of it, while packets and a
# connection go on; what somebody broke by hand is found when an edit stumbles over it, or by `plan`.
. "${0%/*}/../lib.sh"

edit() { # JSON of one edit...: prints the answer
	local IFS=,
	curl -sS --max-time 30 --unix-socket "$VPCD_RUN_DIR/vpcd.sock" http://vpcd/v1/labs/large/changes \
		--data "{\"edits\":[$*]}"
}
rule() { # set|unset GROUP RULE
	echo "{\"op\":\"$1\",\"kind\":\"security-group\",\"name\":\"$2\",\"key\":\"inbound\",\"value\":\"$3\"}"
}

{
	printf '[vpc v]\ncidr = 10.0.0.0/16\n\n'
	printf '[security-group web]\nvpc = v\ninbound = tcp 80 from 0.0.0.0/0\ninbound = udp 53 from sg:app\n\n'
	printf '[security-group app]\nvpc = v\ninbound = icmp from 0.0.0.0/0\n\n'
	for s in 0 1 2 3; do
		printf '[subnet s%d]\nvpc = v\ncidr = 10.0.%d.0/24\n\n' $s $s
		for ((i = 0; i < 50; i++)); do
			printf '[instance i%d-%d]\nsubnet = s%d\nsecurity-groups = %s\n\n' $s $i $s \
				"$([ $s = 0 ] && echo web || echo app)"
		done
	done
} >"$T/large.ini"

# Both ends of traffic that must not notice an edit: numbered datagrams, echoed, and one TCP connection.
cat >"$T/echo.py" <<'PY'
import select, socket
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("", 53))
t = socket.create_server(("", 80)); socks = [u, t]
while True:
    for s in select.select(socks, [], [])[0]:
        if s is u:
            data, where = s.recvfrom(64); s.sendto(data, where)
        elif s is t:
            socks.append(s.accept()[0])
        else:
            data = s.recv(64)
            if not data: raise SystemExit
            s.send(data)
PY
cat >"$T/ask.py" <<'PY'
import os, select, socket, sys
t = socket.create_connection((sys.argv[1], 80), 5); t.settimeout(5)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.connect((sys.argv[1], 53)); u.settimeout(2)
n = lost = 0
print("begun", flush=True)
while not os.path.exists(sys.argv[2]):
    n += 1; word = b"%d" % n
    u.send(word)
    try:
        if u.recv(64) != word: lost += 1
    except TimeoutError:
        lost += 1
    t.send(word)
    if t.recv(64) != word: lost += 1
    select.select([], [], [], 0.0005) # a pace, not a wait
print(f"lost {lost} of {'many' if n > 200 else n}", flush=True)
PY

daemon_start
check "a lab of 200 instances comes up" vpc up "$T/large.ini"
ip netns exec large.i0-0 python3 "$T/echo.py" &
echo_pid=$!
wait_for eval 'ip netns exec large.i0-0 ss -Hltn | grep -q :80' || bail "nobody listens"
server=$(ip -n large.i0-0 -o -4 addr show eth0 | sed -E 's/.* inet ([0-9.]+).*/\1/')
ip netns exec large.i1-0 python3 "$T/ask.py" "$server" "$T/stop" >"$T/asked" &
ask_pid=$!
wait_for grep -q begun "$T/asked" || bail "no traffic"

# ---- many edits, no packet lost ----
bad=0
for ((i = 0; i < 60; i++)); do
	[[ $(edit "$(rule set web "tcp $((1000 + i)) from 10.0.0.0/8")") == *'"applied":true'* ]] || bad=$((bad + 1))
	[[ $(edit "$(rule unset web "tcp $((1000 + i)) from 10.0.0.0/8")") == *'"applied":true'* ]] || bad=$((bad + 1))
done
is $bad 0 "120 edits are applied"
touch "$T/stop"
wait $ask_pid
is "$(tail -n1 "$T/asked")" "lost 0 of many" "no datagram was lost, no connection broken"
kill $echo_pid
wait $echo_pid 2>/dev/null
is "$(vpc plan "$T/large.ini")" "no changes" "all is as the file says"

# ---- an edit takes effect before it is answered ----
answers() { vpc probe i1-1 i0-1 tcp/80 >/dev/null 2>&1; }
check "the rule is there" answers
edit "$(rule unset web "tcp 80 from 0.0.0.0/0")" >/dev/null
check_rc 1 "without its rule it is denied" vpc probe i1-1 i0-1 tcp/80
edit "$(rule set web "tcp 80 from 0.0.0.0/0")" >/dev/null
check "with it again it is allowed" answers

# ---- it looks at nothing else; plan does ----
ip -n large.i2-0 addr flush dev eth0
answer=$(edit "$(rule set app "tcp 22 from 10.0.0.0/8")")
like "$answer" '"name":"app"' "an edit is planned against what the last change left"
[[ $answer != *i2-0* ]]
is $? 0 "what it does not touch it does not look at"
like "$(vpc plan "$T/large.ini")" 'repair +instance +i2-0' "plan looks at everything"
check "and up mends it" vpc up "$T/large.ini"
like "$(ip -n large.i2-0 -o -4 addr show eth0)" 'inet 10\.0\.2\.' "the address is back"

# ---- what it stumbles over ----
ip -n large.v.router link del i3-0
answer=$(edit '{"op":"set","kind":"instance","name":"i3-0","key":"address","value":"10.0.3.200"}')
like "$answer" '"applied":true' "an edit of an instance whose link somebody removed is applied"
like "$(ip -n large.i3-0 -o -4 addr show eth0)" 'inet 10\.0\.3\.200/' "after all of the lab was looked at"
check "and the instance answers" vpc probe i1-1 i3-0 icmp
like "$(vpc plan "$T/large.ini" 2>&1)" '^no changes$' "nothing is left to mend"

# ---- an instance is silent, and its settings are its own ----
is "$(ip -n large.v.router -j -s link show i3-9 | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["stats64"]["rx"]["packets"])')" \
	0 "an instance that nobody uses has not sent one packet since it came up"
inside() { ip netns exec large.i3-9 cat "/proc/sys/net/$1"; }
is "$(inside ipv4/ip_forward) $(inside ipv4/conf/eth0/rp_filter) $(inside ipv4/conf/eth0/promote_secondaries)" "0 0 1" \
	"it does not forward, whatever the machine does"
ip netns exec large.i3-9 sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
check "its root may change that" vpc up "$T/large.ini"
is "$(inside ipv4/ip_forward)" 1 "and it stays so"

# ---- rules that do not fit their table ----
answer=$(edit '{"op":"set","kind":"lab","name":"large","key":"rule-table-entries","value":"1"}')
like "$answer" '"code":"RuleTableLimitExceeded"' "a limit that the lab is over is refused"
like "$answer" 'limit is 1; rule .*set a higher rule-table-entries in \[lab\]' "... with rule, limit and setting"
is "$(vpc plan "$T/large.ini" 2>&1 | tail -n1)" "no changes" "... and the lab is what it was"

# ---- a daemon that was killed looks at everything first ----
daemon_kill
ip -n large.i2-1 addr flush dev eth0
daemon_start
wait_for eval '[ -n "$(ip -n large.i2-1 -o -4 addr show eth0)" ]'
is $? 0 "a new daemon mends what was broken meanwhile"
like "$(edit "$(rule set app "tcp 23 from 10.0.0.0/8")")" '"applied":true' "and takes edits"
done_testing
