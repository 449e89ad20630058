/* tally.c: sums of a replay. A rule or route has one number and one place here, however many packets come. */
#include "cli/tally.h"
#include <inttypes.h>
#include <string.h>
#include "cli/table.h"
#include "filters/explain.h"
#include "util/mem.h"
#include "util/str.h"

struct sum {
	uint64_t packets, bytes;
	struct replayed first; /* what it is the sum of */
};
struct tally {
	uint64_t fates[REPLAY_FATE_MAX], denied;
	struct sum *of[2]; /* by rule number, by route number */
	size_t n[2];
	struct sum gates[ABI_GATE_MAX][ABI_REASON_MAX];
};

static const char *const fate_words[REPLAY_FATE_MAX] = {
	[REPLAY_ARP] = "ARP, the router's business",
	[REPLAY_FOREIGN] = "neither from nor to %s",
	[REPLAY_CUT] = "cut short, too little is there of them",
};

static struct sum *sum_of(struct tally *t, const struct replayed *r);
static void each(const struct tally *t, void (*fn)(void *ctx, const struct sum *s), void *ctx);
static void row_print(void *ctx, const struct sum *s);
static void row_json(void *ctx, const struct sum *s);

struct tally *tally_new(void)
{
	return xcalloc(1, sizeof(struct tally));
}

void tally_free(struct tally **t)
{
	if (!t || !*t)
		return;
	free((*t)->of[0]);
	free((*t)->of[1]);
	free(*t);
	*t = NULL;
}

void tally_add(struct tally *t, const struct replayed *r)
{
	struct sum *s;

	t->fates[r->fate]++;
	if (r->fate != REPLAY_JUDGED)
		return;
	t->denied += !r->allow;
	s = sum_of(t, r);
	if (!s->packets)
		s->first = *r;
	s->packets++;
	s->bytes += r->packet.len;
}

uint64_t tally_packets(const struct tally *t, enum replay_fate fate)
{
	return t->fates[fate];
}

uint64_t tally_denied(const struct tally *t)
{
	return t->denied;
}

void tally_print(const struct tally *t, const char *eni, FILE *out)
{
	_cleanup_table_ struct table table = { 0 };
	const uint64_t judged = t->fates[REPLAY_JUDGED];

	table_init(&table, "VERDICT GATE REASON >PACKETS >BYTES RULE WHERE");
	each(t, row_print, &table);
	if (table_rows(&table))
		table_print(&table, out);
	fprintf(out, "%" PRIu64 " packet%s judged: %" PRIu64 " allowed, %" PRIu64 " denied\n", judged,
		judged == 1 ? "" : "s", judged - t->denied, t->denied);
	for (unsigned i = 0; i < REPLAY_FATE_MAX; i++) {
		if (i == REPLAY_JUDGED || !t->fates[i])
			continue;
		fprintf(out, "%" PRIu64 " not judged: ", t->fates[i]);
		if (i == REPLAY_FOREIGN)
			fprintf(out, "neither from nor to %s\n", eni);
		else
			fprintf(out, "%s\n", fate_words[i]);
	}
}

json_t *tally_json(const struct tally *t)
{
	json_t *rows = json_array();

	each(t, row_json, rows);
	return json_pack("{s:I,s:I,s:I,s:{s:I,s:I,s:I},s:o}", "packets", (json_int_t)t->fates[REPLAY_JUDGED], "allowed",
			 (json_int_t)(t->fates[REPLAY_JUDGED] - t->denied), "denied", (json_int_t)t->denied,
			 "not_judged", "arp", (json_int_t)t->fates[REPLAY_ARP], "foreign",
			 (json_int_t)t->fates[REPLAY_FOREIGN], "cut", (json_int_t)t->fates[REPLAY_CUT], "rules", rows);
}

static struct sum *sum_of(struct tally *t, const struct replayed *r)
{
	const unsigned kind = r->is_route;

	if (!r->rule)
		return &t->gates[r->gate][r->reason];
	if (r->rule >= t->n[kind]) {
		size_t n = (size_t)r->rule + 64;

		t->of[kind] = xrealloc(t->of[kind], n * sizeof(struct sum));
		memset(t->of[kind] + t->n[kind], 0, (n - t->n[kind]) * sizeof(struct sum));
		t->n[kind] = n;
	}
	return &t->of[kind][r->rule];
}

static void each(const struct tally *t, void (*fn)(void *ctx, const struct sum *s), void *ctx)
{
	for (unsigned kind = 0; kind < 2; kind++)
		for (size_t i = 0; i < t->n[kind]; i++)
			if (t->of[kind][i].packets)
				fn(ctx, &t->of[kind][i]);
	for (unsigned g = 0; g < ABI_GATE_MAX; g++)
		for (unsigned k = 0; k < ABI_REASON_MAX; k++)
			if (t->gates[g][k].packets)
				fn(ctx, &t->gates[g][k]);
}

static void row_print(void *ctx, const struct sum *s)
{
	const struct replayed *r = &s->first;

	table_add(ctx, r->allow ? "allow" : "deny");
	table_add(ctx, gate_name(r->gate));
	table_add(ctx, r->allow ? NULL : reason_name(r->reason));
	table_addf(ctx, "%" PRIu64, s->packets);
	table_addf(ctx, "%" PRIu64, s->bytes);
	table_add(ctx, r->rule_text);
	if (r->loc.line)
		table_addf(ctx, "%s:%u", r->loc.file, r->loc.line);
	else
		table_add(ctx, NULL);
}

static void row_json(void *ctx, const struct sum *s)
{
	const struct replayed *r = &s->first;

	json_array_append_new(
		ctx, json_pack("{s:s,s:s,s:s?,s:s?,s:s?,s:o,s:I,s:I}", "verdict", r->allow ? "allow" : "deny", "gate",
			       gate_name(r->gate), "reason", r->allow ? NULL : reason_name(r->reason), "rule",
			       r->rule_text[0] ? r->rule_text : NULL, "file", r->loc.line ? r->loc.file : NULL, "line",
			       r->loc.line ? json_integer(r->loc.line) : json_null(), "packets", (json_int_t)s->packets,
			       "bytes", (json_int_t)s->bytes));
}
