/* changes.h: what a plan does, in words. */
#pragma once
#include <jansson.h>
#include "cli/cli.h"

/* CHANGE objects; "no changes" when there are none. grouped: creations and deletions a line a kind. */
void changes_print(const json_t *changes, bool grouped);
void warnings_print(const json_t *warnings); /* DIAG objects, to stderr */
