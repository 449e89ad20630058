/* event_filter.c: reads the filter options of observe and holds events against them. */
#include <string.h>
#include <time.h>
#include "cli/event_filter.h"
#include "filters/explain.h"
#include "filters/rule.h"
#include "util/str.h"

static int since_read(const struct args *a, const char *text, struct event_filter *f, char ret_seq[24]);
static int who_read(const struct args *a, enum option_id id, const char **ret, struct prefix *prefix, bool *is_prefix);
static int gate_read(const struct args *a, struct event_filter *f);
static bool is_time(const char *text);
static const char *member(const json_t *o, const char *name);
/* Names of members. Behind a gateway the hop is the gateway's, the packet still its owner's. */
struct event_end {
	const char *hop, *owner, *addr;
};
static const struct event_end end_from = { "from", "sender", "src" }, end_to = { "to", "receiver", "dst" };
static bool who_is(const json_t *event, const struct event_end *end, const char *name, const struct prefix *prefix);
static bool rule_is(const json_t *event, const char *rule);
static bool packet_matches(const struct event_filter *f, const json_t *event);

int event_filter_read(const struct args *a, const char *lab, struct event_filter *ret, char ret_seq[24])
{
	struct event_filter f = { .lab = lab };
	const char *port = a->text[OPTION_PORT], *proto = a->text[OPTION_PROTO];
	int r = 0;

	f.verdict = a->text[OPTION_VERDICT];
	f.rule = a->text[OPTION_RULE];
	f.instance = a->text[OPTION_INSTANCE];
	if (f.verdict && strcmp(f.verdict, "allow") != 0 && strcmp(f.verdict, "deny") != 0)
		return fail(EXIT_USAGE, "%s: --verdict %s: it is allow or deny", a->verb->name, f.verdict);
	if (port && str_to_u32(port, 1, 65535, &f.port) < 0)
		return fail(EXIT_USAGE, "%s: --port %s: a number from 1 to 65535 is wanted", a->verb->name, port);
	f.has_proto = proto != NULL;
	if (proto && rule_proto_parse(proto, &f.proto) < 0)
		return fail(EXIT_USAGE, "%s: --proto %s: tcp, udp, icmp or a number is wanted", a->verb->name, proto);
	r = who_read(a, OPTION_FROM, &f.from, &f.from_prefix, &f.from_is_prefix);
	if (r == 0)
		r = who_read(a, OPTION_TO, &f.to, &f.to_prefix, &f.to_is_prefix);
	if (r == 0)
		r = gate_read(a, &f);
	if (r)
		return r;
	f.packets_only = f.verdict || f.rule || f.instance || f.port || f.has_proto || f.from || f.to || f.gate;
	r = since_read(a, a->text[OPTION_SINCE], &f, ret_seq);
	if (r)
		return r;
	*ret = f;
	if (f.gate) /* it points into f */
		ret->gate = ret->gate_word;
	if (f.gate_object)
		ret->gate_object = ret->gate_word + (f.gate_object - f.gate_word);
	return 0;
}

bool event_matches(const struct event_filter *f, const json_t *event)
{
	const char *type = member(event, "type"), *time = member(event, "time");

	if (f->lab && !str_eq(member(event, "lab"), f->lab))
		return false;
	if (f->since[0] && time && strcmp(time, f->since) < 0)
		return false;
	if (str_eq(type, "verdict"))
		return packet_matches(f, event);
	return str_eq(type, "lost") || !f->packets_only;
}

static bool packet_matches(const struct event_filter *f, const json_t *event)
{
	const char *gate = member(event, "rule_gate");

	if (f->verdict && !str_eq(member(event, "verdict"), f->verdict))
		return false;
	if (f->instance && !who_is(event, &end_from, f->instance, NULL) && !who_is(event, &end_to, f->instance, NULL))
		return false;
	if (f->from && !who_is(event, &end_from, f->from, f->from_is_prefix ? &f->from_prefix : NULL))
		return false;
	if (f->to && !who_is(event, &end_to, f->to, f->to_is_prefix ? &f->to_prefix : NULL))
		return false;
	if (f->has_proto && json_integer_value(json_object_get(event, "proto")) != f->proto)
		return false;
	if (f->port && json_integer_value(json_object_get(event, "sport")) != f->port &&
	    json_integer_value(json_object_get(event, "dport")) != f->port)
		return false;
	if (f->gate && !str_eq(gate, f->gate))
		return false;
	if (f->gate_object && !str_eq(member(event, "object"), f->gate_object))
		return false;
	return !f->rule || rule_is(event, f->rule);
}

