# crash: SIGKILL of the daemon. The lab goes on without it, the next daemon finds everything as it was; killed at
# a chosen system call in the middle of up, of a change or of down, the next up or down mends it.
# SEED=N repeats the choice of system calls, POINTS=N takes more of them.
. "${0%/*}/../lib.sh"
. "$ROOT/tests/talk.sh"

topology() { # MODE
	cat <<INI
[lab crash]
datapath = $1
[vpc v]
cidr = 10.0.0.0/16
[internet-gateway igw]
vpc = v
[route-table pub]
vpc = v
route = 0.0.0.0/0 via igw:igw
[route-table priv]
vpc = v
route = 0.0.0.0/0 via nat:nat
[nat-gateway nat]
subnet = front
[subnet front]
vpc = v
cidr = 10.0.0.0/24
route-table = pub
nacl = edge
[subnet back]
vpc = v
cidr = 10.0.1.0/24
route-table = priv
[nacl edge]
vpc = v
inbound = 100 allow all from 0.0.0.0/0
outbound = 100 allow all to 0.0.0.0/0
[prefix-list office]
entry = 198.51.100.0/24
[security-group web]
vpc = v
inbound = tcp 9000 from pl:office
inbound = icmp from 10.0.0.0/16
[security-group db]
vpc = v
inbound = tcp 9000 from sg:web
outbound = icmp to 10.0.0.0/16
outbound = tcp 80 to 0.0.0.0/0
[instance web]
subnet = front
address = 10.0.0.10
public-ip = 203.0.113.10
security-groups = web
run = $TALK_RUN
[instance db]
subnet = back
address = 10.0.1.10
security-groups = db
listen = tcp/80
run = $TALK_RUN
[host laptop]
address = 198.51.100.7
[host mirror]
address = 192.0.2.80
listen = tcp/80
[expect]
allow = laptop -> web tcp/9000
allow = web -> db tcp/9000
allow = db -> mirror tcp/80
allow = db -> web icmp
deny = mirror -> web tcp/9000 at sg-in@web
deny = laptop -> db tcp/9000 at igw@igw
deny = web -> db icmp at sg-in@db
INI
}
# everything that the daemon shows, one JSON object
shot() {
	local kind
	for kind in vpc subnet instance route-table security-group nacl internet-gateway nat-gateway prefix-list host; do
		vpc show $kind -o json
	done
	vpc rules -o json
	vpc ct -o json
	vpc status -o json
}
cat >"$T/same.py" <<'PY'
# same.py BEFORE AFTER: equal, but counters may have grown and time may have passed
import json, sys

GROW = {"packets", "bytes", "last_hit", "cached", "full", "stack", "tx_packets", "tx_bytes", "rx_packets", "rx_bytes", "denied"}

def load(path):
    text, out, d = open(path).read(), [], json.JSONDecoder()
    while text.strip():
        o, n = d.raw_decode(text.lstrip())
        text = text.lstrip()[n:]
        out.append(o)
    return out

def key(e):
    return json.dumps({k: v for k, v in e.items() if k not in ("idle_left_s", "state")})

def same(a, b, at):
    if isinstance(a, dict) and isinstance(b, dict):
        if a.keys() != b.keys():
            return print(at, "members differ:", a.keys() ^ b.keys())
        for k in a:
            if k in GROW and (a[k] is None or type(a[k]) is type(b[k])):
                if a[k] is not None and b[k] < a[k]:
                    print(f"{at}.{k} shrank from {a[k]} to {b[k]}")
            elif k in ("idle_left_s", "ActiveConnectionCount"):
                pass
            elif at.endswith(".metrics"):
                if b[k] < a[k]:
                    print(f"{at}.{k} shrank from {a[k]} to {b[k]}")
            elif k == "entries" and isinstance(a[k], int): # connections; others came and went meanwhile
                pass
            elif k == "entries" and all(isinstance(e, dict) for e in a[k]): # the same, in no order
                for e in {key(e) for e in a[k]} - {key(e) for e in b[k]}:
                    print("connection is gone:", e)
            else:
                same(a[k], b[k], at + "." + k)
    elif isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            return print(at, "has", len(b), "elements instead of", len(a))
        for i, (x, y) in enumerate(zip(a, b)):
            same(x, y, f"{at}[{i}]")
    elif a != b:
        print(f"{at} was {a!r}, is {b!r}")

