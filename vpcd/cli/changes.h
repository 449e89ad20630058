/* changes.h: what a plan does, in words. */
#pragma once
#include <jansson.h>
#include "cli/cli.h"

/* CHANGE objects; "no changes" when there are none. grouped: creations and deletions a line a kind. */
void changes_print(const json_t *changes, bool grouped);
/* Sends edits ({"op","kind","name","key","value"} objects; taken over) to a running lab and prints what they changed. */
int edits_send(const struct args *a, const char *lab, json_t *edits);
void warnings_print(const json_t *warnings); /* DIAG objects, to stderr */
