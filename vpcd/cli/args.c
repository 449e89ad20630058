/* args.c: the words and options of a command line. One row an option serves the parser, the help
 * and the completion; which verb takes which stands in verbs.c. */
#include <errno.h>
#include <string.h>
#include "cli/cli.h"
#include "util/mem.h"
#include "util/str.h"

enum { COUNT_MAX = 100000, TIMEOUT_MS_MAX = 60000 };

const struct option_row option_rows[OPTION_MAX] = {
	[OPTION_HELP] = { "--help", NULL, "this text" },
	[OPTION_OUTPUT] = { "-o", "FORMAT", "how the result is printed" },
	[OPTION_LAB] = { "--lab", "LAB", "which lab; not needed where only one fits" },
	[OPTION_LIVE] = { "--live", NULL, "ask the running lab instead of a file" },
	[OPTION_FROM_PORT] = { "--from-port", "N", "source port (default 40000)" },
	[OPTION_COUNT] = { "--count", "N", "how many: probe sends so many (default 1), streams end after so many" },
	[OPTION_TIMEOUT] = { "--timeout", "MS", "how long to wait for each answer, in milliseconds" },
	[OPTION_SUMMARY] = { "--summary", NULL,
			     "less: a line a leg, with the gates that were passed (trace); only the sums (replay)" },
	[OPTION_MINIMAL] = { "--minimal", NULL, "the verdict in one line" },
	[OPTION_FLOWS] = { "--flows", "FILE", "many flows, one a line (SRC -> DST PROTO/PORT); - reads stdin" },
	[OPTION_ALL] = { "--all", NULL, "every lab" },
	[OPTION_EXIT_CODE] = { "--exit-code", NULL, "exit 1 when there is something to do" },
	[OPTION_COVERAGE] = { "--coverage", NULL, "also list the rules and routes that no expectation exercises" },
	[OPTION_FLOW] = { "--flow", NULL, "SRC DST PROTO/PORT: draw the path of that flow, and where it stops" },
	[OPTION_FIX] = { "--fix", NULL, "take out what decides nothing, in the file" },
	[OPTION_CHECK] = { "--check", NULL, "write nothing; exit 1 when the file is not in that form" },
	[OPTION_STATE] = { "--state", "STATE",
			   "of the connection: new (default), established, or live: as the lab has it now" },
	[OPTION_ALL_FLOWS] = { "--all-flows", NULL, "compare all flows, however long it takes" },
	[OPTION_ADVICE] = { "--advice", NULL, "also the lines that would allow what is denied, in every form" },
	[OPTION_ENI] = { "--eni", "NAME", "the interface: an instance, interface or NAT gateway of the file" },
	[OPTION_ASSUME] = { "--assume", "DIRECTION",
			    "inbound or outbound: the first packet of another machine's capture" },
	[OPTION_ENGINE] = { "--engine", "ENGINE", "who judges: host, or bpf, the programs in the kernel (root)" },
	[OPTION_FORMAT] = { "--format", "FIELDS", "'${version} ${vpc-id} …': fields of a record" },
	[OPTION_NOW] = { "--now", NULL, "end the window now, and show it too" },
	[OPTION_FOLLOW] = { "-f", NULL, "go on with what is to come" },
	[OPTION_SINCE] = { "--since", "WHEN",
			   "from then on: 30s, 10m, 2h ago, 2026-01-31T12:00:00, or an event's number" },
	[OPTION_VERDICT] = { "--verdict", "V", "allow or deny" },
	[OPTION_FROM] = { "--from", "WHO", "sender: a name, an address or a prefix" },
	[OPTION_TO] = { "--to", "WHO", "receiver: a name, an address or a prefix" },
	[OPTION_PROTO] = { "--proto", "PROTO", "tcp, udp, icmp or a number" },
	[OPTION_PORT] = { "--port", "N", "source or destination port" },
	[OPTION_GATE] = { "--gate", "GATE", "the gate that decided: sg-in, nacl-out@edge, …" },
	[OPTION_RULE] = { "--rule", "RULE", "the rule that decided: FILE:LINE, its line, or a part of its text" },
	[OPTION_INSTANCE] = { "--instance", "NAME", "sender or receiver" },
	[OPTION_SAMPLE_NEW] = { "--sample-new", "N", "hear of one of N new flows (default 1; 0: none)" },
	[OPTION_SAMPLE_ESTABLISHED] = { "--sample-established", "N",
					"hear of one of N packets of flows that are known (default 0: none)" },
	[OPTION_SAMPLE_DENIED] = { "--sample-denied", "N", "hear of one of N denials (default 1; 0: none)" },
	[OPTION_OUT] = { "-w", "FILE", "where to; - is stdout, for a pipe" },
	[OPTION_FILTER] = { "--filter", "EXPR", "only packets that match, in libpcap's words: 'tcp port 80'" },
	[OPTION_SNAPLEN] = { "--snaplen", "N", "bytes of each packet, at most 16384 (default 2048)" },
	[OPTION_WRITE] = { "--write", NULL, "write the file instead of printing it" },
};
static const char *const output_names[OUTPUT_MAX] = { "table", "json", "tap", "junit",   "csv",
						      "html",  "svg",  "dot", "mermaid", "jsonl" };

