# The control interface as curl sees it: labs up, changed, refused, rolled back and down; agent, logs, events,
# what a killed daemon leaves, what a second one says.
. "${0%/*}/../lib.sh"
command -v curl >/dev/null || skip_all "curl is not there"

api() { # METHOD PATH [CURL-OPTION...]: prints the body
	local method=$1 path=$2
	shift 2
	curl -sS --max-time 30 --unix-socket "$VPCD_RUN_DIR/vpcd.sock" -X "$method" "$@" "http://vpcd$path"
}
code() { # the same; prints only the status
	local method=$1 path=$2
	shift 2
	curl -sS --max-time 30 -o "$T/body" -w '%{http_code}' --unix-socket "$VPCD_RUN_DIR/vpcd.sock" -X "$method" "$@" "http://vpcd$path"
}
pick() { # EXPRESSION: of the JSON o on stdin
	python3 -c 'import json, sys
o = json.load(sys.stdin)
v = '"$1"'
print(v if isinstance(v, str) else json.dumps(v))'
}
put() { api PUT "/v1/labs/$1${3:-}" -H "Vpcd-File: $1.ini" --data-binary "@$2"; }

cat >"$T/pair.ini" <<'INI'
[vpc home]
cidr = 10.0.0.0/16

[internet-gateway gate]
vpc = home

[route-table out]
vpc = home
main = yes
route = 0.0.0.0/0 via igw:gate

[subnet one]
vpc = home
cidr = 10.0.0.0/24

[security-group web]
vpc = home
inbound = tcp 80 from 0.0.0.0/0
inbound = udp 53 from 0.0.0.0/0

[instance web]
subnet = one
address = 10.0.0.10
public-ip = 203.0.113.10
security-groups = web
listen = tcp/80 udp/53
run = cat /etc/hosts
run = bash -c "echo $VPC_INSTANCE speaks; exec tail -f /dev/null"

[instance other]
subnet = one
address = 10.0.0.20
security-groups = web

[host laptop]
address = 198.51.100.7
INI
sed -e 's/tcp 80 from/tcp 8080 from/' -e 's/^\[instance other\]/[instance third]/' "$T/pair.ini" >"$T/edited.ini"

ask() { # FROM ADDRESS PORT: the line that answers
	timeout 2 nsenter --net=/run/netns/$1 bash -c 'exec 3<>/dev/tcp/$1/$2 && read -r -t 2 line <&3 && echo "$line"' - "$2" "$3" 2>/dev/null
}

daemon_start
is "$(api GET /v1/version | pick 'o["api"]')" 1 "the interface says its version"
is "$(api GET /v1/labs)" '{"labs":[]}' "no lab at first"
like "$("$VPCD" 2>&1)" "another vpcd \(pid $daemon_pid\) already serves" "a second daemon on the same directory refuses"
is "$(stat -c %a "$VPCD_RUN_DIR/vpcd.sock")" 600 "without its group the socket is root's alone"

# ---- what is refused ----
is "$(code GET /v1/nowhere)" 404 "an unknown path is 404"
is "$(code POST /v1/labs)" 405 "an unknown method is 405"
is "$(code GET /v1/labs/pair)" 404 "a lab that is not up is 404"
is "$(code PUT /v1/labs/No_Name --data x)" 400 "an illegal name of a lab is 400"
is "$(code DELETE /v1/labs/pair)" 404 "taking down what is not up is 404"
is "$(code POST /v1/labs/pair/changes --data '{}')" 404 "changing what is not up is 404"
# Each request of docs/json.md with a parameter that nobody knows: refused, and the answer names those that the line has.
python3 - "$ROOT/docs/json.md" >"$T/requests" <<'PY'
import re, sys
for line in open(sys.argv[1]):
    if m := re.match(r"\| `(GET|PUT|POST|DELETE) ([^ `?[]+)(?:\?([^` ]*))?", line):
        query = (m.group(3) or "") + "".join(re.findall(r"query `([^`]*)`", line))
        print(m.group(1), m.group(2), ", ".join(re.findall(r"([a-z-]+)=", query)) or "none")
