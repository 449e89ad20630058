# stops: whatever a route points at, a flow that stops there has the code of AWS's Reachability Analyzer, on its way and on
# its way back, by the walk and by packets, in both modes. Every kind of target must have both.
. "${0%/*}/../lib.sh"

# Who asks stands in vpc v, who answers in vpc w; w-KIND is alone in a subnet whose table sends what is for v to KIND.
topology() { # MODE
	cat <<INI
[lab stops]
datapath = $1
quotas = off
[vpc v]
cidr = 10.1.0.0/16
[vpc w]
cidr = 10.2.0.0/16
[vpc c]
cidr = 10.3.0.0/16
[vpc-peering-connection v-w]
vpc = v
peer-vpc = w
[vpc-peering-connection w-c]
vpc = w
peer-vpc = c
[internet-gateway wg]
vpc = w
[route-table v]
vpc = v
main = yes
route = 10.2.0.0/16 via pcx:v-w
route = 10.3.0.0/16 via pcx:v-w
[route-table w]
vpc = w
main = yes
route = 10.1.0.0/16 via pcx:v-w
route = 0.0.0.0/0 via igw:wg
[subnet v]
vpc = v
cidr = 10.1.1.0/24
[subnet w]
vpc = w
cidr = 10.2.0.0/24
[security-group v]
vpc = v
inbound = all from 0.0.0.0/0
[security-group w]
vpc = w
inbound = all from 0.0.0.0/0
[nat-gateway nat]
subnet = w
[instance a]
subnet = v
address = 10.1.1.10
security-groups = v
[instance w-ok]
subnet = w
address = 10.2.0.10
security-groups = w
[instance box]
subnet = w
address = 10.2.0.11
security-groups = w
source-dest-check = no
[instance strict]
subnet = w
address = 10.2.0.12
security-groups = w
[instance plain]
subnet = w
address = 10.2.0.15
security-groups = w
[interface strict-2]
subnet = w
address = 10.2.0.13
instance = strict
security-groups = w
[interface loose]
subnet = w
address = 10.2.0.14
[host h]
address = 198.51.100.7
INI
	local n=1 kind route
	while read -r kind route; do
		n=$((n + 1))
		printf '[route-table w-%s]\nvpc = w\n' "$kind"
		[ "$route" = none ] || printf 'route = 10.1.0.0/16 via %s\n' "$route"
		case $route in *:lost) printf 'gone = %s\n' "$route" ;; esac
		printf '[subnet w-%s]\nvpc = w\ncidr = 10.2.%s.0/24\nroute-table = w-%s\n' "$kind" $n "$kind"
		printf '[instance w-%s]\nsubnet = w-%s\naddress = 10.2.%s.10\nsecurity-groups = w\n' "$kind" "$kind" $n
		case $kind in
		igw-public) printf 'public-ip = 203.0.113.%s\n' $n ;;
		nat) printf 'source-dest-check = no\n' ;;
		esac
	done <<'KINDS'
igw igw:wg
igw-public igw:wg
nat nat:nat
eni eni:strict-2
eni-loose eni:loose
instance instance:plain
pcx pcx:w-c
none none
igw-gone igw:lost
nat-gone nat:lost
eni-gone eni:lost
instance-gone instance:lost
pcx-gone pcx:lost
KINDS
}

