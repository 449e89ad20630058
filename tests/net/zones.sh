# zones: an outage of a zone in both modes: what dies and with which reason, what goes on, and that it lasts.
. "${0%/*}/../lib.sh"
. "${0%/*}/../talk.sh"

flows() { # each pair that matters in an outage of zone a: verdict and denial
	printf '%s\n' 'laptop -> web-a tcp/80' 'laptop -> web-b tcp/80' 'web-b -> app-a tcp/8080' 'web-b -> app-b tcp/8080' \
		'app-a -> app-b icmp' 'app-b -> mirror tcp/443' 'batch-b -> mirror tcp/443' 'web-a -> app-a tcp/8080' |
		vpc trace --live --lab z --flows - -o json | python3 -c 'import json, sys
text, decoder = sys.stdin.read(), json.JSONDecoder()
while text:
    o, end = decoder.raw_decode(text)
    text, d = text[end:].lstrip(), o["denied"]
    print(o["verdict"], *( [d["gate"], d["object"], d["reason"]] if d else []))'
}
for mode in fast kernel; do
	sed -e 's/^\[lab .*/[lab z]\ndatapath = '$mode'/' "$ROOT/topologies/two-zones-outage.ini" >"$T/z.ini"
	for i in app-b web-b; do
		sed -i "s|^\[instance $i\]|&\nrun = $TALK_RUN|" "$T/z.ini"
	done
	sed -i 's/^inbound = tcp 8080 from/inbound = tcp 9000 from 10.0.0.0\/16\n&/' "$T/z.ini"
	daemon_start
	check "$mode: goes up" vpc up "$T/z.ini"
	wait_for talk_open t$mode z/web-b "$(vpc show instance app-b --lab z -o json | sed -n 's/.*"private": "\(.*\)",/\1/p')" ||
		bail "no connection in zone b"
	check "$mode: all holds before" vpc test --live z
	before=$(vpc show instances --lab z; vpc show route-tables --lab z -o json | grep '"state"')
	like "$(vpc zone down z a)" 'zone a down' "$mode: zone a goes down"
	is "$(vpc zone z | awk '{print $1, $3}' | xargs)" "ZONE STATE a down b up" "$mode: vpc zone says so"
	is "$(vpc show instances --lab z; vpc show route-tables --lab z -o json | grep '"state"')" "$before" "$mode: states stay as they were"
	want='deny igw igw PORT_DOWN
allow
deny route public PORT_DOWN
allow
deny source-check app-a PORT_DOWN
allow
deny route batch PORT_DOWN
deny source-check web-a PORT_DOWN'
	is "$(flows)" "$want" "$mode: the walk knows what dies and where"
	got=
	while read -r src _ dst what; do
		got+=$(vpc probe "$src" "$dst" "$what" --lab z -o json | python3 -c 'import json, sys
o = json.load(sys.stdin)["results"][0]; d = o["denied"]
print(o["verdict"], *( [d["gate"], d["object"], d["reason"]] if d else []))')$'\n'
	done <<'F'
laptop -> web-a tcp/80
laptop -> web-b tcp/80
web-b -> app-a tcp/8080
web-b -> app-b tcp/8080
app-a -> app-b icmp
app-b -> mirror tcp/443
batch-b -> mirror tcp/443
web-a -> app-a tcp/8080
F
	is "${got%$'\n'}" "$want" "$mode: so do packets"
	like "$(ip -n z.web-a link show eth0)" 'NO-CARRIER' "$mode: a machine in the zone has lost its carrier"
	check "$mode: a connection in zone b goes on" talk_says t$mode
	is "$(vpc up "$T/z.ini" 2>&1)" "no changes" "$mode: up of the file does not end an outage"
	daemon_kill
	daemon_start
	wait_for labs_rest
	is "$(vpc zone z | awk '{print $1, $3}' | xargs)" "ZONE STATE a down b up" "$mode: nor does a new daemon"
	is "$(vpc up "$T/z.ini" 2>&1)" "no changes" "$mode: ... which finds all as it is to be"
	is "$(vpc zone down z a)" "no changes" "$mode: it cannot go down twice"
	check_rc 2 "$mode: a zone that is none" vpc zone down z c
	like "$(vpc zone down z c 2>&1)" 'no subnet in zone "c"; vpc zone z lists' "$mode: ... is told so"
	is "$(vpc zone down z us-east-1a)" "no changes" "$mode: nor by its other name"
	like "$(vpc zone up z us-east-1a)" 'zone a up' "$mode: by which it comes back"
	check "$mode: all holds again" vpc test --live z
	check "$mode: the connection is still there" talk_says t$mode
	is "$(vpc up "$T/z.ini" 2>&1)" "no changes" "$mode: and all is as the file says"
	talk_close t$mode
	check "$mode: and the other way round" eval 'vpc zone down z us-east-1a && vpc zone up z a'
	is "$(vpc zone z | awk '{print $1, $3}' | xargs)" "ZONE STATE a up b up" "$mode: ... it is up again"
	check "$mode: down in an outage" eval 'vpc zone down z b && vpc down z'
	daemon_stop
done
cat >"$T/regions.ini" <<'INI'
[lab regions]
[vpc us]
cidr = 10.0.0.0/16
[vpc eu]
cidr = 10.1.0.0/16
region = eu-west-1
[subnet us-a]
vpc = us
cidr = 10.0.1.0/24
[subnet us-b]
vpc = us
zone = b
cidr = 10.0.2.0/24
[subnet eu-a]
vpc = eu
cidr = 10.1.1.0/24
INI
states() { # REGIONAL-ZONE: state, of each
	vpc zone regions | awk 'NR > 1 {print $2 $1, $3}' | sort | xargs
}
daemon_start
check "two regions go up" vpc up "$T/regions.ini"
check "a zone of both" vpc zone down regions a
is "$(states)" "eu-west-1a down us-east-1a down us-east-1b up" "a letter means it in both"
check "one of the two comes back" vpc zone up regions us-east-1a
is "$(states)" "eu-west-1a down us-east-1a up us-east-1b up" "the other region's is still out"
check "another goes" vpc zone down regions us-east-1b
is "$(states)" "eu-west-1a down us-east-1a up us-east-1b down" "both are out"
check "the letter ends what is left" vpc zone up regions a
is "$(states)" "eu-west-1a up us-east-1a up us-east-1b down" "and nothing else"
daemon_stop
printf '[lab l]\nzones-down = q\n[vpc v]\ncidr = 10.0.0.0/16\n[subnet s]\nvpc = v\ncidr = 10.0.0.0/24\n' >"$T/q.ini"
like "$(vpc validate "$T/q.ini")" 'q.ini:2: error: zones-down: no subnet is in zone "q"' "a file with an unknown zone"
done_testing
