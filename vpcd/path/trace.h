/* trace.h: views of a walk: text for people, JSON for programs (docs/json.md). Pure. */
#pragma once
#include "path/walk.h"

enum trace_view { TRACE_FULL, TRACE_SUMMARY, TRACE_MINIMAL };
struct trace_style { /* put around words; all "" for plain text */
	const char *good, *bad, *dim, *off;
};
extern const struct trace_style trace_plain;

/* Text with a newline at its end, to free(). */
char *trace_text(const struct flow *f, const struct walk *w, enum trace_view view, const struct trace_style *style);
/* One JSON object; compact: on one line. To free(). */
char *trace_json(const struct walk *w, bool compact);
/* "sg-in of web-1", "nacl-out edge (return)": where a walk was denied. Returns buf. */
char *trace_place(enum walk_leg leg, enum abi_gate gate, const char *object, char *buf, size_t size);
const char *leg_name(enum walk_leg leg); /* "forward", "return" */
