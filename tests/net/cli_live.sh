# cli_live: vpc with a daemon: starting one, exit codes, which lab is meant, tables and JSON, edits,
# commands inside instances, the demo.
. "${0%/*}/../lib.sh"
cd "$ROOT"

json() { python3 -c "import json,sys; d=json.load(sys.stdin); print($1)"; }
cat >"$T/pair.ini" <<'INI'
[vpc v]
cidr = 10.0.0.0/16
[subnet s]
vpc = v
cidr = 10.0.0.0/24
[security-group g]
vpc = v
inbound = tcp 80 from sg:g
[instance alpha]
subnet = s
security-groups = g
listen = tcp/80
run = /bin/echo hello from alpha
[instance beta]
subnet = s
security-groups = g
[expect]
allow = alpha -> beta tcp/80
deny = alpha -> beta tcp/22 at sg-in@beta
INI
sed 's/alpha/gamma/g; s/beta/delta/g' "$T/pair.ini" >"$T/twin.ini"

# ---- up starts a daemon, which survives vpc and ends by itself ---------------------------------------
out=$(vpc up "$T/pair.ini" 2>"$T/err")
is $? 0 "up without a daemon"
like "$(cat "$T/err")" 'starting vpcd .*vpcd.log' "it says that it starts one"
like "$out" 'create +instance +2 +alpha beta' "changes are grouped"
pid=$(vpc version -o json | json 'd["vpcd"]["pid"]')
is "$(vpc up "$T/pair.ini" 2>&1)" "no changes" "up again: no changes, and no word about a daemon"
is "$(cat "/proc/$pid/comm")" vpcd "the daemon is its own process"
kill -KILL "$pid"
wait_for eval "! vpc show" || bail "the daemon does not go"
check "exec works without the daemon" vpc exec alpha -- true
is "$(vpc down --all 2>/dev/null)" "lab pair is down" "down starts one for a lab that outlived its daemon"
pid=$(vpc version -o json | json 'd["vpcd"]["pid"]')
kill -TERM "$pid"
wait_for eval "! kill -0 $pid" || bail "the daemon does not end"

daemon_start
# ---- plan, up -----------------------------------------------------------------------------------------
check "plan is 0" vpc plan "$T/pair.ini"
check_rc 1 "plan --exit-code is 1 when there is something to do" vpc plan --exit-code "$T/pair.ini"
is "$(vpc plan -o json "$T/pair.ini" | json 'list(d), list(d["changes"][0])')" "['changes', 'flows'] ['op', 'kind', 'name', 'why']" "plan -o json"
is "$(vpc plan -o json "$T/pair.ini" | json 'd["flows"]')" None "plan of a lab that is not up compares no flows"
check_rc 2 "plan made nothing" vpc show instances --lab pair
check "up of two files" vpc up "$T/pair.ini" "$T/twin.ini"
is "$(vpc plan --exit-code "$T/pair.ini")" "no changes" "plan: no changes"
# What the change does to flows: by the static walk, of what runs and of what would run.
mkdir "$T/new"
sed 's/tcp 80 from sg:g/tcp 80-81 from sg:g/; s/^\[instance beta\]/[instance epsilon]\nsubnet = s\n&/' "$T/pair.ini" >"$T/new/pair.ini"
is "$(vpc plan "$T/new/pair.ini" | sed -n '/^flows:/,$p')" "flows:
+ allow beta -> alpha  tcp/81  at sg-in@alpha
    was:  no rule matches  $T/pair.ini:6
    is:   tcp 80-81 from sg:g  $T/new/pair.ini:8
+ allow alpha -> beta  tcp/81  at sg-in@beta
    was:  no rule matches  $T/pair.ini:6
    is:   tcp 80-81 from sg:g  $T/new/pair.ini:8
2 pairs differ" "plan says which flows a change allows"
is "$(vpc plan -o json "$T/new/pair.ini" | json 'd["flows"]["pairs"], [(c["src"], c["dst"], c["flows"], c["was"], c["is"], c["after"]["line"]) for c in d["flows"]["changes"]][0]')" \
	"2 (['beta'], ['alpha'], ['tcp/81'], 'deny', 'allow', 8)" "plan -o json has them"
