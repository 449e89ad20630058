# cli_offline: what the offline verbs print, against tests/golden/cli/; UPDATE_GOLDEN=1 writes those anew.
. "${0%/*}/../lib.sh"

cd "$ROOT" || exit 2
# golden NAME CODE COMMAND...: stdout is tests/golden/cli/NAME, the exit code CODE, and stderr empty
golden() {
	local name=$1 want=$2 file=tests/golden/cli/$1 rc=0
	shift 2
	"$@" >"$T/out" 2>"$T/err" || rc=$?
	[ -z "${UPDATE_GOLDEN:-}" ] || cp "$T/out" "$file"
	if [ $rc = "$want" ] && cmp -s "$T/out" "$file" && [ ! -s "$T/err" ]; then ok "$name"; else
		not_ok "$name"
		note "exit $rc instead of $want; $(diff "$file" "$T/out" | head -n 20; head -n 5 "$T/err")"
	fi
}
three=topologies/three-tier.ini aws=topologies/aws-public-private.ini

# ---- matrix --------------------------------------------------------------------------------------
golden matrix.txt 0 vpc matrix $three tcp/443 tcp/5432
golden matrix-usual.txt 0 vpc matrix topologies/minimal.ini
golden matrix.csv 0 vpc matrix $aws tcp/3306
golden matrix.json 0 vpc matrix $aws tcp/3306 -o json
golden matrix.html 0 vpc matrix topologies/two-vpcs.ini tcp/80 icmp -o html
golden matrix-from-port.txt 0 vpc matrix $aws tcp/443 --from-port 1024
like "$(vpc trace topologies/peering-three-vpcs.ini builder registry icmp)" $'  allow  peering +[^ \n]+\n' "a gate that has nothing to say ends the line"
like "$(vpc trace topologies/two-vpcs.ini blue-1 green-2 tcp/80)" 'green-2 has no public address; green-2@10\.[0-9.]+ is its private one\)' "who has no public address has a private one, which its name with @ means"
for name in $'bad\xff.ini' $'two\nlines.ini' $'x\ry.ini'; do
	cp topologies/minimal.ini "$T/$name"
	for how in "matrix -o html" "matrix -o csv" validate lint; do
		like "$(vpc $how "$T/$name" 2>&1) $?" 'a file whose name holds a line break, or is not UTF-8, cannot be named in messages; rename it 2$' "$how of $(printf %q "$name")"
	done
done
{ echo "[lab quoted]"; cat topologies/minimal.ini; } >"$T/a, \"b\".ini"
is "$(vpc matrix "$T/a, \"b\".ini" icmp -o csv | python3 -c 'import csv, sys; print({len(r) for r in csv.reader(sys.stdin)})')" "{11}" "a name that CSV has to quote"
cat >"$T/stops.ini" <<'INI'
[vpc v]
cidr = 10.0.0.0/16
[internet-gateway g]
vpc = v
[route-table p]
vpc = v
main = yes
route = 0.0.0.0/0 via igw:g
route = 10.1.0.0/16 via pcx:v-w
[subnet p]
vpc = v
cidr = 10.0.0.0/24
[nat-gateway nat]
subnet = p
[instance a]
subnet = p
security-groups = open
public-ip = auto
[security-group open]
vpc = v
inbound = all from 0.0.0.0/0
[vpc w]
cidr = 10.1.0.0/16
[vpc-peering-connection v-w]
vpc = v
peer-vpc = w
[subnet down]
vpc = w
cidr = 10.1.0.0/24
zone = b
[instance b]
subnet = down
[lab stops]
zones-down = b
[vpc lone]
cidr = 10.2.0.0/16
[subnet lone]
vpc = lone
cidr = 10.2.0.0/24
[instance c]
subnet = lone
INI
while read -r line src dst proto gate; do # what has no rule to name
	like "$(vpc trace "$T/stops.ini" $src $dst $proto --minimal)" "at $gate: .* $T/stops.ini:$line \\[" "$src -> $dst $proto: denied at $gate, which stands in line $line"
