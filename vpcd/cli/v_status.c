/* v_status.c: vpc status, rules, ct and logs: what a running lab has counted, keeps and said. */
#include <string.h>
#include "cli/client.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "util/mem.h"
#include "util/str.h"

static int get(const struct args *a, const char *what, struct reply *ret);
static int ct_flush(const struct args *a);
static void rows_add(struct table *t, const json_t *objects, const char *members);
static void totals_print(const json_t *status);

int status_run(const struct args *a)
{
	_cleanup_reply_ struct reply reply = { 0 };
	_cleanup_table_ struct table t;
	int r;

	table_init(&t, "ENI >CACHED >FULL >STACK >SENT >RECEIVED >DENIED >CT-FULL FILTERS");
	r = get(a, "status", &reply);
	if (r)
		return r;
	if (a->output == OUTPUT_JSON) {
		json_print(reply.json);
		return 0;
	}
	rows_add(&t, json_object_get(reply.json, "enis"),
		 "name cached full stack tx_packets rx_packets denied conntrack_full filters");
	if (table_rows(&t))
		table_print(&t, stdout);
	totals_print(reply.json);
	return 0;
}

int rules_run(const struct args *a)
{
	_cleanup_reply_ struct reply reply = { 0 };
	_cleanup_table_ struct table t;
	int r;

	table_init(&t, "OWNER KIND DIRECTION ACTION RULE >PACKETS >BYTES WHERE");
	r = get(a, "rules", &reply);
	if (r)
		return r;
	if (a->output == OUTPUT_JSON) {
		json_print(reply.json);
		return 0;
	}
	rows_add(&t, json_object_get(reply.json, "rules"), "owner owner_kind direction action text packets bytes @");
	if (table_rows(&t))
		table_print(&t, stdout);
	return 0;
}

int ct_run(const struct args *a)
{
	_cleanup_reply_ struct reply reply = { 0 };
	_cleanup_table_ struct table t;
	int r;

	table_init(&t, "ENI DIRECTION PROTO SRC >SPORT DST >DPORT STATE >IDLE-LEFT-S TRACKED RULE WHERE");
	if (a->n && strcmp(a->words[0], "flush") == 0)
		return ct_flush(a);
	if (a->n > 1)
		return fail(EXIT_USAGE, "ct: \"%s\" is one word too many; usage: vpc ct %s", a->words[1],
			    a->verb->usage);
	r = get(a, "ct", &reply);
	if (r)
		return r;
	if (a->output == OUTPUT_JSON) {
		json_print(reply.json);
		return 0;
	}
	rows_add(&t, json_object_get(reply.json, "entries"),
		 "eni direction proto src sport dst dport state idle_left_s tracked rule @");
	if (table_rows(&t))
		table_print(&t, stdout);
	else
		fprintf(stderr, "there is no connection\n");
	return 0;
}

/* "flush", "flush NAME", "flush LAB/NAME", "flush LAB/" */
static int ct_flush(const struct args *a)
{
	_cleanup_strbuf_ struct strbuf path = { 0 };
	_cleanup_reply_ struct reply reply = { 0 };
	struct request q = { .method = "DELETE", .bad_code = EXIT_USAGE };
	const char *name = NULL;
	char lab[LAB_SIZE];
	int r = lab_of(a, a->words[1], lab, a->words[1] ? &name : NULL);

	if (r)
		return r;
	strbuf_addf(&path, "/v1/labs/%s/ct", lab);
	if (name && *name) {
		strbuf_addf(&path, "/");
		path_add(&path, name);
	}
	q.path = path.s;
	r = client_call(&q, &reply);
	if (r)
		return r;
	if (a->output == OUTPUT_JSON)
		json_print(reply.json);
	else
		printf("%" JSON_INTEGER_FORMAT " connections forgotten\n",
		       json_integer_value(json_object_get(reply.json, "flushed")));
	return 0;
}

int logs_run(const struct args *a)
{
	_cleanup_strbuf_ struct strbuf path = { 0 };
	_cleanup_reply_ struct reply reply = { 0 };
	struct request q = { .text = true };
	const char *name;
	char lab[LAB_SIZE];
	int r = lab_of(a, a->words[0], lab, &name);

	if (r)
		return r;
	strbuf_addf(&path, "/v1/labs/%s/logs/", lab);
	path_add(&path, name);
	q.path = path.s;
	r = client_call(&q, &reply);
	if (r == 0)
		fputs(reply.text, stdout);
	return r;
}

static int get(const struct args *a, const char *what, struct reply *ret)
{
	char lab[LAB_SIZE];
	int r = lab_of_word(a, lab);

	return r ? r : client_get(ret, "/v1/labs/%s/%s", lab, what);
}

/* A row an object; member "@" is its file and line. */
static void rows_add(struct table *t, const json_t *objects, const char *members)
{
	size_t i;
	json_t *o;

	json_array_foreach(objects, i, o)
	{
		_cleanup_free_ char *copy = xstrdup(members);
		char *p = copy, *word;

		while ((word = str_word(&p))) {
			const char *file = json_string_value(json_object_get(o, "file"));
			json_int_t line = json_integer_value(json_object_get(o, "line"));

			if (strcmp(word, "@") != 0)
				table_add_json(t, json_object_get(o, word));
			else if (file && line)
				table_addf(t, "%s:%" JSON_INTEGER_FORMAT, file, line);
			else
				table_add(t, NULL);
		}
	}
}

static void totals_print(const json_t *status)
{
	const json_t *ct = json_object_get(status, "conntrack");
	_cleanup_free_ char *programs = json_cell(json_object_get(status, "programs"));
	_cleanup_free_ char *lost = json_cell(json_object_get(status, "events_lost"));
	_cleanup_free_ char *entries = json_cell(json_object_get(ct, "entries")),
			    *max = json_cell(json_object_get(ct, "max"));

	printf("\nprograms %s, %s%s%s connections tracked, %s verdict events lost\n", *programs ? programs : "-",
	       *entries ? entries : "-", *max ? " of " : "", max, *lost ? lost : "-");
}
