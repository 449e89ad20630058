/* test_features.c: the table of features: gate x protocol x peer kind x family x direction x state. The lists below are
 * the table; every combination of them is made into a scenario here, run through the BPF object, the host build and
 * the oracle, and must end as this file says, or be one that cannot exist, and then the reader must refuse it.
 * The gates are abi.h's own list: one more of them, or one more entry in another list, does not compile until it says
 * how its cases are made. */
#include "tests/bpf/engines.h"

#define PROTOS(X) X(TCP) X(UDP) X(ICMP) X(OTHER)
#define PEERS(X) X(ANY) X(PREFIX) X(ADDRESS) X(LIST) X(GROUP)
#define FAMILIES(X) X(V4) X(V6)
#define DIRECTIONS(X) X(REQUEST) X(ANSWER)
#define STATES(X) X(NEW) X(DENIED) X(TRACKED) X(CUT) X(RELATED) X(FRAGMENT)

#define AS_ENUM(x) x,
enum { PROTOS(AS_ENUM) PROTO_N };
enum { PEERS(AS_ENUM) PEER_N };
enum { FAMILIES(AS_ENUM) FAMILY_N };
enum { DIRECTIONS(AS_ENUM) DIRECTION_N };
enum { STATES(AS_ENUM) STATE_N };

struct feature {
	unsigned gate, proto, peer, family, direction, state;
};

/* ---- how each entry of a list is written ---- */

struct proto_text {
	unsigned number[2];                     /* by family */
	const char *rule[2];                    /* in a rule */
	unsigned a, b, back_a, back_b, other_b; /* other_b: of a packet that no such rule admits; 0: another protocol */
};
#define TCP_TEXT \
	{ \
		{ 6, 6 }, { "tcp 80", "tcp 80" }, 40000, 80, 80, 40000, 81 \
	}
#define UDP_TEXT \
	{ \
		{ 17, 17 }, { "udp 80", "udp 80" }, 40000, 80, 80, 40000, 81 \
	}
#define ICMP_TEXT \
	{ \
		{ 1, 58 }, { "icmp 8", "icmpv6 128" }, 7, 0x800, 7, 0, 0xd00 \
	}
#define OTHER_TEXT \
	{ \
		{ 50, 50 }, { "50", "50" }, 0, 0, 0, 0, 0 \
	}
#define AS_TEXT(x) x##_TEXT,
static const struct proto_text protos[] = { PROTOS(AS_TEXT) };

/* Of the client (side 0) or the server (1), as a rule's peer. Ports 1 and 2 of VPC 1. */
#define ANY_PEER \
	{ \
		{ "0.0.0.0/0", "0.0.0.0/0" }, \
		{ \
			"::/0", "::/0" \
		} \
	}
#define PREFIX_PEER \
	{ \
		{ "10.0.0.0/24", "10.0.1.0/24" }, \
		{ \
			"2001:db8:1::/48", "2001:db8:1::/48" \
		} \
	}
#define ADDRESS_PEER \
	{ \
		{ "10.0.0.10", "10.0.1.10" }, \
		{ \
			"2001:db8:1::1", "2001:db8:1::2" \
		} \
	}
#define LIST_PEER \
	{ \
		{ "pl:c", "pl:s" }, \
		{ \
			"pl:c", "pl:s" \
		} \
	}
#define GROUP_PEER \
	{ \
		{ "sg:c", "sg:s" }, \
		{ \
			"sg:c", "sg:s" \
		} \
	}
#define AS_PEER(x) x##_PEER,
static const char *const peers[PEER_N][FAMILY_N][2] = { PEERS(AS_PEER) };
static const char *const addresses[FAMILY_N][2] = { { "10.0.0.10", "10.0.1.10" },
						    { "2001:db8:1::1", "2001:db8:1::2" } };
static const char *const names[2] = { "c", "s" };

#define AS_NAME(x) #x,
static const char *const proto_names[] = { PROTOS(AS_NAME) }, *const peer_names[] = { PEERS(AS_NAME) },
			 *const family_names[] = { FAMILIES(AS_NAME) },
			 *const direction_names[] = { DIRECTIONS(AS_NAME) }, *const state_names[] = { STATES(AS_NAME) };

/* ---- packets ---- */