done <<'CASES'
13 nat a tcp/80 return:nat@nat
24 a b tcp/80 route@v-w
24 a 10.1.0.77 tcp/80 route@v-w
35 a c tcp/80 igw
15 a:67 10.1.0.4 udp/68 parse
15 a 10.0.0.2 tcp/80 service
3 a 8.8.8.8 icmp internet
CASES
same_page() { # FILE FLOW…: the page says what the CSV says, of as many pairs
	vpc matrix "$@" -o html >"$T/page" && vpc matrix "$@" -o csv >"$T/csv"
	is "$(PYTHONDONTWRITEBYTECODE=1 python3 tests/net/wire/matrix_page.py "$T/page" "$T/csv")" "$(($(wc -l <"$T/csv") - 1))" \
		"${1##*/}: each cell of the page says what the CSV says, and leads to its rule"
}
for f in topologies/*.ini; do same_page "$f" tcp/443 tcp/5432 icmp; done
# The script of the page, run by a browser: every name heads a row and a column, and is not cut.
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || browser=
drawn() { # NAME…: of a lab of such instances, the heads that the page draws, and how many of them are cut
	printf '[vpc v]\ncidr = 10.0.0.0/16\n[subnet a]\nvpc = v\ncidr = 10.0.0.0/24\n' >"$T/drawn.ini"
	printf '[instance %s]\nsubnet = a\n' "$@" >>"$T/drawn.ini"
	vpc matrix "$T/drawn.ini" tcp/80 -o html >"$T/drawn.html"
	cat >>"$T/drawn.html" <<-'HTML'
		<script>const th=[...document.querySelectorAll('.m th')];
		document.title=th.map(e=>e.textContent).join(' ').trim()+' '+th.filter(e=>e.scrollWidth>e.clientWidth).length</script>
	HTML
	"$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$T/browser" --dump-dom "file://$T/drawn.html" 2>/dev/null |
		sed -n 's/.*<title>\(.*\)<\/title>.*/\1/p'
}
for names in "porter miss-k sheet parent robot" "a b" "WWWWWWWW mmmmmmm iiiiiiiiiiii"; do
	names=${names,,}
	if [ -n "$browser" ]; then is "$(drawn $names)" "$names $names 0" "a page drawn by a browser: $names"; else
		skip "a page drawn by a browser: $names" "no chromium"
	fi
done
check_rc 2 "matrix of a flow that is none" vpc matrix $three tcp
check_rc 4 "matrix of a broken file" vpc matrix tests/golden/conf/key-twice.ini

# Very many: rows that no rule tells apart are one.
{
	printf '[vpc v]\ncidr = 10.0.0.0/16\n[subnet a]\nvpc = v\ncidr = 10.0.0.0/22\n[security-group g]\nvpc = v\ninbound = tcp 80 from 10.0.3.0/24\n'
	for i in $(seq 150); do printf '[instance x%s]\nsubnet = a\nsecurity-groups = g\n' "$i"; done
	printf '[instance y]\nsubnet = a\naddress = 10.0.3.7\nsecurity-groups = g\n'
} >"$T/many.ini"
is "$(vpc matrix "$T/many.ini" tcp/80)" "tcp/80   x1 +149  y
x1 +149  sg-in    sg-in
y        allow    -
151 ends in 2 rows: those of a row are told apart by no rule; NAME +N is NAME and N more" "151 instances in two rows"
is "$(vpc matrix "$T/many.ini" tcp/80 -o csv | wc -l)" "$((151 * 150 + 1))" "CSV has every pair"

# 1,000 instances in 50 subnets of 5 VPCs, in some 800 classes. The bars here find what grows out of hand: they are CPU time,
# and 2.5 times what a quiet machine may take (1 s, design 7; make bench), for others share its processors.
python3 - >"$T/thousand.ini" <<'PY'
print("[lab thousand]\nquotas = off\n[host h]\naddress = 198.51.100.7")
for v in range(5):
    print(f"[vpc v{v}]\ncidr = 10.{v}.0.0/16\n[internet-gateway igw{v}]\nvpc = v{v}\n[route-table pub{v}]\nvpc = v{v}\nroute = 0.0.0.0/0 via igw:igw{v}")
    for k in range(3):
        print(f"[nacl n{v}-{k}]\nvpc = v{v}\ninbound = 900 allow all from 0.0.0.0/0\noutbound = 900 allow all to 0.0.0.0/0")
        for r in range(1, 8):
            print(f"inbound = {r * 10} allow tcp {80 + r * 10 + k} from 10.{v}.{r * 4}.0/22\noutbound = {r * 10} allow tcp {80 + r * 10 + k} to 10.{v}.{r * 4}.0/22")
    for g in range(10):
        print(f"[security-group g{v}-{g}]\nvpc = v{v}\ninbound = tcp 443 from sg:g{v}-{(g + 1) % 10}\ninbound = tcp 22 from 10.{v}.0.0/20\ninbound = tcp {8000 + g} from 0.0.0.0/0")
    for s in range(10):
        print(f"[subnet s{v}-{s}]\nvpc = v{v}\ncidr = 10.{v}.{s * 4}.0/22\nnacl = n{v}-{s % 3}" + (f"\nroute-table = pub{v}" if s < 3 else ""))
        for i in range(20):
            print(f"[instance i{v}-{s}-{i}]\nsubnet = s{v}-{s}\nsecurity-groups = g{v}-{(s + i) % 10}" + (f" g{v}-{(s + i + 5) % 10}" if i % 3 == 0 else "")
                  + ("\npublic-ip = auto" if s < 3 and i % 4 == 0 else ""))
