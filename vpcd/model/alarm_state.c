/* alarm_state.c: when an alarm changes. Pure. */
#include "model/alarm_state.h"
#include <stdio.h>
#include <string.h>
#include "util/mem.h"
#include "util/prom.h"

const char *alarm_state_name(enum alarm_state s)
{
	static const char *const names[] = { "INSUFFICIENT_DATA", "OK", "ALARM" };

	return names[s];
}

const char *alarm_comparison_name(enum alarm_comparison c)
{
	static const char *const names[] = { ALARM_COMPARISON_NAMES };

	return names[c];
}

bool alarm_breaches(const struct alarm *a, double value)
{
	switch (a->comparison) {
	case ALARM_GREATER: return value > a->threshold;
	case ALARM_GREATER_EQUAL: return value >= a->threshold;
	case ALARM_LESS: return value < a->threshold;
	default: return value <= a->threshold;
	}
}

static bool state_set(struct alarm_watch *w, enum alarm_state s)
{
	bool other = w->state != s;

	w->state = s;
	return other;
}

bool alarm_period_end(struct alarm_watch *w, const struct alarm *a, bool known, double now)
{
	bool first = metric_is_counter(a->metric) && !w->has_total;

	if (!known) {
		w->periods = w->breaches = 0;
		w->has_total = false;
		return state_set(w, ALARM_INSUFFICIENT_DATA);
	}
	if (metric_is_counter(a->metric)) {
		w->value = now < w->total ? now : now - w->total; /* it began anew: what it has counted since */
		w->total = now;
		w->has_total = true;
		if (first)
			return false; /* nothing to subtract from: its first period begins now */
	} else {
		w->value = now;
	}
	w->periods++;
	w->breaches = alarm_breaches(a, w->value) ? w->breaches + 1 : 0;
	if (w->periods < a->evaluation_periods)
		return false;
	return state_set(w, w->breaches >= a->evaluation_periods ? ALARM_ALARM : ALARM_OK);
}

bool alarm_labels_match(const struct alarm *a, const char *labels)
{
	for (uint32_t i = 0; i < a->n_dimensions; i++) {
		_cleanup_strbuf_ struct strbuf want = { 0 };
		const char *at;
		bool found = false;

		prom_label(&want, a->dimensions[i].name, a->dimensions[i].value);
		for (at = labels; (at = strstr(at, want.s)); at++)
			found = found || ((at == labels || at[-1] == ',') && (!at[want.n] || at[want.n] == ','));
		if (!found)
			return false;
	}
	return true;
}
