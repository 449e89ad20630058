# topologies: every shipped topology goes up in both modes of the data path, holds what it expects by walk
# and by packets, is the same when applied again, and comes down.
. "${0%/*}/../lib.sh"

# in_mode MODE FILE: the file with that data path
in_mode() {
	sed '/^datapath *=/d' "$2" >"$T/in_mode"
	if grep -q '^\[lab' "$T/in_mode"; then
		sed "s/^\[lab.*/&\ndatapath = $1/" "$T/in_mode"
	else
		cat "$T/in_mode" && printf '\n[lab %s]\ndatapath = %s\n' "$(basename "$2" .ini)" "$1"
	fi
}
# differences: where packets (what could be sent) and walk gave two answers
differences() {
	python3 - "$T/static.json" "$T/live.json" <<'PY'
import json, sys
static, live = (json.load(open(f))["results"] for f in sys.argv[1:])
if [r["flow"] for r in static] != [r["flow"] for r in live]:
    print("not the same flows")
for s, l in zip(static, live):
    if l["ok"] is not None and (s["verdict"], s["denied"], s["decided"]) != (l["verdict"], l["denied"], l["decided"]):
        print(s["flow"], s["denied"], s["decided"], l["denied"], l["decided"], l["note"])
PY
}
same_but_daemon() { [ "$(leftovers | grep -v "^process vpcd $daemon_pid\$")" = "$leftovers_before" ]; }
daemon_start
for file in "$ROOT"/topologies/*.ini; do
	for mode in fast kernel; do
		ini=$T/$(basename "$file")
		in_mode $mode "$file" >"$ini"
		lab=$(sed -nE 's/^\[lab ([^]]+)\].*/\1/p' "$ini")
		what="${file##*/}, $mode:"
		check "$what goes up" vpc up "$ini"
		is "$(vpc show -o json | python3 -c 'import json,sys
for l in json.load(sys.stdin)["labs"]: print(l["name"], l["state"], l["datapath"], l["revision"])')" "$lab up $mode 1" "$what runs as asked"
		vpc test "$ini" -o json >"$T/static.json"
		is $? 0 "$what expectations hold by the walk"
		vpc test --live "$lab" -o json >"$T/live.json"
		is $? 0 "$what expectations hold by packets"
		is "$(differences)" "" "$what packets and walk agree in verdict, gate, object, reason and rule"
		is "$(vpc plan "$ini" 2>&1)" "no changes" "$what plan sees nothing to do"
		check "$what plan --exit-code says so too" vpc plan --exit-code "$ini"
		is "$(vpc up "$ini" 2>&1)" "no changes" "$what up again does nothing"
		is "$(vpc show -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)["labs"][0]["revision"])')" 1 "$what the revision stays"
		vpc show topology --lab "$lab" >"$T/canonical.ini"
		is "$(vpc up --lab "$lab" "$T/canonical.ini" 2>&1)" "no changes" "$what its canonical file means the same"
		check "$what goes down" vpc down "$lab"
		if wait_for same_but_daemon; then ok "$what leaves nothing"; else
			not_ok "$what leaves nothing"
			note "$(diff <(echo "$leftovers_before") <(leftovers))"
		fi
	done
done
done_testing
