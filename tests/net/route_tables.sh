# route_tables: what `vpc show route-tables` says of every shipped topology is what its routers' Linux tables hold:
# destination, target and state, each route of the one among those of the other, and the tables themselves.
. "${0%/*}/../lib.sh"

# differences LAB [ZONE...]: what one side has and the other has not; nothing: they are the same. A target in a zone that
# is out: to AWS its route is active, in Linux it is a blackhole.
differences() {
	python3 - "$VPC" "$@" <<'PY'
import json, subprocess, sys

vpc, lab, *out = sys.argv[1:]
LAST = 4294967295  # metric of the blackhole that ends a table


def run(*argv):
    return json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout or "[]")


def show(kind):
    return next(iter(run(vpc, "show", kind, "--lab", lab, "-o", "json").values()))


def length(dst):
    return dst if "/" in dst else "0.0.0.0/0" if dst == "default" else dst + "/32"


zones = {s["name"]: s["zone"] for s in show("subnets")}
owners = {}  # "instance:web": (words of the link's alias, address, zone)
for kind, target, word in (("instances", "instance", "eni"), ("instances", "eni", "eni"), ("interfaces", "eni", "eni"), ("nat-gateways", "nat", "nat")):
    for o in show(kind):
        addresses = o.get("addresses") or [{"private": o.get("private_ip") or o.get("address")}]
        owners.setdefault(f"{target}:{o['name']}", (f"{word} {o['name']}", addresses[0]["private"], zones[o["subnet"]]))


def as_shown(route):
    kind, _, name = route["target"].partition(":")
    if kind == "local":
        return "throw",
    if route["state"] == "blackhole":
        return "blackhole",
    if kind in ("igw", "pcx"):
        return "via", f"{kind} {name}", "169.254.0.1"
    words, address, zone = owners[route["target"]]
    return ("blackhole",) if zone in out else ("via", words, address)


def as_held(route, links):
    if route.get("type") in ("throw", "blackhole"):
        return route["type"],
    return "via", links[route["dev"]], route["gateway"]


tables = show("route-tables")
routers = {name: f"{lab}.{name}.router" for name in sorted({t["vpc"] for t in tables})}
links_of = {name: run("ip", "-j", "-n", ns, "link") for name, ns in routers.items()}
aliases = {l["ifindex"]: l["ifalias"].split(" ", 2)[-1] for ls in links_of.values() for l in ls if l["ifindex"] > 1 and "ifalias" in l}
for name, ns in routers.items():
    # the far end of a peering connection's link has no alias of its own; numbers are one space in a lab
    links = {l["ifname"]: aliases.get(l["ifindex"]) or aliases.get(l.get("link_index")) for l in links_of[name]}
    shown, held, ended = set(), set(), set()
    for t in tables:
        if t["vpc"] == name:
            shown.add((t["linux_table"], "rule"))
            for r in t["routes"]:
                shown.add((t["linux_table"], r["destination"], *as_shown(r)))
    for rule in run("ip", "-j", "-n", ns, "rule"):
        if rule["priority"] == 1000:
            held.add((int(rule["table"]), "rule"))
    for r in run("ip", "-j", "-n", ns, "route", "show", "table", "all"):
        table = r.get("table", "main")
        if not table.isdigit() or not 1000 < int(table) < 100000:
            continue
        if r.get("metric") == LAST:
            ended.add((int(table), "rule"))
        else:
            held.add((int(table), length(r["dst"]), *as_held(r, links)))
    for what, one, other in (("only shown", shown, held), ("only in Linux", held, shown)):
        for item in sorted(one - other, key=str):
            print(name, what, *item)
    for item in sorted({i for i in held if i[1] == "rule"} ^ ended):
        print(name, "table without its end, or an end without a table", item[0])
    print(f"{len(shown)} things of {name}", file=sys.stderr)
PY
}
compared=0
same() { # WHAT LAB [ZONE...]
	local got
	got=$(differences "${@:2}" 2>"$T/counts")
	is "$?:$got" "0:" "$1"
	compared=$((compared + $(awk '{ n += $1 } END { print n + 0 }' "$T/counts")))
}

daemon_start
for file in "$ROOT"/topologies/*.ini; do
	base=${file##*/}
	if [ $base = nat-gateway.ini ]; then # without what it expects: its gateway will be taken away
		sed '/^\[expect\]/,$d' "$file" >"$T/$base"
		file=$T/$base
	fi
	check "$base goes up" vpc up "$file"
	lab=$(vpc show -o json | python3 -c 'import json, sys; print(json.load(sys.stdin)["labs"][0]["name"])')
	same "$base: vpc show and Linux have the same routes" "$lab"
	if [ $base = two-zones-outage.ini ]; then
		check "$base: zone a goes down" vpc zone down "$lab" a
		same "$base: the same, but for what the zone takes away" "$lab" a
		[ -n "$(differences "$lab" 2>/dev/null)" ] && ok "$base: which is seen" || not_ok "$base: which is seen"
		check "$base: zone a comes up" vpc zone up "$lab" a
		same "$base: and the same again" "$lab"
	fi
	if [ $base = nat-gateway.ini ]; then # what the comparison is worth
		router=$lab.net.router
		table=$(vpc show route-tables private --lab "$lab" -o json | python3 -c 'import json, sys
print(json.load(sys.stdin)["route-table"][0]["linux_table"])')
		route=$(ip -n "$router" route show table "$table" | grep '^default via')
		ip -n "$router" route del table "$table" $route
		like "$(differences "$lab" 2>&1)" "only shown $table 0.0.0.0/0 via nat nat" "$base: a route that Linux lost is seen"
		ip -n "$router" route add table "$table" blackhole default metric 5
		like "$(differences "$lab" 2>&1)" "only in Linux $table 0.0.0.0/0 blackhole" "$base: a route too many is seen"
		ip -n "$router" route del table "$table" blackhole default metric 5
		check "$base: up mends it" vpc up "$file"
		same "$base: and the same again" "$lab"
		curl -sS --unix-socket "$VPCD_RUN_DIR/vpcd.sock" -X POST -d '{"edits":[{"op":"delete","kind":"nat-gateway","name":"nat"}]}' \
			"http://vpcd/v1/labs/$lab/changes" >/dev/null
		like "$(vpc show route-tables private --lab "$lab")" "0.0.0.0/0 +nat:nat +blackhole" "$base: its target goes"
		same "$base: the blackhole is the same in both" "$lab"
	fi
	check "$base goes down" vpc down "$lab"
done
((compared > 100)) && ok "$compared routes and tables were compared" || not_ok "only $compared routes and tables were compared"
done_testing
