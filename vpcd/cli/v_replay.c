/* v_replay.c: vpc replay: a capture through the filter of one interface, a line a packet and the sums. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "cli/capture_file.h"
#include "cli/client.h"
#include "cli/source.h"
#include "cli/tally.h"
#include "cli/verbs.h"
#include "filters/explain.h"
#include "kern/prog_run.h"
#include "util/mem.h"
#include "util/str.h"

struct run {
	const struct args *a;
	const struct model *m;
	const char *eni;
	struct prog_run *programs; /* NULL: the host judges */
	struct replay *replay;
	struct capture_file *file;
	struct tally *tally;
	uint64_t n, first_ns;
};

static int word_of(const struct args *a, const char *option, const char *value, const char *const *words,
		   unsigned *ret);
static int replay_open(struct run *u, unsigned engine, unsigned assume);
static int eni_find(struct run *u, uint32_t *ret);
static void others_say(const struct run *u, uint32_t eni);
static int packets_run(struct run *u);
static void packet_print(const struct run *u, const struct captured *c, const struct replayed *r);
static void packet_json(const struct run *u, const struct replayed *r);
static void end_format(const struct pkt *p, const struct abi_addr *a, const uint8_t port[2], struct strbuf *ret);
static void sums_print(const struct run *u);
static void run_done(struct run *u);

/* ---- the programs as an engine ---- */

static int programs_row(void *ctx, const struct map_rows *rows, const struct map_row *row, struct err *e)
{
	return prog_run_row(ctx, rows, row, e);
}

static int programs_pass(void *ctx, uint32_t port, bool peering, uint64_t now_ns, const uint8_t *frame, uint32_t held,
			 uint32_t len, struct pass *ret, struct err *e)
{
	return prog_run_pass(ctx, port, peering, now_ns, frame, held, len, ret, e);
}

static int programs_sweep(void *ctx, uint64_t now_ns, struct err *e)
{
	return prog_run_sweep(ctx, now_ns, e);
}

int replay_run(const struct args *a)
{
	static const char *const engines[] = { "host", "bpf", NULL };
	static const char *const assumes[] = { "", "inbound", "outbound", NULL };
	_cleanup_model_ struct model *m = NULL;
	struct run u = { .a = a };
	unsigned engine = 0, assume = 0;
	int r = word_of(a, "--engine", a->engine, engines, &engine);

	if (r == 0)
		r = word_of(a, "--assume", a->assume, assumes, &assume);
	if (r == 0 && !a->eni)
		r = fail(EXIT_USAGE, "replay: whose filter? --eni NAME, an instance, interface or NAT gateway of %s",
			 a->words[0]);
	if (r == 0)
		r = model_of_file(a->words[0], &m);
	if (r)
		return r;
	u.m = m;
	r = replay_open(&u, engine, assume);
	if (r == 0)
		r = packets_run(&u);
	run_done(&u);
	return r;
}

static int word_of(const struct args *a, const char *option, const char *value, const char *const *words, unsigned *ret)
{
	for (unsigned i = 0; value && words[i]; i++)
		if (*words[i] && strcmp(words[i], value) == 0) {
			*ret = i;
			return 0;
		}
	if (!value)
		return 0;
	return fail(EXIT_USAGE, "%s: %s %s: it is %s or %s", a->verb->name, option, value,
		    words[0][0] ? words[0] : words[1], words[0][0] ? words[1] : words[2]);
}

/* The capture before the programs: with them the process moves to mounts of its own. */
static int replay_open(struct run *u, unsigned engine, unsigned assume)
{
	struct replay_engine programs = { NULL, PROG_RUN_FRAME_MAX, programs_row, programs_pass, programs_sweep };
	struct replay_scene scene = { 0 };
	struct err e = { 0 };
	uint32_t eni;
	int r = eni_find(u, &eni);

	if (r)
		return r;
	if (capture_file_open(u->a->words[1], &u->file, &e) < 0)
		return fail_err(EXIT_BROKEN, &e);
	if (replay_scene_make(u->m, eni, &scene, &e) < 0)
		return fail_err(EXIT_BROKEN, &e);
	r = engine ? prog_run_new(u->m, scene.desired, &u->programs, &e) : 0;
	programs.ctx = u->programs;
	if (r < 0) {
		r = r == -EPERM
			    ? fail(EXIT_CANNOT, "replay --engine bpf: %s; run the same as root, e.g. with sudo", e.msg)
			    : fail_err(EXIT_CANNOT, &e);
	} else {
		r = replay_new(&scene, (enum replay_assume)assume, engine ? &programs : NULL, &u->replay, &e);
		if (r < 0)
			r = fail_err(EXIT_BROKEN, &e);
	}
	replay_scene_done(&scene);
	u->tally = tally_new();
	return r;
}