static unsigned type_of(unsigned family, unsigned b)
{
	return family == V4 ? b : b == 0x800 ? 128 << 8 : 129 << 8;
}

/* From side to the other one: a question, or (back) what answers the one before. */
static void packet_add(struct strbuf *b, const struct feature *f, unsigned side, bool back, const char *options)
{
	const struct proto_text *p = &protos[f->proto];
	unsigned x = back ? p->back_a : p->a, y = back ? p->back_b : p->b;

	if (f->proto == ICMP)
		y = type_of(f->family, y);
	strbuf_addf(b, "pkt %s %u %s %u > %s %u%s\n", names[side], p->number[f->family], addresses[f->family][side], x,
		    addresses[f->family][!side], y, options);
}

/* An ICMP error of side about the packet that came before. */
static void error_add(struct strbuf *b, const struct feature *f, unsigned side)
{
	const struct proto_text *p = &protos[f->proto];
	unsigned y = f->proto == ICMP ? type_of(f->family, p->b) : p->b;

	strbuf_addf(b, "pkt %s %u %s 0 > %s %u about=%u/%s/%u/%s/%u\n", names[side], f->family == V4 ? 1 : 58,
		    addresses[f->family][side], addresses[f->family][!side], f->family == V4 ? 0x303 : 0x104,
		    p->number[f->family], addresses[f->family][!side], p->a, addresses[f->family][side], y);
}

/* ---- scenarios ---- */

struct wanted {
	bool valid, allow;
	enum abi_gate gate; /* that denies */
	int how;            /* of the gate's groups; -1: not asked */
	bool by_rule;       /* the rule under test is named at the gate */
	unsigned line;      /* where it stands */
};

/* Client and server in two subnets, everything open but for one rule: at the gate under test, whose owner is side. */
static void rule_topology(struct strbuf *b, const struct feature *f, unsigned side, bool out, bool group, bool of_gate,
			  unsigned *line)
{
	const char *peer = peers[f->peer][f->family][!side];
	_cleanup_free_ char *rule =
		xasprintf("%s = %s%s %s %s", of_gate == out ? "outbound" : "inbound", group ? "" : "100 allow ",
			  protos[f->proto].rule[f->family], of_gate == out ? "to" : "from", peer);
	unsigned n = 0;

#define LINE(...) (strbuf_addf(b, __VA_ARGS__), strbuf_adds(b, "\n"), n++)
	LINE("[lab t]");
	LINE("[vpc v]");
	LINE("cidr = 10.0.0.0/16");
	for (unsigned i = 0; i < 2; i++) {
		LINE("[prefix-list %s]", names[i]);
		LINE("entry = %s/32", addresses[V4][i]);
		LINE("entry = %s/128", addresses[V6][i]);
		LINE("[nacl n%s]", names[i]);
		LINE("vpc = v");
		for (unsigned d = 0; d < 2; d++) {
			if (!group && i == side && d == (unsigned)out) {
				*line = n;
				LINE("%s", rule);
				continue;
			}
			LINE("%s = 1 allow all %s 0.0.0.0/0", d ? "outbound" : "inbound", d ? "to" : "from");
			LINE("%s = 2 allow all %s ::/0", d ? "outbound" : "inbound", d ? "to" : "from");
		}
		LINE("[subnet %s]", names[i]);
		LINE("vpc = v");
		LINE("cidr = 10.0.%u.0/24", i);
		LINE("nacl = n%s", names[i]);
		LINE("[security-group %s]", names[i]);
		LINE("vpc = v");
		for (unsigned d = 0; d < 2; d++) {
			const bool gate_dir = d == (unsigned)out;

			if (group && i == side && gate_dir == of_gate) {
				*line = n;
				LINE("%s", rule);
			} else if (group && i == side && !of_gate) {
				if (d)
					LINE("outbound = none"); /* the gate has no rule: only what is known passes */
			} else {
				LINE("%s = all %s 0.0.0.0/0", d ? "outbound" : "inbound", d ? "to" : "from");
				LINE("%s = all %s ::/0", d ? "outbound" : "inbound", d ? "to" : "from");
			}
		}
		LINE("[instance %s]", names[i]);
		LINE("subnet = %s", names[i]);
		LINE("address = %s", addresses[V4][i]);
		LINE("security-groups = %s", names[i]);
	}
#undef LINE
}

