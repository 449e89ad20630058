/* v_probe.c: vpc probe: real packets from SRC to DST. The verdict comes from the lab; the static walk
 * is asked afterwards, only to say so when it sees things differently. */
#include <string.h>
#include "cli/client.h"
#include "cli/probes.h"
#include "cli/source.h"
#include "cli/verbs.h"
#include "filters/explain.h"
#include "util/mem.h"
#include "util/str.h"

static void probe_print(const json_t *probe);
static const char *reason_sentence(const char *name);
static void walk_compare(const char *lab, const struct args *a, const char *src, const char *dst,
			 const json_t *results);
static bool result_compare(struct walker *w, const struct flow *f, const json_t *probe, const char *which,
			   bool *luck_told);
static const char *member(const json_t *o, const char *name);

int probe_run(const struct args *a)
{
	json_t *flows = json_array(), *out = NULL, *probe;
	uint32_t count = a->count ? a->count : 1, denied = 0, untried = 0;
	const char *src, *dst = a->words[1];
	char lab[LAB_SIZE];
	size_t i;
	int r = lab_of(a, a->words[0], lab, &src);

	if (r) {
		json_decref(flows);
		return r;
	}
	if (strchr(dst, '/') && strncmp(dst, lab, strlen(lab)) == 0 && dst[strlen(lab)] == '/')
		dst += strlen(lab) + 1;
	for (uint32_t k = 0; k < count; k++) {
		json_t *flow = probe_flow(src, dst, a->words[2], a->from_port);

		if (!flow) {
			json_decref(flows);
			return fail(EXIT_USAGE, "probe: the words are no UTF-8");
		}
		json_array_append_new(flows, flow);
	}
	r = probes_send(lab, flows, a->timeout_ms, &out);
	if (r)
		return r;
	json_array_foreach(json_object_get(out, "results"), i, probe)
	{
		denied += str_eq(member(probe, "verdict"), "deny");
		untried += member(probe, "verdict") == NULL;
		if (a->output == OUTPUT_TABLE)
			probe_print(probe);
	}
	if (a->output == OUTPUT_JSON)
		json_print(out);
	else if (count > 1)
		printf("%u of %u allowed\n", count - denied - untried, count);
	if (untried < count)
		walk_compare(lab, a, src, dst, json_object_get(out, "results"));
	json_decref(out);
	return untried ? EXIT_BROKEN : denied ? EXIT_FINDING : EXIT_OK;
}

/* "deny   laptop -> db-1 tcp/22  at nacl-in@db: why; rule "…" FILE:LINE [REASON]"
 * "allow  laptop -> db-1 tcp/22  0.2 ms; sg-in: rule "…" FILE:LINE" */
static void probe_print(const json_t *probe)
{
	struct answer answer;
	char place[128];
	const char *verdict = member(probe, "verdict"), *rule = member(probe, "rule"), *file = member(probe, "file");
	const char *note = member(probe, "note");
	json_int_t line = json_integer_value(json_object_get(probe, "line"));
	enum style s = style_of_word(verdict ? verdict : "");

	answer_of_probe(probe, &answer);
	printf("%s%-5s%s  %s", style_on(stdout, s), verdict ? verdict : "-", style_off(stdout, s),
	       member(probe, "flow"));
	if (json_is_integer(json_object_get(probe, "rtt_us")))
		printf("  %.2f ms", (double)json_integer_value(json_object_get(probe, "rtt_us")) / 1000);
	if (!answer.allow && answer.gate)
		printf("  %s: %s", answer_format(&answer, place, sizeof(place)) + strlen("deny "),
		       reason_sentence(answer.reason));
	if (note && answer.gate)
		printf(" (%s)", note);
	if (rule)
		printf("; %s%srule \"%s\"", answer.allow && answer.rule_gate ? answer.rule_gate : "",
		       answer.allow && answer.rule_gate ? ": " : "", rule);
	if (file && line)
		printf(" %s:%" JSON_INTEGER_FORMAT, file, line);
	if (!answer.allow && answer.reason)
		printf(" [%s]", answer.reason);
	else if (probe_is_by_state(probe))
		printf(" [%s]", reason_name(ABI_REASON_TRACKED));
	printf("\n");
	if (note && !answer.gate)
		warn_line("%s", note);
}

static const char *reason_sentence(const char *name)
{
	for (enum abi_reason r = 0; name && r < ABI_REASON_MAX; r++)
		if (strcmp(reason_name(r), name) == 0)
			return reason_text(r);
	return "no reason was recorded";
}

/* Each answer is held against the walk; the first that differs is told. */
static void walk_compare(const char *lab, const struct args *a, const char *src, const char *dst, const json_t *results)
{
	_cleanup_model_ struct model *m = NULL;
	struct walker *w = NULL;
	bool luck_told = false, differs = false;
	size_t n = json_array_size(results);
	struct flow f;
	struct err e = { 0 };

	if (model_of_lab(lab, &m))
		return;
	if (flow_parse_words(m, src, dst, a->words[2], &f, &e) < 0 || walker_new(m, &w, &e) < 0) {
		warn_line("the static walk has no answer to compare with: %s", e.msg);
		return;
	}
	for (size_t i = 0; i < n && !differs; i++) {
		const json_t *probe = json_array_get(results, i);
		char which[64] = "";

		if (n > 1)
			snprintf(which, sizeof(which), " from answer %zu of %zu", i + 1, n);
		if (member(probe, "verdict"))
			differs = result_compare(w, &f, probe, which, &luck_told);
	}
	walker_free(&w);
}

/* Does the walk differ? Then it is said. */
static bool result_compare(struct walker *w, const struct flow *f, const json_t *probe, const char *which,
			   bool *luck_told)
{
	struct flow own = *f;
	struct walk walk = { 0 };
	struct answer live, expected;
	struct err e = { 0 };
	enum agreement agreement;
	char text[512];

	if (probe_from_port(probe))
		own.sport = probe_from_port(probe);
	if (walk_flow(w, &own, &walk, &e) < 0)
		return false;
	answer_of_walk(&walk, &expected);
	answer_of_probe(probe, &live);
	agreement = answers_compare(&live, probe_is_by_state(probe), &expected);
	if (agreement == ANSWERS_BY_LUCK && !*luck_told) {
		warn_line("through the NAT gateway it is a matter of luck: %s", walk.steps[walk.denied].reason_more);
		*luck_told = true;
	} else if (agreement == ANSWERS_DIFFER) {
		warn_line("the static walk differs%s: it says %s", which,
			  answer_format_rule(&expected, text, sizeof(text)));
	}
	walk_done(&walk);
	return agreement == ANSWERS_DIFFER;
}

static const char *member(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}
