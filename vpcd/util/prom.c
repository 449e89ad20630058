/* prom.c: lines of Prometheus's text format. Pure. */
#include "util/prom.h"
#include <inttypes.h>

static void add_escaped(struct strbuf *out, const char *s, bool quotes)
{
	for (; *s; s++) {
		if (*s == '\\')
			strbuf_adds(out, "\\\\");
		else if (*s == '\n')
			strbuf_adds(out, "\\n");
		else if (*s == '"' && quotes)
			strbuf_adds(out, "\\\"");
		else
			strbuf_add(out, s, 1);
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
	if (*labels)
		strbuf_addf(out, "{%s}", labels);
}

void prom_sample_u64(struct strbuf *out, const char *name, const char *labels, uint64_t value)
{
	add_name(out, name, labels);
	strbuf_addf(out, " %" PRIu64 "\n", value);
}

void prom_sample_double(struct strbuf *out, const char *name, const char *labels, double value)
{
	add_name(out, name, labels);
	strbuf_addf(out, " %.9g\n", value);
}

void prom_label(struct strbuf *labels, const char *name, const char *value)
{
	strbuf_addf(labels, "%s%s=\"", labels->n ? "," : "", name);
	add_escaped(labels, value ? value : "", true);
	strbuf_adds(labels, "\"");
}