/* A gate of rules. TRACKED and RELATED: the rule is the other direction's, which made the connection. */
static void rule_case(const struct feature *f, struct strbuf *topology, struct strbuf *steps, struct wanted *want)
{
	const bool group = f->gate == ABI_GATE_SG_IN || f->gate == ABI_GATE_SG_OUT;
	const bool out = f->gate == ABI_GATE_SG_OUT || f->gate == ABI_GATE_NACL_OUT;
	const unsigned sender = f->direction == REQUEST ? 0 : 1, owner = out ? sender : !sender;
	const bool known = f->state == TRACKED || f->state == RELATED;
	const bool untracked = group && f->peer == ANY && (f->proto == TCP || f->proto == UDP);
	unsigned line = 0;

	*want = (struct wanted){
		.valid = true, .allow = true, .gate = ABI_GATE_NONE, .how = group ? 0 : -1, .by_rule = true
	};
	want->valid = group || f->peer < LIST;
	rule_topology(topology, f, owner, out, group, !(group && known), &line);
	switch (f->state) {
	case NEW: packet_add(steps, f, sender, false, ""); break;
	case DENIED: /* nothing of that protocol, or not that port or type */
		if (f->proto == OTHER)
			strbuf_addf(steps, "pkt %s 132 %s 0 > %s 0\n", names[sender], addresses[f->family][sender],
				    addresses[f->family][!sender]);
		else
			strbuf_addf(
				steps, "pkt %s %u %s %u > %s %u\n", names[sender], protos[f->proto].number[f->family],
				addresses[f->family][sender], protos[f->proto].a, addresses[f->family][!sender],
				f->proto == ICMP ? type_of(f->family, protos[ICMP].other_b) : protos[f->proto].other_b);
		*want = (struct wanted){ want->valid, false, f->gate, -1, false };
		break;
	case TRACKED: /* what went the other way before opens the groups, and no ACL */
		packet_add(steps, f, !sender, false, "");
		packet_add(steps, f, sender, true, "");
		want->how = group ? ORACLE_TRACKED : -1;
		if (!group && f->proto != OTHER)
			*want = (struct wanted){ want->valid, false, f->gate, -1, false };
		break;
	case CUT: /* the rule goes: connections go on, what needs none and what meets an ACL is cut */
		packet_add(steps, f, sender, false, "");
		/* a group without a line says all may leave */
		strbuf_addf(steps, "edit %u %s\n", line, f->gate == ABI_GATE_SG_OUT ? "outbound = none" : "");
		packet_add(steps, f, sender, false, "");
		want->how = group ? ORACLE_TRACKED : -1;
		if (untracked || !group)
			*want = (struct wanted){ want->valid, false, f->gate, -1, false };
		want->by_rule = false;
		break;
	case RELATED:
		packet_add(steps, f, !sender, false, "");
		error_add(steps, f, sender);
		want->how = group ? ORACLE_RELATED : -1;
		if (!group)
			*want = (struct wanted){ want->valid, false, f->gate, -1, false };
		break;
	case FRAGMENT:
		packet_add(steps, f, sender, false, " first=5 bytes=24");
		packet_add(steps, f, sender, false, " later=5/24 bytes=16");
		want->how = -1;
		break;
	default: fail_msg("a state without a case");
	}
	want->line = line + 1;
}

/* ---- gates without rules ---- */

static const char *const other_topology =
	"[lab t]\nconntrack-entries = 1\n[vpc v]\ncidr = 10.0.0.0/16\n[vpc w]\ncidr = 10.1.0.0/16\n[internet-gateway g]\nvpc = v\n"
	"[vpc-peering-connection x]\nvpc = v\npeer-vpc = w\n[route-table t]\nvpc = v\nmain = yes\nroute = 0.0.0.0/0 via igw:g\n"
	"route = 10.1.0.0/16 via pcx:x\nroute = 10.9.0.0/16 via pcx:x\n"
	"[nacl n]\nvpc = v\ninbound = 1 allow all from 0.0.0.0/0\ninbound = 2 allow all from ::/0\n"
	"outbound = 1 allow all to 0.0.0.0/0\noutbound = 2 allow all to ::/0\n"
	"[subnet c]\nvpc = v\ncidr = 10.0.0.0/24\nnacl = n\n[subnet s]\nvpc = v\ncidr = 10.0.1.0/24\nnacl = n\n"
	"[security-group o]\nvpc = v\ninbound = all from 10.0.0.0/8\ninbound = all from 2001:db8:1::/48\n"
	"outbound = all to 0.0.0.0/0\noutbound = all to ::/0\n"
	"[instance c]\nsubnet = c\naddress = 10.0.0.10\nsecurity-groups = o\n"
	"[instance s]\nsubnet = s\naddress = 10.0.1.10\nsecurity-groups = o\n"
	"[instance t]\nsubnet = c\naddress = 10.0.0.11\nsecurity-groups = o\n"
	"[nat-gateway nat]\nsubnet = c\naddress = 10.0.0.200\n[host h]\naddress = 198.51.100.7\n";