sed 's/^listen = tcp.80$/listen = tcp\/81/' "$T/pair.ini" >"$T/new/pair.ini"
is "$(vpc plan "$T/new/pair.ini" | tail -n1)" "no flow changes" "a change that no packet meets"
printf '[vpc v]\ncidr = nonsense\n' >"$T/broken.ini"
check_rc 4 "up of a broken file" vpc up "$T/broken.ini"
like "$(vpc up "$T/broken.ini" 2>&1)" 'broken.ini:2: error: ' "with file and line"
is "$(vpc up - --lab copy <"$T/pair.ini" 2>/dev/null | head -n1 | awk '{print $1}')" CHANGE "up from stdin, with a name"
check "down of one" vpc down copy
like "$(vpc up "$T/pair.ini" --lab default 2>&1)" 'lab: the name "default" is reserved' "a reserved name"
check_rc 2 "down of one that is not there" vpc down copy

# ---- which lab is meant ------------------------------------------------------------------------------
check_rc 2 "two labs, no name: which one?" vpc status
like "$(vpc status 2>&1)" 'pair, twin' "it names them"
check "the only lab that has the object" vpc probe alpha beta tcp/80
check "LAB/NAME" vpc probe twin/gamma delta tcp/80
check "--lab" vpc probe --lab twin gamma delta tcp/80
check_rc 2 "LAB/NAME against --lab" vpc probe --lab pair twin/gamma delta tcp/80
check_rc 2 "an object that nobody has" vpc probe omega beta tcp/80
check_rc 2 "a group that both have" vpc set security-group g inbound tcp 81 from sg:g

like "$(vpc flows twin 2>&1) $?" 'lab twin has no flow log; .* 2$' "flows of a lab by its name alone"
like "$(vpc flows omega 2>&1) $?" 'no lab has "omega"; .* 2$' "... of neither a lab nor a flow log"

# ---- probe, trace, test ---------------------------------------------------------------------------------
check_rc 1 "a denied probe" vpc probe alpha beta tcp/22
like "$(vpc probe alpha beta tcp/22)" 'at sg-in@beta: no rule .*\(group g\) .*:6 \[ENI_SG_RULES_MISMATCH\]' "gate and reason in words"
like "$(vpc probe alpha beta tcp/80)" '; sg-in: rule "tcp 80 from sg:g" .*pair.ini:8' "gate, rule and place"
is "$(vpc probe alpha beta tcp/80 --count 3 | tail -n1)" "3 of 3 allowed" "--count"
check "a connection" vpc exec pair/beta -- bash -c 'exec 3<>/dev/tcp/10.0.0.4/80'
port=$(vpc ct --lab pair -o json | json 'next(e["sport"] for e in d["entries"] if e["eni"] == "beta" and e["direction"] == "outbound" and e["dport"] == 80)')
vpc unset security-group g inbound tcp 80 from sg:g --lab pair >"$T/out"
check_rc 1 "trace --live of a new one, without its rule" vpc trace --live pair/beta alpha tcp/80
check_rc 0 "trace --state live of the one that is remembered" vpc trace --live "pair/beta:$port" alpha tcp/80 --state live
check_rc 1 "... of another port" vpc trace --live "pair/beta:$((port ^ 1))" alpha tcp/80 --state live
check_rc 0 "... --state established, whichever" vpc trace --live "pair/beta:$((port ^ 1))" alpha tcp/80 --state established
vpc set security-group g inbound tcp 80 from sg:g --lab pair >"$T/out"
is "$(vpc probe alpha beta tcp/80 -o json | json '" ".join(d["results"][0])')" \
	"$(json_members PROBE)" "probe -o json as documented"
is "$(vpc probe alpha beta tcp/80 -o json | json '(d["results"][0]["rule_gate"], d["results"][0]["denied"])')" "('sg-in', None)" "it names the gate of the rule"
check_rc 2 "a flow that is none" vpc probe alpha beta tcp
check "trace --live" vpc trace --live pair/alpha beta tcp/80
check_rc 1 "trace --live denies" vpc trace --live --lab pair alpha beta tcp/22
check "test --live" vpc test --live pair
is "$(vpc test --live pair -o tap | tail -n1)" "1..2" "test --live -o tap"
is "$(vpc test --live pair -o json | json 'd["passed"], d["failed"]')" "2 0" "test --live -o json"

# ---- show -------------------------------------------------------------------------------------------------
like "$(vpc show)" $'pair .*\ntwin ' "show lists labs"
like "$(vpc show --lab pair)" 'alpha +instance +v +s +10.0.0.4' "and what stands in one"
for kind in vpc subnet instance route-table security-group nacl; do
	is "$(vpc show $kind -o json --lab pair | json "' '.join(d['$kind'][0])")" "$(json_members $kind)" "show $kind -o json as documented"
	is "$(vpc show ${kind}s --lab pair | md5sum)" "$(vpc show $kind --lab pair | md5sum)" "${kind}s is $kind"
