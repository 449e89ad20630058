# The daemon is killed at a moment that luck decides, in the middle of changes of a lab; the next one must find
# its way back each time: one of the two topologies whole, or nothing, and the next `up` mends the rest.
. "${0%/*}/../lib.sh"
command -v curl >/dev/null || skip_all "curl is not there"

SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
RANDOM=$SEED
note "SEED=$SEED"

api() { # METHOD PATH [CURL-OPTION...]
	local method=$1 path=$2
	shift 2
	curl -sS --max-time 30 --unix-socket "$VPCD_RUN_DIR/vpcd.sock" -X "$method" "$@" "http://vpcd$path"
}
pick() { python3 -c 'import json, sys
o = json.load(sys.stdin)
print(json.dumps('"$1"'))'; }
put() { api PUT /v1/labs/big --data-binary "@$T/$1.ini"; }
settled() { ! api GET /v1/labs | grep -q applying; }

python3 - >"$T/a.ini" <<'PY'
print("[vpc v]\ncidr = 10.0.0.0/16\n[internet-gateway g]\nvpc = v\n[route-table r]\nvpc = v\nmain = yes")
print("route = 0.0.0.0/0 via igw:g\n[host h]\naddress = 198.51.100.7")
for s in range(4):
    print(f"[subnet s{s}]\nvpc = v\ncidr = 10.0.{s}.0/24")
print("[security-group w]\nvpc = v\ninbound = tcp 80 from 0.0.0.0/0\ninbound = icmp from 10.0.0.0/16")
for i in range(40):
    print(f"[instance i{i}]\nsubnet = s{i % 4}\nsecurity-groups = w\nlisten = tcp/80")
PY
sed -e 's/^\[instance i\([0-9]*\)5\]/[instance j\15]/' -e 's/tcp 80 from/tcp 81 from/' "$T/a.ini" >"$T/b.ini"
flows='{"flows":[{"src":"i1","dst":"i2","proto":"tcp/80"},{"src":"i1","dst":"i2","proto":"tcp/81"},{"src":"i3","dst":"i8","proto":"icmp"}],"timeout_ms":3000}'

daemon_start
put a >/dev/null
for ((n = 1; n <= 12; n++)); do
	case $((RANDOM % 3)) in
	0) put a ;;
	1) put b ;;
	2) api DELETE /v1/labs/big ;;
	esac >/dev/null 2>&1 &
	asked=$!
	read -rt "0.$(printf %03d $((RANDOM % 250)))" -u $tick || :
	daemon_kill
	wait $asked || :
	daemon_start
	wait_for settled || bail "round $n: the lab never came to rest: $(api GET /v1/labs)"
	now=$([ $((RANDOM % 2)) = 0 ] && echo a || echo b)
	put $now >"$T/first"
	put $now >"$T/second"
	want='["allow", "deny", "allow"]'
	[ $now = a ] || want='["deny", "allow", "allow"]'
	is "$(pick '["error" in o, o.get("revision", 0) > 0]' <"$T/first")" '[false, true]' "round $n: up again"
	is "$(pick '[o.get("applied"), o.get("changes")]' <"$T/second")" '[false, []]' "round $n: then nothing to change"
	is "$(api POST /v1/labs/big/probes --data "$flows" | pick '[r["verdict"] for r in o["results"]]')" "$want" "round $n: packets pass as they should"
done
done_testing