PY
cpu_ms() { # COMMAND...: its CPU time
	local TIMEFORMAT='%U %S' times
	times=$({ time "$@" >"$T/out" 2>"$T/err"; } 2>&1)
	awk '{ printf "%d", ($1 + $2) * 1000 }' <<<"$times"
}
for port in tcp/443 icmp; do
	ms=$(cpu_ms vpc matrix "$T/thousand.ini" $port)
	[ "$ms" -le 2500 ] && ok "matrix of 1,000 instances, $port: $ms ms" || not_ok "matrix of 1,000 instances, $port: $ms ms"
	like "$(tail -n1 "$T/out")" '^1001 ends in [78][0-9]{2} rows' "... has them all"
done
same_page "$T/thousand.ini" tcp/443
is "$(($(wc -c <"$T/page") < 1000000))" 1 "a page of a million pairs is less than a megabyte: $(wc -c <"$T/page")"
sed 's/tcp 8003 from 0.0.0.0.0$/&\ninbound = tcp 444 from 198.51.100.0\/24/' "$T/thousand.ini" >"$T/thousand-new.ini"
ms=$(cpu_ms vpc diff "$T/thousand.ini" "$T/thousand-new.ini")
[ "$ms" -le 2500 ] && ok "diff of two of them: $ms ms" || not_ok "diff of two of them: $ms ms"
like "$(tail -n1 "$T/out")" '^5 pairs differ' "... finds what differs"

# ---- trace: the lines that would allow what is denied ----------------------------------------------
golden trace-advice.txt 1 vpc trace $three web-1 db-1 tcp/5432
golden trace-advice-none.txt 1 vpc trace $three mirror nat-a tcp/443
golden trace-advice.json 1 vpc trace $three laptop web-1 tcp/22 --advice -o json
golden trace-advice-minimal.txt 1 vpc trace $aws db-1:1024 world tcp/443 --advice --minimal
golden trace-peering.txt 1 vpc trace topologies/peering-three-vpcs.ini builder 10.3.1.10 tcp/80
sed '/^inbound = tcp 5432 from sg:app$/d' $three >"$T/no-rule.ini"
sed '/^outbound = 100 allow tcp 1024-65535 to 10.0.10.0/d' $three >"$T/no-reply.ini"
check_rc 1 "without its group's rule a new connection is denied" vpc trace "$T/no-rule.ini" app-1 db-1 tcp/5432
check_rc 0 "... and one that was there before goes on" vpc trace "$T/no-rule.ini" app-1 db-1 tcp/5432 --state established
like "$(vpc trace "$T/no-rule.ini" app-1 db-1 tcp/5432 --state established)" 'sg-in +db-1 +\(tracked\)' "... for it is remembered"
like "$(vpc trace "$T/no-reply.ini" app-1 db-1 tcp/5432 --state established)" 'at return:nacl-out@db' "an ACL remembers nothing"
check_rc 2 "--state of a kind that is none" vpc trace $three app-1 db-1 tcp/5432 --state old
check_rc 2 "--state live of a file" vpc trace $three app-1 db-1 tcp/5432 --state live
golden trace-flows.txt 1 vpc trace $three --flows tests/golden/cli/flows --advice
like "$(vpc trace topologies/three-tier.ini web-1 app-1 icmp/3.1)" "checked: with this it arrives; no answer is due to it$" "advice promises no reply where none is due"
golden trace-allowed.json 0 vpc trace topologies/minimal.ini a b icmp --advice -o json