/* What makes a gate deny: who sends from where to where, in each family; NULL: the family has not that gate. */
struct gate_maker {
	bool rules; /* a gate of rules: rule_case() */
	const char *from, *src[FAMILY_N], *dst[FAMILY_N], *options, *before[FAMILY_N];
};
#define C4 "10.0.0.10"
#define S4 "10.0.1.10"
#define C6 "2001:db8:1::5" /* ports 5 and 6 */
#define S6 "2001:db8:1::6"
#define OF_RULES \
	{ \
		.rules = true \
	}
#define NOT_BUILT \
	{ \
		.from = NULL \
	}
#define NONE_MAKER NOT_BUILT
#define PARSE_MAKER \
	{ \
		.from = "c", .src = { C4, C6 }, .dst = { S4, S6 }, .options = " later=9/64 bytes=16" \
	}
#define SOURCE_CHECK_MAKER \
	{ \
		.from = "c", .src = { "10.0.0.99", "2001:db8:1::99" }, .dst = { S4, S6 } \
	}
#define SG_OUT_MAKER OF_RULES
#define NACL_OUT_MAKER OF_RULES
#define ROUTE_MAKER \
	{ \
		.from = "c", .src = { C4, C6 }, .dst = { "10.0.0.77", "2001:db8:1::77" } \
	}
#define IGW_MAKER \
	{ \
		.from = "c", .src = { C4 }, .dst = { "198.51.100.7" } \
	}
#define EIGW_MAKER NOT_BUILT
#define NAT_MAKER \
	{ \
		.from = "s", .src = { S4 }, .dst = { "10.0.0.200" } \
	}
#define PEERING_MAKER \
	{ \
		.from = "c", .src = { C4 }, .dst = { "10.9.0.1" } \
	}
#define TGW_MAKER NOT_BUILT
#define VGW_MAKER NOT_BUILT
#define ENDPOINT_MAKER NOT_BUILT
#define SERVICE_MAKER \
	{ \
		.from = "c", .src = { C4, C6 }, .dst = { "169.254.169.254", "fd00:ec2::254" } \
	}
#define NACL_IN_MAKER OF_RULES
#define DEST_CHECK_MAKER \
	{ \
		.from = "c", .src = { C4, C6 }, .dst = { S4, S6 }, .options = " mac=t" \
	}
#define SG_IN_MAKER OF_RULES
#define CONNTRACK_MAKER \
	{ \
		.from = "c", .src = { C4, C6 }, .dst = { S4, S6 }, .before = { \
			"pkt c 132 " C4 " 0 > " S4 " 0\n", \
			"pkt c 132 " C6 " 0 > " S6 " 0\n" \
		} \
	}
#define INTERNET_MAKER \
	{ \
		.from = "h", .src = { "198.51.100.7" }, .dst = { "203.0.113.99" } \
	}
#define AS_MAKER(name, text) [ABI_GATE_##name] = name##_MAKER,
static const struct gate_maker makers[ABI_GATE_MAX] = { ABI_GATES(AS_MAKER) };

/* Other gates know neither peers nor state: one case a protocol and family. */
static bool exists(const struct feature *f)
{
	const struct gate_maker *g = &makers[f->gate];

	if (g->rules)
		return true;
	return g->from && g->src[f->family] && f->peer == ANY && f->direction == REQUEST && f->state == DENIED;
}

