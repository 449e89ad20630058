# timeout: 240
# replay_live: what the programs say of packets as they go by, and what a replay of their capture says, by both engines.
. "${0%/*}/../lib.sh"

addresses() { vpc show instances "$1" -o json | python3 -c '
import ipaddress, json, sys
def walk(o):
    if isinstance(o, dict):
        for v in o.values(): yield from walk(v)
    elif isinstance(o, list):
        for v in o: yield from walk(v)
    elif isinstance(o, str): yield o
for s in walk(json.load(sys.stdin)):
    try: print(ipaddress.ip_address(s))
    except ValueError: pass'; }

daemon_start
for t in three-tier/web-1 three-tier/app-1 public-private/web public-private/db peering-three-vpcs/builder nat-gateway/app-1; do
	lab=${t%/*} eni=${t#*/} file=$ROOT/topologies/${t%/*}.ini
	check "$lab goes up" vpc up "$file"
	own=$(addresses "$t" | tr '\n' ' ')
	rm -f "$T/x.pcapng"
	"$VPC" capture "$t" -w "$T/x.pcapng" 2>"$T/cap.err" &
	capture=$!
	wait_for 5 eval '[ -s "$T/x.pcapng" ]' || bail "no capture begins: $(cat "$T/cap.err")"
	vpc test --live "$lab" >/dev/null
	for other in $(sed -nE 's/^\[(instance|host) (.*)\]$/\2/p' "$file"); do
		for what in tcp/22 tcp/443 udp/53 icmp; do
			[ "$other" = "$eni" ] && continue
			vpc probe --lab "$lab" "$eni" "$other" $what --timeout 200 >/dev/null 2>&1
			vpc probe --lab "$lab" "$other" "$eni" $what --timeout 200 >/dev/null 2>&1
		done
	done
	kill -INT $capture
	wait $capture
	check "$t: the capture is well formed" eval 'python3 "$ROOT/tests/net/wire/pcapng.py" "$T/x.pcapng" >"$T/x.json"'
	for engine in host bpf; do
		vpc replay "$file" --eni "$eni" --engine $engine "$T/x.pcapng" -o jsonl >"$T/x.jsonl" 2>"$T/x.err"
		answer=$(python3 "$ROOT/tests/net/wire/as_live.py" "$T/x.json" "$T/x.jsonl" "$eni" $own)
		like "$answer" '^[1-9][0-9]+ packets, [1-9][0-9]* denied, [1-9][0-9]* tracked$' "$t: as the programs said ($engine)"
	done
	check "$lab goes down" vpc down "$lab"
done
done_testing