PY
while read -r method path known; do
	got=$(api "$method" "$path?bogus=1" --data '' | pick 'o["error"]["message"]')
	[ "$got" = "$method $path has no parameter \"bogus\"; it has $known" ] || not_ok "$method $path?bogus=1: $got; it has $known"
done <"$T/requests"
is "$(wc -l <"$T/requests")" 20 "every request refuses a parameter that it does not have, and names those it has"
is "$(code GET '/v1/events?since=0&sinse=1')" 400 "also beside one that it has"
for words in 'labs?%ff=1' 'labs/%ff%fe' 'events?since=%ff'; do
	is "$(code GET "/v1/$words") $(pick '"?" in o["error"]["message"]' <"$T/body")" "$([[ $words == labs/* ]] && echo 404 || echo 400) true" "what is no UTF-8 is told as ?: $words"
done
for n in -1 +1 %201 1x 1e3 18446744073709551616; do [ "$(code GET "/v1/events?since=$n")" = 400 ] || not_ok "since=$n is a number"; done
is "$(code GET '/v1/events?since=18446744073709551615&sample-new=')" 200 "a number is digits; none is as if it were not asked"
printf '[vpc a]\ncidr = 10.0.0.0/8\n[subnet s]\nvpc = b\ncidr = 10.0.0.0/24\n' >"$T/bad.ini"
is "$(code PUT /v1/labs/bad -H 'Vpcd-File: dir/bad.ini' --data-binary "@$T/bad.ini")" 400 "a broken topology is 400"
is "$(pick '[[e["file"], e["line"]] for e in o["errors"]][:2]' <"$T/body")" '[["dir/bad.ini", 2], ["dir/bad.ini", 4]]' \
	"with every mistake and its place"
printf '[lab other]\n[vpc a]\ncidr = 10.0.0.0/16\n' >"$T/named.ini"
is "$(code PUT /v1/labs/this --data-binary "@$T/named.ini")" 400 "a file of another lab's name is 400"
head -c 17000000 /dev/zero | tr '\0' ';' >"$T/huge"
is "$(code PUT /v1/labs/huge --data-binary "@$T/huge")" 413 "a body above 16 MB is 413"
is "$(api GET /v1/labs)" '{"labs":[]}' "and nothing came of all that"
is "$(ls -A "$VPCD_STATE_DIR")" "" "not even a folder"

# ---- up ----
is "$(put pair "$T/pair.ini" '?dry-run=1' | pick '[o["applied"], o["revision"], len(o["changes"]) > 4]')" '[false, 0, true]' "a dry run tells the changes"
is "$(ls /run/netns)" "" "and makes none"
is "$(put pair "$T/pair.ini" | pick '[o["applied"], o["revision"]]')" '[true, 1]' "up: revision 1"
is "$(put pair "$T/pair.ini" | pick '[o["applied"], o["revision"], o["changes"]]')" '[false, 1, []]' "the same again changes nothing"
is "$(api GET /v1/labs/pair | pick '[o["name"], o["state"], o["datapath"], o["instances"], o["hosts"]]')" '["pair", "up", "fast", 2, 1]' "it is up"
is "$(api GET /v1/labs/pair/instance/web | pick '[o["instance"][0][k] for k in ("name", "state", "subnet", "vpc")]')" \
	'["web", "running", "one", "home"]' "an instance runs"
is "$(code GET /v1/labs/pair/instance/nobody)" 404 "an unknown instance is 404"
for kind in vpc subnet instance route-table security-group nacl internet-gateway nat-gateway prefix-list host; do
	is "$(api GET "/v1/labs/pair/$kind" | pick 'list(o)')" "[\"$kind\"]" "$kind can be shown"
done
is "$(api GET /v1/labs/pair/status | pick '[o["programs"], [e["filters"] for e in o["enis"]]]')" '["ok", ["ok", "ok"]]' "its filters are there"
is "$(api GET /v1/labs/pair/model | pick 'sorted(o)')" '["document", "registry"]' "its model can be had"
like "$(api GET /v1/labs/pair/topology)" "\[instance web\]" "and its file"

