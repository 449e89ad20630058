# matrix_page.py PAGE CSV: a page of vpc matrix, unpacked as its script does, against the CSV of the same: prints how
# many pairs are the same, and those that are not. Each link must lead to a line of the page, whose text is the rule's.
import csv, html, json, re, sys

page = open(sys.argv[1]).read()
data = json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.S).group(1))
lines = {int(n): html.unescape(text) for n, text in re.findall(r'<span id="L(\d+)"><i>\d+</i>(.*?)</span>', page)}


def unpack(row):
    for run in row.split(" "):
        outcome, _, n = run.partition("*")
        for _ in range(int(n, 36) if n else 1):
            yield int(outcome, 36)


UNWRITTEN = ("", "*", "all to 0.0.0.0/0", "all from sg:default", "100 allow all from 0.0.0.0/0", "100 allow all to 0.0.0.0/0")


def leads(rule, line):
    """A rule that nobody wrote stands where its owner does, and where none denies, the section of what denied."""
    return not line or (rule in UNWRITTEN and lines[line].startswith("[")) or (
        rule != "" and rule.replace("/32", "") in lines[line].replace("/32", ""))


says = {}
for m in data["matrices"]:
    rows = [list(unpack(r)) for r in m["rows"]]
    for i, src in enumerate(data["ends"]):
        for k, dst in enumerate(data["ends"]):
            o = m["outcomes"][rows[m["row_of"][i]][k]]
            line = data[o["at"]][k if o["of"] == "dst" else i] if o["at"] else o["line"]
            says[src, dst, m["flow"]] = (o, {"src": src, "dst": dst}.get(o["of"], o["object"]), line)
same, bad = 0, []
for c in csv.DictReader(open(sys.argv[2])):
    o, of, leads_to = says[c["src"], c["dst"], c["flow"]]
    line = int(c["line"] or 0)
    said = " ".join(o["says"].split()[1:])
    want = "" if not c["gate"] else ("last by " if c["verdict"] == "allow" else "at ") + (
        "return:" if c["leg"] == "return" and c["verdict"] == "deny" else "") + c["gate"]
    if (o["class"] == "y") != (c["verdict"] == "allow") or (o["class"] == "r") != (
            c["verdict"] == "deny" and c["leg"] == "return") or said != want or (of or "") != c["object"] or (
            leads_to != line) or c["rule"] not in o["why"] or not leads(c["rule"], line):
        bad.append((c, o, of))
    else:
        same += 1
print(same, *bad[:5], sep="\n")
