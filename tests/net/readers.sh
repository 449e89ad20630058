# readers: those of streams who go while nothing happens are found out at once, whatever killed them; many who stay keep
# nobody from asking, at neither door.
. "${0%/*}/../lib.sh"

cat >"$T/re.ini" <<'INI'
[vpc v]
cidr = 10.0.0.0/16
[subnet a]
vpc = v
cidr = 10.0.1.0/24
[instance a1]
subnet = a
[instance a2]
subnet = a
INI
readers() { python3 "$ROOT/tests/net/wire/readers.py" "$VPCD_RUN_DIR/$1" "$2" "$3"; } # SOCKET N HOW
connections() { # DOOR: those that the daemon has at it
	awk -v door="$VPCD_RUN_DIR/$1" '$NF == door && $6 == "03" { n++ } END { print n + 0 }' /proc/net/unix
}
connections_are() { [ "$(connections "$1")" = "$2" ]; }
# The daemon opens others for a moment, to look and to mend; so it is waited for, not counted once.
fds_are() { [ "$(ls "/proc/$daemon_pid/fd" | wc -l)" = "$1" ]; }
fds_least() { # of as many looks as take longer than a moment
	for _ in {1..50}; do
		ls "/proc/$daemon_pid/fd" | wc -l
		read -rt 0.02 -u $tick
	done | sort -n | head -n1
}
settled() { connections_are vpcd.sock 0 && connections_are view.sock 0 && fds_are "$before"; }

daemon_start
check "goes up" vpc up "$T/re.ini"
check "a look" vpc show
check "another, and the daemon was killed once" vpc show

# ---- who goes ----------------------------------------------------------------------------------------------
before=$(fds_least)
for door in vpcd.sock view.sock; do
	is "$(readers $door 600 leave)" 600 "$door: 600 readers come and go, one behind the other"
	check "... and nothing of them stays open" wait_for settled
done
heard() { # something has come by now, or comes with one packet more
	[ -s "$T/out" ] || { vpc probe a1 a2 udp/9 >/dev/null && [ -s "$T/out" ]; }
}
for verb in "observe re -f" "capture re/a1 -w -"; do
	: >"$T/out"
	"$VPC" $verb >>"$T/out" &
	client=$!
	wait_for heard
	is "$(connections vpcd.sock)" 1 "$verb: one connection"
	kill -KILL $client && wait $client 2>/dev/null
	check "... and none when it is killed" wait_for settled
done
readers vpcd.sock 1 half >"$T/half" &
half=$!
wait_for grep -q . "$T/half"
vpc probe a1 a2 udp/9 >/dev/null
wait $half
is "$(tail -n1 "$T/half")" "an event" "who has ended only his own side still reads"

# ---- who stays ---------------------------------------------------------------------------------------------
for door in view.sock vpcd.sock; do
	mkfifo "$T/$door"
	readers $door 600 stay <"$T/$door" >"$T/stay" &
	stay=$!
	exec {go_on}>"$T/$door"
	wait_for grep -q . "$T/stay"
	like "$(cat "$T/stay")" "^448 HTTP/1.1 503 .*\"$VPCD_RUN_DIR/$door: 448 readers follow what happens, and it takes no more; end some\"" \
		"$door: the 449th that would stay is told why not"
	for other in view.sock vpcd.sock; do
		is "$(curl -sS --max-time 5 --unix-socket "$VPCD_RUN_DIR/$other" http://vpcd/v1/labs | grep -o '"name":"re"')" '"name":"re"' "... questions are answered at $other"
	done
	[ $door = view.sock ] && is "$(readers vpcd.sock 1 leave)" 1 "... and readers let in at vpcd.sock"
	if [ $door = vpcd.sock ]; then
		like "$(vpc observe re -f 2>&1) $?" "vpc: .*vpcd.sock: 448 readers follow what happens, and it takes no more; end some 3" "... observe says so"
		like "$(vpc capture re/a1 -w "$T/cap" 2>&1) $?" "vpc: .*vpcd.sock: 448 readers follow what happens, and it takes no more; end some 3" "... so does capture"
		check "... probes run" vpc probe a1 a2 icmp
	fi
	exec {go_on}>&-
	wait $stay
	check "... and all end together" wait_for settled
done
# Connections that ask nothing take all of a door's places, and no other door's.
mkfifo "$T/silent"
readers view.sock 512 silent <"$T/silent" >"$T/stay" &
stay=$!
exec {go_on}>"$T/silent"
wait_for grep -q ^512 "$T/stay"
check "vpc asks at vpcd.sock while view.sock is full" vpc show
exec {go_on}>&-
wait $stay
done_testing
