# names: programs inside an instance find the lab's names in /etc/hosts, on a machine that has none too.
. "${0%/*}/../lib.sh"

cat >"$T/nm.ini" <<INI
[lab nm]
[vpc v]
cidr = 10.0.0.0/16
[subnet s]
vpc = v
cidr = 10.0.1.0/24
[instance a]
subnet = s
run = /bin/cat /etc/hosts
[instance b]
subnet = s
address = 10.0.1.77
INI
names_are_there() { # WHERE
	check "$1: goes up" vpc up "$T/nm.ini"
	like "$(vpc exec nm/a -- cat /etc/hosts)" '10\.0\.1\.77[[:space:]]+b' "$1: exec sees the names of the lab"
	is "$(vpc exec nm/a -- getent ahostsv4 b | head -n1 | cut -d' ' -f1)" 10.0.1.77 "$1: they resolve"
	wait_for eval 'vpc logs nm/a | grep -q "10\.0\.1\.77[[:space:]]*b"'
	like "$(vpc logs nm/a)" '10\.0\.1\.77[[:space:]]+b' "$1: so does what run starts"
	check "$1: /sys is the instance's" vpc exec nm/a -- test -d /sys/class/net/eth0
	check "$1: the rest of /etc is there" vpc exec nm/a -- test -s /etc/passwd
	check "$1: goes down" vpc down nm
}
daemon_start
[ ! -e /etc/hosts ] || names_are_there "a machine with names"
daemon_stop

mkdir "$T/etc"
cp -a /etc/. "$T/etc"
rm -f "$T/etc/hosts"
mount --bind "$T/etc" /etc || bail "/etc cannot be covered"
daemon_start
names_are_there "a machine without /etc/hosts"
check_rc 1 "... which still has none" test -e /etc/hosts
done_testing
