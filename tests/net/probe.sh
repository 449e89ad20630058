# probe: what each kind of packet meets is heard of, whatever was said on the same ports before.
. "${0%/*}/../lib.sh"

lab() { # LINE...: more lines of group s
	cat <<-INI
		[lab seen]
		[vpc v]
		cidr = 10.0.0.0/16
		[subnet a]
		vpc = v
		cidr = 10.0.1.0/24
		[subnet b]
		vpc = v
		cidr = 10.0.2.0/24
		[security-group s]
		vpc = v
		inbound = icmp echo-request from 10.0.0.0/16
	INI
	printf '%s\n' "$@"
	cat <<-INI
		[instance c]
		subnet = a
		security-groups = s
		[instance s]
		subnet = b
		security-groups = s
		[expect]
		$verdict = c -> s icmp/3.4
		$verdict = c -> s icmp/11.0
		$verdict = c -> s icmp/13.0
		$verdict = c -> s icmp/42.7
		$verdict = c -> s tcp/80
		$verdict = c -> s udp/53
		$verdict = c -> s 47
	INI
}
json() { # EXPRESSION over the first probe p
	python3 -c 'import json, sys
p = json.load(sys.stdin)["results"][0]
print('"$1"')'
}
daemon_start
types="3.0 3.4 4.0 5.1 9.0 11.0 12.1 13.0 42.7"

# ---- denied ---------------------------------------------------------------------------------------------
verdict=deny
lab >"$T/seen.ini"
check "up" vpc up "$T/seen.ini"
for t in $types; do
	like "$(vpc probe c s "icmp/$t" 2>&1)" "^deny   c -> s icmp/$t  at sg-in@s: [^
]*\[ENI_SG_RULES_MISMATCH\]$" "icmp/$t: the gate that denies it, and nothing differs"
done
check "each expectation of a lab that denies all holds" vpc test --live seen