# ---- graph ---------------------------------------------------------------------------------------
golden graph.svg 0 vpc graph $three
golden graph-flow.svg 0 vpc graph $three --flow laptop db-1 tcp/5432
golden graph-return.svg 0 vpc graph $aws --flow db-1:1024 world tcp/443
golden graph.html 0 vpc graph topologies/two-vpcs.ini -o html
golden graph.dot 0 vpc graph $three -o dot --flow web-2 bastion icmp
golden graph.mmd 0 vpc graph $three -o mermaid --flow app-1 mirror tcp/443
pcx=topologies/peering-three-vpcs.ini fw=topologies/inspection-appliance.ini
golden graph-peering.svg 0 vpc graph $pcx
golden graph-peering.dot 0 vpc graph $pcx -o dot --flow laptop-in-dev registry tcp/443
golden graph-peering.mmd 0 vpc graph $pcx -o mermaid --flow builder 10.3.1.10 tcp/80
golden graph-peering-flow.svg 0 vpc graph $pcx --flow builder 10.3.1.10 tcp/80
golden graph-edge.svg 0 vpc graph $fw
golden graph-edge.mmd 0 vpc graph $fw -o mermaid
for f in graph.svg graph-flow.svg graph-return.svg graph-peering.svg graph-peering-flow.svg graph-edge.svg; do
	check "$f is well-formed XML" python3 -c "import xml.dom.minidom as x; x.parse('tests/golden/cli/$f')"
done
for t in topologies/*.ini; do
	check "SVG of $t is well-formed" python3 -c "import sys, xml.dom.minidom as x; x.parse(sys.stdin)" < <(vpc graph "$t")
done
# What is written for dot is drawn by it, without a word.
for t in topologies/*.ini "topologies/peering-three-vpcs.ini --flow laptop-in-dev registry tcp/443"; do
	if ! command -v dot >/dev/null; then
		skip "dot of $t" "graphviz is not installed"
		continue
	fi
	is "$(vpc graph $t -o dot | dot -Tsvg 2>&1 >"$T/dot.svg") $?" " 0" "dot of $t is drawn"
done
if command -v dot >/dev/null; then
	is "$(vpc graph $three -o dot | dot -Tplain | python3 -c "
import shlex, sys
labels = [w[-5:] for w in map(shlex.split, sys.stdin) if w[0] == 'edge' and len(w) - 2 * int(w[3]) == 9]
near = [a[0] for i, a in enumerate(labels) for b in labels[:i] if abs(float(a[1]) - float(b[1])) < 0.5 and abs(float(a[2]) - float(b[2])) < 0.12]
print(len(labels), near)")" "4 []" "dot of $three: no label of a route lies over another"
else
	skip "dot of $three: no label of a route lies over another" "graphviz is not installed"
fi
check_rc 2 "graph of a flow without words" vpc graph $three --flow
check_rc 2 "graph as a table" vpc graph $three -o table

# ---- test ----------------------------------------------------------------------------------------
failing=tests/golden/cli/failing.ini
golden test-failing.txt 1 vpc test $failing
golden test-coverage.txt 0 vpc test --coverage $three
golden test-coverage.json 1 vpc test --coverage -o json $failing
golden test.tap 1 vpc test -o tap $failing
printf '\033]0;x\a -> web-1 tcp/1\n' >"$T/rude"
is "$(vpc trace $three --flows "$T/rude" 2>&1 | tr -d '\n' | tr -c '[:print:]' '#')" \
	"vpc: $T/rude:1: lab three-tier has no instance, interface or host \"?]0;x?\", and it is no address" "a message writes no control characters to a terminal"
head -c 100000 /dev/zero | tr '\0' a >"$T/rude"
is "$(($(vpc trace $three --flows "$T/rude" 2>&1 | wc -c) < 2000))" 1 "... and is of bounded length"
cp topologies/hairpin.ini "$T/"$'\e[31m<.ini'
check "a report is XML, whatever a file is called" eval 'vpc test -o junit "$T/"*"31m<.ini" | python3 -c "import sys, xml.dom.minidom as x; x.parse(sys.stdin)"'
golden test.xml 1 vpc test -o junit $failing topologies/minimal.ini
check "JUnit is well-formed XML" python3 -c "import xml.dom.minidom as x; x.parse('tests/golden/cli/test.xml')"
golden test-coverage.tap 1 vpc test --coverage -o tap $failing
golden test-coverage.xml 1 vpc test --coverage -o junit $failing topologies/minimal.ini
check "... with coverage, too" python3 -c "import xml.dom.minidom as x; x.parse('tests/golden/cli/test-coverage.xml')"
is "$(grep '^#.*coverage' tests/golden/cli/test-coverage.tap)" "# $(vpc test --coverage $failing | grep ^coverage)" "coverage in TAP is what the table says"
sed '/^\[expect\]/,$d' topologies/hairpin.ini >"$T/none.ini"
like "$(vpc test --coverage -o junit "$T/none.ini" 2>"$T/err" | python3 -c 'import sys, xml.dom.minidom as x
print([s.getAttribute("tests") + " " + s.getElementsByTagName("system-out")[0].firstChild.data[:17] for s in x.parse(sys.stdin).getElementsByTagName("testsuite")])')" \
	"^\['0 coverage: 0 of [1-9]" "a file without expectations has its coverage all the same"
check_rc 2 "coverage of a running lab" vpc test --live --coverage

# ---- diff ----------------------------------------------------------------------------------------
golden diff.txt 1 vpc diff $three tests/golden/cli/three-tier-new.ini
golden diff-aws.txt 1 vpc diff $aws tests/golden/cli/aws-new.ini
golden diff.json 1 vpc diff tests/golden/cli/three-tier-new.ini $three -o json
is "$(vpc diff $three $three)" "no changes" "a file does not differ from itself"
check_rc 2 "diff of one file" vpc diff $three

# ---- validate ------------------------------------------------------------------------------------
sed 's/^\[lab.*/&\nrule-table-entries = 1/' $three >"$T/tight.ini"
grep -q rule-table "$T/tight.ini" || { echo '[lab tight]'; echo 'rule-table-entries = 1'; cat $three; } >"$T/tight.ini"
check_rc 1 "rules that do not fit are found before a lab is made of them" vpc validate "$T/tight.ini"
like "$(vpc validate "$T/tight.ini")" "tight.ini:[0-9]+: error: .*table rules needs [0-9]+ entries, the limit is 1; rule .*; set a higher rule-table-entries" \
	"... with rule, table, limit and setting"