static void other_case(const struct feature *f, struct strbuf *topology, struct strbuf *steps, struct wanted *want)
{
	const struct gate_maker *g = &makers[f->gate];
	const struct proto_text *p = &protos[f->proto];

	strbuf_adds(topology, other_topology);
	strbuf_adds(steps, g->before[f->family] ? g->before[f->family] : "");
	strbuf_addf(steps, "pkt %s %u %s %u > %s %u%s\n", g->from, p->number[f->family], g->src[f->family], p->a,
		    g->dst[f->family], f->proto == ICMP ? type_of(f->family, p->b) : p->b,
		    g->options ? g->options : "");
	*want = (struct wanted){ .valid = true, .gate = f->gate, .how = -1 };
}

/* ---- all of them ---- */

static struct engines e;

static bool named_there(const struct feature *f, const struct wanted *want)
{
	static const unsigned places[ABI_GATE_MAX] = { [ABI_GATE_SG_OUT] = ORACLE_AT_SG_OUT,
						       [ABI_GATE_NACL_OUT] = ORACLE_AT_NACL_OUT,
						       [ABI_GATE_NACL_IN] = ORACLE_AT_NACL_IN,
						       [ABI_GATE_SG_IN] = ORACLE_AT_SG_IN };
	struct rule_place place;

	return model_rule_place(e.l.m, e.answer.rule[places[f->gate]], &place) && place.loc.line == want->line;
}

/* NULL: it went as it should. */
static const char *run_case(const struct feature *f)
{
	_cleanup_strbuf_ struct strbuf topology = { 0 }, steps = { 0 };
	const bool out = f->gate == ABI_GATE_SG_OUT;
	struct wanted want;
	struct scenario s;
	const char *wrong = NULL;
	int at;

	if (makers[f->gate].rules)
		rule_case(f, &topology, &steps, &want);
	else
		other_case(f, &topology, &steps, &want);
	scenario_parse(topology.s, steps.s, true, &s);
	at = engines_run(&e, &s);
	if ((at != -2) != want.valid)
		wrong = want.valid ? "no valid topology" : "the reader takes what cannot be";
	else if (at >= 0)
		wrong = e.why;
	else if (want.valid && (e.last.o.allow != want.allow || e.last.o.gate != want.gate))
		wrong = e.last.o.allow ? "allowed" : gate_name(e.last.o.gate);
	else if (want.valid && want.allow && want.how >= 0 &&
		 (int)(out ? e.answer.how_out : e.answer.how_in) != want.how)
		wrong = "allowed for another reason";
	else if (want.valid && want.by_rule && !named_there(f, &want))
		wrong = "another rule is named";
	if (wrong && getenv("FUZZ_VERBOSE"))
		printf("%s%s", topology.s, steps.s);
	scenario_done(&s);
	return wrong;
}

static void every_combination(void **state)
{
	unsigned done = 0, none = 0, bad = 0, of_gate[ABI_GATE_MAX] = { 0 };
	struct feature f;

	(void)state;
	for (f.gate = 1; f.gate < ABI_GATE_MAX; f.gate++)
		for (f.proto = 0; f.proto < PROTO_N; f.proto++)
			for (f.peer = 0; f.peer < PEER_N; f.peer++)
				for (f.family = 0; f.family < FAMILY_N; f.family++)
					for (f.direction = 0; f.direction < DIRECTION_N; f.direction++)
						for (f.state = 0; f.state < STATE_N; f.state++) {
							const char *wrong;

							if (!exists(&f)) {
								none++;
								continue;
							}
							wrong = run_case(&f);
							done++;
							of_gate[f.gate]++;
							bad += wrong != NULL;
							if (wrong)
								printf("# %s %s %s %s %s %s: %s\n", gate_name(f.gate),
								       proto_names[f.proto], peer_names[f.peer],
								       family_names[f.family],
								       direction_names[f.direction],
								       state_names[f.state], wrong);
						}
	printf("# %u combinations, %u that cannot exist\n", done, none);
	for (unsigned g = 1; g < ABI_GATE_MAX; g++)
		if (makers[g].rules || makers[g].from)
			assert_true(of_gate[g] >= PROTO_N);
	assert_int_equal(bad, 0);
}

static int up(void **state)
{
	(void)state;
	engines_up(&e);
	return 0;
}

static int down(void **state)
{
	(void)state;
	engines_down(&e);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(every_combination, up, down) };

	return pass_tests_run("test-features", tests, ARRAY_SIZE(tests));
}
