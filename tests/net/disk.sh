# disk: the state directory's disk is full or read-only: nothing is changed, the lab runs on, and down still works.
. "${0%/*}/../lib.sh"

cat >"$T/d.ini" <<'INI'
[lab d]
[vpc v]
cidr = 10.0.0.0/16
[subnet s]
vpc = v
cidr = 10.0.1.0/24
[security-group g]
vpc = v
inbound = tcp 80 from 10.0.0.0/8
[instance a]
subnet = s
security-groups = g
[instance b]
subnet = s
security-groups = g
listen = tcp/80
INI
sed 's/\[lab d\]/[lab e]/' "$T/d.ini" >"$T/e.ini"
sed 's/tcp 80 from/tcp 81 from/' "$T/d.ini" >"$T/changed.ini"
mount -t tmpfs -o size=256k tmpfs "$VPCD_STATE_DIR"
fill() { dd if=/dev/zero of="$VPCD_STATE_DIR/FILL" bs=1k >/dev/null 2>&1 || :; }
says() { # CODE REGEX DESCRIPTION COMMAND...
	local want=$1 re=$2 what=$3 rc=0 out
	shift 3
	out=$("$@" 2>&1) || rc=$?
	[ $rc = "$want" ] && [[ $out =~ $re ]] && ok "$what" || { not_ok "$what"; note "exit $rc: $out"; }
}

daemon_start
fill
says 4 'lab d: .*/d/.*: No space left on device; nothing was changed' "up on a full disk says so" vpc up "$T/d.ini"
is "$(vpc show -o json | tr -d ' \n')" '{"labs":[]}' "no lab is there"
is "$(find "$VPCD_STATE_DIR" -mindepth 1 -type d)$(ls /run/netns)" "" "nor a trace of it"
rm "$VPCD_STATE_DIR/FILL"
check "with room it goes up" vpc up "$T/d.ini"

fill
before=$(vpc show topology; vpc rules -o json | grep -v -e packets -e bytes)
says 4 'lab d: .*No space left on device; nothing was changed' "a changed file" vpc up "$T/changed.ini"
says 4 'lab d: .*No space left on device; nothing was changed' "an edit" vpc set security-group g inbound tcp 82 from 10.0.0.0/8
says 4 'lab e: .*No space left on device; nothing was changed' "another lab" vpc up "$T/e.ini"
is "$(vpc show topology; vpc rules -o json | grep -v -e packets -e bytes)" "$before" "the lab is as it was"
check "and works" vpc probe a b tcp/80
daemon_kill
daemon_start "${daemon_options[@]}"
check "for the next daemon, too" vpc probe a b tcp/80
check "it goes down" vpc down d
is "$(vpc show -o json | tr -d ' \n')$(ls /run/netns)$(find "$VPCD_STATE_DIR" -mindepth 1 -type d)" '{"labs":[]}' "and is gone"
rm "$VPCD_STATE_DIR/FILL"

check "up once more" vpc up "$T/d.ini"
mount -o remount,ro "$VPCD_STATE_DIR"
says 4 'lab d: .*Read-only file system; nothing was changed' "down on a read-only one" vpc down d
check "changes nothing" vpc probe a b tcp/80
check "is not half way" vpc show instances
mount -o remount,rw "$VPCD_STATE_DIR"
is "$(vpc up "$T/d.ini")" "no changes" "writable again: up finds nothing to do"
done_testing
