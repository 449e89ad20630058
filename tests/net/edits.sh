# edits: a running lab is changed by vpc set and unset, by /changes and by an edited file: what should change does
# so at once, and connections, programs, counters and all else stay.
. "${0%/*}/../lib.sh"
. "$ROOT/tests/talk.sh"

topology() { # MODE
	cat <<INI
[lab edits]
datapath = $1
[vpc v]
cidr = 10.0.0.0/16
[subnet front]
vpc = v
cidr = 10.0.0.0/24
[subnet back]
vpc = v
cidr = 10.0.1.0/24
nacl = edge
[nacl edge]
vpc = v
inbound = 100 allow all from 0.0.0.0/0
outbound = 100 allow all to 0.0.0.0/0
[security-group web]
vpc = v
inbound = icmp from 10.0.0.0/16
[security-group other]
vpc = v
[security-group tracked]
vpc = v
inbound = tcp 9000 from sg:web
inbound = tcp 80 from 10.0.0.0/16
[security-group untracked]
vpc = v
inbound = tcp from 0.0.0.0/0
[instance web]
subnet = front
address = 10.0.0.10
security-groups = web
[instance db]
subnet = back
address = 10.0.1.10
security-groups = tracked
listen = tcp/80
run = $TALK_RUN
[instance open]
subnet = back
address = 10.0.1.20
security-groups = untracked
run = $TALK_RUN
[instance idle]
subnet = back
address = 10.0.1.30
security-groups = tracked
INI
}
json() { python3 -c "import json,sys; d=json.load(sys.stdin); print($1)"; }
revision() { vpc show -o json | json 'd["labs"][0]["revision"]'; }
changes() { # EDITS [CURL-OPTION...]: prints the status; the answer is in $T/body
	curl -sS --max-time 30 -o "$T/body" -w '%{http_code}' --unix-socket "$VPCD_RUN_DIR/vpcd.sock" -X POST "${@:2}" \
		--data "{\"edits\":[$1]}" http://vpcd/v1/labs/edits/changes
}
reaches() { vpc exec edits/web -- timeout 1 bash -c ": <>/dev/tcp/$1/9000" 2>/dev/null; } # ADDRESS
packets() { # OWNER TEXT: of a rule
	vpc rules -o json | json "[r['packets'] for r in d['rules'] if r['owner'] == '$1' and r['text'] == '$2'][0]"
}
rules_text() { vpc rules -o json | json 'sorted((r["owner"], r["direction"], r["text"], r["number"], r["origin"]) for r in d["rules"])'; }
runs() { # pids of the lab's programs
	local p
	for p in /proc/[0-9]*; do
		[[ $(tr '\0' ' ' <"$p/cmdline" 2>/dev/null) == python3*serve_forever* ]] && echo "${p#/proc/}"
	done | sort
}
are() { # DESCRIPTION COMMAND...: it holds
	local what=$1
	shift
	if "$@"; then ok "$what"; else not_ok "$what"; fi
}
are_not() {
	local what=$1
	shift
	if "$@"; then not_ok "$what"; else ok "$what"; fi
}