# ---- nothing was sent: neither allowed nor denied ----------------------------------------------------------
coproc port { ip netns exec seen.c python3 -c 'import socket, sys
s = socket.socket()
s.bind(("", 40400))
s.listen()
print("taken", flush=True)
sys.stdin.read()'; }
read -r said <&"${port[0]}"
is "$said" taken "somebody in c has port 40400"
check_rc 4 "from a port that is taken" vpc probe c s tcp/80 --from-port 40400
like "$(vpc probe c s tcp/80 --from-port 40400 2>&1)" '^-  +c:?[0-9]* -> s tcp/80
note: c cannot send it: Address already in use$' "... it has no verdict, and nothing is compared"
is "$(vpc probe c s tcp/80 --from-port 40400 -o json | json '[p["verdict"], p["denied"], p["note"]]')" "[None, None, 'c cannot send it: Address already in use']" "... nor in JSON"
exec {port[1]}>&-
wait $port_PID

# ---- allowed --------------------------------------------------------------------------------------------
lines=("inbound = all from 10.0.1.0/24")
verdict=allow
lab "${lines[@]}" >"$T/seen.ini"
check "a rule more" vpc up "$T/seen.ini"
for t in $types; do
	like "$(vpc probe c s "icmp/$t" 2>&1)" '; sg-in: rule "all from 10.0.1.0/24" .*seen.ini:13' "icmp/$t: the rule that admits it"
done
check "each expectation of a lab that allows all holds" vpc test --live seen
check "... once more" vpc test --live seen

# ---- allowed one way only -----------------------------------------------------------------------------------
cat >"$T/half.ini" <<-INI
	[lab half]
	[vpc v]
	cidr = 10.0.0.0/16
	[subnet a]
	vpc = v
	cidr = 10.0.1.0/24
	[subnet b]
	vpc = v
	cidr = 10.0.2.0/24
	nacl = half
	[nacl half]
	vpc = v
	inbound = 100 allow all from 0.0.0.0/0
	[security-group s]
	vpc = v
	inbound = all from 0.0.0.0/0
	[instance x]
	subnet = a
	security-groups = s
	[instance y]
	subnet = b
	security-groups = s
	[expect]
	deny = x -> y icmp at return:nacl-out@half
	deny = x -> y icmp/13 at return:nacl-out@half
INI
for t in 0.0 ${types/13.0 /}; do echo "allow = x -> y icmp/$t"; done >>"$T/half.ini"
check "up" vpc up "$T/half.ini"
check "what nobody answers needs no way back" vpc test "$T/half.ini"
check "... and nobody answers it" vpc test --live half
check "down" vpc down half

# ---- a NAT gateway that knows the flow ----------------------------------------------------------------------
nat_lab() { # LINE...: of its subnet's network ACL
	cat <<-INI
		[lab behind]
		[vpc v]
		cidr = 10.0.0.0/16
		[internet-gateway ig]
		vpc = v
		[nat-gateway n]
		subnet = pub
		[route-table pub]
		vpc = v
		route = 0.0.0.0/0 via igw:ig
		[route-table priv]
		vpc = v
		main = yes
		route = 0.0.0.0/0 via nat:n
		[subnet pub]
		vpc = v
		cidr = 10.0.1.0/24
		route-table = pub
		nacl = pub
		[subnet priv]
		vpc = v
		cidr = 10.0.2.0/24
		[instance i]
		subnet = priv
		[instance own]
		subnet = priv
		public-ip = auto
		[host h]
		address = 198.51.100.1
		[nacl pub]
		vpc = v
		outbound = 100 allow all to 0.0.0.0/0
	INI
	printf 'inbound = %s\n' "$@"
	printf '[expect]\n'
}
nat_lab "100 allow all from 0.0.0.0/0" >"$T/behind.ini"
printf 'allow = i:%s\n' "20000 -> h udp/53" "20001 -> h icmp" "20002 -> h tcp/80" >>"$T/behind.ini"
check "up" vpc up "$T/behind.ini"
for nth in first second third; do
	check "all of it a $nth time" vpc test --live behind
done
like "$(vpc probe --lab behind i h udp/53 --from-port 20000 2>&1)" '\[TRACKED\]
note: an older connection of this very flow let it pass$' "an older connection's source is known, and that it was older"
like "$(vpc probe --lab behind i h udp/53 --from-port 20009 2>&1)" 'ms; nacl-out: rule "100 allow all to 0.0.0.0/0" [^
]*behind.ini:[0-9]*$' "a new one's rule is named"
nat_lab "100 allow all from 10.0.0.0/16" >"$T/behind.ini"
for flow in udp/53 icmp; do echo "deny = i:20003 -> h $flow at return:nacl-in@pub"; done >>"$T/behind.ini"
echo "deny = own:20004 -> own@public udp/53 at sg-in@own" >>"$T/behind.ini" # of its own VPC, but not by its address there
check "nothing comes back in" vpc up "$T/behind.ini"
for nth in first second third; do
	check "denied by that a $nth time" vpc test --live behind
done
check "down" vpc down behind

# ---- after it was allowed ---------------------------------------------------------------------------------
verdict=deny
for flow in tcp/80 udp/53 icmp/13.0; do
	check "$flow passes" vpc probe c s $flow --count 2
	check "$flow passes from a port of one's own" vpc probe c s $flow --from-port 40321
done
check "a protocol without ports passes" vpc probe c s 47
lab >"$T/seen.ini"
check "the rule goes" vpc up "$T/seen.ini"
for flow in tcp/80 udp/53 icmp/13.0; do
	like "$(vpc probe c s $flow 2>&1)" "^deny   c -> s ${flow}  at sg-in@s: [^
]*\[ENI_SG_RULES_MISMATCH\]$" "$flow: from a port without a connection the rules decide"
done
out=$(vpc probe c s udp/53 --from-port 40321 2>&1)
like "$out" '^allow  c:40321 -> s udp/53 .*\[TRACKED\]' "the older connection's own port: state decides, and that is said"
like "$out" 'an older connection of this very flow let it pass; the rule that began it is gone' "... with what became of its rule"
case $out in *differs*) not_ok "... and it is no difference: $out" ;; *) ok "... and it is no difference" ;; esac
is "$(vpc probe c s udp/53 --from-port 40321 -o json 2>/dev/null | json 'p["from_port"], p["verdict"], p["reason"]')" "40321 allow TRACKED" "... in JSON"
is "$(vpc probe c s udp/53 -o json 2>/dev/null | json '40000 < p["from_port"] < 40300, p["reason"]')" "True ENI_SG_RULES_MISMATCH" "a port of the probe's choice, in JSON"
out=$(vpc test --live seen 2>&1)
like "$out" 'skip  deny   c -> s 47' "what has no ports but a connection shows nothing of the rules"
like "$out" '3 passed, 0 failed, 4 not tried' "... and all else holds"
vpc ct flush --lab seen >"$T/out"
like "$(vpc test --live seen 2>&1)" '7 passed, 0 failed' "without connections all of it"

