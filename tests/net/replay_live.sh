# timeout: 120
# replay_live: what interfaces send and receive while a lab's expectations are tried is captured; replayed, each packet meets
# at the interface's own gates the verdict, gate and rule that it met when it was real.
. "${0%/*}/../lib.sh"
. "$ROOT/tests/net/wire/captures.sh"

daemon_start
for topology in three-tier nat-gateway aws-public-private peering-three-vpcs watched-web; do
	file=$ROOT/topologies/$topology.ini
	check "$topology goes up" vpc up "$file"
	names=$(vpc show instances --lab $topology -o json | python3 -c 'import json,sys; print(*[i["name"] for i in json.load(sys.stdin)["instance"]])')
	captures_start $topology $names
	vpc test --live $topology -o json >"$T/live.json"
	captures_end
	captures_replay "$file"
	is "$(cat "$T/replayed.bad")" "" "$topology: replayed as it was"
	is "$((compared > 10)) $((denied > 0)) $((named > compared / 3))" "1 1 1" "$topology: $compared packets, $denied of them denied, of $named gate and rule"
	check "$topology goes down" vpc down $topology
done
done_testing