static int option_parse(struct args *a, char **argv, int argc, int *at);
static int option_set(struct args *a, enum option_id id, const char *value);
static int number_set(const struct args *a, enum option_id id, const char *value, uint32_t max, uint32_t *ret);
static int output_set(struct args *a, const char *value);
static bool takes(const struct verb *v, enum option_id id);
static int unknown_option(const struct verb *v, const char *word);

int args_parse(const struct verb *v, int argc, char **argv, struct args *ret)
{
	struct args a = { .verb = v, .words = xcalloc((size_t)argc + 1, sizeof(char *)) };
	bool options = true;
	int r = 0;

	for (int i = 0; i < argc && r == 0; i++) {
		if (options && strcmp(argv[i], "--") == 0) {
			options = false;
		} else if (options && argv[i][0] == '-' && argv[i][1]) {
			r = option_parse(&a, argv, argc, &i);
		} else {
			a.words[a.n++] = argv[i];
			/* exec INSTANCE CMD -x: from the command on, nothing is ours. */
			options = options && !(v->rest && a.n > 1);
		}
	}
	if (r == 0 && a.n < v->words_min)
		r = fail(EXIT_USAGE, "%s: too few words; usage: vpc %s %s", v->name, v->name, v->usage);
	if (r == 0 && v->words_max != UINT8_MAX && a.n > v->words_max)
		r = fail(EXIT_USAGE, "%s: \"%s\" is one word too many; usage: vpc %s %s", v->name,
			 a.words[v->words_max], v->name, v->usage);
	if (r) {
		args_done(&a);
		return r;
	}
	*ret = a;
	return 0;
}

void args_done(struct args *a)
{
	free(a->words);
	*a = (struct args){ 0 };
}

const char *output_name(enum output o)
{
	return output_names[o];
}

static int option_parse(struct args *a, char **argv, int argc, int *at)
{
	char *word = argv[*at], *value = NULL;
	size_t n = strcspn(word, "=");

	if (strcmp(word, "-h") == 0)
		word = argv[*at] = (char *)option_rows[OPTION_HELP].name, n = strlen(word);
	for (enum option_id id = 0; id < OPTION_MAX; id++) {
		const struct option_row *row = &option_rows[id];

		if (strlen(row->name) != n || strncmp(row->name, word, n) != 0 || !takes(a->verb, id))
			continue;
		if (word[n] == '=')
			value = word + n + 1;
		if (row->value && !value && ++*at < argc)
			value = argv[*at];
		if (row->value && !value)
			return fail(EXIT_USAGE, "%s: %s needs a value: %s %s", a->verb->name, row->name, row->name,
				    row->value);
		if (!row->value && value)
			return fail(EXIT_USAGE, "%s: %s takes no value", a->verb->name, row->name);
		return option_set(a, id, value);
	}
	return unknown_option(a->verb, word);
}

