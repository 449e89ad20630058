/* reach_view.h: the difference of two models for people and programs (docs/json.md). */
#pragma once
#include <jansson.h>
#include "cli/cli.h"
#include "path/reach.h"

/* A line a change and how many pairs differ; nothing when none does. */
void reach_print(const struct reach_diff *d);
/* {"pairs","changes"}; the caller's. */
json_t *reach_json(const struct reach_diff *d);