same(load(sys.argv[1]), load(sys.argv[2]), "")
PY
# processes of the lab: what the daemon did not take along
crew() {
	local p words
	for p in /proc/[0-9]*; do
		words=$(tr '\0' ' ' <"$p/cmdline" 2>/dev/null) || continue
		case $words in *--agent*crash* | *ThreadingTCPServer*serve_forever*) [[ $words == *timeout* ]] || echo "${p#/proc/} ${words:0:30}" ;; esac
	done | sort
}
both_talk() { vpc exec crash/laptop -- bash -c ': <>/dev/tcp/203.0.113.10/9000' && vpc exec crash/web -- bash -c ': <>/dev/tcp/10.0.1.10/9000'; }
edits() { # N: a rule and an instance more, which up leaves
	printf '{"edits":[{"op":"set","kind":"security-group","name":"w","key":"inbound","value":"tcp %d from 0.0.0.0/0"},
		{"op":"create","kind":"instance","name":"x%d"},
		{"op":"set","kind":"instance","name":"x%d","key":"subnet","value":"s1"},
		{"op":"set","kind":"instance","name":"x%d","key":"run","value":"/usr/bin/tail -f /dev/null"}]}' $((1000 + $1)) "$1" "$1" "$1"
}
settled() { vpc show -o json | python3 -c 'import json, sys
sys.exit(any(l["state"] == "applying" for l in json.load(sys.stdin)["labs"]))'; }
restart() {
	daemon_start
	wait_for settled || bail "the lab never came to rest: $(vpc show)"
}

# ---- a lab without its daemon ---------------------------------------------------------------------
for mode in fast kernel; do
	topology $mode >"$T/crash.ini"
	daemon_start
	check "$mode: up" vpc up "$T/crash.ini"
	wait_for both_talk || bail "the programs of the lab do not answer"
	talk_open outside crash/laptop 203.0.113.10 || bail "no connection from the internet"
	talk_open inside crash/web 10.0.1.10 || bail "no connection inside"
	talk_says outside && talk_says inside || bail "the connections are silent"
	vpc test --live crash >/dev/null
	crew >"$T/crew"
	shot >"$T/before.json"
	daemon_kill
	check_rc 3 "$mode: the daemon is gone" vpc show
	talk_says outside && ok "$mode: without a daemon a connection from the internet goes on" || not_ok "$mode: without a daemon a connection from the internet goes on"
	talk_says inside && ok "$mode: one inside, too" || not_ok "$mode: one inside, too"
	check "$mode: new ones are made" both_talk
	check "$mode: through the NAT gateway" vpc exec crash/db -- bash -c 'exec 3<>/dev/tcp/192.0.2.80/80 && read -rt 2 line <&3 && [[ $line == mirror* ]]'
	check_rc 124 "$mode: what is denied stays denied" vpc exec crash/mirror -- timeout 0.3 bash -c ': <>/dev/tcp/203.0.113.10/9000'
	restart
	shot >"$T/after.json"
	is "$(python3 "$T/same.py" "$T/before.json" "$T/after.json")" "" "$mode: the next daemon shows what was: objects, rules, connections, counters"
	is "$(crew)" "$(cat "$T/crew")" "$mode: the agent and its programs are the same processes"
	is "$(vpc up "$T/crash.ini" 2>&1)" "no changes" "$mode: up: no changes"
	talk_says outside && talk_says inside && ok "$mode: both connections go on" || not_ok "$mode: both connections go on"
	check "$mode: expectations hold" vpc test --live crash
	talk_close outside
	talk_close inside
	check "$mode: down" vpc down crash
	daemon_stop
done

# ---- killed at one system call of many --------------------------------------------------------------
# Counts the calls by which the daemon changes anything, and kills it before the one that is asked for.
gcc -shared -fPIC -O1 -o "$T/kill.so" -x c - -ldl <<'C' || bail "no compiler"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>
static volatile uint32_t *at; /* [0]: calls so far, [1]: the last one allowed, 0: all */
static pid_t self;
__attribute__((constructor)) static void begin(void)
{
	int fd = open(getenv("KILL_FILE"), O_RDWR);
	void *p = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	at = p == MAP_FAILED ? NULL : p;
	self = getpid();
	unsetenv("LD_PRELOAD");
	close(fd);
}
static void count(void)
{
	if (at && getpid() == self && ++at[0] == at[1])
		kill(self, SIGKILL);
}
#define WRAP(type, name, params, args) \
	type name params \
	{ \
		static type(*real) params; \
		if (!real) \
			real = (type(*) params)dlsym(RTLD_NEXT, #name); \
		count(); \
		return real args; \
	}
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *m, int f), (fd, m, f))
WRAP(ssize_t, sendto, (int fd, const void *b, size_t n, int f, const struct sockaddr *a, socklen_t l), (fd, b, n, f, a, l))
WRAP(int, mount, (const char *s, const char *t, const char *y, unsigned long f, const void *d), (s, t, y, f, d))
WRAP(int, umount2, (const char *t, int f), (t, f))
WRAP(int, rename, (const char *a, const char *b), (a, b))
WRAP(int, renameat, (int d, const char *a, int e, const char *b), (d, a, e, b))
WRAP(int, unlink, (const char *p), (p))
WRAP(int, unlinkat, (int d, const char *p, int f), (d, p, f))
WRAP(int, rmdir, (const char *p), (p))
WRAP(int, mkdir, (const char *p, mode_t m), (p, m))
WRAP(int, mkdirat, (int d, const char *p, mode_t m), (d, p, m))
WRAP(int, fsync, (int fd), (fd))
WRAP(int, unshare, (int f), (f))
WRAP(pid_t, fork, (void), ())
long syscall(long n, ...)
{
	static long (*real)(long, ...);
	long a[6];
	va_list ap;
	va_start(ap, n);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (!real)
		real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	count();
	return real(n, a[0], a[1], a[2], a[3], a[4], a[5]);
}
C
export KILL_FILE=$T/kill
head -c 8 /dev/zero >"$KILL_FILE"
calls() { od -An -tu4 -N4 "$KILL_FILE" | xargs; }
kill_at() { # N: calls from now; 0: never
	local n=$1
	[ "$n" = 0 ] || n=$(($(calls) + n))
	printf "$(printf '\\x%02x' $((n & 255)) $((n >> 8 & 255)) $((n >> 16 & 255)) $((n >> 24)))" |
		dd of="$KILL_FILE" bs=1 seek=4 conv=notrunc status=none
}
doomed_start() {
	kill_at 0
	"$BASH" -c 'LD_PRELOAD=$0 exec "$1"' "$T/kill.so" "$VPCD" >>"$T/vpcd.log" 2>&1 {tick}<&- &
	daemon_pid=$!
	wait_for daemon_answers || bail "vpcd with a preloaded library does not answer"
	wait_for settled
}
ask() { # METHOD [CURL-OPTION...]: vpc itself would start another daemon in the place of a dead one
	curl -sS --max-time 30 --unix-socket "$VPCD_RUN_DIR/vpcd.sock" -X "$@" http://vpcd/v1/labs/crash
}
seed=${SEED:-$((RANDOM * 32768 + RANDOM))} points=${POINTS:-8}
RANDOM=$seed
note "SEED=$seed"