# ---- the agent ----
like "$(ask pair.other 10.0.0.10 80)" "^web 10.0.0.20:[0-9]+$" "tcp/80 answers with its name and the peer"
like "$(ask pair.laptop 203.0.113.10 80)" "^web 198.51.100.7:[0-9]+$" "from the internet too"
like "$(nsenter --net=/run/netns/pair.other python3 -c 'import socket
s = socket.socket(type=socket.SOCK_DGRAM)
s.settimeout(2)
s.sendto(b"hello", ("10.0.0.10", 53))
print(s.recv(100).decode())')" \
	"^web 10.0.0.20:[0-9]+$" "udp/53 answers"
logs() { api GET /v1/labs/pair/logs/web; }
logs_say() { logs | grep -q -- "$1"; }
wait_for logs_say "web speaks"
like "$(logs)" "web speaks" "what a program prints is kept"
like "$(logs)" "10.0.0.20[[:space:]]other" "names of the lab are in its /etc/hosts"
like "$(logs)" "exit code 0: cat /etc/hosts" "its exit code is there"
is "$(code GET /v1/labs/pair/logs/nobody)" 404 "no logs of nobody"
pids_of() { # END: processes whose command line ends so
	local f line
	for f in /proc/[0-9]*/cmdline; do
		line=$(tr '\0' ' ' 2>/dev/null <"$f") || continue
		[[ $line != *"$1 " ]] || basename "${f%/cmdline}"
	done
}
agent() { pids_of '--agent pair'; }
tail_pid() { pids_of 'tail -f /dev/null'; }
is "$(stat -c %u "/proc/$(agent)")" "$(stat -c %u "/proc/$(tail_pid)")" "programs run as the agent's user"
[ "$(stat -c %u "/proc/$(agent)")" -gt 65535 ] && ok "who is nobody on the machine" || not_ok "who is nobody on the machine"

# ---- probes ----
probe() { api POST /v1/labs/pair/probes --data "{\"flows\":[$1],\"timeout_ms\":3000}"; }
is "$(probe '{"src":"laptop","dst":"web","proto":"tcp/80"},{"src":"laptop","dst":"web","proto":"tcp/22"},{"src":"other","dst":"web","proto":"udp/53"},{"src":"laptop","dst":"other","proto":"tcp/80"},{"src":"web","dst":"laptop","proto":"icmp"}' |
	pick '[[r["verdict"], r["denied"] and [r["denied"][k] for k in ("leg", "gate", "object")]] for r in o["results"]]')" \
	'[["allow", null], ["deny", ["forward", "sg-in", "web"]], ["allow", null], ["deny", ["forward", "igw", "gate"]], ["allow", null]]' \
	"probes say allow, and which gate denies"
is "$(code POST /v1/labs/pair/probes --data '{"flows":[{"src":"nobody","dst":"web","proto":"tcp/80"}]}')" 404 "an unknown source is 404"
many=$(python3 -c 'print(",".join("{\"src\":\"laptop\",\"dst\":\"web\",\"proto\":\"tcp/%d\",\"from_port\":%d}" % (80 if i % 2 else 81, 20000 + i) for i in range(300)))')
is "$(probe "$many" | pick '[sum(r["verdict"] == v for r in o["results"]) for v in ("allow", "deny")]')" '[150, 150]' "300 probes at a time"

