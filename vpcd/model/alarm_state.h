/* alarm_state.h: the states of an alarm, as CloudWatch has them, by one value a period. Pure.
 *
 *   a period without a value             INSUFFICIENT_DATA
 *   the last N periods all breach        ALARM          (N: evaluation-periods)
 *   fewer periods than N have a value    as it was: a new alarm waits in INSUFFICIENT_DATA
 *   else                                 OK */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "model/model.h"

enum alarm_state { ALARM_INSUFFICIENT_DATA, ALARM_OK, ALARM_ALARM };
const char *alarm_state_name(enum alarm_state s);
const char *alarm_comparison_name(enum alarm_comparison c);

struct alarm_watch {
	enum alarm_state state;
	uint32_t periods, breaches; /* with a value, in a row; of these the last ones that breach, in a row */
	bool has_total;
	double total; /* counters: as it stood at the end of the last period */
	double value; /* of the last period */
};
bool alarm_breaches(const struct alarm *a, double value);
/* At the end of a period: what the metric says now; known false: nothing. True: the state is another one. */
bool alarm_period_end(struct alarm_watch *w, const struct alarm *a, bool known, double now);
/* Do labels (lab="a",gate="sg-in") hold every dimension of the alarm? */
bool alarm_labels_match(const struct alarm *a, const char *labels);