int lab_check(const struct args *a, const char *lab)
{
	if (str_is_name(lab))
		return 0;
	return fail(EXIT_USAGE, "%s: \"%s\" is no name of a lab: 1 to 32 of a-z, 0-9 and -; vpc show lists them",
		    a->verb->name, lab);
}

static int option_set(struct args *a, enum option_id id, const char *value)
{
	switch (id) {
	case OPTION_OUTPUT: return output_set(a, value);
	case OPTION_LAB: a->lab = value; return lab_check(a, value);
	case OPTION_FROM_PORT: return number_set(a, id, value, 65535, &a->from_port);
	case OPTION_COUNT: return number_set(a, id, value, COUNT_MAX, &a->count);
	case OPTION_TIMEOUT: return number_set(a, id, value, TIMEOUT_MS_MAX, &a->timeout_ms);
	case OPTION_STATE: a->state = value; return 0;
	case OPTION_FLOWS: a->flows = value; return 0;
	case OPTION_ENI: a->eni = value; return 0;
	case OPTION_ASSUME: a->assume = value; return 0;
	case OPTION_ENGINE: a->engine = value; return 0;
	case OPTION_LIVE: a->live = true; return 0;
	case OPTION_SUMMARY: a->summary = true; return 0;
	case OPTION_MINIMAL: a->minimal = true; return 0;
	case OPTION_ALL: a->all = true; return 0;
	case OPTION_EXIT_CODE: a->exit_code = true; return 0;
	case OPTION_FLOW: a->flow = true; return 0;
	case OPTION_FIX: a->fix = true; return 0;
	case OPTION_CHECK: a->check = true; return 0;
	case OPTION_ALL_FLOWS: a->all_flows = true; return 0;
	case OPTION_ADVICE: a->advice = true; return 0;
	case OPTION_COVERAGE: a->coverage = true; return 0;
	case OPTION_WRITE: a->write = true; return 0;
	case OPTION_NOW: a->now = true; return 0;
	case OPTION_FOLLOW: a->follow = true; return 0;
	default: a->text[id] = value; return 0; /* --help is seen by main before anything is parsed */
	}
}

static int number_set(const struct args *a, enum option_id id, const char *value, uint32_t max, uint32_t *ret)
{
	if (str_to_u32(value, 1, max, ret) == 0)
		return 0;
	return fail(EXIT_USAGE, "%s: %s %s: a number from 1 to %u is wanted", a->verb->name, option_rows[id].name,
		    value, max);
}

static int output_set(struct args *a, const char *value)
{
	struct strbuf may = { 0 };
	int r;

	for (enum output o = 0; o < OUTPUT_MAX; o++) {
		if (!(a->verb->outputs & (1u << o)))
			continue;
		if (strcmp(value, output_names[o]) == 0) {
			a->output = o;
			strbuf_done(&may);
			return 0;
		}
		strbuf_addf(&may, "%s%s", may.n ? ", " : "", output_names[o]);
	}
	r = fail(EXIT_USAGE, "%s: -o %s: it prints %s", a->verb->name, value, may.s);
	strbuf_done(&may);
	return r;
}

static bool takes(const struct verb *v, enum option_id id)
{
	return id == OPTION_HELP || (v->options & (1ull << id));
}

static int unknown_option(const struct verb *v, const char *word)
{
	const char *names[OPTION_MAX], *near;
	size_t n = 0;

	for (enum option_id id = 0; id < OPTION_MAX; id++)
		if (takes(v, id))
			names[n++] = option_rows[id].name;
	near = str_nearest(word, names, n);
	if (near)
		return fail(EXIT_USAGE, "%s has no option %s; did you mean %s?", v->name, word, near);
	return fail(EXIT_USAGE, "%s has no option %s; vpc %s --help lists them", v->name, word, v->name);
}