# TARGET LEG SRC DST PROTO GATE CODE
cases='
local forward w-ok 10.2.0.99 tcp/80 route NO_POSSIBLE_DESTINATION
local return box@10.2.0.99 w-ok tcp/80 route NO_POSSIBLE_DESTINATION
local return box@10.2.200.9 w-ok tcp/80 route NO_POSSIBLE_DESTINATION
igw forward w-igw a tcp/80 igw IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS
igw return a w-igw tcp/80 igw IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS
igw forward w-igw-public a tcp/80 igw IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS
igw return a w-igw-public tcp/80 igw IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS
igw forward box 100.64.3.3 tcp/80 igw IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS
igw forward h w-ok tcp/80 igw IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS
igw forward box@10.9.9.9 h tcp/80 igw GATEWAY_REJECTS_SPOOFED_TRAFFIC
nat forward w-nat a 47 nat PROTOCOL_RESTRICTION
nat forward w-nat@10.9.9.9 a tcp/80 nat NGW_REQUIRES_SOURCE_IN_VPC
nat forward h nat tcp/80 nat NGW_SOURCE_ADDRESS_REASSIGN
nat return a w-nat tcp/80 nat NGW_SOURCE_ADDRESS_REASSIGN
nat return a w-nat udp/53 nat NGW_SOURCE_ADDRESS_REASSIGN
eni forward w-eni a tcp/80 dest-check ENI_SOURCE_DEST_CHECK_RESTRICTION
eni return a w-eni tcp/80 dest-check ENI_SOURCE_DEST_CHECK_RESTRICTION
eni forward w-eni-loose a tcp/80 route BAD_STATE_ROUTE
eni return a w-eni-loose tcp/80 route BAD_STATE_ROUTE
instance forward w-instance a icmp dest-check ENI_SOURCE_DEST_CHECK_RESTRICTION
instance return a w-instance udp/53 dest-check ENI_SOURCE_DEST_CHECK_RESTRICTION
pcx forward w-pcx a tcp/80 peering PCX_REQUIRES_ADDRESS_IN_VPC_CIDR
pcx return a w-pcx tcp/80 peering PCX_REQUIRES_ADDRESS_IN_VPC_CIDR
pcx forward a 10.3.1.1 tcp/80 peering PCX_REQUIRES_ADDRESS_IN_VPC_CIDR
none forward w-none a tcp/80 route NO_ROUTE_TO_DESTINATION
none return a w-none icmp route NO_ROUTE_TO_DESTINATION
igw forward w-igw-gone a tcp/80 route BAD_STATE_ROUTE
igw return a w-igw-gone tcp/80 route BAD_STATE_ROUTE
nat forward w-nat-gone a tcp/80 route BAD_STATE_ROUTE
nat return a w-nat-gone tcp/80 route BAD_STATE_ROUTE
eni forward w-eni-gone a tcp/80 route BAD_STATE_ROUTE
eni return a w-eni-gone tcp/80 route BAD_STATE_ROUTE
instance forward w-instance-gone a tcp/80 route BAD_STATE_ROUTE
instance return a w-instance-gone tcp/80 route BAD_STATE_ROUTE
pcx forward w-pcx-gone a tcp/80 route BAD_STATE_ROUTE
pcx return a w-pcx-gone tcp/80 route BAD_STATE_ROUTE
'
stop_of() { # reads the answer of trace or probe: LEG GATE CODE
	python3 -c 'import json, sys
o = json.load(sys.stdin)
o = o["results"][0] if "results" in o else o
d = o["denied"]
print(*((d["leg"], d["gate"], d["reason"]) if d else ("", "", "allow")))'
}

# Every target that the language has, in both directions; the list is that of the language's own error message.
topology fast >"$T/wrong.ini"
printf '[route-table wrong]\nvpc = w\nroute = 192.0.2.0/24 via nowhere\n' >>"$T/wrong.ini"
targets=$(vpc validate "$T/wrong.ini" 2>&1 | grep -o 'targets are .*' | grep -Eo '\b(local|[a-z]+:)' | tr -d : | sort -u)
is "$(wc -w <<<"$targets")" 6 "six kinds of target: $(echo $targets)"
for target in $targets; do
	for leg in forward return; do
		grep -q "^$target $leg " <<<"$cases" && ok "$target has a case, $leg" || not_ok "$target has a case, $leg"
	done
done

daemon_start
for mode in fast kernel; do
	topology $mode >"$T/stops.ini"
	check "$mode: goes up" vpc up "$T/stops.ini"
	check "$mode: what nothing stops arrives" vpc probe --lab stops a w-ok tcp/80
	while read -r target leg src dst proto gate code; do
		[ -n "$target" ] || continue
		[ $mode = kernel ] || is "$(vpc trace "$T/stops.ini" "$src" "$dst" "$proto" -o json | stop_of)" "$leg $gate $code" "walk: $target, $leg: $src -> $dst $proto: $code"
		is "$(vpc probe --lab stops --timeout 20000 "$src" "$dst" "$proto" -o json | stop_of)" "$leg $gate $code" "$mode: $target, $leg: $src -> $dst $proto: $code"
	done <<<"$cases"
	vpc down stops >/dev/null
done
done_testing