# ---- what the walk does not know of: a firewall of the instance's own --------------------------------------
lab "${lines[@]}" >"$T/seen.ini"
check "the rule comes back" vpc up "$T/seen.ini"
in_s() { ip netns exec seen.s "$@"; }
ms_of() { # COMMAND...: its output and exit code in $T/said and $rc, its time in $ms
	local t0=${EPOCHREALTIME/[.,]/}
	rc=0
	"$@" >"$T/said" 2>&1 || rc=$?
	ms=$(((${EPOCHREALTIME/[.,]/} - t0) / 1000))
}
walk='the static walk differs: it says allow by sg-in: rule "all from 10.0.1.0/24" [^ ]*seen.ini:13'
in_s nft 'table inet own { chain in { type filter hook input priority -500; tcp dport 80 drop; }; }'
ms_of vpc probe c s tcp/80 --timeout 1500
like "$rc $(<"$T/said")" "^1 deny .*$walk" "it drops in silence: the packet's answer, and that the walk differs"
like "$(<"$T/said")" 'no answer was heard within 1500 ms' "... which --timeout waited for"
[ $ms -ge 1500 ] && ok "... so long: $ms ms" || not_ok "... so long: $ms ms"
ms_of vpc probe c s tcp/80 --timeout 100
like "$(<"$T/said")" 'no answer was heard within 100 ms' "--timeout 100"
[ $ms -ge 100 ] && [ $ms -lt 1500 ] && ok "... no longer: $ms ms" || not_ok "... no longer: $ms ms"
check_rc 2 "--timeout 0" vpc probe c s tcp/80 --timeout 0
verdict=allow
lab "${lines[@]}" >"$T/seen.ini"
check "what is expected is allowed" vpc up "$T/seen.ini"
ms_of vpc test --live seen --timeout 100
like "$rc $(<"$T/said")" "^1 .*FAIL  allow  c -> s tcp/80 .*$walk.*6 passed, 1 failed" "test --live: the expectation fails, and the walk differs"
like "$(<"$T/said")" 'no answer was heard within 100 ms' "... after --timeout"
[ $ms -lt 1500 ] && ok "... no longer: $ms ms" || not_ok "... no longer: $ms ms"
in_s nft flush ruleset
ms_of vpc probe c s tcp/80 --count 3
like "$rc $(<"$T/said")" '^0 .*3 of 3 allowed$' "without the firewall nothing differs"
# The second connection of each three. A SYN is sent again after a second; until then the answer is out.
in_s nft 'table inet own { chain in { type filter hook input priority -500; tcp dport 80 tcp flags & (syn | ack) == syn numgen inc mod 3 == 1 drop; }; }'
ms_of vpc probe c s tcp/80 --count 3 --timeout 500
like "$rc $(<"$T/said")" "^1 .*2 of 3 allowed" "one of three is dropped"
like "$(<"$T/said")" "the static walk differs from answer [123] of 3: it says allow by sg-in" "... and the walk differs from that one"
is "$(grep -c 'the static walk differs' "$T/said")" 1 "... which is said once"
in_s nft flush ruleset
in_s nft 'table inet own { chain in { type filter hook input priority -500; tcp dport 80 drop; }; }'
ms_of vpc probe c s tcp/80 --count 3 --timeout 100
like "$(<"$T/said")" '0 of 3 allowed.*the static walk differs from answer 1 of 3' "all of them: the first is named"
is "$(grep -c 'the static walk differs' "$T/said")" 1 "... once"
done_testing
