/* prom.c: lines of Prometheus's text format. Pure. */
#include "util/prom.h"

static void add_escaped(struct strbuf *out, const char *s, bool quotes)
{
	while (*s) {
		size_t plain = strcspn(s, quotes ? "\\\n\"" : "\\\n");

		strbuf_add(out, s, plain);
		s += plain;
		if (!*s)
			break;
		strbuf_adds(out, *s == '\\' ? "\\\\" : *s == '\n' ? "\\n" : "\\\"");
		s++;
	}
}

void prom_head(struct strbuf *out, const char *name, const char *type, const char *help)
{
	strbuf_addf(out, "# HELP %s ", name);
	add_escaped(out, help, false);
	strbuf_addf(out, "\n# TYPE %s %s\n", name, type);
}

static void add_name(struct strbuf *out, const char *name, const char *labels)
{
	strbuf_adds(out, name);
	if (!*labels)
		return;
	strbuf_adds(out, "{");
	strbuf_adds(out, labels);
	strbuf_adds(out, "}");
}

void prom_sample_u64(struct strbuf *out, const char *name, const char *labels, uint64_t value)
{
	add_name(out, name, labels);
	strbuf_adds(out, " ");
	strbuf_add_u64(out, value);
	strbuf_adds(out, "\n");
}

void prom_sample_double(struct strbuf *out, const char *name, const char *labels, double value)
{
	add_name(out, name, labels);
	strbuf_addf(out, " %.9g\n", value);
}

void prom_label(struct strbuf *labels, const char *name, const char *value)
{
	strbuf_adds(labels, labels->n ? "," : "");
	strbuf_adds(labels, name);
	strbuf_adds(labels, "=\"");
	add_escaped(labels, value ? value : "", true);
	strbuf_adds(labels, "\"");
}
