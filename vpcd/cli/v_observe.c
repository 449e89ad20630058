/* v_observe.c: vpc observe: the event stream as it comes, filtered, a line an event. */
#include <string.h>
#include "cli/client.h"
#include "cli/event_filter.h"
#include "cli/verbs.h"
#include "filters/packet.h"
#include "filters/rule.h"
#include "util/mem.h"
#include "util/str.h"

enum { LINE_MAX_ = 1 << 20 };

struct observer {
	const struct args *a;
	struct event_filter filter;
	struct strbuf line; /* what has come of the next one */
	json_int_t seq;     /* of the last; 0: none yet */
	bool printed;
	uint32_t left; /* lines to print; UINT32_MAX: no end */
};

static bool unknown(const struct args *a, const struct event_filter *f, const char *lab, char *says, size_t size);
static bool take(void *ctx, const char *p, size_t n);
static bool take_line(struct observer *o, const char *line);
static void gap_print(struct observer *o, json_int_t n);
static void event_print(const json_t *e);
static void verdict_print(const json_t *e);
static void end_print(const json_t *e, const char *name, const char *addr, const char *port);
static void other_print(const json_t *e);
static void time_print(const json_t *e, const char *member);
static const char *clock_of(const json_t *e, const char *member);
static const char *member(const json_t *o, const char *name);
static json_int_t number(const json_t *o, const char *name);

int observe_run(const struct args *a)
{
	static const struct {
		enum option_id id;
		const char *arg;
	} samples[] = { { OPTION_SAMPLE_NEW, "sample-new" },
			{ OPTION_SAMPLE_ESTABLISHED, "sample-established" },
			{ OPTION_SAMPLE_DENIED, "sample-denied" } };
	_cleanup_strbuf_ struct strbuf path = { 0 };
	_cleanup_reply_ struct reply reply = { 0 };
	struct observer o = { .a = a, .left = a->count ? a->count : UINT32_MAX };
	struct request q = { .take = take, .take_ctx = &o, .bad_code = EXIT_USAGE, .for_reader = a->follow };
	char lab[LAB_SIZE], seq[24], says[160];
	bool nobody;
	uint32_t n;
	int r = lab_of_word(a, lab);

	if (r == 0)
		r = event_filter_read(a, lab, &o.filter, seq);
	if (r)
		return r;
	strbuf_addf(&path, "/v1/events?since=%s%s", seq, a->follow ? "&follow=1" : "");
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const char *value = a->text[samples[i].id];

		if (value && !a->follow)
			return fail(EXIT_USAGE, "observe: %s is for what is to come: add -f",
				    option_rows[samples[i].id].name);
		if (value && str_to_u32(value, 0, UINT32_MAX, &n) < 0)
			return fail(EXIT_USAGE, "observe: %s %s: a number is wanted", option_rows[samples[i].id].name,
				    value);
		if (value)
			strbuf_addf(&path, "&%s=%u", samples[i].arg, n);
	}
	q.path = path.s;
	nobody = unknown(a, &o.filter, lab, says, sizeof(says));
	if (nobody && a->follow)
		warn_line("%s", says);
	r = client_call(&q, &reply);
	strbuf_done(&o.line);
	if (r == 0 && nobody && !a->follow && !o.printed)
		return fail(EXIT_USAGE, "%s", says);
	if (r == 0 && a->follow && o.left && !ferror(stdout))
		return fail(EXIT_CANNOT, "vpcd has ended");
	return r;
}

/* Whom the filter names and nobody knows: mistyped, or gone (events may be remembered), or still to come. */
static bool unknown(const struct args *a, const struct event_filter *f, const char *lab, char *says, size_t size)
{
	const char *const names[] = { f->from_is_prefix ? NULL : f->from, f->to_is_prefix ? NULL : f->to, f->instance };
	_cleanup_free_ char *path = xasprintf("/v1/labs/%s", lab);
	_cleanup_reply_ struct reply reply = { 0 };
	int up = client_call(&(struct request){ .path = path, .quiet = true }, &reply);

	if (up == EXIT_USAGE) { /* 404 */
		snprintf(says, size, "lab %s is not up%s", lab, a->follow ? "" : ", and no event of it is remembered");
		return true;
	}
	for (size_t i = 0; up == 0 && i < ARRAY_SIZE(names); i++) {
		if (!names[i] || lab_knows(lab, names[i]))
			continue;
		snprintf(says, size, "lab %s has nothing called %s that sends or receives", lab, names[i]);
		return true;
	}
	return false;
}

static bool take(void *ctx, const char *p, size_t n)
{
	struct observer *o = ctx;
	bool more = true;

	while (n && more) {
		const char *end = memchr(p, '\n', n);
		size_t piece = end ? (size_t)(end - p) : n;

		if (o->line.n + piece < LINE_MAX_)
			strbuf_add(&o->line, p, piece);
		if (end && o->line.n)
			more = take_line(o, o->line.s);
		if (end) {
			strbuf_done(&o->line);
			piece++;
		}
		p += piece;
		n -= piece;
	}
	fflush(stdout);
	return more && !ferror(stdout);
}

