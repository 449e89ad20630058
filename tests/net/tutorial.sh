# tutorial: docs/tutorial.md, played as its reader would, real packets and all; UPDATE=1 writes what is printed into it.
. "${0%/*}/../lib.sh"
export PATH=$B:$PATH

daemon_start
if [ -n "${UPDATE:-}" ]; then
	check "the page is written anew" "$ROOT/tests/page" --live --update "$ROOT/docs/tutorial.md"
	done_testing
fi
page=$("$ROOT/tests/page" --live "$ROOT/docs/tutorial.md")
rc=$?
n=$(grep -cE '^(not )?ok ' <<<"$page")
grep -E '^(#|not ok)' <<<"$page" | sed 's/^not ok/# not ok/'
is $rc 0 "the $n commands of docs/tutorial.md print what it says"
check "those were many" [ "$n" -ge 40 ]
done_testing
