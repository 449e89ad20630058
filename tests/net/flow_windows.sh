# flow_windows: each flow log has windows of its own; none loses a packet or tells of it twice when the lab is edited, when
# the daemon is killed, however often, or when there are more flows than fit; what is lost is told; files are put aside.
. "${0%/*}/../lib.sh"

flood=$B/tests/net/flood
[ -x "$flood" ] || bail "$flood is not built: make test-net"
KILL_DAEMON= # it is killed here, where it hurts
topology() { # LAB
	cat "$ROOT/tests/net/small.ini"
	cat <<INI
[instance a2]
subnet = a
security-groups = take
[lab $1]
clock = 10x
[flow-log slow]
subnet = b
max-aggregation-interval = 600
INI
}
read_lines() { PYTHONDONTWRITEBYTECODE=1 python3 "$ROOT/tests/net/wire/flow_records.py" default "$@"; }
file_of() { echo "$VPCD_STATE_DIR/$lab/flow-log-$1.log"; }
send() { # INSTANCE N: datagrams to b1 that its ACL denies
	ip netns exec $lab.$1 python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', 4000))
for i in range($2): s.sendto(b'x', ('10.0.2.4', 9))"
}
of() { # LOG EXPRESSION
	cat "$(file_of $1)" 2>/dev/null | read_lines "$2"
}
denied() { of "$1" "packets(r, dstport=9, action='REJECT')"; }
has_denied() { [ "$(denied "$1")" = "$2" ]; }
window() { vpc flows --lab $lab --now >"$T/window" || bail "no window"; }
lost() { curl -s --unix-socket "$VPCD_RUN_DIR/vpcd.sock" http://vpcd/metrics | sed -n "s/^vpcd_flow_log_lost_packets_total{lab=\"$lab\"} //p"; }
again() {
	daemon_kill
	daemon_start
	wait_for labs_rest || bail "labs do not come back"
}

daemon_start
lab=win
{
	topology win
	printf '[flow-log quick]\nvpc = v\nmax-aggregation-interval = 5\n'
} >"$T/win.ini"
check "goes up" vpc up "$T/win.ini"

since() { curl -s -o /dev/null -w '%{http_code}' --unix-socket "$VPCD_RUN_DIR/vpcd.sock" "http://vpcd/v1/labs/$lab/flows?since=$1"; }
is "$(since 9223372036854775807) $(since 9223372036854775808) $(since %20-5) $(since x)" "200 400 400 400" "since is the number of a record, as JSON can tell it"

# ---- windows of their own ---------------------------------------------------------------------------------
send a1 5
check "the quick log has it soon" wait_for has_denied quick 5
send a1 3
check "and what came later" wait_for has_denied quick 8
is "$(of slow 'len(r)')" 0 "the window of the slow one goes on"
window
is "$(of slow "[(x['packets'], x['srcport']) for x in r if x['dstport'] == 9]")" "[(8, 4000)]" "its record has all of them"
like "$(of quick "sum(1 for x in r if x['dstport'] == 9 and x['action'] == 'REJECT')")" '^[2-8]$' "where the other has several"

# ---- an edit in the middle: nothing is told twice, and of what is gone there is a name -----------------------
send a1 2
send a2 4
id=$(vpc show instance $lab/a2 -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)["instance"][0]["eni"])')
sed '/^\[instance a2\]/,/^security-groups/d' "$T/win.ini" >"$T/less.ini"
cp "$T/less.ini" "$T/win.ini"
check "an instance goes" vpc up "$T/win.ini"
send a1 1
window
is "$(of slow "packets(r, dstport=9, srcaddr='10.0.1.4'), packets(r, dstport=9, srcaddr='10.0.1.5')")" "(11, 4)" "the slow log has what it sent"
is "$(of quick "packets(r, interface_id='$id')")" 4 "so has the quick one, under its name"
for n in 1 2 3 4 5; do
	send a1 1
	vpc set security-group win/take inbound tcp $n from 10.0.0.0/16 >/dev/null || bail "no edit"
done
window
is "$(of slow "packets(r, dstport=9, srcaddr='10.0.1.4')")" 16 "edits in a row lose nothing"
rules() { of slow "len([x for x in r if x['log-status'] == 'NODATA'])"; }
is "$(rules)" 0 "and make no record of silence"

# ---- the daemon dies -------------------------------------------------------------------------------------------
before=$(denied slow) quick=$(denied quick)
send a1 4
wait_for has_denied quick $((quick + 4))
again
send a1 2
window
is "$(denied slow)" $((before + 6)) "a window that began before the daemon was killed has all of it"
is "$(denied quick)" $((quick + 6)) "and nothing is told twice"
before=$(denied slow) quick=$(denied quick) total=0
for n in 1 2 3 4 5 6 7 8; do
	send a1 $((n * 3)) & sender=$!
	read -rt 0.0$n -u $tick || :
	daemon_kill
	wait $sender
	total=$((total + n * 3))
	daemon_start
	wait_for labs_rest
done
window
is "$(denied slow)" $((before + total)) "killed again and again under traffic: the slow log is exact"
is "$(denied quick)" $((quick + total)) "and so is the quick one"
cp "$(file_of quick)" "$T/copy"
daemon_kill
printf 'half a li' >>"$(file_of quick)"
daemon_start
wait_for labs_rest
is "$(head -c "$(stat -c %s "$T/copy")" "$(file_of quick)" | cmp - "$T/copy"; grep -c 'half a li' "$(file_of quick)")" 0 "a line that was cut short is taken back"

