/* test_view.h: results of vpc test in the forms other programs read, and what they covered. */
#pragma once
#include <jansson.h>
#include "cli/cli.h"
#include "path/coverage.h"

/* {"rules","exercised","missed":[{"owner_kind","owner","direction","text","file","line"}]}, for one or
 * several files: adds to root, which may be an empty object. */
void coverage_json(const struct coverage *c, json_t *root);
void coverage_print(FILE *out, const json_t *root);
char *coverage_text(const json_t *root); /* what coverage_print prints; to free() */
/* JUnit XML: a suite a file, a case an expectation. coverage: of each file, by name: its suite's <system-out>. */
void junit_print(FILE *out, const json_t *results, const json_t *coverage);
