# whole: the road from a file to its end with a topology that has everything: two VPCs, several groups an instance,
# every kind of thing, names of 30 characters; both data path modes, a killed daemon, JSON as documented.
. "${0%/*}/../lib.sh"
cd "$ROOT"

python3 - >"$T/whole.ini" <<'PY'
def n(what):
    return (what + "-abcdefghijklmnopqrstuvwxyz012345")[:30]

print(f"[lab {n('lab')}]\n[prefix-list {n('pl')}]\nentry = 192.0.2.0/24")
print(f"[vpc-peering-connection {n('pcx')}]\nvpc = {n('vpc0')}\npeer-vpc = {n('vpc1')}")
print(f"[host {n('outside')}]\naddress = 192.0.2.33\nlisten = tcp/443")
expects = []
for i in (0, 1):
    vpc, far = n(f"vpc{i}"), f"10.7{1 - i}.0.0/16"
    print(f"[vpc {vpc}]\ncidr = 10.7{i}.0.0/16\n[internet-gateway {n(f'igw{i}')}]\nvpc = {vpc}")
    print(f"[route-table {n(f'pub{i}')}]\nvpc = {vpc}\nroute = 0.0.0.0/0 via igw:{n(f'igw{i}')}")
    print(f"[route-table {n(f'priv{i}')}]\nvpc = {vpc}\nmain = yes\nroute = 0.0.0.0/0 via nat:{n(f'nat{i}')}")
    print(f"route = {far} via pcx:{n('pcx')}\n[nat-gateway {n(f'nat{i}')}]\nsubnet = {n(f'front{i}')}")
    print(f"[subnet {n(f'front{i}')}]\nvpc = {vpc}\ncidr = 10.7{i}.1.0/24\nroute-table = {n(f'pub{i}')}\nmap-public-ip = yes")
    print(f"[subnet {n(f'back{i}')}]\nvpc = {vpc}\ncidr = 10.7{i}.2.0/24\nnacl = {n(f'acl{i}')}")
    print(f"[nacl {n(f'acl{i}')}]\nvpc = {vpc}\ninbound = 10 deny tcp 9999 from 0.0.0.0/0")
    print("inbound = 20 allow all from 0.0.0.0/0\noutbound = 32766 allow all to 0.0.0.0/0")
    for g in range(3):
        print(f"[security-group {n(f'g{i}{g}')}]\nvpc = {vpc}\ninbound = tcp {8000 + g} from sg:{n(f'g{i}{(g + 1) % 3}')}")
    print(f"[security-group {n(f'open{i}')}]\nvpc = {vpc}\ninbound = icmp from 10.0.0.0/8\ninbound = tcp 9990-9999 from 0.0.0.0/0")
    print(f"inbound = tcp 22 from pl:{n('pl')}")
    for k in range(2):
        web, db, back = n(f"web{i}{k}"), n(f"db{i}{k}"), n(f"db{1 - i}{k}")
        print(f"[instance {web}]\nsubnet = {n(f'front{i}')}\nsecurity-groups = {n(f'g{i}0')} {n(f'g{i}{1 + k}')} {n(f'open{i}')}\nlisten = tcp/9990")
        print(f"[instance {db}]\nsubnet = {n(f'back{i}')}\nsecurity-groups = {n(f'g{i}{k}')} {n(f'g{i}2')} {n(f'open{i}')}\nrun = /usr/bin/tail -f /dev/null")
        expects += [f"allow = {n('outside')} -> {web} tcp/9990", f"allow = {n('outside')} -> {web} tcp/22",
                    f"deny = {n('outside')} -> {web} tcp/8000 at sg-in@{web}", f"allow = {db} -> {web} tcp/{8001 - k}",
                    f"allow = {db} -> {n('outside')} tcp/443", f"deny = {n('outside')} -> {db} tcp/9990 at igw",
                    f"allow = {db} -> {web} tcp/9990", f"allow = {web} -> {db} icmp", f"allow = {db} -> {back} icmp",
                    f"deny = {web} -> {db} tcp/9999 at nacl-in@{n(f'acl{i}')}",
                    f"deny = {db} -> {back} tcp/8000 at sg-in@{back}"]
    print(f"[interface {n(f'more{i}')}]\nsubnet = {n(f'back{i}')}\ninstance = {n(f'web{i}0')}")
print(f"[flow-log {n('log')}]\nvpc = {n('vpc0')}\n[alarm {n('alarm')}]\nmetric = vpcd_conntrack_entries\ncomparison = GreaterThanThreshold\nthreshold = 100000")
print("\n".join(["[expect]"] + expects))
PY
lab=$(sed -n 's/^\[lab \(.*\)\]/\1/p' "$T/whole.ini")
is "${#lab}" 30 "names of 30 characters"
sed 's/^\[lab.*/&\ndatapath = kernel/' "$T/whole.ini" >"$T/kernel.ini"
holds() { # WORDS...: all expectations hold
	vpc test "$@" | tail -n1
}
is "$(holds "$T/whole.ini")" "44 passed, 0 failed" "it holds by the static walk"
daemon_start
check "up" vpc up "$T/whole.ini"
is "$(holds --live)" "44 passed, 0 failed" "with packets"

# ---- every kind, as docs/json.md has it -----------------------------------------------------------------
kinds=$(sed -nE 's/^([a-z-]+) +\{"name".*/\1/p' docs/json.md)
[ "$(wc -w <<<"$kinds")" -ge 12 ] || not_ok "kinds of docs/json.md: $kinds"
for kind in $kinds; do
	is "$(vpc show "$kind" -o json | python3 -c "import json, sys
print(*sorted({' '.join(o) for o in json.load(sys.stdin)['$kind']}), sep='; ')")" "$(json_members "$kind")" "show $kind -o json: each has its members, and no other"
	[ "$(vpc show "${kind}s" | wc -l)" -ge 2 ] || not_ok "show ${kind}s is a table"
done

# ---- killed ------------------------------------------------------------------------------------------------
daemon_kill
check "packets pass without a daemon" vpc exec "$lab/db00-abcdefghijklmnopqrstuvwxy" -- ping -c1 -W2 10.70.1.5
daemon_start
is "$(vpc up "$T/whole.ini")" "no changes" "up after kill -9: no changes"
is "$(holds --live)" "44 passed, 0 failed" "packets again"
check "the other data path" vpc up "$T/kernel.ini"
is "$(vpc show -o json | sed -n 's/.*"datapath": "\(.*\)".*/\1/p')" kernel "it is in force"
is "$(holds --live)" "44 passed, 0 failed" "packets, through the router's stack"
daemon_kill
daemon_start
is "$(vpc up "$T/kernel.ini")" "no changes" "killed there: no changes"
check "down" vpc down "$lab"
is "$(ls -A /run/netns "$VPCD_STATE_DIR")" "$(printf '%s:\n\n%s:\n' /run/netns "$VPCD_STATE_DIR")" "no namespace, no state"
done_testing
