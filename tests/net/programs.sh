# programs: what `run` starts may fork, ignore signals, print without end or not exist; it ends when it shall,
# with all it started, and so does what `vpc exec` left in the background.
. "${0%/*}/../lib.sh"

cat >"$T/pr.ini" <<'INI'
[lab pr]
[vpc v]
cidr = 10.0.0.0/16
[subnet s]
vpc = v
cidr = 10.0.1.0/24
[instance deaf]
subnet = s
run = /bin/sh -c "trap '' TERM INT HUP; while :; do tail -s 3001 -f /dev/null; done"
[instance forks]
subnet = s
run = /bin/sh -c "(setsid tail -s 3002 -f /dev/null &); setsid tail -s 3003 -f /dev/null >/dev/null 2>&1 </dev/null & exit 3"
[instance dies]
subnet = s
run = /no/such/program -x
run = /bin/sh -c "kill -9 $$"
run = /bin/false
[instance loud]
subnet = s
run = /usr/bin/yes loud
INI
n_of() { pgrep -fcx "tail -s $1 -f /dev/null"; }
runs() { [ "$(n_of "$1")" = "$2" ]; }
logs_say() { vpc logs "$1" | grep -q -- "$2"; }

daemon_start
check "goes up" vpc up "$T/pr.ini"
for what in 3001 3002 3003; do check "$what runs" wait_for runs $what 1; done
check "a program that is not there is named" wait_for logs_say dies 'cannot run /no/such/program: No such file'
check "and its code" wait_for logs_say dies 'exit code 127: /no/such/program'
check "one that a signal ends" wait_for logs_say dies 'ended by signal 9: /bin/sh'
check "one that fails" wait_for logs_say dies 'exit code 1: /bin/false'
check "what a program leaves behind is told" wait_for logs_say forks 'what it started runs on: /bin/sh'
! logs_say forks 'exit code' && ok "it has not ended while that runs" || not_ok "it has not ended while that runs"
big() { [ -e "$VPCD_RUN_DIR/logs/pr/loud.log.1" ]; }
wait_for big
[ "$(du -sk "$VPCD_RUN_DIR/logs/pr" | cut -f1)" -lt 4096 ] && ok "a log has a bound" || not_ok "a log has a bound"

# ---- one that shall end -----------------------------------------------------------------------------
check "another edit" vpc set instance loud source-dest-check no
is "$(n_of 3001) $(n_of 3002) $(n_of 3003)" "1 1 1" "ends none of them"
check "run is taken away" vpc unset instance forks run
is "$(n_of 3002) $(n_of 3003)" "0 0" "its children are gone, too"
check "from one that ignores signals" vpc unset instance deaf run
check "it is killed" wait_for runs 3001 0
check "up again" vpc up "$T/pr.ini"
all_run() { runs 3001 1 && runs 3002 1 && runs 3003 1; }
check "all of them run again" wait_for all_run

# ---- the agent is killed -------------------------------------------------------------------------------
was=$(pgrep -fx 'tail -s 300[123] .*' | sort | xargs)
kill -KILL "$(pgrep -f 'vpcd --agent pr')"
again() { [ "$(pgrep -fc 'vpcd --agent pr')" = 1 ] && all_run && [ "$(pgrep -fx 'tail -s 300[123] .*' | sort | xargs)" != "$was" ]; }
check "a new agent starts all of it once" wait_for again

# ---- down ------------------------------------------------------------------------------------------------
vpc exec deaf -- sh -c 'setsid tail -s 3004 -f /dev/null >/dev/null 2>&1 </dev/null & setsid unshare -Ur tail -s 3005 -f /dev/null >/dev/null 2>&1 </dev/null &'
check "what exec leaves in the background runs" wait_for runs 3004 1
vpc exec dies -- sh -c 'setsid tail -s 3006 -f /dev/null >/dev/null 2>&1 </dev/null &'
sed '/^\[instance dies\]/,/^\[instance loud/{/^\[instance loud/!d}' "$T/pr.ini" >"$T/less.ini"
check "an instance goes" vpc up "$T/less.ini"
check "and what runs in it" wait_for runs 3006 0
is "$(n_of 3004)" 1 "not its neighbour's"
nsenter --net=/run/netns/pr.loud tail -s 3007 -f /dev/null &
mine=$!
check "down" vpc down pr
is "$(pgrep -fl 'tail -s 300[1-6]|vpc-init|--agent' | xargs)" "" "nothing of the lab runs"
check "a process of the machine's lives" kill -0 $mine
kill $mine
done_testing
