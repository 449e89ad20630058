# five_ways: of each flow trace, probe, observe, flows and the comments of capture name the same gate and rule: between all
# ends of labs in which answers leave by a NAT gateway that the request did not pass, in both modes; of each shipped topology, the
# modes by turns; of a random one (SEED=N repeats it, COUNT=N takes so many). ONLY=NAME takes one, MODES="fast kernel" takes both of all.
. "${0%/*}/../lib.sh"
. "$ROOT/tests/net/wire/captures.sh"

protos=${PROTOS:-tcp/80 udp/53 icmp icmp/13 50}

all_flows() { # TOPOLOGY: each end to each other one
	local ends more a b p
	ends=$(sed -nE 's/^\[(instance|host) (.*)\]$/\2/p' "$1"; sed -nE 's/^; end (.*)$/\1/p' "$1")
	more=$(sed -nE 's/^; dst (.*)$/\1/p' "$1")
	for a in $ends; do
		for b in $ends $more; do
			for p in $protos; do
				[ "${a%@*}" = "${b%@*}" ] && continue
				case $p in *[a-z]*) ;; *) [[ $a < $b ]] || continue ;; esac # without ports both ways are one connection
				echo "$a" "$b" "$p"
			done
		done
	done
}
five_ways() { # TOPOLOGY LAB
	local names
	names=$(captures_interfaces "$2")
	names+=" $(sed -nE 's/^\[host (.*)\]$/\1/p' "$1")"
	captures_start "$2" $names
	rm -f "$T/sent" "$T/parsed"
	mkfifo "$T/sent" "$T/parsed"
	PYTHONPATH=$ROOT/tests/net/wire python3 "$ROOT/tests/net/wire/five_ways.py" "$2" "$1" "$T/flows" "$T/sent" "$T/parsed" >"$T/differ" 2>"$T/sums" &
	local asker=$!
	cat "$T/sent"
	captures_end
	python3 "$ROOT/tests/net/wire/pcapng.py" "$T/cap.all" >"$T/parsed"
	wait $asker
}

compared_by() { # TOPOLOGY NAME MODE
	local file=$1 name=$2 mode=$3
	{
		printf '[lab five]\ndatapath = %s\n' $mode
		sed -E '/^\[lab|^datapath *=/d' "$file"
		sed -nE 's/^\[vpc (.*)\]$/[flow-log five-\1]\nvpc = \1/p' "$file"
	} >"$T/five.ini"
	all_flows "$file" >"$T/flows"
	check "$name, $mode: goes up" vpc up "$T/five.ini" || return
	if five_ways "$T/five.ini" five; then ok "$name, $mode: five ways say the same: $(cat "$T/sums")"; else
		not_ok "$name, $mode: five ways say the same: $(tail -n 3 "$T/sums")"
		note "$(head -n ${SHOWN:-12} "$T/differ")"
	fi
	vpc down five >/dev/null
}

daemon_start
for file in "$ROOT"/tests/net/five_ways/${ONLY:-*}.ini; do
	[ -e "$file" ] || continue # ONLY
	for mode in ${MODES:-fast kernel}; do compared_by "$file" "$(basename "$file" .ini)" $mode; done
done
n=0 turn=(fast kernel)
for file in "$ROOT"/topologies/${ONLY:-*}.ini; do
	[ -e "$file" ] || continue
	for mode in ${MODES:-${turn[n++ % 2]}}; do compared_by "$file" "$(basename "$file" .ini)" $mode; done
done
seed=${SEED:-$((RANDOM * 32768 + RANDOM))}
for ((n = seed; n < seed + ${COUNT:-1}; n++)); do
	"$B/tests/net/random_topology" $n five fast "$T/random.ini" "$T/answers" || bail "no topology of seed $n"
	for mode in ${MODES:-${turn[n % 2]}}; do compared_by "$T/random.ini" "seed $n" $mode; done
done
done_testing
