# lib.sh: what a script in tests/net begins with:
#
#	. "${0%/*}/../lib.sh"
#	daemon_start
#	vpc up "$T/lab.ini"
#	check "web-1 answers" vpc probe laptop web-1 tcp/443
#	done_testing
#
# TAP comes out; the daemon is ended, the labs are taken down and what is left is compared with what
# was there before, whatever way the script ends. No sleeping: wait_for CONDITION.
# The script runs in tests/isolate (it brings itself there when started by hand), so names and
# addresses of two tests cannot meet, and the test sees a machine of its own.
set -u
ROOT=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
B=${B:-build}
[[ $B == /* ]] || B=$ROOT/$B
export B ROOT

tap_n=0 tap_bad=0 tap_done=0 daemon_pid= daemon_options=() checks_with_labs=0
exec {tick}<> <(:) # never readable: reading it with a timeout is the pause between two looks

skip_all() { # REASON: the machine cannot run this script
	echo "1..0 # SKIP $*"
	tap_done=1
	exit 77
}

if [ -z "${VPCD_TEST_NS:-}" ]; then
	[ "$(id -u)" = 0 ] || skip_all "needs root"
	exec "$ROOT/tests/isolate" "$BASH" "$0" "$@"
fi
T=$TEST_DIR
VPCD=$B/vpcd VPC=$B/vpc
vpc() { "$VPC" "$@"; }
# `ip netns exec` wants to remount /, which a chroot does not allow; the namespace is all that tests need.
ip() {
	local ns=${3:-}
	if [ "${1:-} ${2:-}" = "netns exec" ]; then
		shift 3
		nsenter --net="/run/netns/$ns" "$@"
	else command ip "$@"; fi
}

# ---- TAP ---------------------------------------------------------------------------------------
ok() { # DESCRIPTION
	tap_n=$((tap_n + 1))
	echo "ok $tap_n - $*"
	daemon_killed_in_the_middle
}
not_ok() { # DESCRIPTION
	tap_n=$((tap_n + 1)) tap_bad=$((tap_bad + 1))
	echo "not ok $tap_n - $*"
}
skip() { # DESCRIPTION REASON
	tap_n=$((tap_n + 1))
	echo "ok $tap_n - $1 # SKIP $2"
}
note() { sed 's/^/# /' <<<"$*"; }
is() { # GOT WANT DESCRIPTION
	if [ "$1" = "$2" ]; then ok "$3"; else
		not_ok "$3"
		note "got:  $1"
		note "want: $2"
	fi
}
like() { # GOT REGEX DESCRIPTION
	if [[ $1 =~ $2 ]]; then ok "$3"; else
		not_ok "$3"
		note "got:        $1"
		note "want match: $2"
	fi
}
check() { # DESCRIPTION COMMAND...: must exit 0
	check_rc 0 "$@"
}
check_rc() { # CODE DESCRIPTION COMMAND...: must exit with CODE
	local want=$1 what=$2 out rc=0
	shift 2
	out=$("$@" 2>&1) || rc=$?
	if [ $rc = "$want" ]; then ok "$what"; else
		not_ok "$what"
		note "$* exited $rc instead of $want: $out"
	fi
}
bail() { # the rest makes no sense without this
	note "$*"
	exit 1
}
done_testing() { # ends the script: labs down, nothing left, plan printed
	daemon_killed_in_the_middle now
	labs_down
	if wait_for same_as_before; then ok "nothing is left behind"; else
		not_ok "nothing is left behind"
		note "$(diff <(echo "$leftovers_before") <(leftovers))"
	fi
	echo "1..$tap_n"
	tap_done=1
	exit $((tap_bad > 0))
}

json_members() { # SHAPE: names of the members that docs/json.md gives the shape, in its order
	python3 - "$1" "$ROOT/docs/json.md" <<'PY'
import re, sys
for line in open(sys.argv[2]):
    m = re.match(re.escape(sys.argv[1]) + r" +\{(.*)\}", line)
    if not m:
        continue
    inside, depth = "", 0
    for c in m.group(1):
        depth -= c in "]}"
        inside += c if depth == 0 else ""
        depth += c in "[{"
    print(*re.findall(r'(?:^|,) *"([^"]+)"', inside))
    break
PY
}

# ---- waiting -------------------------------------------------------------------------------------
wait_for() { wait_up_to 60 "$@"; } # COMMAND...: for what comes, however busy the machine is
wait_up_to() { # SECONDS COMMAND...: looks 50 times a second until COMMAND succeeds
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	shift
	until "$@" >/dev/null 2>&1; do
		((${EPOCHREALTIME/[.,]/} < end)) || return 1
		read -rt 0.02 -u $tick || :
	done
}

# ---- the daemon ------------------------------------------------------------------------------------
daemon_start() { # [OPTION...]
	daemon_options=("$@")
	# Freed memory is overwritten at once (the cache of a thread would keep it as it was), so that using it shows.
	MALLOC_PERTURB_=165 GLIBC_TUNABLES=glibc.malloc.tcache_count=0 "$VPCD" "$@" >>"$T/vpcd.log" 2>&1 {tick}<&- &
	daemon_pid=$!
	wait_for daemon_answers || bail "vpcd does not answer: $(tail -n5 "$T/vpcd.log")"
}
daemon_answers() { [ -S "$VPCD_RUN_DIR/vpcd.sock" ] && kill -0 "$daemon_pid" && vpc show -o json; }
daemon_stop() { daemon_signal TERM; }
daemon_kill() { daemon_signal KILL; }
daemon_signal() { # SIGNAL: sends it and waits for the end
	[ -n "$daemon_pid" ] || return 0
	kill -"$1" "$daemon_pid" 2>/dev/null || :
	wait_for eval '! kill -0 "$daemon_pid"' || kill -KILL "$daemon_pid"
	wait "$daemon_pid" 2>/dev/null || :
	daemon_pid=
}
# With KILL_DAEMON set (tests/run does), a script's daemon is killed once, at the third check that passes
# while labs run (or now), and started anew: what it says of them must be what it said before.
daemon_killed_in_the_middle() { # [now]
	[ -n "${KILL_DAEMON:-}" ] && [ $BASHPID = $$ ] && [ -n "$daemon_pid" ] && labs_rest || return 0
	checks_with_labs=$((checks_with_labs + 1))
	[ "${1:-}" = now ] || [ $checks_with_labs = 3 ] || return 0
	KILL_DAEMON=
	"$ROOT/tests/answers" >"$T/answers.before" || not_ok "what the daemon says before it is killed"
	daemon_kill
	daemon_start "${daemon_options[@]}"
	wait_for labs_rest || note "labs come to no rest"
	"$ROOT/tests/answers" >"$T/answers.after" || not_ok "what it says afterwards"
	check "the daemon is killed: show, rules and ct say the same afterwards" \
		"$ROOT/tests/answers" --compare "$T/answers.before" "$T/answers.after"
}
labs_rest() { # labs are there, all of them up
	local states
	kill -0 "$daemon_pid" 2>/dev/null && states=$(vpc show -o json 2>/dev/null | sed -n 's/.*"state": "\(.*\)".*/\1/p') || return
	[ -n "$states" ] && ! grep -qvx up <<<"$states"
}
labs_down() { # takes every lab down, whether the script left a daemon running or not
	[ -n "$(ls -A "$VPCD_STATE_DIR")$daemon_pid" ] || return 0
	[ -n "$daemon_pid" ] && kill -0 "$daemon_pid" 2>/dev/null || daemon_start
	vpc down --all >"$T/down.log" 2>&1 || note "vpc down --all: $(cat "$T/down.log")"
	daemon_stop
}

# ---- leftovers ---------------------------------------------------------------------------------------
# Everything of this "machine", which is this test's alone. BPF programs and maps have no namespace:
# those are counted by the runner over the whole tier.
leftovers() {
	ls /run/netns | sed 's/^/netns /'
	ip -o link | sed -E 's/^[0-9]+: ([^:@]+).*/link \1/'
	find "$VPCD_BPF_DIR" -mindepth 1 ! -name '*.debug' -printf 'pin %P\n'
	find "$VPCD_STATE_DIR" -mindepth 1 -maxdepth 1 -type d -printf 'state %P\n'
	nft list tables 2>/dev/null
	local p comm
	for p in /proc/[0-9]*; do
		comm=$(cat "$p/comm" 2>/dev/null) || continue
		case $comm in vpcd | vpc) echo "process $comm ${p#/proc/}" ;; esac
	done
}
same_as_before() { [ "$(leftovers)" = "$leftovers_before" ]; }
leftovers_before=$(leftovers)

on_exit() {
	local rc=$?
	trap - EXIT
	if [ $tap_done = 0 ]; then
		note "ended before done_testing (exit $rc)"
		labs_down
		daemon_stop
		[ $rc != 0 ] || rc=1
	fi
	if [ $rc != 0 ] && [ $rc != 77 ] && [ -s "$T/vpcd.log" ]; then
		note "last lines of the daemon:"
		note "$(tail -n30 "$T/vpcd.log")"
	fi
	exit $rc
}
trap on_exit EXIT
trap 'exit 143' TERM INT HUP
