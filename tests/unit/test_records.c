/* test_records.c: flow log formats, alarm states and Prometheus lines: the pure parts. */
#include <errno.h>
#include <string.h>
#include "conf/build.h"
#include "model/alarm_state.h"
#include "model/record_format.h"
#include "model/record_window.h"
#include "test.h"
#include "util/mem.h"
#include "util/prom.h"

static char *line_of(const char *format, const char *row)
{
	struct strbuf out = { 0 };
	struct record_format f;
	struct err e = { 0 };

	if (record_format_parse(format, &f, &e) < 0)
		fail_msg("%s: %s", format ? format : "default", e.msg);
	record_line(&f, row, &out);
	return strbuf_take(&out);
}

static void formats(void **state)
{
	static const struct {
		const char *format, *want;
	} good[] = {
		{ NULL, "2 b c d e f g h i j k l m n" },
		{ "${version} ${bytes}", "2 j" },
		{ "${bytes}  ${version}\t${vpc-id}", "j 3 o" },
		{ "${version} ${az-id}", "4 w" },
		{ "${version} ${traffic-path} ${rule}", "5 - x/y/*" },
	};
	static const struct {
		const char *format, *why;
	} bad[] = {
		{ "", "has no field" },
		{ "version", "\"version\" is no field" },
		{ "${}", "is no field" },
		{ "${srcadr}", "did you mean ${srcaddr}?" },
		{ "${version}${bytes}", "there is no field" },
		{ "${tgw-id}", "is not available" },
	};
	const char *row =
		"a\tb\tc\td\te\tf\tg\th\ti\tj\tk\tl\tm\tn\to\tp\tq\tr\ts\tt\tu\tv\tw\t-\t-\t-\t-\teg\t-\tx/y/*";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_free_ char *got = line_of(good[i].format, row);

		assert_string_equal(got, good[i].want);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct record_format f;
		struct err e = { 0 };

		assert_int_equal(record_format_parse(bad[i].format, &f, &e), -EINVAL);
		if (!strstr(e.msg, bad[i].why))
			fail_msg("\"%s\": %s", bad[i].format, e.msg);
	}
}

/* Which interfaces a flow log has, and which of what they saw. */
static void scopes(void **state)
{
	static const char topology[] =
		"[vpc v]\ncidr = 10.0.0.0/16\n[vpc w]\ncidr = 10.1.0.0/16\n"
		"[subnet a]\nvpc = v\ncidr = 10.0.0.0/24\n[subnet b]\nvpc = v\ncidr = 10.0.1.0/24\n"
		"[subnet c]\nvpc = w\ncidr = 10.1.0.0/24\n[instance i]\nsubnet = a\n"
		"[interface second]\ninstance = i\nsubnet = b\n[instance j]\nsubnet = b\n[instance k]\nsubnet = c\n"
		"[flow-log vpc]\nvpc = v\n[flow-log subnet]\nsubnet = b\ntraffic = accept\n"
		"[flow-log first]\ninterface = i\ntraffic = reject\n[flow-log second]\ninterface = second\ntraffic = all\n";
	static const struct {
		const char *log;
		const char *enis[4]; /* those that it has */
		bool accept, reject;
	} cases[] = {
		{ "vpc", { "i", "second", "j" }, true, true },
		{ "subnet", { "second", "j" }, true, false },
		{ "first", { "i" }, false, true },
		{ "second", { "second" }, true, true },
	};
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_model_ struct model *m = NULL;

	(void)state;
	if (model_from_text(topology, strlen(topology), "scopes.ini", &m, &diags) < 0)
		fail_msg("%s", diags.v[0].message);
	assert_int_equal(m->n_flow_logs, ARRAY_SIZE(cases));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct flow_log *log = &m->flow_logs[i];
		struct record accepted = { 0 }, rejected = { .key.reject = 1 };

		assert_string_equal(log->obj.name, cases[i].log);
		for (uint32_t eni = 0; eni < m->n_enis; eni++) {
			bool want = false;

			for (size_t k = 0; k < ARRAY_SIZE(cases[i].enis) && cases[i].enis[k]; k++)
				want |= str_eq(cases[i].enis[k], m->enis[eni].obj.name);
			if (flow_log_covers(m, log, eni) != want)
				fail_msg("flow log %s, interface %s: %d", log->obj.name, m->enis[eni].obj.name, !want);
		}
		assert_int_equal(flow_log_wants(log, &accepted), cases[i].accept);
		assert_int_equal(flow_log_wants(log, &rejected), cases[i].reject);
	}
}

