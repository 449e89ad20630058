# docs: what the help, the README and the man pages show works as it stands there; the man pages say what the
# tables say.
. "${0%/*}/../lib.sh"
cd "$ROOT"

check "man pages are as the tables (make man)" docs/man --check
like "$(sed 's/\\//g' docs/vpc.ini.5)" 'ipv6-cidrfR \(may be repeated\) \(not available yet' "a key that is refused is said to be"
is "$(sed -nE 's/^\| `([A-Z_0-9]+)` \| (.*) \|$/\1 \2/p' docs/datapath.md)" \
	"$(sed -n '/^#define ABI_REASONS/,/[^\\]$/p' bpf/abi.h | sed -nE 's/^\tX\(([A-Z_0-9]+), "(.*)"\).*/\1 \2/p' | grep -v ^NONE)" "docs/datapath.md has every reason"
if command -v groff >/dev/null; then
	for page in docs/*.[1-8]; do
		is "$(groff -man -ww -k -Tutf8 "$page" 2>&1 >"$T/page" | head -n3; grep -c . "$T/page" | sed 's/^.$/short/; s/^[0-9]*$//')" "" "$page can be printed"
	done
fi
for verb in $(vpc help | sed -nE 's/^  ([a-z]+) .*/\1/p'); do
	grep -q "^\.SS \"vpc $verb" docs/vpc.1 || not_ok "vpc.1 has $verb"
done
like "$("$VPCD" --help; sed 's/\\//g' docs/vpcd.8)" 'exit-when-idle.*exit-when-idle' "vpcd(8) is there"
for o in $("$VPCD" --help | grep -o -- '--[a-z-]*' | sort -u); do
	[ "$o" = --help ] || grep -q -- "${o//-/\\\\-}" docs/vpcd.8 || not_ok "vpcd.8 has $o"
done

if command -v make >/dev/null; then
	check "make install" make -s -o all install DESTDIR="$T/installed"
	is "$(cd "$T/installed/usr/local" && find . -type f ! -name '*.ini' | sort | xargs)" \
		"./bin/vpc ./sbin/vpcd ./share/man/man1/vpc.1 ./share/man/man5/vpc.ini.5 ./share/man/man8/vpcd.8" "programs and pages are where they belong"
fi

# ---- topologies that the pages show -------------------------------------------------------------------
sed -n '/^## A topology/,/^What needs/s/^    //p' README.md >"$T/readme.ini"
check "the README's topology is valid and holds what it expects" vpc test "$T/readme.ini"
sed -n '/^\.EX/,/^\.EE/{/^\./d;s/\\-/-/g;p}' docs/vpc.ini.5 >"$T/page.ini"
check "so does the one of vpc.ini(5)" vpc test "$T/page.ini"
like "$(vpc test "$T/page.ini" | tail -n1)" '^[1-9][0-9]* passed, 0 failed' "it expects something"

# ---- commands ------------------------------------------------------------------------------------------
# In a folder that has what they name. A finding is no failure; a stream goes on until it is ended.
mkdir "$T/here"
ln -s "$ROOT/topologies" "$T/here/topologies"
ln -s "$B" "$T/here/build"
cp topologies/three-tier.ini "$T/here/lab.ini"
cp topologies/three-tier.ini "$T/here/old.ini"
sed 's/5432 from sg:app/5433 from sg:app/' topologies/three-tier.ini >"$T/here/new.ini"
for f in web other x; do python3 -c 'import struct, sys
sys.stdout.buffer.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))' >"$T/here/$f.pcap"; done
works() { # COMMAND
	local rc=0 out limit=20
	[[ $1 != *' -f'* && $1 != *'vpc capture '* ]] || limit=1
	out=$(cd "$T/here" && PATH=$B:$PATH timeout $limit bash -c "$1" 2>&1 </dev/null) || rc=$?
	[ $rc -le 1 ] || [ $rc$limit = 1241 ] || {
		not_ok "$1"
		note "exit $rc: $out"
		return
	}
	ok "$1"
}
daemon_start
check "a lab" vpc up topologies/three-tier.ini
check "a flow log in it, which no file takes away" curl -sSf --unix-socket "$VPCD_RUN_DIR/vpcd.sock" http://v/v1/labs/three-tier/changes \
	--data '{"edits":[{"op":"create","kind":"flow-log","name":"edge"},{"op":"set","kind":"flow-log","name":"edge","key":"vpc","value":"shop"}]}'
while IFS= read -r line; do works "$line"; done < <(for verb in $(vpc help | sed -nE 's/^  ([a-z]+) .*/\1/p'); do
	vpc help "$verb" | grep '^  .*vpc ' | grep -v -e 'git ' -e 'vpc down' -e '| dot ' -e 'shark ' -e 'vpc top'
done)
check "both labs of the demo" vpc up topologies/three-tier.ini topologies/aws-public-private.ini
n=0
while IFS= read -r line; do
	[[ $line != 'ip netns exec '* ]] || line="nsenter --net=/run/netns/${line#ip netns exec }"
	works "$line"
	n=$((n + 1))
done < <(sed -nE 's/^    ((build\/vpc|ip netns exec) .*)/\1/p' README.md | sed 's/   .*//' | sort -s -k2,2 | grep -v -e ' down ' -e wireshark -e 'vpc top')
[ $n -ge 12 ] && ok "the README has commands" || not_ok "the README has $n commands"
check "the last one" vpc down --all
done_testing
