# probe_silent: an address that nobody has, asked for over and over: by its subnet, behind a NAT gateway and behind an appliance.
# Each probe hears of it, and none waits until the one before is forgotten.
. "${0%/*}/../lib.sh"

cat >"$T/mute.ini" <<-INI
	[lab mute]
	[vpc v]
	cidr = 10.1.0.0/16
	[route-table by-nat]
	vpc = v
	route = 10.1.1.0/24 via nat:nat
	[route-table by-box]
	vpc = v
	route = 10.1.1.0/24 via instance:box
	[subnet silent]
	vpc = v
	cidr = 10.1.1.0/24
	[subnet by-nat]
	vpc = v
	cidr = 10.1.2.0/24
	route-table = by-nat
	[subnet by-box]
	vpc = v
	cidr = 10.1.3.0/24
	route-table = by-box
	[nat-gateway nat]
	subnet = silent
	connectivity = private
	address = 10.1.1.200
	[security-group any]
	vpc = v
	inbound = all from 0.0.0.0/0
	[instance box]
	subnet = silent
	address = 10.1.1.10
	security-groups = any
	source-dest-check = no
	[instance near]
	subnet = silent
	security-groups = any
	[instance nat-1]
	subnet = by-nat
	security-groups = any
	[instance nat-2]
	subnet = by-nat
	security-groups = any
	[instance box-1]
	subnet = by-box
	security-groups = any
	[instance box-2]
	subnet = by-box
	security-groups = any
INI
asked() { # SECONDS PROTO SRC...: each SRC in its turn as long as that; prints "N asked, BAD else"
	python3 - "$@" <<-'PY'
		import json, sys, time
		from wire import Unix

		proto, ends, n, bad, end = sys.argv[2], sys.argv[3:], 0, [], time.monotonic() + float(sys.argv[1])
		while not n or time.monotonic() < end:
		    for src in ends:
		        c = Unix("vpcd")
		        c.request("POST", "/v1/labs/mute/probes", json.dumps({"flows": [{"src": src, "dst": "10.1.1.99", "proto": proto}]}))
		        p = json.loads(c.getresponse().read())["results"][0]
		        c.close()
		        n += 1
		        if ((p["denied"] or {}).get("gate"), p["note"]) != ("route", "no interface answers ARP for 10.1.1.99"):
		            bad.append("%s: %s %s" % (p["flow"], p["denied"], p["note"]))
		print(n, "asked,", len(bad), "else", *bad[:5])
	PY
}

export PYTHONPATH=$ROOT/tests/net/wire
daemon_start
check "up" vpc up "$T/mute.ini"
# A kernel asks three times, a second apart, and gives up a second later: what is sent then ends with an error of its own.
is "$(asked 0 tcp/80 nat-1 box-1)" "2 asked, 0 else" "nobody answers, and who forwards goes on asking"
read -rt 2.3 -u $tick || :
is "$(asked 0 tcp/80 nat-2 box-2)" "2 asked, 0 else" "another one hears it too, just before that gives up"
for proto in tcp/80 udp/53 icmp; do
	said=$(asked 1 $proto near nat-1 nat-2 box-1 box-2)
	like "$said" '^[0-9]+ asked, 0 else$' "$proto: over and over, each hears it"
	check "$proto: at once (${said%%,*} in a second)" test "${said%% *}" -ge 20
done
done_testing
