# tcx: some time after `up` the kernel calls the program of a small lab's hooks itself; the same verdicts and counters. When
# the data path is loaded anew, it is not left behind; what is taken away is seen and mended.
. "${0%/*}/../lib.sh"
. "$ROOT/tests/net/wire/wire.sh"

topology() { # RULES: of another group, so that the tables must grow
	cat <<'INI'
[lab tx]
quotas = off
[vpc v]
cidr = 10.0.0.0/16
[subnet s]
vpc = v
cidr = 10.0.1.0/24
[security-group open]
vpc = v
inbound = tcp 80 from 0.0.0.0/0
[instance a]
subnet = s
security-groups = open
[instance b]
subnet = s
security-groups = open many
listen = tcp/80
[security-group many]
vpc = v
INI
	for ((i = 0; i < $1; i++)); do echo "inbound = tcp 80 from 20.$((i >> 8)).$((i & 255)).0/24"; done
}
topology 1 >"$T/tx.ini"
daemon_start
check "goes up" vpc up "$T/tx.ini"
dev=$(ip netns exec tx.v.router ip -o link | sed -nE 's/^[0-9]+: ([^:@]*a[^:@]*)[:@].*eni a.*/\1/p')
tcx() { python3 "$ROOT/tests/net/wire/tcx.py" tx.v.router "$dev" "$@"; }
tcx >/dev/null 2>&1 || skip_all "the kernel has no tcx"
pinned() { bpftool -j prog show pinned "$VPCD_BPF_DIR/tx/prog_eni_ingress" | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])'; }
quick() { [ "$(tcx)" = "$(pinned)" ]; }
sent() { vpc status -o json | python3 -c 'import json, sys; print(next(e["tx_packets"] + e["denied"] for e in json.load(sys.stdin)["enis"] if e["name"] == "a"))'; }

check "the kernel calls the program itself" wait_for quick
before=$(sent)
check "what is allowed passes" vpc probe a b tcp/80
check_rc 1 "what is denied does not" vpc probe a b tcp/81
check "packets are counted" [ "$(sent)" -gt "$before" ]
is "$(vpc plan "$T/tx.ini")" "no changes" "there is nothing to do"

check "its filter is taken away" ip netns exec tx.v.router tc filter del dev "$dev" ingress
check_rc 1 "which changes nothing" vpc probe a b tcp/81
is "$(vpc plan "$T/tx.ini")" "no changes" "and is looked at: the kernel calls the program still"
tcx detach >/dev/null # of which nobody is told
like "$(vpc status -o json | tr -d '\n ')" '"name":"a",[^}]*"filters":"missing"' "without both status says so"
check "up mends it" vpc up "$T/tx.ini"
like "$(vpc status -o json | tr -d '\n ')" '"name":"a",[^}]*"filters":"ok"' "status says so"
check "and the kernel calls it itself again" wait_for quick

old=$(pinned)
topology 9000 | sed 's/^inbound = tcp 80 from 0/inbound = tcp 81 from 0/' >"$T/tx.ini"
check "many more rules, and another" vpc up "$T/tx.ini"
check "the data path is another one" [ "$(pinned)" != "$old" ]
check "the program called is that" quick
check_rc 1 "by the new rules: denied" vpc probe a b tcp/80
done_testing
