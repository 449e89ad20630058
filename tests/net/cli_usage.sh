# cli_usage: vpc without a daemon: exit codes, one sentence on stderr, results on stdout.
. "${0%/*}/../lib.sh"

ini=$ROOT/topologies/three-tier.ini
# says CODE REGEX DESCRIPTION COMMAND...: exits with CODE, nothing on stdout, one line on stderr that matches
says() {
	local want=$1 re=$2 what=$3 rc=0 out err
	shift 3
	out=$("$@" 2>"$T/err") || rc=$?
	err=$(cat "$T/err")
	if [ $rc = "$want" ] && [ -z "$out" ] && [ "$(wc -l <"$T/err")" = 1 ] && [[ $err =~ $re ]]; then ok "$what"; else
		not_ok "$what"
		note "exit $rc instead of $want; stdout: $out; stderr: $err; wanted: $re"
	fi
}
bytes() { LC_ALL=C grep -c $'\033' || :; }

# Daemons that never answer: asked here, looked at in the end. One has had so many questions that the kernel keeps no more.
deaf=() asked=()
for what in deaf full; do
	mkdir "$T/$what"
	python3 -c "import os, socket, signal
s = socket.socket(socket.AF_UNIX)
s.bind('$T/$what/socket')
s.listen(3)
try:
    while '$what' == 'full':
        c = socket.socket(socket.AF_UNIX)
        c.setblocking(False)
        c.connect('$T/full/socket')
except BlockingIOError:
    pass
os.rename('$T/$what/socket', '$T/$what/vpcd.sock')
signal.pause()" &
	deaf+=($!)
	wait_for test -S "$T/$what/vpcd.sock"
	(VPCD_RUN_DIR=$T/$what timeout 30 "$VPC" show >"$T/$what.out" 2>&1; echo $? >>"$T/$what.out") &
	asked+=($!)
done

# ---- usage: 2 ------------------------------------------------------------------------------------
check_rc 2 "no verb" vpc
says 2 'did you mean vpc validate' "a verb that nearly is one" vpc valdate x
says 2 'vpc help lists them' "no verb at all" vpc frobnicate
says 2 'has no option --jsn' "an unknown option" vpc validate --jsn "$ini"
says 2 'did you mean --minimal' "an option that nearly is one" vpc trace --minmal "$ini" laptop web-1 tcp/443
says 2 'it prints table, json' "an unknown format" vpc validate -o xml "$ini"
says 2 'it prints table, json, tap, junit' "test has one more format" vpc test -o xml "$ini"
says 2 'needs a value' "an option without its value" vpc trace "$ini" laptop web-1 tcp/443 --from-port
says 2 'from 1 to 65535' "a port out of range" vpc trace "$ini" laptop web-1 tcp/443 --from-port 70000
says 2 'takes no value' "a switch with a value" vpc trace "$ini" laptop web-1 tcp/443 --minimal=1
says 2 'too few words' "too few words" vpc plan
says 2 'one word too many' "too many words" vpc version now
says 2 'cannot be read' "a file that is not there" vpc validate "$T/none.ini"
says 2 'did you mean web-1' "an object that nobody knows" vpc trace "$ini" laptop web-7x tcp/443
says 2 'needs a destination port' "a flow without a port" vpc trace "$ini" laptop web-1 tcp
says 2 'not both' "two views" vpc trace "$ini" laptop web-1 tcp/443 --summary --minimal
says 2 'add --live' "a lab for an offline verb" vpc trace "$ini" laptop web-1 tcp/443 --lab three-tier
says 2 'which FILE' "test without a file" vpc test
says 2 'is no name of a lab' "a lab's name that is none" vpc show --lab Three.Tier
for lab in 'a b' .. 'a?b' $'a HTTP/1.1\rA: b' %61; do
	says 2 'is no name of a lab' "nor can $(printf %q "$lab") be asked for" vpc show lab "$lab"
	says 2 'is no name of a lab' "nor its instances" vpc logs "$lab/web-1"
