/* record.h: the row of a record: every field of record_format.h in words. Pure. */
#pragma once
#include <stdint.h>
#include "model/record_window.h"
#include "util/str.h"

#define RECORD_ACCOUNT "123456789012"

/* Unix seconds = offset_ns + ktime. */
struct record_time {
	int64_t offset_ns;
	uint64_t start_s, end_s; /* of the window, for NODATA and SKIPDATA */
};
void record_row(const struct model *m, const struct record *r, const struct record_time *t, struct strbuf *out);
/* NODATA, or SKIPDATA: some packets of the interface found no room. */
void record_empty_row(const struct model *m, uint32_t eni, bool skipped, const struct record_time *t,
		      struct strbuf *out);
