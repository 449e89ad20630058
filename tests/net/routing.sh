# routing: each target of a route forwards, and drops with its reason; tables, their Linux twins, blackholes,
# MTU and hops. In both modes.
. "${0%/*}/../lib.sh"

in_mode() { # MODE TOPOLOGY: up as LAB = topology's name, without what it expects: things will be taken away
	sed '/^\[expect\]/,$d; /^datapath *=/d; s/^\[lab .*/&\ndatapath = '"$1/" "$ROOT/topologies/$2.ini" >"$T/$2.ini"
	check "$1: $2 goes up" vpc up "$T/$2.ini"
}
# row TARGET allow|REASON[@GATE] LAB SRC DST PROTO: what packets say
row() {
	local got
	got=$(vpc probe --lab "$3" "$4" "$5" "$6" -o json | python3 -c 'import json, sys
o = json.load(sys.stdin)
o = o["results"][0] if "results" in o else o
print(o["verdict"] if o["verdict"] == "allow" else o["denied"]["reason"] + "@" + o["denied"]["gate"])')
	is "$got" "$2" "$mode: $1: $4 -> $5 $6: $2"
}
# routes LAB TABLE: what vpc shows, one a line: destination and whether packets die there
routes() {
	vpc show route-tables "$2" --lab "$1" -o json | python3 -c 'import json, sys
for r in json.load(sys.stdin)["route-table"][0]["routes"]:
	kind = "throw" if r["target"] == "local" else "blackhole" if r["state"] == "blackhole" else "via"
	print(r["destination"], kind)' | sort
}
linux_routes() { # LAB VPC TABLE: the same from the kernel, without the blackhole that ends a table
	local number
	number=$(vpc show route-tables "$3" --lab "$1" -o json | python3 -c 'import json, sys
print(json.load(sys.stdin)["route-table"][0]["linux_table"])')
	ip -n "$1.$2.router" route show table "$number" | grep -v 'metric 4294967295' | awk '{
		kind = "via"; dst = $1
		if ($1 == "throw" || $1 == "blackhole") { kind = $1; dst = $2 }
		if (dst == "default") dst = "0.0.0.0/0"
		if (dst !~ "/") dst = dst "/32"
		print dst, kind }' | sort
}
edit() { # LAB JSON
	curl -sS --unix-socket "$VPCD_RUN_DIR/vpcd.sock" -X POST -d "{\"edits\":[$2]}" "http://vpcd/v1/labs/$1/changes"
}
inside() { # LAB INSTANCE COMMAND...
	ip netns exec "$1.$2" "${@:3}"
}

daemon_start
for mode in fast kernel; do
	for lab in public-private nat-gateway peering-three-vpcs inspection-appliance private-nat multi-eni secondary-cidr; do
		in_mode $mode $lab
	done

	# semantics 2.4
	row local allow secondary-cidr node db tcp/5432
	row local NO_POSSIBLE_DESTINATION@route secondary-cidr node 10.0.3.99 tcp/80
	row igw allow public-private web laptop tcp/443
	row igw IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS@igw public-private batch laptop tcp/443
	row igw IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS@igw public-private web 192.168.9.9 tcp/443
	row igw IGW_DESTINATION_ADDRESS_NOT_IN_RFC6598_EGRESS@igw public-private web 100.64.9.9 tcp/443
	row igw IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS@igw public-private laptop batch tcp/443
	row igw ENI_ADDRESS_RESTRICTION@source-check public-private web@10.0.1.99 laptop tcp/443
	row "no route" NO_ROUTE_TO_DESTINATION@route public-private db laptop tcp/443
	row natgw allow nat-gateway app-1 mirror tcp/80
	row natgw allow nat-gateway app-1 mirror udp/53
	row natgw allow nat-gateway app-1 mirror icmp
	row natgw PROTOCOL_RESTRICTION@nat nat-gateway app-1 mirror 47
	row natgw NGW_SOURCE_ADDRESS_REASSIGN@nat nat-gateway mirror 203.0.113.5 tcp/80
	row natgw NO_POSSIBLE_DESTINATION@route nat-gateway app-2 mirror tcp/443
	row "natgw, private" allow private-nat worker-1 api tcp/443
	row "natgw, private" IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS@igw private-nat worker-1 mirror tcp/80
	row pcx allow peering-three-vpcs builder registry tcp/443
	row pcx PCX_REQUIRES_ADDRESS_IN_VPC_CIDR@peering peering-three-vpcs builder 10.3.1.10 tcp/80
	row pcx NO_ROUTE_TO_DESTINATION@route peering-three-vpcs registry silent tcp/80
	row instance allow inspection-appliance web app tcp/8080
	row instance ENI_SOURCE_DEST_CHECK_RESTRICTION@dest-check inspection-appliance lost app icmp
	row "instance, edge" allow inspection-appliance laptop web tcp/443
	row "eni, edge" INGRESS_RTB_NO_PUBLIC_IP@route inspection-appliance laptop half tcp/443
	row "instance, edge" INGRESS_RTB_TRAFFIC_REDIRECTION@igw inspection-appliance half laptop tcp/443
	row eni BAD_STATE_ROUTE@route inspection-appliance dark app icmp
	row eni allow multi-eni ops app-admin tcp/22

	# tables and their twins
	for t in "public-private shop public" "nat-gateway net private" "peering-three-vpcs shared shared" \
		"inspection-appliance net web" "inspection-appliance net edge" "inspection-appliance net dark" "secondary-cidr cluster main"; do
		set -- $t
		is "$(routes "$1" "$3")" "$(linux_routes "$1" "$2" "$3")" "$mode: $1: table $3 is the same in vpc show and in Linux"
	done

	# inside: a table an interface, forwarding where the check is off
	like "$(inside multi-eni app ip rule)" "from 10.0.9.20 lookup 10001" "$mode: what has eth1's address uses eth1's table"
	like "$(inside multi-eni app ip route show table 10001)" "default via 10.0.9.1 dev eth1" "$mode: which leads out of eth1"
	is "$(inside inspection-appliance fw sysctl -n net.ipv4.ip_forward)" 1 "$mode: an appliance forwards"
	is "$(inside inspection-appliance web sysctl -n net.ipv4.ip_forward)" 0 "$mode: others do not"

	# hops: the VPC's routers do not show, the NAT gateway does
	check "$mode: one hop between subnets" inside peering-three-vpcs registry ping -c1 -W1 -t1 10.2.1.10
	check "$mode: one hop over a peering connection" inside peering-three-vpcs builder ping -c1 -W1 -t1 10.2.1.10
	check_rc 1 "$mode: not over a NAT gateway" inside nat-gateway app-1 ping -c1 -W1 -t1 198.51.100.80
	# the lab's internet is a hop of its own where packets visit it
	hops=$([ $mode = fast ] && echo 2 || echo 3)
	check "$mode: that takes $hops" inside nat-gateway app-1 ping -c1 -W1 -t$hops 198.51.100.80
	check_rc 1 "$mode: nor over an appliance" inside inspection-appliance web ping -c1 -W1 -t1 10.2.0.10

	# MTU
	check "$mode: 9001 inside and over peering" inside peering-three-vpcs builder ping -c1 -W1 -M "do" -s 8973 10.2.1.10
	like "$(inside nat-gateway app-1 ping -c1 -W1 -M "do" -s 8973 198.51.100.80 2>&1)" "mtu ?= ?8500|Frag needed" "$mode: the NAT gateway says that 8500 is all"

	# a target goes: the route stays, a blackhole, and nothing falls through to a shorter one
	edit nat-gateway '{"op":"delete","kind":"nat-gateway","name":"nat"}' >"$T/edit.json"
	like "$(vpc show route-tables private --lab nat-gateway)" "0.0.0.0/0 +nat:nat +blackhole" "$mode: a NAT gateway goes, its route is a blackhole"
	row "natgw, gone" BAD_STATE_ROUTE@route nat-gateway app-1 mirror tcp/80
	is "$(routes nat-gateway private)" "$(linux_routes nat-gateway net private)" "$mode: in Linux too"
	vpc show topology --lab nat-gateway >"$T/gone.ini"
	check "$mode: what runs is a valid topology" vpc validate "$T/gone.ini"
	edit nat-gateway '{"op":"create","kind":"nat-gateway","name":"nat"},{"op":"set","kind":"nat-gateway","name":"nat","key":"subnet","value":"public"}' >"$T/edit.json"
	row "natgw, back" allow nat-gateway app-1 mirror tcp/80

	# an interface moves: eth1 is taken off and put back
	edit multi-eni '{"op":"unset","kind":"interface","name":"app-admin","key":"index"},{"op":"unset","kind":"interface","name":"app-admin","key":"instance"}' >"$T/edit.json"
	row "eni, detached" NO_POSSIBLE_DESTINATION@route multi-eni ops app-admin tcp/22
	check_rc 1 "$mode: eth1 is gone" inside multi-eni app ip link show eth1
	is "$(inside multi-eni app ip rule | grep -c 'lookup 1000')" 0 "$mode: and its rules with it"
	edit multi-eni '{"op":"set","kind":"interface","name":"app-admin","key":"instance","value":"app"}' >"$T/edit.json"
	row "eni, attached" allow multi-eni ops app-admin tcp/22

	vpc down --all >/dev/null
done
done_testing
