# nat_metrics: CloudWatch's metrics of a NAT gateway in /metrics, equal to those of vpc show; 55,000 flows to one
# destination in a lab, and the alarm that says so. In both modes.
. "${0%/*}/../lib.sh"

topology() { # MODE
	cat "$ROOT/tests/net/public-private.ini" - <<INI
[lab nm-$1]
datapath = $1
[nat-gateway gw]
subnet = pub
[nat-gateway unused]
subnet = pub
connectivity = private
[route-table priv]
vpc = v
route = 0.0.0.0/0 via nat:gw
[instance a]
subnet = priv
[instance b]
subnet = priv
[host h]
address = 198.51.100.7
[alarm full]
metric = vpcd_nat_gateway_error_port_allocation_total
dimensions = nat_gateway=gw
comparison = GreaterThanThreshold
threshold = 0
period = 1
INI
}
# compare: of each gateway, what page and show differ in; then some values of gw
compare() {
	curl -s --unix-socket "$VPCD_RUN_DIR/view.sock" http://vpcd/metrics >"$T/page"
	vpc show nat-gateways --lab "$lab" -o json >"$T/show.json"
	python3 - "$ROOT/tests/net/wire" "$T/page" "$T/show.json" "$lab" "$@" <<'PY'
import json, re, sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
from prom_text import read_page
samples, types = read_page(open(sys.argv[2]).read())
lab, wanted = sys.argv[4], sys.argv[5:]
for g in json.load(open(sys.argv[3]))["nat-gateway"]:
    labels = frozenset({"lab": lab, "vpc": "v", "subnet": "pub", "nat_gateway": g["name"]}.items())
    for name, value in g["metrics"].items():
        ours = "vpcd_nat_gateway" + re.sub("([A-Z])", r"_\1", name).lower() + ("" if name == "ActiveConnectionCount" else "_total")
        if samples.get((ours, labels)) != value or types[ours] != ("gauge" if name == "ActiveConnectionCount" else "counter"):
            print(ours, samples.get((ours, labels)), value, types.get(ours))
    if g["name"] == "gw":
        print(*[g["metrics"][w] for w in wanted])
PY
}
alarm() { vpc show alarms full --lab "$lab" -o json | grep -q "\"state\": \"$1\""; }
# It rings for a second: what is told of stays.
rang() { curl -s --unix-socket "$VPCD_RUN_DIR/view.sock" 'http://vpcd/v1/events?since=0' | grep -q "\"lab\":\"$lab\",\"type\":\"alarm\",\"alarm\":\"full\",\"state\":\"ALARM\""; }
inside() { ip netns exec "$lab.$1" "${@:2}"; }
daemon_start
for mode in fast kernel; do
	lab=nm-$mode
	topology $mode >"$T/$mode.ini"
	check "$mode: goes up" vpc up "$T/$mode.ini"
	is "$(compare PacketsInFromSource)" 0 "$mode: nothing yet"
	# One TCP connection that stays, one that was closed, ten datagrams of 100 bytes, one of another protocol.
	inside h python3 -c 'import socket
s = socket.create_server(("", 80)); held = [s.accept()[0] for _ in range(2)]; held[1].recv(1)
held[1].close(); held[0].recv(1)' &
	wait_for eval 'inside h ss -ltn | grep -q ":80 "'
	nsenter --net="/run/netns/$lab.a" python3 -c 'import signal, socket
at = ("198.51.100.7", 80)
held = socket.create_connection(at)
socket.create_connection(at).close()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(10): u.sendto(b"x" * 72, ("198.51.100.7", 9))
signal.pause()' &
	client=$!
	wait_for eval '[ "$(compare ActiveConnectionCount ConnectionAttemptCount ConnectionEstablishedCount IdleTimeoutCount ErrorPortAllocation)" = "1 2 2 0 0" ]'
	is "$(compare ActiveConnectionCount ConnectionAttemptCount ConnectionEstablishedCount IdleTimeoutCount ErrorPortAllocation)" "1 2 2 0 0" "$mode: page and show agree on connections"
	vpc probe --lab $lab a h 47 >/dev/null
	set -- $(compare PacketsDropCount BytesInFromSource BytesOutToDestination PacketsInFromSource PacketsOutToDestination)
	[ $# = 5 ] && [ "$1" -ge 1 ] && [ "$2" -ge 1000 ] && [ "$2" = "$3" ] && [ "$4" -ge 14 ] && [ "$4" = "$5" ] && ok "$mode: and on packets and bytes" || not_ok "$mode: packets and bytes: $*"

	# More flows than there are ports: AWS's limit is met, and said.
	flows=$([ $mode = fast ] && echo 60000 || echo 3000)
	before=$(compare PacketsOutToDestination)
	for round in $(seq $([ $mode = fast ] && echo 2 || echo 1)); do
		inside b "$B/tests/net/many_flows" 198.51.100.7 53 2048 "$flows" >/dev/null || not_ok "$mode: all were sent"
	done
	set -- $(compare ErrorPortAllocation PacketsOutToDestination)
	carried=$(inside gw cat /proc/sys/net/netfilter/nf_conntrack_count)
	if [ $mode = fast ]; then
		[ $# = 2 ] && [ "$1" -ge 10000 ] && [ "$(($2 - before + $1))" = 120000 ] && ok "$mode: each of 120,000 datagrams found a port or is counted" || not_ok "$mode: $* of 120000"
		[ "$carried" -ge 54950 ] && [ "$carried" -le 55010 ] && ok "$mode: 55,000 connections, and a few to elsewhere" || not_ok "$mode: $carried connections"
		check "$mode: the alarm says so" wait_for rang
	else
		is "$1 $(($2 - before))" "0 3000" "$mode: 3,000 flows find a port each"
		check "$mode: no alarm" wait_for alarm OK
	fi
	kill $client
	wait_for eval '[ "$(compare ActiveConnectionCount IdleTimeoutCount)" = "0 0" ]'
	is "$(compare ActiveConnectionCount IdleTimeoutCount)" "0 0" "$mode: a connection that ended is neither active nor idle"
	cp "$T/page" "$T/before"
	daemon_kill
	daemon_start
	wait_for labs_rest || bail "labs do not come back"
	compare >/dev/null
	is "$(python3 - "$ROOT/tests/net/wire" "$T/before" "$T/page" <<'PY'
import sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
from prom_text import read_page
before, after = (read_page(open(p).read())[0] for p in sys.argv[2:])
print([k for k, v in before.items() if k[0].startswith("vpcd_nat_gateway_") and k[0].endswith("_total") and after.get(k, -1) < v])
PY
	)" "[]" "$mode: no counter is less after the daemon was killed"
	# An alarm of every metric with every label that a sample has: all are known.
	{ cat "$T/$mode.ini"; sed -nE 's/^([a-z_0-9]+)\{(.*)\} .*/\1 \2/p' "$T/page" | sed -E 's/"[^"]*"/x/g; s/,/ /g' | sort -u | awk '{
		printf "[alarm a%d]\nmetric = %s\ndimensions =", NR, $1
		for (i = 2; i <= NF; i++) printf " %s", $i
		print "\ncomparison = LessThanThreshold\nthreshold = 0" }'; } >"$T/alarms.ini"
	is "$(grep -c '^\[alarm a' "$T/alarms.ini")" "$(grep -c '^# TYPE' "$T/page")" "$mode: every metric has samples of one set of labels"
	is "$(vpc validate "$T/alarms.ini" 2>&1 | grep -c 'has no label')" 0 "$mode: ... and alarms know them all"
	check "$mode: goes down" vpc down $lab
done
done_testing