is "$(vpc validate -o json "$T/tight.ini" | grep -c '"code": "RuleTableLimitExceeded"')" "$(($(vpc validate "$T/tight.ini" | wc -l) - 1))" "... as JSON, too"
check_rc 4 "... and nobody reads them" vpc trace "$T/tight.ini" web-1 db-1 tcp/5432

# ---- fmt -----------------------------------------------------------------------------------------
golden fmt.ini 0 vpc fmt tests/golden/cli/messy.ini
check "the canonical form is valid" vpc validate tests/golden/cli/fmt.ini
check_rc 0 "... and its own canonical form" vpc fmt --check tests/golden/cli/fmt.ini
golden fmt-check.txt 1 vpc fmt --check tests/golden/cli/fmt.ini tests/golden/cli/messy.ini
check_rc 0 "the shipped topologies are in it" vpc fmt --check $three $aws topologies/minimal.ini
check_rc 2 "two files on stdout" vpc fmt $three $aws
is "$(vpc fmt tests/golden/lint/findings.ini | grep -c '^;')" 2 "fmt keeps comments"

# ---- lint ----------------------------------------------------------------------------------------
golden lint.txt 1 vpc lint tests/golden/lint/findings.ini
golden lint.json 1 vpc lint -o json tests/golden/lint/findings.ini
for t in topologies/*.ini; do
	is "$(vpc lint "$t")" "$t: nothing to say" "clean: $t"
done
help=$(vpc lint --help)
codes=$(sed -nE 's/^\t\{ "([a-z-]+)", "(.*)", (true|false) \},/\1\t\2/p' vpcd/path/lint.c)
is "$(grep -c . <<<"$codes")" "$(grep -cP '^\t\{ "[a-z-]+"' vpcd/path/lint.c)" "each code of lint has its meaning in one line"
while IFS=$'\t' read -r code text; do
	like "$help" "  $code +$text" "lint --help explains $code"
done <<<"$codes"
is "$(grep -c -- '(--fix removes it)' <<<"$help")" "$(grep -cP '^\t\{ .* true \},' vpcd/path/lint.c)" "... and says what --fix removes"
{
	printf '[lab l]\nquotas = off\n[vpc v]\ncidr = 10.0.0.0/16\n[subnet s]\nvpc = v\ncidr = 10.0.0.0/24\nnacl = n\n[instance i]\nsubnet = s\n[nacl n]\nvpc = v\n'
	for i in $(seq 2000); do printf 'inbound = %d allow tcp %d from 10.%d.%d.0/24\noutbound = %d allow tcp %d to 10.%d.%d.0/24\n' \
		$i $i $((i % 250)) $((i / 250)) $i $((i + 20000)) $((i % 250)) $((i / 250)); done
} >"$T/rules.ini"
ms=$(cpu_ms vpc lint "$T/rules.ini")
[ "$ms" -le 2500 ] && ok "lint of an ACL of 4,000 rules: $ms ms" || not_ok "lint of an ACL of 4,000 rules: $ms ms"
cp tests/golden/lint/findings.ini "$T/findings.ini"
(cd "$T" && vpc lint --fix findings.ini >fixed.out 2>fixed.err)
like "$(cat "$T/fixed.err")" 'findings.ini: 9 lines removed; no flow changes' "lint --fix takes dead lines out"
is "$(vpc lint "$T/findings.ini" | grep -cE 'redundant|shadowed|contradictory|deny-behind')" 0 "... all of them"
is "$(vpc diff tests/golden/lint/findings.ini "$T/findings.ini")" "no changes" "... and no flow changes"
is "$(cat "$T/fixed.out")" "$(cd "$T" && vpc lint findings.ini)" "... what is left to say is said of the file as it is afterwards"
mkdir "$T/linked"
for verb in "lint --fix" "fmt --write"; do
	cp tests/golden/lint/findings.ini "$T/linked/real.ini"
	sed -i 's/ = /=/' "$T/linked/real.ini"
	chmod 640 "$T/linked/real.ini"
	chown 65534:65534 "$T/linked/real.ini"
	ln -sfn linked/real.ini "$T/link.ini"
	vpc $verb "$T/link.ini" >/dev/null 2>&1
	is "$(stat -c %F "$T/link.ini") $(stat -c '%a %u:%g' "$T/linked/real.ini")" "symbolic link 640 65534:65534" "$verb: a link stays a link; mode and owner stay"
	is "$(cmp -s "$T/linked/real.ini" <(sed 's/ = /=/' tests/golden/lint/findings.ini)) $?" " 1" "... and the file it leads to is written"
done
cp topologies/minimal.ini "$T/minimal.ini"
check_rc 0 "lint --fix of a clean file" vpc lint --fix "$T/minimal.ini"
check "... which stays as it is" cmp topologies/minimal.ini "$T/minimal.ini"

# ---- pictures: what has several addresses or ranges ---------------------------------------------------------
cat >"$T/several.ini" <<'INI'
[lab several]
quotas = off
[vpc v]
cidr = 10.0.0.0/16
cidr = 10.1.0.0/24
[internet-gateway i]
vpc = v
[route-table r]
vpc = v
main = yes
route = 0.0.0.0/0 via igw:i
[subnet s]
vpc = v
cidr = 10.0.1.0/24
[nat-gateway n]
subnet = s
public-ip = 203.0.113.5
public-ip = 203.0.113.6
public-ip = 203.0.113.7
[instance a]
subnet = s
address = 10.0.1.20
address = 10.0.1.21
INI
for form in dot mermaid; do
	is "$(vpc graph "$T/several.ini" -o $form | grep -oE '203\.0\.113\.[567]|10\.0\.1\.2[01]|10\.1\.0\.0/24' | sort | tr '\n' ' ')" \
		"10.0.1.20 10.0.1.21 10.1.0.0/24 203.0.113.5 203.0.113.6 203.0.113.7 " "$form names each address and range"
done
for form in svg html; do
	is "$(vpc graph "$T/several.ini" -o $form | grep -oE '>(10\.0\.1\.[0-9]+|⇄ 203[0-9.]+)[^<]*<' | sort | tr -d '\n')" ">10.0.1.20 +1<>10.0.1.4 +2<>⇄ 203.0.113.5 +2<" \
		"$form says how many there are behind the first"
done

# ---- a result that nobody gets, and other rough hands --------------------------------------------------------
for verb in "graph $three" "trace $three web-1 db-1 tcp/80" "matrix $aws tcp/80 -o html" "test $three" "fmt $three" "trace --help"; do
	check_rc 4 "${verb%% *}: a full disk" eval "vpc $verb >/dev/full"
	check_rc 4 "... stdout closed" eval "vpc $verb >&-"
done
like "$(vpc graph $three 2>&1 >/dev/full)" 'the result cannot be written' "... and it says so"
cp tests/golden/lint/findings.ini "$T/closed.ini"
check_rc 4 "lint --fix with stdout closed" eval 'vpc lint --fix "$T/closed.ini" >&- 2>&-'
is "$(head -n1 "$T/closed.ini")" "$(head -n1 tests/golden/lint/findings.ini)" "... writes no result into the file"
check "... which is valid" vpc validate "$T/closed.ini"
check_rc 4 "stdin closed" eval "vpc trace - a b icmp <&-"
check_rc 4 "a directory" vpc trace topologies a b icmp
check_rc 2 "no such file" vpc trace "$T/none" a b icmp
check_rc 4 "a file without end" vpc matrix /dev/zero
for flow in "web-1 db-1 tcp/0" "web-1 db-1 tcp/65536" "web-1 db-1 tcp" "web-1 db-1 300" "web-1 db-1 icmp/256" "'wéb' db-1 tcp/80" "'' db-1 tcp/80" \
	"web-1 '' tcp/80" "web-1 db-1 ''" "::1 db-1 tcp/80" "web-1@x db-1 tcp/80" "web-1 db-1@1.2.3.4 tcp/80"; do
	check_rc 2 "trace of $flow" eval "vpc trace $three $flow"
done
printf '\xef\xbb\xbf# of an editor on another system\r\nweb-1 -> db-1 tcp/5432\r\n\r\n' >"$T/bom"
is "$(vpc trace $three --flows "$T/bom" | wc -l)" 1 "flows: byte order mark, carriage returns, comments"
printf 'web-1 -> db-1 tcp/80\n\0\n' >"$T/nul"
check_rc 4 "flows: a NUL byte" vpc trace $three --flows "$T/nul"
like "$(vpc trace $three --flows "$T/nul" 2>&1)" 'nul: a NUL byte in line 2' "... is named with its line"
{ printf 'web-1 -> db-1 tcp/80 '; head -c 200000 /dev/zero | tr '\0' x; } >"$T/long"
check_rc 2 "flows: a line of 200,000 characters" vpc trace $three --flows "$T/long"
like "$(vpc trace $three --flows "$T/long" 2>&1)" 'long:1: longer than 64 KB; that is no flow' "... and what is too much"
check_rc 4 "flows: a directory" vpc trace $three --flows topologies
check_rc 2 "flows: no such file" vpc trace $three --flows "$T/none"
check_rc 4 "flows: stdin closed" eval "vpc trace $three --flows - <&-"
mkfifo "$T/flows"
vpc trace $three --flows - <"$T/flows" >"$T/answers" &
tracer=$!
exec {flows}>"$T/flows"
echo 'app-1 -> mirror tcp/443' >&$flows
check "flows: an answer before there is a second one" wait_for grep -q . "$T/answers"
printf 'app-1 -> mirror tcp/443' >&$flows
exec {flows}>&-
wait $tracer
is "$? $(wc -l <"$T/answers")" "0 2" "... whose line does not end"
is "$(yes 'app-1 -> mirror tcp/443' | vpc trace $three --flows - | head -n 3 | wc -l)" 3 "flows without end: as many as somebody reads"
ms=$(cpu_ms vpc trace $three --flows <(yes 'app-1 -> mirror tcp/443' | head -n 20000))
[ "$ms" -le 5000 ] && ok "20,000 flows: $ms ms" || not_ok "20,000 flows: $ms ms"
is "$(wc -l <"$T/out")" 20000 "... all of them"

# ---- the tutorial, as far as it goes without root (tests/net/tutorial.sh plays all of it) -----------------
page=$(PATH=$B:$PATH tests/page docs/tutorial.md)
is $? 0 "docs/tutorial.md: $(grep -cE '^(not )?ok ' <<<"$page") commands print what it says"
[ "${page//not ok/}" = "$page" ] || note "$page"

done_testing