# ---- edits ----
edit() { code POST /v1/labs/pair/changes "${@:2}" --data "{\"edits\":[$1]}"; }
old=$(tail_pid)
is "$(edit '{"op":"set","kind":"security-group","name":"web","key":"inbound","value":"tcp 22 from 0.0.0.0/0"}' -H 'If-Match: "7"')" 412 "another revision is 412"
is "$(edit '{"op":"set","kind":"security-group","name":"web","key":"inbound","value":"tcp 22 from 0.0.0.0/0"}' -H 'If-Match: "1"')" 200 "a rule is added"
is "$(pick '[o["revision"], o["applied"]]' <"$T/body")" '[2, true]' "revision 2"
is "$(probe '{"src":"laptop","dst":"web","proto":"tcp/22"}' | pick 'o["results"][0]["verdict"]')" allow "and works"
is "$(edit '' -H 'If-Match: *')" 200 "any revision will do"
is "$(edit '{"op":"set","kind":"security-group","name":"nobody","key":"inbound","value":"tcp 22 from 0.0.0.0/0"}')" 404 "an unknown group is 404"
is "$(edit '{"op":"set","kind":"security-group","name":"web","key":"inbound","value":"tcp 22 to 0.0.0.0/0"}')" 400 "a wrong rule is 400"
is "$(edit '{"op":"unset","kind":"security-group","name":"web","key":"inbound","value":"tcp 22 from 0.0.0.0/0"}')" 200 "the rule is taken away"
is "$(put pair "$T/edited.ini" | pick '[o["revision"], sorted(c["kind"] + " " + c["name"] for c in o["changes"])]')" \
	'[4, ["instance other", "instance third", "security-group web"]]' "a changed file changes what differs"
is "$(tail_pid)" "$old" "and a program runs on"
is "$(probe '{"src":"third","dst":"web","proto":"tcp/80"}' | pick 'o["results"][0]["denied"]["gate"]')" sg-in "the closed port is closed"

# ---- a failure halfway ----
put pair "$T/pair.ini" >/dev/null
before=$(api GET /v1/labs/pair/rules | pick '[[r["number"], r["text"]] for r in o["rules"]]')
ip netns add pair.zero
sed -e 's/^\[instance other\]/[instance zero]/' -e 's/tcp 80 from/tcp 81 from/' "$T/pair.ini" >"$T/fails.ini"
is "$(code PUT /v1/labs/pair --data-binary "@$T/fails.ini")" 500 "an apply that fails is 500"
like "$(cat "$T/body")" "pair\.zero.*as it was before" "names the object and says what is left"
is "$(api GET /v1/labs/pair/rules | pick '[[r["number"], r["text"]] for r in o["rules"]]')" "$before" "the rules are as they were"
is "$(put pair "$T/pair.ini" | pick '[o["applied"], o["changes"]]')" '[false, []]' "the kernel too"
like "$(ask pair.other 10.0.0.10 80)" "^web " "and it works"
nsenter --net=/run/netns/pair.zero true && ok "what is not ours was left alone" || not_ok "what is not ours was left alone"
ip netns del pair.zero

# ---- killed ----
shot() { for v in instance route-table security-group nacl ct; do api GET "/v1/labs/pair/$v"; done | sed -E 's/"(packets|bytes|idle_left_s)":[0-9]+/"\1":0/g'; }
before=$(shot) was=$(agent)
daemon_kill
like "$(ask pair.other 10.0.0.10 80)" "^web " "after kill -9 the lab works"
like "$(ask pair.laptop 203.0.113.10 80)" "^web " "from the internet too"
daemon_start
settled() { [ "$(api GET /v1/labs/pair | pick 'o["state"]')" = up ]; }
wait_for settled
is "$(put pair "$T/pair.ini" | pick '[o["applied"], o["changes"]]')" '[false, []]' "a new daemon finds nothing to change"
is "$(agent) $(tail_pid)" "$was $old" "and the same agent with the same program"
kill -9 "$was"
back() { [ -n "$(agent)" ] && [ "$(agent)" != "$was" ] && [[ $(ask pair.other 10.0.0.10 80) == web* ]]; }
wait_for back && ok "a killed agent is started again" || not_ok "a killed agent is started again"

# ---- things that went missing ----
daemon_stop
ip -n pair.other link set eth0 down
nsenter --net=/run/netns/pair.other ip route flush table main
daemon_start
wait_for settled
like "$(ask pair.other 10.0.0.10 80)" "^web " "a start mends what went missing"