# ---- more flows than fit -------------------------------------------------------------------------------------------
before=$(denied slow)
cut_early() { [ "$(denied slow)" -gt $before ]; }
sent=$(ip netns exec $lab.a1 "$flood" 10.0.2.4 100000 7) || note "the flood fell behind: $sent"
note "$sent"
cat >"$T/waits.py" <<'PY'
# waits.py SOCKET LAB: while 60 wait for the next records, of a cut (flows?now=1), how long it took, and the longest that somebody
# else waited for an answer meanwhile
import json, socket, sys, threading, time

flows = f"/v1/labs/{sys.argv[2]}/flows"

def send(path, s=None):
    if not s:
        s = socket.socket(socket.AF_UNIX)
        s.connect(sys.argv[1])
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return s

def ask(path, s=None):
    s = send(path, s)
    head, body = b"", b""
    while b"\r\n\r\n" not in head:
        head += s.recv(65536)
    head, body = head.split(b"\r\n\r\n", 1)
    size = int(head.lower().split(b"content-length:")[1].split()[0])
    while len(body) < size:
        body += s.recv(65536)
    return s, body

page = {"next": 0, "more": True}
while page["more"]:
    page = json.loads(ask(f"{flows}?since={page['next']}")[1])
waiting = [send(f"{flows}?wait=1&since={page['next']}") for _ in range(60)]
begun = time.monotonic()
cut = threading.Thread(target=ask, args=(f"{flows}?now=1&since=0",))
cut.start()
longest, s = 0, None
while cut.is_alive():
    t = time.monotonic()
    s, _ = ask("/v1/version", s)
    longest = max(longest, time.monotonic() - t)
    cut.join(0.002)
print(int(1000 * (time.monotonic() - begun)), int(1000 * longest))
PY
check "more flows than half of what the kernel holds: the slow log has records before its window ends" wait_for cut_early
window
is "$(denied slow) $(lost)" "$((before + ${sent%% *} / 2)) 0" "and all of them in the end"
check "goes down" vpc down $lab
lab=full
topology full >"$T/full.ini"
check "a lab with a slow log only" vpc up "$T/full.ini"
cpu_ms() { awk '{print int(($1 + $2) / 1000000)}' "/proc/$daemon_pid/schedstat"; } # at work, or others have its CPU
for try in 1 2 3; do # a machine below this one may take its time, too
	window
	for port in 9 10 11; do ip netns exec $lab.a1 "$B/tests/net/many_flows" 10.0.2.4 $port 1025 60000 >/dev/null; done
	cpu=$(cpu_ms)
	read -r took longest < <(python3 "$T/waits.py" "$VPCD_RUN_DIR/vpcd.sock" $lab)
	cpu=$(($(cpu_ms) - cpu))
	note "180,000 flows become records in $took ms, $cpu ms of them at work or waiting for a CPU; others waited up to $longest ms"
	((took * 10 > cpu * 16 || longest * 5 >= took)) || break
done
is "$((took * 10 <= cpu * 16))" 1 "where there is much to do, a cut is at work, not at rest between its steps"
is "$((longest * 5 < took))" 1 "and others are answered in between"
window
mv "$(file_of slow)" "$T/aside"
mkdir "$(file_of slow)"
send a1 3
window
rmdir "$(file_of slow)"
window
is "$(of slow "[x['log-status'] for x in r]")" "['SKIPDATA']" "a window that could not be written is missing, which the next one tells"
send a1 3
window
is "$(of slow "sorted(x['log-status'] for x in r)[:1]") $(denied slow)" "['OK'] 3" "and goes on"
: >"$(file_of slow)"
statuses() { of slow "sorted(set(x['log-status'] for x in r))"; }
sent=300000
overflow() { # more flows than there is room for, while nobody takes any out
	local port was
	was=$(lost)
	kill -STOP $daemon_pid
	for port in 21 22 23 24 25; do ip netns exec $lab.a1 "$B/tests/net/many_flows" 10.0.2.4 $port 1025 60000 >/dev/null; done
	kill -CONT $daemon_pid
	[ "$(lost)" != "$was" ]
}
check "more flows than fit" overflow
window
# an entry serves both ends, and what has none is lost at both
is "$(($(of slow "packets(r, srcaddr='10.0.1.4')") + $(lost) / 2))" "$sent" "packets that found no room are counted, $(lost); all others are in the records"
is "$(statuses)" "['OK', 'SKIPDATA']" "which is told"
window
is "$(tail -n1 "$(file_of slow)" | awk '{print $NF}')" NODATA "once"
: >"$(file_of slow)"
check "more flows than fit" overflow
again
window
is "$(of slow "sum(1 for x in r if x['log-status'] == 'SKIPDATA')")" 1 "losses of before the daemon was killed are told after"

# ---- rotation -------------------------------------------------------------------------------------------------------
for n in 1 2 3 4 5 6; do
	: >"$(file_of slow)"
	yes "filler $n" | head -c 8388600 >>"$(file_of slow)"
	window
done
is "$(cd "$VPCD_STATE_DIR/$lab" && for f in flow-log-slow.log.*; do echo "${f##*.} $(head -n1 "$f")"; done)" "1 filler 6
2 filler 5
3 filler 4
4 filler 3" "files of eight megabytes are put aside, the four newest stay"
is "$(of slow 'len(r) > 0')" True "the current one has records only"
done_testing
