# top: the screen as a person sees it, on a terminal of its own: views, order, filter, pause, help, keys.
. "${0%/*}/../lib.sh"

cat >"$T/to.ini" <<'INI'
[vpc v]
cidr = 10.0.0.0/16
[subnet a]
vpc = v
cidr = 10.0.1.0/24
[security-group take]
vpc = v
inbound = tcp 80 from 10.0.0.0/16
inbound = icmp from 10.0.0.0/16
[instance a1]
subnet = a
security-groups = take
[instance a2]
subnet = a
security-groups = take
listen = tcp/80
INI
top() { python3 "$ROOT/tests/net/wire/top.py" "$VPC" top to; }
daemon_start
check "goes up" vpc up "$T/to.ini"
check_rc 2 "without a terminal" vpc top to
for n in 1 2 3; do vpc probe a1 a2 udp/9 --from-port 400$n >/dev/null; done
vpc probe a1 a2 icmp >/dev/null
check "a connection" vpc probe a1 a2 tcp/80
# A killed daemon may have come between; what the data path counted stays.
out=$(top <<'COMMANDS'
wait 1 gates  2 rules  3 flows
wait ^a2 +sg-in +a2 +ENI_SG_RULES_MISMATCH +[0-9-]+ +3 
keys 2
wait take +inbound +allow +icmp from
keys G
wait take +outbound
keys g/icmp\n
wait 1 of [0-9]+, by PACKETS/S
keys \x1b
wait [4-9] of [0-9]+
keys s
wait by PACKETS$
keys S
wait by PACKETS/S$
keys r
wait by PACKETS/S reversed
keys h
wait Press any key
keys x
wait by PACKETS/S reversed
keys \x20
wait PAUSED
keys \x20\t
wait ^a1 +outbound +tcp +10.0.1.4 +[0-9]+ +10.0.1.5 +80 
keys jk\x0c
wait ^q quit
keys q
end
COMMANDS
)
is "$(grep -A30 '^never' <<<"$out")" "" "each screen came"
is "$(tail -n1 <<<"$out")" "exit 0" "q quits"
# On small screens nothing is over anything else, nothing is half a number, and the help can be read.
out=$(top <<'COMMANDS'
wait 1 gates
size 24 30
keys \x0c
wait ^to  1 gates  2 rules  3 flows$
wait ^ENI +GATE +OBJECT
wait ^q quit  h help  s sort  / fil
keys h
wait ^    first, the last$
keys x2
size 6 20
keys \x0c
wait ^2 rules
wait ^OWNER +DIRECTION +AC?$
wait ^q quit  h help  s so$
keys /icmp
wait ^/icmp_$
keys \x1b\x20
wait ^PAUSED  q quit
keys \x20
size 3 24
keys \x0c
wait ^OWNER +DIRECTION +ACTION$
wait ^[a-z]+ +(in|out)bound +allow
screen
size 2 10
keys \x0c
wait ^2 rules$
wait ^OWNER  DIR$
wait ^2 rules$
screen
size 1 1
keys \x0c
wait ^2$
keys q
end
COMMANDS
)
is "$(grep -A30 '^never' <<<"$out")" "" "small screens: each came"
screens=$(grep -A4 -E '^2 rules' <<<"$out")
like "$screens" $'2 rules  [0-9] of [0-9]\nOWNER +DIRECTION.*\n(take|.*) +(in|out)bound' "three lines: title, heads and a row"
like "$screens" $'\n2 rules\nOWNER  DIR\n' "two lines: title and heads"
is "$(tail -n1 <<<"$out")" "exit 0" "and end with q"
out=$(
	{
		echo 'wait 1 gates'
		vpc down to >/dev/null
		echo end
	} | top
)
is "$(tail -n1 <<<"$out")" "exit 2" "a lab that goes down ends it"
done_testing
