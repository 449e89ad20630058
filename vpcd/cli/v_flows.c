/* v_flows.c: vpc flows: flow log records of a running lab, as AWS writes them or in a format of one's own. */
#include <inttypes.h>
#include <string.h>
#include "cli/client.h"
#include "cli/verbs.h"
#include "model/record_format.h"
#include "util/mem.h"
#include "util/str.h"

struct flows_view {
	const struct args *a;
	char lab[LAB_SIZE];
	const char *log;
	struct record_format format; /* --format */
};

static int round_get(const struct flows_view *v, const char *more, json_int_t since, struct reply *ret);
static void records_print(const struct flows_view *v, const json_t *reply);
static void row_of(const json_t *fields, struct strbuf *row);

int flows_run(const struct args *a)
{
	struct flows_view v = { .a = a };
	const char *more = a->now ? "&now=1" : "";
	struct err e = { 0 };
	json_int_t since = 0;
	bool again = true;
	int r;

	if (a->text[OPTION_FORMAT] && record_format_parse(a->text[OPTION_FORMAT], &v.format, &e) < 0)
		return fail(EXIT_USAGE, "flows: --format: %s", e.msg);
	r = lab_or_name(a, "flow-log", a->n ? a->words[0] : NULL, v.lab, &v.log);
	if (r)
		return r;
	while (again && !ferror(stdout)) {
		_cleanup_reply_ struct reply reply = { 0 };

		r = round_get(&v, more, since, &reply);
		if (r)
			return r;
		records_print(&v, reply.json);
		fflush(stdout);
		since = json_integer_value(json_object_get(reply.json, "next"));
		again = json_is_true(json_object_get(reply.json, "more")) || a->follow;
		more = json_is_true(json_object_get(reply.json, "more")) ? "" : "&wait=1";
	}
	return 0;
}

static int round_get(const struct flows_view *v, const char *more, json_int_t since, struct reply *ret)
{
	_cleanup_strbuf_ struct strbuf path = { 0 };
	struct request q = { .bad_code = EXIT_USAGE, .for_reader = v->a->follow, .waits = *more };

	strbuf_addf(&path, "/v1/labs/%s/flows?since=%" JSON_INTEGER_FORMAT "%s", v->lab, since, more);
	if (v->log) {
		strbuf_adds(&path, "&log=");
		path_add(&path, v->log);
	}
	q.path = path.s;
	return client_call(&q, ret);
}

static void records_print(const struct flows_view *v, const json_t *reply)
{
	const json_t *records = json_object_get(reply, "records"), *formats = json_object_get(reply, "formats");
	_cleanup_strbuf_ struct strbuf row = { 0 }, line = { 0 };
	size_t i;
	json_t *o;

	json_array_foreach(records, i, o)
	{
		const char *log = json_string_value(json_object_get(o, "flow_log"));
		struct record_format own;

		if (v->a->output == OUTPUT_JSONL) {
			json_dumpf(o, stdout, JSON_COMPACT);
			putchar('\n');
			continue;
		}
		if (!v->format.n)
			record_format_parse(json_string_value(json_object_get(formats, log)), &own, NULL);
		row.n = line.n = 0;
		row_of(json_object_get(o, "fields"), &row);
		record_line(v->format.n ? &v->format : &own, row.s, &line);
		puts(line.s);
	}
}

static void row_of(const json_t *fields, struct strbuf *row)
{
	for (int i = 0; i < RECORD_FIELD_MAX; i++) {
		const json_t *f = json_object_get(fields, record_field_name(i));

		strbuf_adds(row, i ? "\t" : "");
		if (json_is_integer(f))
			strbuf_addf(row, "%" JSON_INTEGER_FORMAT, json_integer_value(f));
		else
			strbuf_adds(row, json_is_string(f) ? json_string_value(f) : "-");
	}
}
