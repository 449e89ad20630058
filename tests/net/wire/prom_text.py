"""prom_text: a strict reader of Prometheus's text format 0.0.4, as its documentation has it.

prom_text.py EXPRESSION <page
Prints EXPRESSION of m, a dict (name, frozenset of labels) -> value, and of types, a dict name -> type."""

import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)')


def labels_of(text):
    out, at = {}, 0
    while text and at < len(text):
        found = LABEL.match(text, at)
        assert found, f"labels: {text[at:]}"
        assert found[1] not in out and not found[1].startswith("__"), text
        out[found[1]] = re.sub(r"\\(.)", lambda e: {"n": "\n"}.get(e[1], e[1]), found[2])
        at = found.end()
    return out


def read_page(text):
    assert text.endswith("\n")
    samples, types, helps, done, current = {}, {}, {}, set(), None
    for line in text.splitlines():
        head = re.fullmatch(rf"# (HELP|TYPE) ({NAME}) (.*)", line)
        assert head or not line.startswith("#"), line
        if head:
            where = helps if head[1] == "HELP" else types
            assert head[2] not in where, f"twice: {line}"
            where[head[2]] = head[3]
            if head[2] != current:
                done.add(current)
                assert head[2] not in done, f"a metric in two places: {line}"
                current = head[2]
            assert head[1] == "HELP" or head[3] in ("counter", "gauge", "histogram", "summary", "untyped"), line
            continue
        found = SAMPLE.fullmatch(line)
        assert found, line
        assert found[1] == current and current in types and current in helps, f"under another metric: {line}"
        key = (found[1], frozenset(labels_of(found[2]).items()))
        assert key not in samples, f"twice: {line}"
        samples[key] = float(found[3])
        assert types[current] != "counter" or (current.endswith("_total") and samples[key] >= 0), line
    return samples, types


if __name__ == "__main__":
    m, types = read_page(sys.stdin.read())

    def value(name, **want):
        return int(sum(v for (n, labels), v in m.items() if n == name and set(want.items()) <= labels))

    print(eval(sys.argv[1]))