for mode in fast kernel; do
	topology $mode >"$T/edits.ini"
	daemon_start
	check "$mode: up" vpc up "$T/edits.ini"
	wait_for reaches 10.0.1.10 && wait_for reaches 10.0.1.20 || bail "the programs do not answer"
	talk_open tracked edits/web 10.0.1.10 && talk_open untracked edits/web 10.0.1.20 || bail "no connections"
	talk_says tracked && talk_says untracked || bail "the connections are silent"
	runs >"$T/runs"

	# ---- rules under live connections ----
	check "$mode: unset of a rule" vpc unset security-group tracked inbound tcp 9000 from sg:web
	are "$mode: a tracked connection outlives its rule" talk_says tracked
	are_not "$mode: a new one is refused" reaches 10.0.1.10
	check "$mode: set brings the rule back" vpc set security-group tracked inbound tcp 9000 from sg:web
	are "$mode: new ones again" reaches 10.0.1.10
	check "$mode: unset of the rule of an untracked one" vpc unset security-group untracked inbound tcp from 0.0.0.0/0
	are_not "$mode: cuts it at once" talk_says untracked
	check "$mode: set of a narrower rule" vpc set security-group untracked inbound tcp 9000 from 10.0.0.0/24
	are "$mode: and it goes on" wait_for talk_says untracked
	check "$mode: a network ACL denies" vpc set nacl edge inbound 50 deny tcp 9000 from 10.0.0.0/24
	are_not "$mode: a tracked connection dies of it at once" talk_says tracked
	are_not "$mode: a new one, too" reaches 10.0.1.10
	check "$mode: the ACL lets go" vpc unset nacl edge inbound 50 deny tcp 9000 from 10.0.0.0/24
	are "$mode: the connection goes on" wait_for talk_says tracked

	# ---- membership ----
	check "$mode: web changes its group" vpc set instance web security-groups other
	is "$(vpc show instance edits/web -o json | json 'd["instance"][0]["security_groups"]')" "['other']" "$mode: show knows"
	are_not "$mode: who left a group is no peer of its rules" reaches 10.0.1.10
	are "$mode: a connection of before goes on" talk_says tracked
	check "$mode: web returns" vpc set instance web security-groups web
	are "$mode: and is a peer again" reaches 10.0.1.10

	# ---- counters ----
	was=$(packets tracked 'tcp 9000 from sg:web')
	[ "$was" -gt 0 ] || note "no packets counted"
	check "$mode: another rule of the group" vpc set security-group tracked inbound tcp 22 from 10.0.0.0/24
	is "$(packets tracked 'tcp 9000 from sg:web')" "$was" "$mode: counters of the rules beside it stay"
	check "$mode: another group" vpc set security-group untracked inbound udp 53 from 0.0.0.0/0
	is "$(packets tracked 'tcp 9000 from sg:web')" "$was" "$mode: counters of other groups stay"

	# ---- /changes ----
	r=$(revision)
	set_rule='{"op":"set","kind":"security-group","name":"web","key":"inbound","value":"tcp 7 from 10.0.0.0/16"}'
	is "$(changes "$set_rule" -H 'If-Match: "1"')" 412 "$mode: an old revision is 412"
	is "$(revision)" "$r" "$mode: and changes nothing"
	is "$(changes "$set_rule,"'{"op":"set","kind":"security-group","name":"nobody","key":"inbound","value":"tcp 7 from 10.0.0.0/16"}' -H "If-Match: \"$r\"")" 404 \
		"$mode: of several edits one is wrong"
	is "$(revision)" "$r" "$mode: none is done"
	is "$(changes "$set_rule,"'{"op":"create","kind":"security-group","name":"made"},{"op":"set","kind":"security-group","name":"made","key":"vpc","value":"v"},{"op":"set","kind":"security-group","name":"made","key":"inbound","value":"tcp 9000 from sg:web"}' -H "If-Match: \"$r\"")" 200 \
		"$mode: several edits, the revision is right"
	is "$(json 'd["applied"], d["revision"]' <"$T/body")" "True $((r + 1))" "$mode: are one revision"
	is "$(vpc show security-group edits/made -o json | json 'd["security-group"][0]["origin"]')" api "$mode: the object says where it is from"
	is "$(changes '{"op":"set","kind":"instance","name":"idle","key":"security-groups","value":"made"}')" 200 "$mode: an object of the file takes it"
	is "$(changes '{"op":"delete","kind":"security-group","name":"made"}')" 400 "$mode: what is in use cannot be deleted"
	is "$(json 'd["error"]["code"], d["errors"][0]["message"]' <"$T/body")" \
		"DependencyViolation instance idle: security-groups: security-group made has dependencies and cannot be deleted" "$mode: ... and who uses it is told"
	are "$mode: nothing of all that disturbs" talk_says tracked

	# ---- the file again ----
	rules_text >"$T/rules"
	plan=$(vpc plan "$T/edits.ini")
	note "$plan"
	vpc up "$T/edits.ini" >"$T/up" 2>&1
	is "$(vpc show security-group edits/made -o json | json 'd["security-group"][0]["origin"]')" api "$mode: an object of the API survives up"
	is "$(vpc up "$T/edits.ini" 2>&1)" "no changes" "$mode: then up has nothing to do"
	are "$mode: connections survive up" talk_says tracked
	sed -e 's/^inbound = tcp 80 from.*/inbound = tcp 81 from 10.0.0.0\/16/' -e 's/^\[instance idle\]/[instance fresh]/' "$T/edits.ini" >"$T/edited.ini"
	vpc plan --lab edits "$T/edited.ini" -o json >"$T/plan.json"
	is "$(json 'sorted((c["op"], c["kind"], c["name"]) for c in d["changes"])' <"$T/plan.json")" \
		"[('create', 'instance', 'fresh'), ('delete', 'instance', 'idle'), ('update', 'security-group', 'tracked')]" "$mode: plan says only what differs"
	was=$(packets tracked 'tcp 9000 from sg:web')
	check "$mode: up of an edited file" vpc up "$T/edited.ini"
	is "$(packets tracked 'tcp 9000 from sg:web')" "$was" "$mode: counters stay"
	are "$mode: connections go on" talk_says tracked
	are "$mode: also the one whose instance was not touched" talk_says untracked
	is "$(runs)" "$(cat "$T/runs")" "$mode: programs are the same processes"
	is "$(vpc show instances --lab edits -o json | json 'sorted(i["name"] for i in d["instance"])')" "['db', 'fresh', 'open', 'web']" "$mode: instances as in the file"

	# ---- a broken file ----
	rules_text >"$T/rules"
	r=$(revision)
	sed -e 's/tcp 81/tcp 82/' -e 's/^\[instance fresh\]/[instance broken]/' -e 's/^address = 10.0.1.20/address = 10.9.1.20/' "$T/edited.ini" >"$T/broken.ini"
	check_rc 4 "$mode: a broken file" vpc up "$T/broken.ini"
	like "$(vpc up "$T/broken.ini" 2>&1)" "broken.ini:[0-9]+: error: .*10.9.1.20" "$mode: is named with its line"
	is "$(rules_text)" "$(cat "$T/rules")" "$mode: the rules are as they were"
	is "$(revision)" "$r" "$mode: so is the revision"
	is "$(vpc up "$T/edited.ini" 2>&1)" "no changes" "$mode: so is the kernel"

	# ---- an apply that fails halfway ----
	ip netns add edits.stone
	sed -e 's/tcp 81/tcp 82/' -e 's/^\[instance fresh\]/[instance stone]/' "$T/edited.ini" >"$T/fails.ini"
	check_rc 4 "$mode: somebody else's namespace is in the way" vpc up "$T/fails.ini"
	like "$(vpc up "$T/fails.ini" 2>&1)" "edits.stone" "$mode: the message names it"
	is "$(rules_text)" "$(cat "$T/rules")" "$mode: the rules are as they were"
	is "$(vpc up "$T/edited.ini" 2>&1)" "no changes" "$mode: so is the kernel"
	are "$mode: connections go on" talk_says tracked
	is "$(vpc exec edits/fresh -- hostname)" fresh "$mode: what was to go is still there"
	ip netns del edits.stone
	check "$mode: out of the way, it goes up" vpc up "$T/fails.ini"
	is "$(vpc up "$T/fails.ini" 2>&1)" "no changes" "$mode: whole"
	are "$mode: the old connections are still there" talk_says tracked
	is "$(runs)" "$(cat "$T/runs")" "$mode: programs as well"
	talk_close tracked
	talk_close untracked
	check "$mode: down" vpc down edits

	ip netns add edits.web
	check_rc 4 "$mode: a first up that fails" vpc up "$T/edits.ini"
	is "$(ls /run/netns)" "edits.web" "$mode: leaves nothing"
	is "$(find "$VPCD_BPF_DIR" -mindepth 1 ! -name '*.debug'; ls "$VPCD_STATE_DIR")" "" "$mode: not a pin, not a folder"
	ip netns del edits.web
	daemon_stop
done
done_testing