static int eni_find(struct run *u, uint32_t *ret)
{
	const char *names[512], *near;
	size_t n = 0;

	*ret = model_find_eni(u->m, u->a->eni);
	u->eni = u->a->eni;
	if (*ret != NONE) {
		others_say(u, *ret);
		return 0;
	}
	for (uint32_t i = 0; i < u->m->n_enis && n < ARRAY_SIZE(names); i++)
		names[n++] = u->m->enis[i].obj.name;
	near = str_nearest(u->a->eni, names, n);
	return fail(EXIT_USAGE, "replay: %s has no instance, interface or NAT gateway \"%s\"%s%s%s", u->a->words[0],
		    u->a->eni, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* An instance's name is its first interface's, too: with several, say whose filter it is. */
static void others_say(const struct run *u, uint32_t eni)
{
	const struct eni *own = &u->m->enis[eni];
	const struct instance *in;
	_cleanup_strbuf_ struct strbuf names = { 0 };

	if (own->owner != ENI_OF_INSTANCE || own->owner_index == NONE)
		return;
	in = &u->m->instances[own->owner_index];
	if (in->n_enis < 2 || !str_eq(in->obj.name, u->a->eni))
		return;
	for (uint32_t i = 0; i < in->n_enis; i++)
		if (in->enis[i] != eni)
			strbuf_addf(&names, "%s%s", names.n ? ", " : "", u->m->enis[in->enis[i]].obj.name);
	warn_line("%s has %u interfaces; this is its eth%u; --eni takes the others by name: %s", u->a->eni, in->n_enis,
		  own->device_index, names.s);
}

static int packets_run(struct run *u)
{
	struct captured c;
	struct replayed p;
	struct err e = { 0 };
	int r = 0;

	while (!ferror(stdout) && (r = capture_file_next(u->file, &c, &e)) == 1) {
		if (!u->n++)
			u->first_ns = c.time_ns;
		r = replay_packet(u->replay, &c, &p, &e);
		if (r < 0)
			return fail_err(EXIT_BROKEN, &e);
		tally_add(u->tally, &p);
		if (u->a->summary || p.fate != REPLAY_JUDGED)
			continue;
		if (u->a->output == OUTPUT_JSONL)
			packet_json(u, &p);
		else if (u->a->output == OUTPUT_TABLE)
			packet_print(u, &c, &p);
	}
	fflush(stdout);
	if (ferror(stdout))
		return EXIT_BROKEN; /* why, says who ends the output */
	sums_print(u);
	if (r < 0)
		return fail(EXIT_BROKEN, "%s: %s", u->a->words[1], e.msg);
	return tally_denied(u->tally) ? EXIT_FINDING : EXIT_OK;
}

/* One after another as they come: a capture may be larger than memory. */
static void packet_print(const struct run *u, const struct captured *c, const struct replayed *r)
{
	const struct pkt *p = &r->packet;
	_cleanup_strbuf_ struct strbuf src = { 0 }, dst = { 0 };
	char buf[8];
	const char *proto = p->key.family ? rule_proto_name(p->key.proto, buf) : "-";
	enum style style = r->allow ? STYLE_GOOD : STYLE_BAD;

	if (tally_packets(u->tally, REPLAY_JUDGED) == 1)
		printf("%s%6s %12s %-8s %-5s %-21s %-21s %-7s %-12s %s%s\n", style_on(stdout, STYLE_HEAD), "N",
		       "SECONDS", "WAY", "PROTO", "SRC", "DST", "VERDICT", "GATE", "WHY",
		       style_off(stdout, STYLE_HEAD));
	end_format(p, &p->key.src, p->key.sport, &src);
	end_format(p, &p->key.dst, p->key.dport, &dst);
	printf("%6" PRIu64 " %12.6f %-8s %-5s %-21s %-21s %s%-7s%s %-12s ", u->n,
	       (double)(int64_t)(c->time_ns - u->first_ns) / 1e9,
	       !r->has_way   ? "-"
	       : r->outbound ? "outbound"
			     : "inbound",
	       proto, src.s, dst.s, style_on(stdout, style), r->allow ? "allow" : "deny", style_off(stdout, style),
	       gate_name(r->gate));
	if (r->rule_text[0])
		printf("%s", r->rule_text);
	if (r->loc.line)
		printf("%s%s:%u", r->rule_text[0] ? "  " : "", r->loc.file, r->loc.line);
	if (r->reason != ABI_REASON_ACCEPT)
		printf("%s%s", r->rule_text[0] || r->loc.line ? "  " : "", reason_name(r->reason));
	putchar('\n');
}

static void packet_json(const struct run *u, const struct replayed *r)
{
	json_t *v = json_pack("{s:I,s:s,s:s,s:s?,s:s?,s:o,s:s}", "n", (json_int_t)u->n, "verdict",
			      r->allow ? "allow" : "deny", "gate", gate_name(r->gate), "rule",
			      r->rule_text[0] ? r->rule_text : NULL, "file", r->loc.line ? r->loc.file : NULL, "line",
			      r->loc.line ? json_integer(r->loc.line) : json_null(), "reason", reason_name(r->reason));

	json_dumpf(v, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(v);
}

static void end_format(const struct pkt *p, const struct abi_addr *a, const uint8_t port[2], struct strbuf *ret)
{
	struct addr addr = { *a };
	char text[ADDR_STRLEN];

	if (!p->key.family) {
		strbuf_addf(ret, "-");
		return;
	}
	strbuf_addf(ret, "%s", addr_format(&addr, text));
	if ((p->key.proto == PKT_PROTO_TCP || p->key.proto == PKT_PROTO_UDP) && p->frag != PKT_FRAG_LATER)
		strbuf_addf(ret, ":%u", read_be16(port));
}

/* In a stream of lines the sums are talk. */
static void sums_print(const struct run *u)
{
	json_t *v;

	if (u->a->output == OUTPUT_JSON) {
		v = tally_json(u->tally);
		json_print(v);
		json_decref(v);
		return;
	}
	if (u->a->output == OUTPUT_TABLE && !u->a->summary && tally_packets(u->tally, REPLAY_JUDGED))
		putchar('\n');
	fflush(stdout);
	tally_print(u->tally, u->eni, u->a->output == OUTPUT_JSONL && !u->a->summary ? stderr : stdout);
}

static void run_done(struct run *u)
{
	tally_free(&u->tally);
	replay_free(&u->replay);
	prog_run_free(&u->programs);
	capture_file_close(&u->file);
}