static bool take_line(struct observer *o, const char *line)
{
	json_t *e = json_loads(line, 0, NULL);
	json_int_t seq = number(e, "seq");

	if (!e)
		return true; /* cut off where the ring was faster than we */
	if (o->seq && seq > o->seq + 1)
		gap_print(o, seq - o->seq - 1);
	o->seq = seq;
	if (event_matches(&o->filter, e)) {
		o->printed = true;
		if (o->a->output == OUTPUT_JSONL)
			puts(line);
		else
			event_print(e);
		if (o->left != UINT32_MAX && str_eq(member(e, "type"), "verdict"))
			o->left--;
	}
	json_decref(e);
	return o->left > 0;
}

/* The daemon's ring went round before this reader had them. */
static void gap_print(struct observer *o, json_int_t n)
{
	json_t *e = json_pack("{sn sn ss ss sI}", "seq", "time", "lab", o->filter.lab, "type", "lost", "events", n);
	char *line = json_dumps(e, JSON_COMPACT);

	if (o->a->output == OUTPUT_JSONL)
		puts(line);
	else
		event_print(e);
	free(line);
	json_decref(e);
}

static void event_print(const json_t *e)
{
	if (str_eq(member(e, "type"), "verdict")) {
		verdict_print(e);
		return;
	}
	if (!str_eq(member(e, "type"), "lost")) {
		other_print(e);
		return;
	}
	time_print(e, "time");
	printf("%slost%s   %" JSON_INTEGER_FORMAT " events: more than can be told of; counters are exact\n",
	       style_on(stdout, STYLE_WARN), style_off(stdout, STYLE_WARN), number(e, "events"));
}

/* "12:00:01.123  deny   denied  web-1 10.0.1.4:40000 -> db-1 10.0.2.4:22 tcp  at nacl-in@db: rule "…" FILE:LINE [REASON]" */
static void verdict_print(const json_t *e)
{
	const char *verdict = member(e, "verdict"), *gate = member(e, "rule_gate"), *object = member(e, "object");
	const char *rule = member(e, "rule"), *file = member(e, "file"), *reason = member(e, "reason");
	bool deny = str_eq(verdict, "deny");
	enum style s = deny ? STYLE_BAD : STYLE_GOOD;
	char proto[8];

	time_print(e, "last");
	printf("%s%-5s%s  %-11s  ", style_on(stdout, s), verdict, style_off(stdout, s), member(e, "kind"));
	end_print(e, "from", "src", "sport");
	printf(" -> ");
	end_print(e, "to", "dst", "dport");
	printf(" %s", rule_proto_name((uint16_t)number(e, "proto"), proto));
	if (json_is_integer(json_object_get(e, "icmp_type")))
		printf("/%" JSON_INTEGER_FORMAT ".%" JSON_INTEGER_FORMAT, number(e, "icmp_type"),
		       number(e, "icmp_code"));
	if (gate)
		printf("  %s %s%s%s", deny ? "at" : "by", gate, object ? "@" : "", object ? object : "");
	if (rule)
		printf("  \"%s\"", rule);
	if (file)
		printf(" %s:%" JSON_INTEGER_FORMAT, file, number(e, "line"));
	if (reason)
		printf("  [%s]", reason);
	if (number(e, "count") > 1)
		printf("  %" JSON_INTEGER_FORMAT " packets since %.12s", number(e, "count"), clock_of(e, "first"));
	putchar('\n');
}

static void end_print(const json_t *e, const char *name, const char *addr, const char *port)
{
	const char *who = member(e, name), *where = member(e, addr);
	json_int_t proto = number(e, "proto");

	printf("%s%s%s", who ? who : "", who && where ? " " : "", where ? where : who ? "" : "-");
	if (json_is_integer(json_object_get(e, port)) && (proto == PKT_PROTO_TCP || proto == PKT_PROTO_UDP))
		printf(":%" JSON_INTEGER_FORMAT, number(e, port));
}

/* Labs that change, alarms, and whatever else has a type: its members in order. */
static void other_print(const json_t *e)
{
	static const char *const shown[] = { "seq", "time", "lab", "type" };
	const char *key;
	json_t *v;

	time_print(e, "time");
	printf("%s", member(e, "type"));
	json_object_foreach((json_t *)e, key, v)
	{
		bool skip = json_is_null(v);
		char *text;

		for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
			skip = skip || strcmp(key, shown[i]) == 0;
		if (skip)
			continue;
		text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		printf("  %s %s", key, json_is_string(v) ? json_string_value(v) : text);
		free(text);
	}
	putchar('\n');
}

/* HH:MM:SS.mmm of an RFC 3339 time */
static void time_print(const json_t *e, const char *name)
{
	printf("%-12.12s  ", clock_of(e, name));
}

static const char *clock_of(const json_t *e, const char *name)
{
	const char *t = member(e, name);

	return t && strlen(t) >= 23 ? t + 11 : "-";
}

static const char *member(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}

static json_int_t number(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}