static bool who_is(const json_t *event, const struct event_end *end, const char *name, const struct prefix *prefix)
{
	const char *text = member(event, end->addr);
	struct addr a;

	if (!prefix)
		return str_eq(member(event, end->hop), name) || str_eq(member(event, end->owner), name);
	return text && addr_parse(text, &a) == 0 && prefix_contains(prefix, &a);
}

/* "12", "lab.ini:12", or a part of what it says. */
static bool rule_is(const json_t *event, const char *rule)
{
	const char *text = member(event, "rule"), *file = member(event, "file"), *colon = strrchr(rule, ':');
	json_int_t line = json_integer_value(json_object_get(event, "line"));
	uint32_t n;

	if (str_to_u32(rule, 1, UINT32_MAX, &n) == 0)
		return line == n;
	if (colon && str_to_u32(colon + 1, 1, UINT32_MAX, &n) == 0 && file) {
		size_t want = (size_t)(colon - rule), have = strlen(file);

		if (line == n && have >= want && strncmp(file + have - want, rule, want) == 0 &&
		    (have == want || file[have - want - 1] == '/'))
			return true;
	}
	return text && strstr(text, rule);
}

static int who_read(const struct args *a, enum option_id id, const char **ret, struct prefix *prefix, bool *is_prefix)
{
	const char *text = a->text[id];
	struct addr one;

	*ret = text;
	if (!text)
		return 0;
	*is_prefix = addr_parse(text, &one) == 0 || strchr(text, '/');
	if (*is_prefix && prefix_parse(text, prefix, NULL) < 0)
		return fail(EXIT_USAGE, "%s: %s %s: neither a name nor a prefix", a->verb->name, option_rows[id].name,
			    text);
	return 0;
}

static int gate_read(const struct args *a, struct event_filter *f)
{
	const char *text = a->text[OPTION_GATE];
	const char *names[ABI_GATE_MAX], *near;
	char *at;

	if (!text)
		return 0;
	snprintf(f->gate_word, sizeof(f->gate_word), "%s", text);
	at = strchr(f->gate_word, '@');
	if (at) {
		*at = '\0';
		f->gate_object = at + 1;
	}
	f->gate = f->gate_word;
	if (at && !*f->gate_object)
		return fail(EXIT_USAGE, "%s: --gate %s: whose gate? a name follows @", a->verb->name, text);
	for (int i = 0; i < ABI_GATE_MAX; i++) {
		names[i] = gate_name((enum abi_gate)i);
		if (i && strcmp(names[i], f->gate) == 0)
			return 0;
	}
	near = str_nearest(f->gate, names + 1, ABI_GATE_MAX - 1);
	return fail(EXIT_USAGE, "%s: there is no gate \"%s\"%s%s%s", a->verb->name, f->gate,
		    near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* RFC 3339 in UTC, or the beginning of it. */
static bool is_time(const char *text)
{
	static const char *const formats[] = { "%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S" };

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct tm tm;
		const char *end = strptime(text, formats[i], &tm);

		if (end && *end == '.' && i + 1 == sizeof(formats) / sizeof(formats[0]))
			end += 1 + strspn(end + 1, "0123456789");
		if (end && (!*end || strcmp(end, "Z") == 0))
			return true;
	}
	return false;
}

/* "30s", "10m", "2h": ago; a time; a number of an event. */
static int since_read(const struct args *a, const char *text, struct event_filter *f, char ret_seq[24])
{
	static const struct {
		char unit;
		uint32_t s;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	size_t n = text ? strlen(text) : 0;
	char number[24];
	uint32_t count;
	struct tm tm;
	time_t then;

	snprintf(ret_seq, 24, "%s", text || !a->follow ? "0" : "end");
	if (!text)
		return 0;
	if (n && n < sizeof(number) && strspn(text, "0123456789") == n) {
		snprintf(ret_seq, 24, "%s", text);
		return 0;
	}
	if (n < sizeof(f->since) && is_time(text)) {
		snprintf(f->since, sizeof(f->since), "%.*s", (int)strcspn(text, "Z"), text);
		return 0;
	}
	for (size_t i = 0; n > 1 && n <= sizeof(number) && i < sizeof(units) / sizeof(units[0]); i++) {
		if (text[n - 1] != units[i].unit)
			continue;
		snprintf(number, sizeof(number), "%.*s", (int)(n - 1), text);
		if (str_to_u32(number, 0, 1000000, &count) < 0)
			break;
		then = time(NULL) - (time_t)count * units[i].s;
		gmtime_r(&then, &tm);
		strftime(f->since, sizeof(f->since), "%Y-%m-%dT%H:%M:%S", &tm);
		return 0;
	}
	return fail(EXIT_USAGE, "%s: --since %s: 30s, 10m, 2h, 2026-01-31T12:00:00 or the number of an event is wanted",
		    a->verb->name, text);
}

static const char *member(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}
