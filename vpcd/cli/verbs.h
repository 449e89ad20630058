/* verbs.h: what each verb runs; the table is in verbs.c. */
#pragma once
#include "cli/cli.h"

int validate_run(const struct args *a);
int fmt_run(const struct args *a);
int plan_run(const struct args *a);
int up_run(const struct args *a);
int down_run(const struct args *a);
int show_run(const struct args *a);
int flows_run(const struct args *a);
int status_run(const struct args *a);
int rules_run(const struct args *a);
int ct_run(const struct args *a);
int exec_run(const struct args *a);
int shell_run(const struct args *a);
int probe_run(const struct args *a);
int trace_run(const struct args *a);
int test_run(const struct args *a);
int matrix_run(const struct args *a);
int graph_run(const struct args *a);
int lint_run(const struct args *a);
bool lint_term(size_t i, struct verb_term *ret);
int diff_run(const struct args *a);
int replay_run(const struct args *a);
int capture_run(const struct args *a);
int top_run(const struct args *a);
int observe_run(const struct args *a);
int set_run(const struct args *a);
int unset_run(const struct args *a);
int zone_run(const struct args *a);
int logs_run(const struct args *a);
int version_run(const struct args *a);
