# timeout: 90
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
# verdicts FILE: what test -o json answered, apart from where the file lies and what is remarked
verdicts() {
	python3 -c 'import json, sys
for r in json.load(open(sys.argv[1]))["results"]:
	assert r["ok"] is True, r
	print(r["flow"], r["verdict"], r["denied"])' "$1"
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
		check "$what expectations hold by the walk" vpc test "$ini" -o json
		check "$what expectations hold by packets" vpc test --live "$lab"
		vpc test "$ini" -o json >"$T/static.json"
		vpc test --live "$lab" -o json >"$T/live.json"
		is "$(verdicts "$T/live.json")" "$(verdicts "$T/static.json")" "$what packets and walk agree in verdict, gate and object"
		is "$(vpc plan "$ini" 2>&1)" "no changes" "$what plan sees nothing to do"
		check "$what plan --exit-code says so too" vpc plan --exit-code "$ini"
		is "$(vpc up "$ini" 2>&1)" "no changes" "$what up again does nothing"
		is "$(vpc show -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)["labs"][0]["revision"])')" 1 "$what the revision stays"
		vpc show topology --lab "$lab" >"$T/canonical.ini"
		is "$(vpc up --lab "$lab" "$T/canonical.ini" 2>&1)" "no changes" "$what its canonical file means the same"
		check "$what goes down" vpc down "$lab"
		if wait_for 5 same_but_daemon; then ok "$what leaves nothing"; else
			not_ok "$what leaves nothing"
			note "$(diff <(echo "$leftovers_before") <(leftovers))"
		fi
	done
done
done_testing