done
check_rc 2 "show of a name that is not there" vpc show instance pair/omega
like "$(vpc show instances --lab pair | head -n1)" '^NAME +SUBNET +PRIVATE +PUBLIC' "a table has a head"
is "$(vpc show topology --lab pair | "$VPC" validate - | sed 's/.*: valid/valid/')" "$(vpc validate "$T/pair.ini" | sed 's/.*: valid/valid/')" \
	"show topology is a topology"
is "$(vpc status pair -o json | json '" ".join(d["enis"][0])')" "$(json_members STATUS)" "status -o json as documented"
is "$(vpc rules pair -o json | json '" ".join(d["rules"][0])')" "$(json_members RULE)" "rules -o json as documented"
check "ct" vpc ct pair
vpc exec pair/alpha -- python3 -c 'import socket, sys
for p in range(3000, 3040): # whether somebody listens or not
    with socket.socket() as s: s.bind(("", p)), s.connect_ex((sys.argv[1], 80))' \
	"$(vpc show instance beta --lab pair -o json | json 'd["instance"][0]["addresses"][0]["private"]')"
is "$(vpc ct pair -o json | json '[e["sport"] for e in d["entries"] if e["eni"] == "alpha" and e["sport"] in range(3000, 3040)] == list(range(3000, 3040))')" \
	True "ct has an order: by interface, protocol, addresses and ports"
vpc ct flush pair/alpha >/dev/null
vpc ct flush pair/beta >/dev/null
is "$(vpc ct pair -o json | json 'len([e for e in d["entries"] if e["tracked"]])')" 0 "ct flush of both ends leaves nothing tracked"
check "a connection" vpc probe alpha beta tcp/80
is "$(vpc ct pair -o json | json '" ".join(d["entries"][0])')" "$(json_members CT)" "ct -o json as documented"
like "$(vpc ct pair)" '^ENI +DIRECTION +PROTO .* TRACKED ' "ct has a head"
ct_of() { vpc ct pair -o json | json '" ".join(sorted(str(e[k]) for e in d["entries"] if e["eni"] == "beta" and e["tracked"] for k in ("direction", "dport", "proto", "rule")))'; }
like "$(ct_of)" '80 inbound tcp tcp 80 from ' "an entry names the flow and the rule that made it"
like "$(vpc ct flush pair/beta)" '^[1-9][0-9]* connections? forgotten' "ct flush of an instance"
is "$(ct_of)" "" "its entries are gone"
check_rc 2 "ct flush of an instance that is not there" vpc ct flush pair/omega
vpc set security-group g inbound tcp 82 from sg:g --lab pair >"$T/out"
vpc unset security-group g inbound tcp 80 from sg:g --lab pair >"$T/out"
check_rc 1 "a rule of the file is taken away" vpc trace --live pair/alpha beta tcp/80
check "up of the same file again" vpc up "$T/pair.ini"
check "... brings it back" vpc trace --live pair/alpha beta tcp/80
check "... and keeps what was set" vpc trace --live pair/alpha beta tcp/82
vpc unset security-group g inbound tcp 82 from sg:g --lab pair >"$T/out"
check "ct flush of a lab" vpc ct flush --lab pair
check "a connection" vpc probe alpha beta tcp/80
like "$(vpc ct flush pair)" '^[1-9][0-9]* connections? forgotten' "ct flush of a lab by its name alone"
check_rc 2 "... of neither a lab nor anything in one" vpc ct flush omega
wait_for eval 'vpc logs alpha | grep -qx "hello from alpha"' && ok "logs" || not_ok "logs: $(vpc logs alpha 2>&1 | head -n3)"

