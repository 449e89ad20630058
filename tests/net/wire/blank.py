"""blank.py FILE… : blanks in place what no two runs have in common, and nothing else. A row of the table is the files it is
for, what it looks for, and what stands there instead; in tables that is as wide, so that columns still count.
SORTED: files with lines that the kernel hands out in any order, and what begins a line that stays where it is."""
import fnmatch, os, re, sys


def digits(m):
    return re.sub(r"\d", "N", m[0])


def right(what):
    return lambda m: m[1] + what.rjust(len(m[2]))


NAT = r"(?:203\.0\.113\.5|10\.30\.1\.5)"  # the gateway takes a port at random
ROWS = (
    ("*", r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?Z", digits),
    ("*", r"\b(vpc|igw|pcx|rtb|acl|pl|sg|eni|fl)-[0-9a-f]{17}\b", r"\1-" + "x" * 17),
    ("probe-*", r"  \d+\.\d\d ms;", "  N.NN ms;"),
    ("observe.txt", r"^\d\d:\d\d:\d\d\.\d{3}  |packets since \d\d:\d\d:\d\d\.\d{3}$", digits),
    ("observe.txt", rf"({NAT}):\d+", r"\1:PORT"),
    ("observe.jsonl", r'^\{"seq":\d{13},', digits),
    ("observe.jsonl", rf'("src":"{NAT}","dst":"[0-9.]+","sport":)\d+', r"\1PORT"),
    ("observe.jsonl", rf'("dst":"{NAT}","sport":\d+,"dport":)\d+', r"\1PORT"),
    ("rules.txt", r"(  )( \ds|\d\ds)(?=  )", right("Ns")),
    ("ct.txt", rf"({NAT}  )( *\d+)(?=  )", right("PORT")),
    ("ct.txt", r"  \d+(?=  (?:yes|no) )", digits),
    ("top-flows.txt", rf"({NAT}  )( *\d+)(?=  )", right("PORT")),
    ("top-flows.txt", r" \d+(?=  (?:all|icmp|tcp|-)(?: |$))", digits),
    ("metrics.txt", r"^([^#].*\}) \S+$", r"\1 N"),
    ("show-flow-logs.txt", re.escape(os.environ["VPCD_STATE_DIR"]), "STATE"),
)
SORTED = {"ct.txt": "ENI ", "metrics.txt": "# "}

for path in sys.argv[1:]:
    name = os.path.basename(path)
    text = open(path, encoding="utf-8").read()
    for files, regex, instead in ROWS:
        if fnmatch.fnmatch(name, files):
            text = re.sub(regex, instead, text, flags=re.M)
    if name in SORTED:
        group, lines = 0, []
        for line in text.splitlines():
            group += line.startswith(SORTED[name])
            lines.append((group, not line.startswith(SORTED[name]), line))
        text = "".join(line + "\n" for _, _, line in sorted(lines))
    open(path, "w", encoding="utf-8").write(text)
