/* build_records.c: flow logs (semantics 15) and alarms. Pure. */
#include <stdio.h>
#include <string.h>
#include "conf/build_ctx.h"
#include "util/str.h"

enum { INTERVAL_DEFAULT_S = 60, PERIOD_DEFAULT_S = 60 };

/* vpc, subnet or interface: one of them. */
static void scope(struct build *b, const struct section *s, struct flow_log *log)
{
	static const enum obj_kind kinds[] = { KIND_VPC, KIND_SUBNET, KIND_INTERFACE };
	const struct entry *first = NULL;

	log->index = NONE;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct entry *en = entry_first(s, obj_kind_name(kinds[i]));

		if (!en)
			continue;
		if (first) {
			section_error(b, s, en->loc, "InvalidParameterCombination", "make a flow log for each",
				      "%s: it logs the %s %s already", en->key, first->key, first->value);
			continue;
		}
		first = en;
		log->scope = kinds[i];
		log->index = build_ref(b, s, en, en->value, kinds[i]);
	}
	if (!first && !s->damaged)
		section_error(b, s, s->loc, "MissingParameter", "add a line vpc = …, subnet = … or interface = …",
			      "it does not say what it logs");
}

void build_flow_logs(struct build *b)
{
	static const char *const traffics[] = {
		[FLOW_LOG_ALL] = "all", [FLOW_LOG_ACCEPT] = "accept", [FLOW_LOG_REJECT] = "reject"
	};
	const struct section_list *l = &b->by_kind[KIND_FLOW_LOG];
	struct model *m = b->m;

	m->flow_logs = build_array(b, l->n, m->flow_logs);
	for (size_t i = 0; i < l->n; i++) {
		const struct section *s = l->v[i];
		struct flow_log *log = &m->flow_logs[m->n_flow_logs++];
		const struct entry *en;

		build_obj(b, KIND_FLOW_LOG, "fl", s, &log->obj);
		scope(b, s, log);
		en = entry_first(s, "traffic");
		for (size_t k = 0; en && k < ARRAY_SIZE(traffics); k++)
			if (strcmp(traffics[k], en->value) == 0)
				log->traffic = (enum flow_log_traffic)k;
		en = entry_first(s, "format");
		log->format = en ? arena_strdup(b->a, en->value) : NULL;
		log->interval_s = INTERVAL_DEFAULT_S;
		en = entry_first(s, "max-aggregation-interval");
		if (en)
			str_to_u32(en->value, 1, 600, &log->interval_s);
		en = entry_first(s, "log-destination");
		log->to_file = !en || strcmp(en->value, "file") == 0;
	}
}

/* No error: CloudWatch takes an alarm of what does not exist, too. */
static void label_check(struct build *b, const struct section *s, const struct entry *en, enum metric_id metric,
			const char *label)
{
	_cleanup_free_ char *fix = xasprintf("its labels are %s", metric_names[metric].labels);

	if (!metric_has_label(metric, label))
		section_warning(b, s, en->loc, "InvalidParameterValue", fix,
				"dimensions: %s has no label \"%s\": no sample is ever meant",
				metric_names[metric].name, label);
}

static void dimensions(struct build *b, const struct section *s, bool metric_known, struct alarm *a)
{
	unsigned n = 0;

	for_each_entry(en, s, "dimensions") n += (unsigned)strlen(en->value) / 2 + 1;
	a->dimensions = arena_alloc(b->a, (n + (size_t)1) * sizeof(*a->dimensions));
	for_each_entry(en, s, "dimensions")
	{
		char *p = arena_strdup(b->a, en->value);

		for (char *word; (word = schema_next_word(&p));) {
			char *value = strchr(word, '=');

			if (!value)
				continue;
			*value++ = '\0';
			if (metric_known)
				label_check(b, s, en, a->metric, word);
			a->dimensions[a->n_dimensions++] = (struct dimension){ word, value };
		}
	}
}

void build_alarms(struct build *b)
{
	static const char *const comparisons[] = { ALARM_COMPARISON_NAMES };
	const struct section_list *l = &b->by_kind[KIND_ALARM];
	struct model *m = b->m;

	m->alarms = build_array(b, l->n, m->alarms);
	for (size_t i = 0; i < l->n; i++) {
		const struct section *s = l->v[i];
		struct alarm *a = &m->alarms[m->n_alarms++];
		const struct entry *en;

		build_obj(b, KIND_ALARM, "alarm", s, &a->obj);
		en = entry_first(s, "metric");
		dimensions(b, s, en && value_metric(en->value, &a->metric, NULL) == 0, a);
		en = entry_first(s, "comparison");
		for (size_t k = 0; en && k < ARRAY_SIZE(comparisons); k++)
			if (strcmp(comparisons[k], en->value) == 0)
				a->comparison = (enum alarm_comparison)k;
		en = entry_first(s, "threshold");
		if (en)
			value_number(en->value, &a->threshold);
		a->period_s = PERIOD_DEFAULT_S;
		en = entry_first(s, "period");
		if (en)
			str_to_u32(en->value, 1, 86400, &a->period_s);
		a->evaluation_periods = 1;
		en = entry_first(s, "evaluation-periods");
		if (en)
			str_to_u32(en->value, 1, 100, &a->evaluation_periods);
		en = entry_first(s, "run");
		a->run = en ? arena_strdup(b->a, en->value) : NULL;
	}
}
