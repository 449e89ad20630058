/* prom.h: Prometheus text format 0.0.4: samples and their labels, escaped. Pure. */
#pragma once
#include <stdint.h>
#include "util/str.h"

#define PROM_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* "# HELP name …" and "# TYPE name counter|gauge". */
void prom_head(struct strbuf *out, const char *name, const char *type, const char *help);
/* labels: "" or what prom_label made: lab="a",vpc="b". */
void prom_sample_u64(struct strbuf *out, const char *name, const char *labels, uint64_t value);
void prom_sample_double(struct strbuf *out, const char *name, const char *labels, double value);
/* Adds name="value" behind what is there, with backslash, quote and line end escaped. value NULL: "". */
void prom_label(struct strbuf *labels, const char *name, const char *value);