done
says 2 'nothing called "instnces"' "a kind that nearly is one" vpc show instnces
says 2 'leave b out' "down of one and of all" vpc down --all b
for kind in $(sed -nE 's/^([a-z-]+) +\{"name".*/\1/p' "$ROOT/docs/json.md"); do
	[[ $(vpc show --help | xargs) == *" ${kind}s"[\ ,]* && $(vpc completion) == *" ${kind}s"[\ \']* ]] || not_ok "$kind is no kind of show's help"
done
ok "show's help and the completion have every kind"

# ---- cannot run here: 3 ---------------------------------------------------------------------------
for verb in show "show instances" status rules ct "plan $ini" "probe laptop web-1 tcp/443" "logs web-1" \
	"set instance web-1 source-dest-check no" "unset instance web-1 listen" "trace --live laptop web-1 tcp/443" "test --live" \
	"down three-tier"; do
	# shellcheck disable=SC2086
	says 3 'no vpcd answers on .*vpc up FILE starts one' "without a daemon: $verb" vpc $verb
done
is "$(vpc down --all)" "no changes" "down --all with nothing there"
says 125 'no running lab has' "exec without a lab" vpc exec web-1 -- true
says 125 'no lab three-tier is running' "exec names the lab" vpc exec three-tier/web-1 -- true
says 125 'too few words' "exec without a command" vpc exec web-1
says 125 'is no name of a lab' "exec of a path" vpc exec ../web-1 -- true
if command -v setpriv >/dev/null; then
	# Not root: the program must be where anybody may run it.
	cp "$VPC" "$T/vpc" && cp "$ini" "$T/lab.ini" && chmod 755 "$T" "$T/vpc" && chmod 644 "$T/lab.ini"
	nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
	if nobody test -x "$T/vpc"; then
		says 3 'root' "up without root" nobody "$T/vpc" up "$T/lab.ini"
		check "validate needs no root" nobody "$T/vpc" validate "$T/lab.ini"
	else
		note "the working folder is not open to nobody: not tried without root"
	fi
fi

# ---- broken input: 4, and 1 from validate ------------------------------------------------------------
printf '[vpc v]\ncidr = 10.0.0.0/8\n[subnet s]\nvpc = w\n' >"$T/broken.ini"
check_rc 1 "validate finds errors" vpc validate "$T/broken.ini"
like "$(vpc validate "$T/broken.ini")" "broken.ini:[0-9]+: error: " "validate names file and line"
check_rc 4 "trace of a broken file" vpc trace "$T/broken.ini" a b tcp/1
check_rc 4 "test of a broken file" vpc test "$T/broken.ini"
check_rc 4 "up of a broken file starts nothing" vpc up "$T/broken.ini"
check_rc 3 "no daemon was started" vpc show
python3 - "$VPC" "$T/broken.ini" <<'PY' && ok "validate -o json has its shape" || not_ok "validate -o json has its shape"
import json, subprocess, sys
out = subprocess.run([sys.argv[1], "validate", "-o", "json", sys.argv[2]], capture_output=True, text=True)
errors = json.loads(out.stdout)["errors"]
assert out.returncode == 1 and errors
for e in errors:
    assert list(e) == ["file", "line", "severity", "code", "message", "fix"], e
PY

: >"$T/empty.ini"
check_rc 1 "an empty file is no topology" vpc validate "$T/empty.ini"
check_rc 4 "up of an empty one" vpc up "$T/empty.ini"
like "$(vpc validate "$T/empty.ini")" 'empty.ini:1: error: there is no section; begin with' "it says how to begin"

# ---- results: 0 and 1 -----------------------------------------------------------------------------
check "validate of a good file" vpc validate "$ini"
check "an allowed flow" vpc trace "$ini" laptop web-1 tcp/443
check_rc 1 "a denied flow" vpc trace "$ini" laptop db-1 tcp/5432
check "every topology holds what it expects" vpc test "$ROOT"/topologies/*.ini
is "$(vpc trace "$ini" laptop web-1 tcp/443 --minimal)" "allow  laptop -> web-1 tcp/443" "--minimal is one line"
like "$(vpc trace "$ini" laptop web-1 tcp/443 --minimal --from-port 500)" 'return:nacl-out@public' "--from-port counts"
is "$(printf '# two\nlaptop -> web-1 tcp/443\n\nlaptop -> db-1 tcp/22\n' | vpc trace "$ini" --flows - -o json | wc -l)" 2 "--flows: a line a flow"
check_rc 1 "--flows with a denied one" bash -c "echo 'laptop -> db-1 tcp/22' | '$VPC' trace '$ini' --flows -"
says 2 'stdin:2: ' "--flows names the bad line" bash -c "printf '\nlaptop web-1\n' | '$VPC' trace '$ini' --flows -"
sed 's/^allow = laptop -> web-1 tcp\/443/deny = laptop -> web-1 tcp\/443/' "$ini" >"$T/wrong.ini"
check_rc 1 "an expectation that fails" vpc test "$T/wrong.ini"
like "$(vpc test "$T/wrong.ini")" 'FAIL +deny +laptop -> web-1 tcp/443 +.*wrong.ini:[0-9]+' "it is named with its place"
tap=$(vpc test -o tap "$T/wrong.ini")
like "$tap" '^not ok 1 - .*wrong.ini:[0-9]+ deny laptop -> web-1 tcp/443' "TAP: not ok"
is "$(tail -n1 <<<"$tap")" "1..35" "TAP: the plan"
is "$(vpc test -o json "$T/wrong.ini" | python3 -c 'import json,sys; d=json.load(sys.stdin); print(d["passed"], d["failed"], list(d["results"][0]))')" \
	"34 1 ['file', 'line', 'expect', 'flow', 'ok', 'verdict', 'denied', 'decided', 'note']" "test -o json has its shape"
is "$(vpc fmt "$ini" | vpc validate - | sed 's/.*: valid/valid/')" "$(vpc validate "$ini" | sed 's/.*: valid/valid/')" "fmt keeps the meaning"
vpc fmt "$ini" >"$T/f1.ini" && vpc fmt "$T/f1.ini" >"$T/f2.ini"
check "fmt of what fmt made changes nothing" cmp "$T/f1.ini" "$T/f2.ini"
cp "$ini" "$T/w.ini" && vpc fmt --write "$T/w.ini"
check "fmt --write writes" cmp "$T/w.ini" "$T/f1.ini"

# ---- help, completion, colours ------------------------------------------------------------------------
verbs=$(vpc help | sed -nE 's/^  ([a-z]+) .*/\1/p')
is "$(sort <<<"$verbs" | xargs)" "$(vpc completion | sed -n "s/^\t\twords='\(validate[^']*\)'.*/\1/p" | tr ' ' '\n' | sort | xargs)" "help lists every verb"
for verb in $verbs; do
	out=$(vpc "$verb" --help) && [[ $out == "usage: vpc $verb"* ]] && [ "$(awk 'length > 110' <<<"$out")" = "" ] ||
		not_ok "help of $verb"
done
ok "each verb has its help"
is "$(vpc exec --help | head -n1)" "$(vpc help exec | head -n1)" "vpc help VERB is vpc VERB --help"
check "the completion is a script" bash -n <(vpc completion)
like "$(bash -c 'eval "$("$0" completion)"; COMP_WORDS=(vpc val); COMP_CWORD=1; _vpc; echo "${COMPREPLY[@]}"' "$VPC")" '^validate$' "it completes verbs"
like "$(bash -c 'eval "$("$0" completion)"; COMP_WORDS=(vpc trace --mi); COMP_CWORD=2; _vpc; echo "${COMPREPLY[@]}"' "$VPC")" '^--minimal$' "and options"
is "$(vpc trace "$ini" laptop db-1 tcp/22 | bytes)" 0 "no colours into a pipe"
if command -v script >/dev/null; then
	like "$(TERM=xterm script -qec "$VPC trace $ini laptop db-1 tcp/22" /dev/null | bytes)" '^[1-9]' "colours on a terminal"
	is "$(NO_COLOR=1 TERM=xterm script -qec "$VPC trace $ini laptop db-1 tcp/22" /dev/null | bytes)" 0 "none with NO_COLOR"
fi
is "$(vpc version | head -n1)" "vpc $(sed -n 's/^VERSION *:= *//p' "$ROOT/Makefile")" "version"
# ---- a daemon that stops in the middle, or is none -----------------------------------------------------
mkdir "$T/odd"
python3 - "$T/odd/vpcd.sock" <<'PY' &
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
for answer in (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
               b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{]",
               b"HTTP/1.1 418 I'm a teapot\r\nConnection: close\r\n\r\n",
               b'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413 x\r\n\r\n{"error":{"message":"that is far too much"}}'):
    c = s.accept()[0]
    while not c.recv(10):  # only looked whether somebody is there; of a request, the rest is never read
        c = s.accept()[0]
    c.sendall(answer)
    c.close()
PY
wait_for test -S "$T/odd/vpcd.sock"
odd() { VPCD_RUN_DIR=$T/odd vpc "$@"; }
for what in "in its answer" "in a chunk" "before it answers"; do
	says 4 'odd/vpcd.sock did not finish its answer to /v1/labs: .' "it ends $what" odd show
done
says 4 'did not finish its answer to /v1/labs: .' "another server" odd show
says 4 "vpcd's answer to /v1/labs is no JSON: " "no JSON" odd show
says 4 'vpcd answers 418 to /v1/labs without saying why' "an error without words" odd show
{ cat "$ini"; python3 -c 'print("; much\n" * 700000)'; } >"$T/much.ini"
says 4 'that is far too much' "what it says before it has read 5 MB is heard" odd plan "$T/much.ini"

wait "${asked[@]}"
kill "${deaf[@]}"
for what in deaf full; do
	like "$(cat "$T/$what.out")" $'says nothing for 10 seconds: it is stopped or hangs; .*\n3$' "a daemon that hangs: $what"
done
check_rc 4 "a full disk is not success" bash -c "'$VPC' help >/dev/full"
done_testing
