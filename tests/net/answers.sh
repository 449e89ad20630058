# What answers in an instance, the agent and the other end of a probe, gives no answer to an answer: two of them, or
# one that hears itself, would talk without end, inside the daemon.
. "${0%/*}/../lib.sh"

cat >"$T/words.ini" <<'INI'
[lab words]
[vpc v]
cidr = 10.0.0.0/16
[subnet a]
vpc = v
cidr = 10.0.1.0/24
[security-group s]
vpc = v
inbound = all from 10.0.0.0/16
[instance c]
subnet = a
security-groups = s
address = 10.0.1.10
listen = udp/53
[instance s]
subnet = a
security-groups = s
address = 10.0.1.20
listen = udp/53
INI
# A datagram from a port that is another's: FROM FROM-PORT TO TO-PORT TEXT
cat >"$T/from.py" <<'PY'
import socket, struct, sys
sport, to, dport, text = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4].encode() + b"\n"
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
s.sendto(struct.pack("!HHHH", sport, dport, 8 + len(text), 0) + text, (to, 0))
PY
heard() { # INSTANCE: datagrams that came to it
	ip netns exec "words.$1" awk '/^Udp:/ && $2 ~ /^[0-9]/ { print $2 }' /proc/self/net/snmp
}
is_quiet() { # INSTANCE: hears nothing for a while
	local before
	before=$(heard "$1")
	read -rt 0.3 -u "$tick" || :
	[ "$(heard "$1")" = "$before" ]
}
answers_in() { # SECONDS COMMAND...
	timeout "$@" >"$T/out" 2>&1
}

daemon_start
check "up" vpc up "$T/words.ini"
for flow in 50 udp/4000 tcp/4000 udp/53; do
	answers_in 20 "$VPC" probe s s $flow
	[ $? -le 1 ] && ok "$flow: one may probe itself" || not_ok "$flow: one may probe itself: $(cat "$T/out")"
done
check "... and the daemon answers" answers_in 5 "$VPC" status
ip netns exec words.c python3 "$T/from.py" 53 10.0.1.20 53 hello
wait_for eval '[ "$(heard c)" -ge 1 ]' && ok "an agent answers a datagram from another's port" || not_ok "no answer"
check "... and its answer gets none" is_quiet s
ip netns exec words.c python3 "$T/from.py" 53 10.0.1.20 53 'web-1 10.0.1.10:53'
check "nor does what looks like one" is_quiet c
done_testing
