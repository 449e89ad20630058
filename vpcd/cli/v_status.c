/* v_status.c: vpc status, rules, ct and logs: what a running lab has counted, keeps and said. */
#include <string.h>
#include <time.h>
#include "cli/client.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "util/mem.h"
#include "util/str.h"

static int get(const struct args *a, const char *what, struct reply *ret);
static int ct_flush(const struct args *a);
static void rows_add(struct table *t, const json_t *objects, const char *members);
static void age_add(struct table *t, const char *time_text);
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

	table_init(&t, "OWNER KIND DIRECTION ACTION RULE >PACKETS >BYTES >LAST-HIT WHERE");
	r = get(a, "rules", &reply);
	if (r)
		return r;
	if (a->output == OUTPUT_JSON) {
		json_print(reply.json);
		return 0;
	}
	rows_add(&t, json_object_get(reply.json, "rules"),
		 "owner owner_kind direction action text packets bytes last_hit~ @");
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

/* "flush", "flush LAB", "flush NAME", "flush LAB/NAME" */
static int ct_flush(const struct args *a)
{
	_cleanup_strbuf_ struct strbuf path = { 0 };
	_cleanup_reply_ struct reply reply = { 0 };
	struct request q = { .method = "DELETE", .bad_code = EXIT_USAGE };
	const char *name = NULL;
	char lab[LAB_SIZE];
	json_int_t n;
	int r = lab_or_name(a, NULL, a->words[1], lab, &name);

	if (r)
		return r;
	strbuf_addf(&path, "/v1/labs/%s/ct", lab);
	if (name) {
		strbuf_addf(&path, "/");
		path_add(&path, name);
	}
	q.path = path.s;
	r = client_call(&q, &reply);
	if (r)
		return r;
	n = json_integer_value(json_object_get(reply.json, "flushed"));
	if (a->output == OUTPUT_JSON)
		json_print(reply.json);
	else
		printf("%" JSON_INTEGER_FORMAT " connection%s forgotten\n", n, n == 1 ? "" : "s");
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

/* How long ago: "12s", "5m", "3h", "2d". */
static void age_add(struct table *t, const char *time_text)
{
	static const struct {
		const char *unit;
		long s;
	} units[] = { { "d", 86400 }, { "h", 3600 }, { "m", 60 }, { "s", 1 } };
	struct tm tm = { 0 };
	size_t i = 0;
	long age;

	if (!time_text || !strptime(time_text, "%Y-%m-%dT%H:%M:%SZ", &tm)) {
		table_add(t, NULL);
		return;
	}
	age = (long)(time(NULL) - timegm(&tm));
	age = age < 0 ? 0 : age;
	while (i < ARRAY_SIZE(units) - 1 && age < units[i].s)
		i++;
	table_addf(t, "%ld%s", age / units[i].s, units[i].unit);
}

/* A row an object; member "@" is its file and line, "TIME~" how long ago that was. */
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

			if (word[strlen(word) - 1] == '~') {
				word[strlen(word) - 1] = '\0';
				age_add(t, json_string_value(json_object_get(o, word)));
			} else if (strcmp(word, "@") != 0)
				table_add_json(t, json_object_get(o, word));
			else if (file && line)
				table_addf(t, "%s:%" JSON_INTEGER_FORMAT, file, line);
			else
				table_add(t, NULL);
		}
	}
}

/* Maps that are more than a tenth full. */
static void maps_print(const json_t *maps)
{
	bool first = true;
	size_t i;
	json_t *o;

	json_array_foreach(maps, i, o)
	{
		json_int_t n = json_integer_value(json_object_get(o, "entries")),
			   max = json_integer_value(json_object_get(o, "max"));

		if (n * 10 < max)
			continue;
		printf("%s%s %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT, first ? "\nmaps: " : ", ",
		       json_string_value(json_object_get(o, "name")), n, max);
		first = false;
	}
	if (!first)
		printf(" entries\n");
}

static void totals_print(const json_t *status)
{
	const json_t *ct = json_object_get(status, "conntrack");
	_cleanup_free_ char *programs = json_cell(json_object_get(status, "programs"));
	_cleanup_free_ char *lost = json_cell(json_object_get(status, "events_lost"));
	_cleanup_free_ char *entries = json_cell(json_object_get(ct, "entries")),
			    *max = json_cell(json_object_get(ct, "max"));

	if (json_is_object(json_object_get(status, "uplink"))) {
		const char *why = json_string_value(json_object_get(json_object_get(status, "uplink"), "why"));

		printf("\nuplink %s%s%s\n",
		       json_string_value(json_object_get(json_object_get(status, "uplink"), "state")), why ? ": " : "",
		       why ? why : "");
	}
	maps_print(json_object_get(status, "maps"));
	printf("\nprograms %s, %s%s%s connections tracked, %s verdict events lost\n", *programs ? programs : "-",
	       *entries ? entries : "-", *max ? " of " : "", max, *lost ? lost : "-");
}