topology auto >"$T/crash.ini"
sed -e 's/tcp 9000 from sg:web/tcp 9000 from 10.0.0.0\/16/' -e 's/^\[host mirror\]/[instance extra]\nsubnet = back\nlisten = tcp\/81\n\n&/' \
	-e 's/^route = 0.0.0.0\/0 via nat:nat/&\nroute = 192.0.2.0\/24 via igw:igw/' -e 's/^allow = db -> mirror.*/deny = db -> mirror tcp\/80 at igw/' \
	"$T/crash.ini" >"$T/other.ini"
check "the other topology is valid" vpc test "$T/other.ini"

# how many calls each takes
doomed_start
before=$(calls)
vpc up "$T/crash.ini" >/dev/null 2>&1
n_up=$(($(calls) - before)) before=$(calls)
vpc up "$T/other.ini" >/dev/null 2>&1
n_change=$(($(calls) - before)) before=$(calls)
vpc down crash >/dev/null 2>&1
n_down=$(($(calls) - before))
daemon_stop
note "calls: $n_up to bring it up, $n_change to change it, $n_down to take it down"
[ "$n_up" -gt 100 ] && [ "$n_change" -gt 20 ] && [ "$n_down" -gt 20 ] || bail "the calls are not counted"

point() { # WHAT CALLS INDEX: one of the calls, from the INDEX-th of `points` equal parts
	echo $(((($3 * $2) + RANDOM % $2) / points + 1))
}
nothing_but_daemon() { [ "$(leftovers | grep -v "^process vpcd $daemon_pid$")" = "$leftovers_before" ]; }
round() { # NAME: after the kill; up or down must mend it
	daemon_kill # the number of calls varies a little: one behind the last did not hit
	daemon_start
	wait_for settled || return 1
	if [ $((RANDOM % 3)) = 0 ]; then
		vpc down --all
		wait_for nothing_but_daemon || {
			diff <(echo "$leftovers_before") <(leftovers)
			return 1
		}
	else
		vpc up "$T/crash.ini" && [ "$(vpc up "$T/crash.ini" 2>&1)" = "no changes" ] && vpc test --live crash || return 1
	fi
	vpc down --all && daemon_stop
}
for what in up change down; do
	bad=
	for ((i = 0; i < points; i++)); do
		doomed_start
		case $what in
		up)
			n=$(point up $n_up $i)
			kill_at "$n"
			ask PUT --data-binary "@$T/crash.ini" >"$T/said" 2>&1
			;;
		change)
			vpc up "$T/crash.ini" >/dev/null 2>&1
			n=$(point change $n_change $i)
			kill_at "$n"
			ask PUT --data-binary "@$T/other.ini" >"$T/said" 2>&1
			;;
		down)
			vpc up "$T/crash.ini" >/dev/null 2>&1
			n=$(point down $n_down $i)
			kill_at "$n"
			ask DELETE >"$T/said" 2>&1
			;;
		esac
		if ! round >"$T/round" 2>&1; then
			bad+=" $n"
			note "killed before call $n of $what: $(tail -n12 "$T/round")"
			[ -n "$daemon_pid" ] || daemon_start
			vpc down --all >/dev/null 2>&1
			daemon_stop
		fi
	done
	is "$bad" "" "killed at any of $points calls in the middle of $what: up and down mend it"
done
done_testing
