# wire.sh: for scripts whose packets are made in Python. Sourced after lib.sh.

# wire NAME ARG...: runs wire/NAME.py. Its lines "ok TEXT" and "not ok TEXT" become results, others notes.
wire() {
	local line before=$tap_n
	daemon_killed_in_the_middle now # not while it asks the daemon
	while IFS= read -r line; do
		case $line in
		'ok '*) ok "${line#ok }" ;;
		'not ok '*) not_ok "${line#not ok }" ;;
		*) note "$line" ;;
		esac
	done < <(PYTHONDONTWRITEBYTECODE=1 timeout -k 2 55 python3 "$ROOT/tests/net/wire/$1.py" "${@:2}" 2>&1 ||
		echo "not ok $1.py $* ends well")
	[ "$tap_n" -gt "$before" ] || not_ok "$1.py has results"
}