/* Values a period ("-": none), and the state after each: I, O, A. */
static void alarm_walk(const struct alarm *a, const char *values, const char *want)
{
	_cleanup_free_ char *copy = xstrdup(values);
	struct alarm_watch w = { 0 };
	char got[32] = "", *p = copy, *word;
	enum alarm_state before;
	bool changed;
	size_t n = 0;

	while ((word = str_word(&p))) {
		before = w.state;
		changed = alarm_period_end(&w, a, *word != '-', strtod(word, NULL));
		assert_int_equal(changed, w.state != before);
		got[n++] = alarm_state_name(w.state)[0];
	}
	assert_string_equal(got, want);
}

static void alarm_states(void **state)
{
	struct alarm a = {
		.metric = METRIC_MAP_PRESSURE, .comparison = ALARM_GREATER, .threshold = 5, .evaluation_periods = 1
	};

	(void)state;
	alarm_walk(&a, "5 6 5 - 6", "OAOIA");
	a.comparison = ALARM_GREATER_EQUAL;
	alarm_walk(&a, "4 5", "OA");
	a.comparison = ALARM_LESS;
	alarm_walk(&a, "5 4", "OA");
	a.comparison = ALARM_LESS_EQUAL;
	alarm_walk(&a, "6 5", "OA");
	a.comparison = ALARM_GREATER;
	a.evaluation_periods = 3; /* all of the last three; a new one waits until there are three */
	alarm_walk(&a, "6 6 6 5 6 6 6", "IIAOOOA");
	alarm_walk(&a, "6 6 - 6 6 6", "IIIIIA");
	a.metric = METRIC_GATE_PACKETS; /* a counter: what a period adds; one that begins anew has no past */
	a.evaluation_periods = 1;
	alarm_walk(&a, "100 105 111 111 3 9", "IOAOOA");
}

static void alarm_dimensions(void **state)
{
	struct dimension d[] = { { "gate", "sg-in" }, { "rule", "a \"b\"" } };
	struct alarm a = { .dimensions = d, .n_dimensions = 1 };
	struct strbuf labels = { 0 };

	(void)state;
	prom_label(&labels, "lab", "x");
	prom_label(&labels, "gate", "sg-in");
	prom_label(&labels, "rule", "a \"b\"");
	assert_true(alarm_labels_match(&a, labels.s));
	a.n_dimensions = 2;
	assert_true(alarm_labels_match(&a, labels.s));
	d[1].value = "a";
	assert_false(alarm_labels_match(&a, labels.s));
	d[0].name = "ate";
	a.n_dimensions = 1;
	assert_false(alarm_labels_match(&a, labels.s));
	strbuf_done(&labels);
}

static void prometheus_lines(void **state)
{
	struct strbuf labels = { 0 }, out = { 0 };

	(void)state;
	prom_label(&labels, "a", "back\\slash \"quote\"\nline");
	prom_label(&labels, "b", NULL);
	prom_head(&out, "x_total", "counter", "One\nline \\ \"q\".");
	prom_sample_u64(&out, "x_total", labels.s, UINT64_MAX);
	prom_sample_double(&out, "y", "", 0.25);
	assert_string_equal(out.s, "# HELP x_total One\\nline \\\\ \"q\".\n# TYPE x_total counter\n"
				   "x_total{a=\"back\\\\slash \\\"quote\\\"\\nline\",b=\"\"} 18446744073709551615\n"
				   "y 0.25\n");
	strbuf_done(&labels);
	strbuf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats),          cmocka_unit_test(scopes),           cmocka_unit_test(alarm_states),
		cmocka_unit_test(alarm_dimensions), cmocka_unit_test(prometheus_lines),
	};

	return cmocka_run_group_tests_name("records", tests, NULL, NULL);
}