# ---- read-only door, events ----
is "$(curl -sS --unix-socket "$VPCD_RUN_DIR/view.sock" -o /dev/null -w '%{http_code}' http://v/v1/labs)" 200 "the read-only door shows"
is "$(curl -sS --unix-socket "$VPCD_RUN_DIR/view.sock" -o /dev/null -w '%{http_code}' -X DELETE http://v/v1/labs/pair)" 403 "and changes nothing"
api GET '/v1/events?since=0' >"$T/events"
is "$(python3 -c 'import json, sys
n = [json.loads(l)["seq"] for l in sys.stdin]
print(n == list(range(n[0], n[0] + len(n))))' <"$T/events")" True "events are numbered without gaps"
last=$(tail -n1 "$T/events" | pick 'o["seq"]')
api GET "/v1/events?since=$last&follow=1" --no-buffer >"$T/follow" &
follow=$!
probe '{"src":"laptop","dst":"web","proto":"tcp/22"}' >/dev/null
followed() { grep -q '"verdict":"deny","kind":"denied","gate":"sg-in"' "$T/follow"; }
wait_for followed && ok "new events arrive as they happen" || not_ok "new events arrive as they happen"
kill $follow

# ---- its end, while a probe waits for a machine that is deaf: nothing that is freed may be used ----
ip -n pair.web link set eth0 down
asked_before=$(grep -c 'POST /v1/labs/pair/probes' "$T/vpcd.log")
api POST /v1/labs/pair/probes --data '{"flows":[{"src":"laptop","dst":"web","proto":"tcp/80"}],"timeout_ms":20000}' >"$T/waits" 2>&1 &
waits=$!
asked() { [ "$(grep -c 'POST /v1/labs/pair/probes' "$T/vpcd.log")" -gt $asked_before ]; }
wait_for asked
kill -TERM $daemon_pid
wait $daemon_pid
is "$?" 0 "it ends well with a probe under way"
daemon_pid=
wait $waits
like "$(cat "$T/waits")" 'ServiceUnavailable' "which is told so"
daemon_start
check "up mends the machine" put pair "$T/pair.ini"

# ---- broken files ----
daemon_stop
cp "$VPCD_STATE_DIR/pair/lab.json" "$T/lab.json"
echo '{"version":1,' >"$VPCD_STATE_DIR/pair/lab.json"
daemon_start
is "$(api GET /v1/labs/pair | pick '[o["state"], "lab.json is broken" in o["warnings"][0]["message"]]')" '["failed", true]' "a broken file is reported"
like "$(ask pair.other 10.0.0.10 80)" "^web " "and its lab left alone"
is "$(code PUT /v1/labs/pair --data-binary "@$T/pair.ini")" 409 "it takes no changes"
is "$(cat "$VPCD_STATE_DIR/pair/lab.json")" '{"version":1,' "the file is left as it is"
daemon_stop
cp "$T/lab.json" "$VPCD_STATE_DIR/pair/lab.json"
daemon_start
wait_for settled && ok "mended by hand, the lab is there again" || not_ok "mended by hand, the lab is there again"

# ---- down ----
is "$(code DELETE /v1/labs/pair)" 200 "down"
is "$(api GET /v1/labs)" '{"labs":[]}' "no lab is left"
is "$(agent)$(tail_pid)" "" "nor its agent and programs"
is "$(find "$VPCD_RUN_DIR" -mindepth 2)" "" "nor a file of it"
put pair "$T/pair.ini" >/dev/null
daemon_stop
rm -r "$VPCD_STATE_DIR/pair"
daemon_start
is "$(api GET /v1/labs | pick 'o["labs"][0]["state"]')" failed "a lab whose folder is gone is shown"
is "$(code DELETE /v1/labs/pair)" 200 "and can be cleared"
daemon_stop
"$VPCD" --exit-when-idle 1 2>>"$T/vpcd.log" &
daemon_pid=$!
ended() { ! kill -0 $daemon_pid; }
wait_for ended && ok "--exit-when-idle ends it" || not_ok "--exit-when-idle ends it"
daemon_pid=
done_testing
