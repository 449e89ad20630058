/* diff_ctx.h: what the files of diff.c share. For the plan room only. */
#pragma once
#include "plan/diff.h"

struct op *plan_add_op(struct plan *p, enum op_kind kind, enum plan_rank rank);
/* diff_maps.c */
void plan_diff_maps(struct plan *p);
