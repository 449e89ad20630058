# needs: on a kernel, or in a container, that lacks something vpc says in one sentence what and how to get it, exits
# 3, and nothing is left.
. "${0%/*}/../lib.sh"
"$ROOT/tests/without" bpf true || skip_all "no seccomp filter can be set here"

ini=$ROOT/topologies/minimal.ini
lacks() { # REGEX DESCRIPTION COMMAND...
	local re=$1 what=$2 rc=0 out
	shift 2
	out=$("$@" 2>&1) || rc=$?
	out=$(grep -v '^starting vpcd' <<<"$out")
	if [ $rc = 3 ] && [ "$(wc -l <<<"$out")" = 1 ] && [[ $out =~ $re ]]; then ok "$what"; else
		not_ok "$what"
		note "exit $rc: $out; wanted: $re"
	fi
}
for c in sys_admin net_admin setuid setgid; do
	lacks "vpcd needs all rights of root: CAP_${c^^} is missing; start it outside" "up without CAP_${c^^}" \
		setpriv --bounding-set "-$c" --inh-caps "-$c" "$VPC" up "$ini"
done
lacks 'vpcd needs BPF programs at TC hooks: .*Function not implemented; .*CONFIG_BPF_SYSCALL' "a kernel without BPF" \
	"$ROOT/tests/without" bpf "$VPC" up "$ini"
lacks 'vpcd needs nf_tables with NAT: .*Protocol not supported; .*CONFIG_NF_TABLES' "without nf_tables" \
	"$ROOT/tests/without" netfilter "$VPC" up "$ini"
lacks 'vpcd needs user namespaces: .*; .*user.max_user_namespaces' "without user namespaces" \
	"$ROOT/tests/without" userns "$VPC" up "$ini"
lacks 'vpcd needs network namespaces: .*CONFIG_NET_NS' "without network namespaces" \
	"$ROOT/tests/without" netns "$VPC" up "$ini"
is "$(ls -A "$VPCD_STATE_DIR" /run/netns)" "$(printf '%s:\n\n%s:\n' /run/netns "$VPCD_STATE_DIR")" "nothing of it is left"
check "validate needs none of that" "$ROOT/tests/without" bpf "$VPC" validate "$ini"
done_testing
