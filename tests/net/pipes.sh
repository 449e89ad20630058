# pipes: verbs that go on printing, into what takes no more: a reader that goes, stdout closed, a disk that is full.
# Each ends at once, with at most one sentence and a code that says whether it failed.
. "${0%/*}/../lib.sh"

cat >"$T/pi.ini" <<'INI'
[vpc v]
cidr = 10.0.0.0/16
[subnet a]
vpc = v
cidr = 10.0.1.0/24
[flow-log edge]
vpc = v
max-aggregation-interval = 1
[flow-log slow]
vpc = v
max-aggregation-interval = 600
[instance a1]
subnet = a
run = bash -c "exec 9<> <(:); until read -rt 0.05 -u 9; do echo x >/dev/udp/10.0.1.5/9; done"
[instance a2]
subnet = a
INI
daemon_start
check "goes up" vpc up "$T/pi.ini"
check "packets are captured" timeout 10 "$VPC" capture pi/a2 -w "$T/some.pcap" --count 20
vpc flows --lab pi --now >/dev/null
is "$(vpc flows pi -o jsonl | grep -o '"flow_log": *"[a-z]*"' | sort -u | wc -l)" 2 "flows of a lab by its name alone: of all its flow logs"

# ends CODE SENTENCE DESCRIPTION REDIRECTION WORD...; "| go": a reader that goes after a while
ends() {
	local code=$1 sentence=$2 what=$3 to=$4 rc
	shift 4
	case $to in
	'| go') { timeout 8 "$VPC" "$@" 2>"$T/err"; echo $? >"$T/rc"; } | read -rt 0.3 -u $tick ;;
	'| head -n1') { timeout 8 "$VPC" "$@" 2>"$T/err"; echo $? >"$T/rc"; } | head -n1 >"$T/first" ;;
	'>&-') timeout 8 "$VPC" "$@" >&- 2>"$T/err"; echo $? >"$T/rc" ;;
	'>/dev/full') timeout 8 "$VPC" "$@" >/dev/full 2>"$T/err"; echo $? >"$T/rc" ;;
	esac
	is "$(cat "$T/rc") $(cat "$T/err")" "$code ${sentence:+vpc: the result cannot be written: $sentence}" "$what $to"
}
no_more='stdout takes no more'
for verb in "observe pi -f" "observe pi -f -o jsonl" "flows pi/edge -f" "flows pi/edge -f -o jsonl" "capture pi/a2 -w -"; do
	no_fd=$no_more no_space=$no_more
	case $verb in capture*) no_fd='Bad file descriptor' no_space='No space left on device' ;; esac
	ends 141 '' "$verb" '| head -n1' $verb
	ends 4 "$no_fd" "$verb" '>&-' $verb
	ends 4 "$no_space" "$verb" '>/dev/full' $verb
done
"$VPC" flows pi/slow -f >"$T/slow" 2>&1 &
slow=$! began=$SECONDS
# Its sums go to stderr, where stdout has lines: not where these did not.
replay=(replay "$T/pi.ini" --eni a2 "$T/some.pcap" -o jsonl)
ends 4 "$no_more" replay '>&-' "${replay[@]}"
ends 4 "$no_more" replay '>/dev/full' "${replay[@]}"

# ---- nothing is to be said, and the reader has gone all the same ---------------------------------------
ends 141 '' "observe: nothing" '| go' observe pi -f --port 4711
ends 141 '' "flows: no record for long" '| go' flows pi/slow -f
ends 141 '' "capture: no packet" '| go' capture pi/a2 -w - --filter 'udp port 4711'
trap '' PIPE
ends 4 "its reader has gone" "observe, SIGPIPE ignored" '| go' observe pi -f --port 4711
trap - PIPE

# ---- a window of ten minutes ----------------------------------------------------------------------------
wait_for eval '((SECONDS - began > 11))'
is "$(jobs -pr | grep -x "$slow"; grep ^vpc: "$T/slow")" "$slow" "flows -f waits for its first record longer than other questions wait"
kill "$slow" && wait "$slow" 2>/dev/null
done_testing