# ---- set, unset -------------------------------------------------------------------------------------------
like "$(vpc set security-group g inbound tcp 22 from sg:g --lab pair)" 'update +security-group +g +.*tcp 22 from sg:g' "set says what changed"
check "the change is in force" vpc probe alpha beta tcp/22
check_rc 1 "an expectation sees it" vpc test --live pair
like "$(vpc test --live pair)" $'FAIL  deny .*\n +expected deny.*, got allow\n +forward .*\n +allow  sg-in +beta +tcp 22 from sg:g' "with its trace under it"
check "unset" vpc unset security-group pair/g inbound "tcp 22 from sg:g"
check_rc 1 "it is in force, too" vpc probe alpha beta tcp/22
check_rc 4 "set of a rule that is none" vpc set security-group pair/g inbound tcp from nowhere
check_rc 2 "set of a thing that is not there" vpc set security-group pair/h inbound tcp 22 from sg:g
like "$(vpc set security-grup pair/g inbound tcp 22 from sg:g 2>&1) $?" 'no kind "security-grup"; did you mean security-group\? 2$' "set of a kind that is none"
like "$(vpc unset security-groups pair/g inbond 2>&1) $?" 'no key "inbond"; did you mean inbound\? 2$' "unset of a key that is none"
check_rc 4 "set of what is no text" vpc set instance pair/alpha run $'/bin/echo \e[31m'
check_rc 4 "... nor is a control character of two bytes" vpc set instance pair/alpha run $'/bin/echo \u009b31m'
like "$(vpc set lab pair quotas off --lab pair)" 'update +lab +pair +quotas changed' "settings of a lab whose file has no [lab]"
is "$(vpc up "$T/pair.ini" 2>&1)" "no changes" "up: an edit stays"
check_rc 2 "unset of one that is not set" vpc unset lab pair clock --lab pair
check "unset of it" vpc unset lab pair quotas --lab pair
check "an edit that the next file contradicts" vpc set security-group g default yes --lab pair
sed 's/^\[security-group g\]/[security-group h]\nvpc = v\ndefault = yes\n&/' "$T/pair.ini" >"$T/new/pair.ini"
like "$(vpc up "$T/new/pair.ini" 2>&1)" 'an edit: error: .*edits \(vpc set\) stay until vpc unset' "it is told as an edit"
check "taken out" vpc unset security-group g default --lab pair
ip netns del pair.alpha
like "$(vpc plan "$T/pair.ini" | grep '^repair')" '^repair  instance  alpha  missing: namespace pair.alpha; .{0,120}; and [0-9]+ more$' "a repair with many reasons tells the first"
check "up mends it" vpc up "$T/pair.ini"
if command -v setpriv >/dev/null; then
	cp "$VPC" "$T/vpc" && chmod 755 "$T" "$T/vpc"
	nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$T/vpc" "$@" 2>&1; }
	if nobody help >/dev/null; then
		for verb in "up - --lab pair" "down pair" "show"; do
			# shellcheck disable=SC2086
			like "$(nobody $verb <"$T/pair.ini"; echo $?)" $'sock is not open to you; run vpc as root.*\n3$' "not root: $verb"
		done
		like "$(nobody version)" 'vpcd: not open to you' "not root: version"
	fi
	chmod 700 "$T"
fi

# ---- exec ---------------------------------------------------------------------------------------------------
check_rc 7 "exec passes the exit code" vpc exec alpha -- sh -c 'exit 7'
check_rc 125 "a command that is not there is ours" vpc exec alpha -- /no/such/command
is "$(vpc exec alpha -- hostname)" alpha "its host name"
is "$(vpc exec alpha -- id -u)" 0 "root inside"
is "$(vpc exec alpha -- getent hosts beta | awk '{print $1}')" 10.0.0.5 "names of the lab"
is "$(vpc exec alpha -- ls /sys/class/net | xargs)" "eth0 lo" "/sys is the instance's"
check_rc 1 "nobody outside: no file of the machine" vpc exec alpha -- sh -c "echo x >$T/err || exit 1"
check_rc 1 "nor of its settings" vpc exec alpha -- sh -c 'echo 1 >/proc/sys/kernel/sysrq || exit 1'
check_rc 1 "nor its daemon" vpc exec alpha -- sh -c 'ls "$VPCD_STATE_DIR" >/dev/null || exit 1'
is "$(vpc exec beta -- bash -c 'exec 3<>/dev/tcp/10.0.0.4/80; head -n1 <&3' | grep -c alpha)" 1 "a program inside reaches another"
is "$(echo 'echo in $(hostname)' | SHELL=/bin/sh vpc shell beta)" "in beta" "shell reads stdin"
vpc down --all >/dev/null 2>&1

# ---- the demo --------------------------------------------------------------------------------------------
start=${EPOCHREALTIME/[.,]/}
check "the demo" bash topologies/demo
took=$(((${EPOCHREALTIME/[.,]/} - start) / 1000)) slower=$(cd tests/bench && python3 -c 'from lib import machine; print(max(1, machine.work_ms() / 100))')
is "$(python3 -c "print($took < 5000 * $slower)")" True "in less than 5 seconds, or what they are on a machine with so much else to do: $took ms, $slower"
is "$(vpc show -o json | json '[l["name"] for l in d["labs"]]')" "['aws-public-private', 'three-tier']" "it leaves both labs running"
done_testing
