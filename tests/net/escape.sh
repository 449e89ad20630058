# escape: root inside an instance, by vpc exec or as its run program, has its own network and nothing else:
# not the machine, not the lab's other instances, not the router.
. "${0%/*}/../lib.sh"

cat >"$T/es.ini" <<INI
[lab es]
[vpc v]
cidr = 10.0.0.0/16
[subnet s]
vpc = v
cidr = 10.0.1.0/24
[nat-gateway nat]
subnet = s
connectivity = private
[instance a]
subnet = s
listen = tcp/80
run = /bin/sh -c "ls /proc; nsenter --net=/run/netns/es.b echo entered; cat /proc/self/status; echo ready; exec tail -f /dev/null"
[instance b]
subnet = s
run = /usr/bin/tail -f /dev/null
[host h]
address = 198.51.100.7
INI
daemon_start
check "goes up" vpc up "$T/es.ini"
a() { vpc exec es/a -- "$@"; }
can_not() { # DESCRIPTION COMMAND...
	local what=$1 out
	shift
	if out=$(a "$@" 2>&1); then
		not_ok "$what"
		note "$* succeeded: $out"
	else ok "$what"; fi
}

# ---- other processes -------------------------------------------------------------------------------
agent=$(pgrep -n -f 'vpcd --agent es')
others=$(pgrep -x tail | xargs)
[ -n "$agent" ] && [ "$(wc -w <<<"$others")" -ge 1 ] || bail "agent $agent, programs $others"
for pid in 1 $daemon_pid $agent $others $$; do
	out=$(cat /proc/$pid/comm)
	before=$(a sh -c "cat /proc/$pid/comm" 2>/dev/null)
	[ "$pid" = 1 ] || is "$before" "" "it does not see $out"
	can_not "it cannot enter the network of $out" nsenter -t $pid -n true
	can_not "nor read its memory" sh -c "head -c1 /proc/$pid/mem || head -c1 /proc/$pid/environ"
done
a sh -c "kill -KILL -1; kill -KILL $daemon_pid $agent $others" >/dev/null 2>&1
check "the daemon lives" vpc show
for pid in $daemon_pid $agent $others; do check "so does process $pid" kill -0 "$pid"; done
n=$(a sh -c 'ls /proc | grep -c "^[0-9]"')
[ "$n" -ge 2 ] && [ "$n" -le 5 ] && ok "it sees itself and what it started" || not_ok "it sees $n processes"
is "$(a sh -c 'cat /proc/sys/kernel/shmmni >/dev/null; ipcs -m | grep -c 0x')" 0 "no shared memory of the machine"

# ---- other namespaces --------------------------------------------------------------------------------
for ns in es.b es.h es.nat es.v.router es.internet; do
	[ -e "/run/netns/$ns" ] || bail "no namespace $ns"
	can_not "it cannot enter $ns" nsenter "--net=/run/netns/$ns" true
	can_not "nor with a user namespace of its own" unshare -Ur nsenter "--net=/run/netns/$ns" true
done
if unshare -Ur true 2>/dev/null; then
	is "$(a unshare -Urn ip -br link | wc -l)" 1 "a network namespace of its own is empty"
else can_not "no user namespace where the machine allows none" unshare -Ur true; fi
can_not "it cannot give its interface another home" sh -c "ip link set eth0 netns $agent"
can_not "nor mount" mount -t tmpfs none /mnt
can_not "nor undo its view" umount -l /etc/hosts
can_not "nor with a user namespace of its own" unshare -Urm umount -l /etc/hosts
can_not "nor load a BPF program" sh -c 'bpftool prog show && bpftool map show'
can_not "nor see pins" ls "$VPCD_BPF_DIR/es"

# ---- the machine ---------------------------------------------------------------------------------------
chmod 711 "$T"
for s in vpcd.sock view.sock agents/es.sock; do
	[ -S "$VPCD_RUN_DIR/$s" ] || bail "no socket $s"
	can_not "it cannot talk to $s" python3 -c "import socket; socket.socket(socket.AF_UNIX).connect('$VPCD_RUN_DIR/$s')"
done
can_not "nor read the lab's state" ls "$VPCD_STATE_DIR/es"
can_not "nor /etc/shadow" cat /etc/shadow
can_not "nor write /etc" touch /etc/evil
can_not "nor change the machine's settings" sh -c 'echo 1 >/proc/sys/vm/overcommit_memory'
can_not "nor its clock" python3 -c 'import time; time.clock_settime(time.CLOCK_REALTIME, time.time())'
can_not "nor its name" hostname evil
can_not "nor make device nodes" mknod "$T/tmp/null" c 1 3
can_not "nor read the kernel's log" dmesg
can_not "nor trace init" strace -p 1
check "its own settings it may" a sh -c 'echo 1 >/proc/sys/net/ipv4/icmp_echo_ignore_all'
is "$(cat /proc/sys/net/ipv4/icmp_echo_ignore_all)" 0 "they are not the machine's"

# ---- run programs, too ---------------------------------------------------------------------------------
wait_for eval "vpc logs a --lab es | grep -q ready" || bail "run program: $(vpc logs a --lab es)"
log=$(vpc logs a --lab es)
n=$(grep -cx '[0-9]*' <<<"$log")
[ "$n" -ge 2 ] && [ "$n" -le 4 ] && ok "a run program sees itself alone" || not_ok "a run program sees $n processes"
! grep -qx entered <<<"$log" && ok "it cannot enter its neighbour's network" || not_ok "it cannot enter its neighbour's network"
caps=$(sed -n 's/^CapEff:[^0-9a-f]*//p' <<<"$log")
is $((0x$caps >> 21 & 1)) 0 "it lacks CAP_SYS_ADMIN"

# ---- what the walls do to those who use it ----------------------------------------------------------------
check_rc 7 "an exit code comes through" vpc exec es/a -- sh -c 'exit 7'
check_rc 143 "a signal as a shell says it" vpc exec es/a -- sh -c 'kill -TERM $$'
is "$(echo in | timeout 5 "$VPC" exec es/a -- sh -c 'read x; echo out $x; (sed p </dev/zero >/dev/null 2>&1 &)')" "out in" \
	"input and output too, and who reads it does not wait for what is left in the background"
check "which goes on" pgrep -x sed
kill "$(pgrep -x sed)"
begun() { # SIGNAL
	: >"$T/out"
	"$VPC" exec es/a -- sh -c "trap 'kill \$!; echo got; exit 9' $1; tail -f /dev/null & echo begun; wait" >"$T/out" &
	victim=$!
	wait_for grep -q begun "$T/out" || bail "the program does not start"
}
begun TERM
kill -TERM $victim
wait $victim
is "$?" 9 "a signal to vpc exec reaches the program"
is "$(tail -n1 "$T/out")" got "as itself"
begun INT
inside=$(pgrep -n -x sh)
kill -KILL $victim
wait $victim 2>"$T/killed"
check "vpc exec killed: the program ends" wait_for eval "! kill -0 $inside"
done_testing
