# golden_live: what the verbs of a running lab print, and replay, against tests/golden/live/; UPDATE_GOLDEN=1 writes those
# anew. The packets are the same each time; tests/net/wire/blank.py has what may differ all the same.
. "${0%/*}/../lib.sh"

cd "$ROOT" || exit 2
gold=tests/golden/live
mkdir "$T/got"
taken=()
# Everything is taken down before the first check, at which the daemon may be killed: what it remembers ends with it.
take() { # NAME CODE COMMAND...: stdout is to be NAME of the golden files, the exit code CODE, and stderr empty
	local name=$1 want=$2 rc=0
	shift 2
	"$@" >"$T/got/$name" 2>"$T/err" || rc=$?
	[ $rc = "$want" ] && [ ! -s "$T/err" ] || echo "exit $rc instead of $want; $(head -n 5 "$T/err")" >"$T/wrong-$name"
	taken+=("$name")
}

# ---- packets of which each is known: no server answers by itself, and each is there before the next ---------------------
daemon_start
take up.txt 0 eval 'vpc up "$gold/gold.ini" 2>&1'
take plan.txt 0 vpc plan $gold/gold.ini
coproc hold { # TCP connections that nobody ends: out through the NAT gateway, and in
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/net/wire python3 -c '
import socket, sys
from wire import inside
def server(name, port):
    with inside("gold." + name): return socket.create_server(("", port))
def client(name, port, to):
    with inside("gold." + name): return socket.create_connection(to, source_address=("", port))
held = [server("laptop", 700), server("web-1", 22)]
held += [client("db-1", 40001, ("198.51.100.7", 700)), client("laptop", 40002, ("203.0.113.10", 22))]
print("held", flush=True)
sys.stdin.read()'
}
read -r said <&"${hold[0]}"
[ "$said" = held ] || bail "no connections"
udp() { # FROM PORT TO TO-PORT [NUMBER]
	ip netns exec gold.$1 python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', $2))
for _ in range(${5:-1}): s.sendto(b'x' * 20, ('$3', $4))"
}
udp db-1 40003 198.51.100.7 53
udp web-1 40004 10.30.2.10 5432
udp web-1 40005 10.31.1.10 53
udp db-1 40006 192.0.2.1 53
ip netns exec gold.web-1 ping -c 1 10.30.2.10 >/dev/null || bail "no ping"
udp laptop 40007 203.0.113.10 9 5
wait_for eval 'vpc observe --port 9 | grep -q "5 packets since"' || bail "drops are not gathered"

take observe.txt 0 vpc observe
take observe.jsonl 0 vpc observe -o jsonl
take ct.txt 0 vpc ct
take status.txt 0 vpc status
take rules.txt 0 vpc rules
take show.txt 0 vpc show
for kind in vpcs subnets route-tables internet-gateways nat-gateways security-groups nacls prefix-lists instances interfaces \
	vpc-peering-connections hosts flow-logs alarms; do
	take show-$kind.txt 0 vpc show $kind
done
take show-one.txt 0 vpc show instance web-1
take zone.txt 0 vpc zone
take metrics.txt 0 curl -s --unix-socket "$VPCD_RUN_DIR/view.sock" http://vpcd/metrics
screen() { # KEYS REGEX: the screen once a line of it matches
	printf 'wait ^q quit\nkeys %s\nwait %s\nscreen\nkeys q\nend\n' "$1" "$2" | python3 tests/net/wire/top.py "$VPC" top gold | sed 1,2d
}
take top-gates.txt 0 screen 1 '^web-1 +nacl-in .* 0 +5 ' # the second look: the first knows no rates
take top-rules.txt 0 screen 2 '^edge +inbound +deny +90 .* 0 +5 '
take top-flows.txt 0 screen 3ss 'by ENI$'

# ---- probes: their packets' number is not always the same ----------------------------------------------------------------
take probe-allowed.txt 0 vpc probe web-1 db-1 tcp/5432 --from-port 40010
take probe-nat.txt 0 vpc probe db-1 laptop tcp/80 --from-port 40011
take probe-denied.txt 1 vpc probe laptop web-1 tcp/8080 --from-port 40012
take probe-rule.txt 1 vpc probe laptop web-1 udp/9 --from-port 40013
take probe-route.txt 1 vpc probe db-1 192.0.2.1 icmp
take probe-count.txt 0 vpc probe web-1 db-1 icmp --count 3
take flush.txt 0 vpc ct flush tool-1

# ---- replay, of the capture that replay.sh takes apart -------------------------------------------------------------------
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/net/wire python3 -c "import captures; captures.pcap('$T/us.pcap', captures.STORY)"
take replay.txt 1 vpc replay topologies/three-tier.ini --eni web-1 "$T/us.pcap"
take replay-summary.txt 1 vpc replay topologies/three-tier.ini --eni web-1 "$T/us.pcap" --summary

exec {hold[1]}>&-
wait "$hold_PID"
python3 tests/net/wire/blank.py "${taken[@]/#/$T/got/}" || bail "nothing is blanked"
[ -z "${UPDATE_GOLDEN:-}" ] || (cd "$T/got" && cp "${taken[@]}" "$ROOT/$gold/")
for name in "${taken[@]}"; do
	if [ ! -e "$T/wrong-$name" ] && cmp -s "$T/got/$name" "$gold/$name"; then ok "$name"; else
		not_ok "$name"
		note "$(cat "$T/wrong-$name" 2>/dev/null; diff "$gold/$name" "$T/got/$name" | head -n 20)"
	fi
done
is "$(cd $gold && ls -- *.txt *.jsonl)" "$(printf '%s\n' "${taken[@]}" | sort)" "each golden file is compared"
done_testing
