/* rule.c: the rule language, text to data and back. Pure: no syscalls.
 *
 *   group rule   PROTO [PORTS] from|to PEER
 *   NACL rule    NUMBER allow|deny PROTO [PORT|RANGE] from|to PREFIX
 *
 * A parsed rule is canonical, so that equal meaning is equal data: host bits of the peer are zero,
 * "0-65535" is no range at all, and what AWS ignores is dropped: ports of protocols without ports,
 * types of an ICMP that the peer's family does not speak (semantics 5.1, 6). */
#include "filters/rule.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "filters/proto.h"
#include "util/mem.h"
#include "util/str.h"

enum { PORT_MAX = 65535, NACL_NUMBER_MAX = 32766 };
enum { TEXT_MAX = 512, WORDS_MAX = 16 };

#define NO_SUCH_PROTO "write tcp, udp, icmp, icmpv6, all or a protocol number"

static const char *const all_words[] = { "all", "any", "*", "-1" };

/* One line, cut into words, and how far it was read. */
struct reader {
	char text[TEXT_MAX];
	char *word[WORDS_MAX + 1]; /* NULL behind the last */
	unsigned at;
	struct rule *rule;
	struct err *err;
};

static int split(struct reader *rd, const char *text);
static void cut_description(char *text);
static int parse_nacl_head(struct reader *rd);
static int check_group_head(struct reader *rd);
static int parse_proto(struct reader *rd);
static int parse_slash(struct reader *rd, const char *word);
static int parse_ports(struct reader *rd);
static int parse_port_list(struct reader *rd, char *list);
static int parse_range(struct reader *rd, const char *list, char *item, struct port_range *ret);
static int bad_port(struct reader *rd, const char *item);
static int order_ports(struct reader *rd);
static int parse_icmp(struct reader *rd, const char *word);
static int parse_direction(struct reader *rd);
static int parse_peer(struct reader *rd);
static int parse_peer_name(struct reader *rd, const char *word);
static int parse_prefix(struct reader *rd, const char *word);
static int bad_prefix(struct reader *rd, const char *word);
static void canonicalize(struct rule *r);
static bool has_ports(uint16_t proto);
static bool is_all_word(const char *word);
static bool is_direction(const char *word);
static bool is_action(const char *word);
static const char *dir_word(enum rule_dir dir);
static const char *dir_name(enum rule_dir dir);

int rule_parse(const char *text, enum rule_owner owner, enum rule_dir dir, struct rule *ret, struct err *e)
{
	struct rule rule = { .owner = owner, .dir = dir, .allow = true, .icmp_type = -1, .icmp_code = -1 };
	struct reader rd = { .rule = &rule, .err = e };
	int r;

	r = split(&rd, text);
	if (r == 0)
		r = owner == RULE_OF_NACL ? parse_nacl_head(&rd) : check_group_head(&rd);
	if (r == 0)
		r = parse_proto(&rd);
	if (r == 0)
		r = parse_ports(&rd);
	if (r == 0)
		r = parse_direction(&rd);
	if (r == 0)
		r = parse_peer(&rd);
	if (r < 0)
		return r;
	canonicalize(&rule);
	*ret = rule;
	return 0;
}

char *rule_format(const struct rule *r, char *buf, size_t size)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };
	struct rule c = *r;
	char text[PREFIX_STRLEN];

	canonicalize(&c);
	if (c.owner == RULE_OF_NACL)
		strbuf_addf(&b, "%u %s ", c.nacl_number, c.allow ? "allow" : "deny");
	strbuf_adds(&b, rule_proto_name(c.proto, text));
	for (unsigned i = 0; i < c.n_ports; i++) {
		strbuf_addf(&b, "%c%u", i ? ',' : ' ', c.ports[i].lo);
		if (c.ports[i].hi != c.ports[i].lo)
			strbuf_addf(&b, "-%u", c.ports[i].hi);
	}
	if (c.icmp_type >= 0 && c.icmp_code >= 0) {
		strbuf_addf(&b, " %d/%d", c.icmp_type, c.icmp_code);
	} else if (c.icmp_type >= 0) {
		const char *name = icmp_type_name(c.proto, c.icmp_type);

		if (name)
			strbuf_addf(&b, " %s", name);
		else
			strbuf_addf(&b, " %d", c.icmp_type);
	}
	strbuf_addf(&b, " %s ", dir_word(c.dir));
	if (c.peer_kind == PEER_PREFIX)
		strbuf_adds(&b, prefix_format(&c.peer, text));
	else
		strbuf_addf(&b, "%s:%s", c.peer_kind == PEER_GROUP ? "sg" : "pl", c.peer_name);
	snprintf(buf, size, "%s", b.s);
	return buf;
}

bool rule_eq(const struct rule *a, const struct rule *b)
{
	struct rule x = *a, y = *b;

	canonicalize(&x);
	canonicalize(&y);
	if (x.owner != y.owner || x.dir != y.dir || x.allow != y.allow || x.nacl_number != y.nacl_number ||
	    x.proto != y.proto || x.n_ports != y.n_ports || x.icmp_type != y.icmp_type || x.icmp_code != y.icmp_code ||
	    x.peer_kind != y.peer_kind)
		return false;
	for (unsigned i = 0; i < x.n_ports; i++)
		if (x.ports[i].lo != y.ports[i].lo || x.ports[i].hi != y.ports[i].hi)
			return false;
	if (x.peer_kind == PEER_PREFIX)
		return prefix_cmp(&x.peer, &y.peer) == 0;
	return strcmp(x.peer_name, y.peer_name) == 0;
}

unsigned rule_aws_count(const struct rule *r, unsigned prefix_list_entries)
{
	unsigned ranges = r->n_ports > 1 ? r->n_ports : 1;

	return r->peer_kind == PEER_PREFIX_LIST ? ranges * prefix_list_entries : ranges;
}

/* ---- reading ---- */

static int split(struct reader *rd, const char *text)
{
	unsigned n = 0;
	char *p = rd->text, *word;

	if (strlen(text) >= sizeof(rd->text))
		return err_set(rd->err, -EINVAL, "a rule of %zu characters; at most %zu", strlen(text),
			       sizeof(rd->text) - 1);
	strcpy(rd->text, text);
	cut_description(rd->text);
	while ((word = str_word(&p))) {
		if (n == WORDS_MAX)
			return err_set(rd->err, -EINVAL, "more than %d words; one rule is PROTO [PORTS] %s PEER",
				       WORDS_MAX, dir_word(rd->rule->dir));
		rd->word[n++] = word;
	}
	if (n == 0)
		return err_set(rd->err, -EINVAL, "empty rule; write for example `%stcp 443 %s 0.0.0.0/0`",
			       rd->rule->owner == RULE_OF_NACL ? "100 allow " : "", dir_word(rd->rule->dir));
	return 0;
}

/* "RULE ; description": a semicolon at the start of a word begins it. */
static void cut_description(char *text)
{
	for (char *p = text; *p; p++)
		if (*p == ';' && (p == text || p[-1] == ' ' || p[-1] == '\t')) {
			*p = '\0';
			return;
		}
}

/* allow or deny, for other makers' words too; NULL: neither. */
static const char *action_of(const char *word)
{
	static const char *const actions[][2] = { { "allow", "allow" },  { "deny", "deny" },  { "permit", "allow" },
						  { "accept", "allow" }, { "pass", "allow" }, { "block", "deny" },
						  { "drop", "deny" },    { "reject", "deny" } };

	for (unsigned i = 0; word && i < ARRAY_SIZE(actions); i++)
		if (strcmp(word, actions[i][0]) == 0)
			return actions[i][1];
	return NULL;
}

static bool is_proto(const char *word)
{
	uint16_t proto;

	return word && (is_all_word(word) || rule_proto_parse(word, &proto) == 0);
}

/* How a rule would be right from its action on: by the words from `at` on, of which one that means nothing is
 * left out. */
static const char *acl_advice(const struct reader *rd, unsigned at, char *buf, size_t size)
{
	const char *action = action_of(rd->word[at]), *word;

	if (rd->word[at] && !action && !is_proto(rd->word[at]))
		action = action_of(rd->word[++at]);
	word = rd->word[at + (action != NULL)];
	snprintf(buf, size, "%s %s%s...", action ? action : "allow", is_proto(word) ? word : "",
		 is_proto(word) ? " " : "");
	return buf;
}

static int parse_nacl_head(struct reader *rd)
{
	const char *number = rd->word[0], *action = rd->word[1];
	char advice[64];
	int r = str_to_u32(number, 1, NACL_NUMBER_MAX, &rd->rule->nacl_number);

	if (strcmp(number, "*") == 0 || r == -ERANGE)
		return err_set(rd->err, -EINVAL,
			       "rule number `%s` is out of range; use 1 to %d, the `*` rule is always there", number,
			       NACL_NUMBER_MAX);
	if (r < 0)
		return err_set(rd->err, -EINVAL,
			       "`%s` stands where a network ACL rule has its number; write for example `100 %s`",
			       number, acl_advice(rd, 0, advice, sizeof(advice)));
	if (!action || !is_action(action))
		return err_set(rd->err, -EINVAL, "rule %s says neither allow nor deny; write `%s %s`", number, number,
			       acl_advice(rd, 1, advice, sizeof(advice)));
	rd->rule->allow = strcmp(action, "allow") == 0;
	rd->at = 2;
	return 0;
}

/* What belongs to network ACLs only. */
static int check_group_head(struct reader *rd)
{
	uint32_t number;
	unsigned at = rd->word[1] && is_action(rd->word[1]) && str_to_u32(rd->word[0], 0, UINT32_MAX, &number) == 0;

	if (!is_action(rd->word[at]))
		return 0;
	if (strcmp(rd->word[at], "deny") == 0)
		return err_set(rd->err, -EINVAL,
			       "a security group cannot deny; leave the rule out, or use a network ACL");
	return err_set(rd->err, -EINVAL, "a security group rule has no number and no `allow`; write `%s ...`",
		       rd->word[at + 1] ? rd->word[at + 1] : "tcp");
}

static int parse_proto(struct reader *rd)
{
	const char *word = rd->word[rd->at], *guess;

	if (!word)
		return err_set(rd->err, -EINVAL, "the protocol is missing; " NO_SUCH_PROTO);
	if (rule_proto_parse(word, &rd->rule->proto) == 0) {
		/* 255 is reserved by IANA, and is abi.h's mark for "any protocol without a table". */
		if (rd->rule->proto == RULE_PROTO_ALL - 1)
			return err_set(rd->err, -EINVAL,
				       "protocol 255 is reserved and names nothing; use 0 to 254, or `all`");
		rd->at++;
		return 0;
	}
	if (is_direction(word))
		return err_set(rd->err, -EINVAL, "the protocol before `%s` is missing; " NO_SUCH_PROTO, word);
	if (strchr(word, '/'))
		return parse_slash(rd, word);
	guess = proto_guess(word);
	if (guess)
		return err_set(rd->err, -EINVAL, "unknown protocol `%s`; write `%s`", word, guess);
	return err_set(rd->err, -EINVAL, "unknown protocol `%s`; " NO_SUCH_PROTO, word);
}

/* "tcp/80" is how flows are written; "icmp/8/0" too. */
static int parse_slash(struct reader *rd, const char *word)
{
	const char *slash = strchr(word, '/');
	char head[8];
	uint16_t proto;

	if ((size_t)(slash - word) < sizeof(head)) {
		snprintf(head, sizeof(head), "%.*s", (int)(slash - word), word);
		if (rule_proto_parse(head, &proto) == 0)
			return err_set(rd->err, -EINVAL, "`%s` is how a flow is written; in a rule write `%s %s`", word,
				       head, slash + 1);
	}
	return err_set(rd->err, -EINVAL, "unknown protocol `%s`; " NO_SUCH_PROTO, word);
}

/* Everything up to from|to: nothing, or one word. */
static int parse_ports(struct reader *rd)
{
	char *word = rd->word[rd->at], *next;

	if (!word || is_direction(word))
		return 0;
	if (strchr(word, ':') || strchr(word, '.'))
		return 0; /* a peer: from|to is missing, and parse_direction says so */
	next = rd->word[rd->at + 1];
	if (next && !is_direction(next)) {
		char *tail = rd->word[rd->at + 2];

		if (next[0] == ',' || word[strlen(word) - 1] == ',')
			return err_set(rd->err, -EINVAL, "a blank in the port list; write `%s%s`", word, next);
		if ((next[0] == '-' || word[strlen(word) - 1] == '-') && !next[1] && tail)
			return err_set(rd->err, -EINVAL, "blanks in the port range; write `%s-%s`", word, tail);
	}
	rd->at++;
	if (proto_is_icmp(rd->rule->proto))
		return parse_icmp(rd, word);
	return parse_port_list(rd, word);
}

/* Protocols without ports: AWS takes a range and ignores it. It must still be one. */
static int parse_port_list(struct reader *rd, char *list)
{
	struct rule *rule = rd->rule;
	_cleanup_free_ char *whole = xstrdup(list);
	char *item = list, *comma;

	if (is_all_word(list))
		return err_set(rd->err, -EINVAL, "`%s` is no port; leave the port out to mean all of them", list);
	do {
		int r;

		comma = strchr(item, ',');
		if (comma)
			*comma = '\0';
		if (rule->owner == RULE_OF_NACL && comma)
			return err_set(
				rd->err, -EINVAL,
				"a network ACL rule takes one port or range, not the list `%s`; write a rule for each",
				whole);
		if (rule->n_ports == RULE_PORT_RANGES_MAX)
			return err_set(rd->err, -EINVAL, "more than %d ports and ranges in one rule; split it in two",
				       RULE_PORT_RANGES_MAX);
		r = parse_range(rd, whole, item, &rule->ports[rule->n_ports]);
		if (r < 0)
			return r;
		rule->n_ports++;
		item = comma ? comma + 1 : NULL;
	} while (item);
	return order_ports(rd);
}

static int parse_range(struct reader *rd, const char *list, char *item, struct port_range *ret)
{
	char *dash = strchr(item, '-');
	uint32_t lo, hi;
	int r, s;

	if (!*item)
		return err_set(rd->err, -EINVAL,
			       "an empty place in the port list `%s`; write it without the extra comma", list);
	if (dash && (dash == item || !dash[1]))
		return err_set(rd->err, -EINVAL, "the range `%s` has one end; write both, for example `1024-65535`",
			       item);
	if (!dash) {
		r = str_to_u32(item, 0, PORT_MAX, &lo);
		hi = lo;
		s = r;
	} else {
		*dash = '\0';
		r = str_to_u32(item, 0, PORT_MAX, &lo);
		s = str_to_u32(dash + 1, 0, PORT_MAX, &hi);
		*dash = '-';
	}
	if (r == -EINVAL || s == -EINVAL)
		return bad_port(rd, item);
	if (r < 0 || s < 0)
		return err_set(rd->err, -EINVAL, "port `%s` is out of range; ports are 0 to %d", item, PORT_MAX);
	if (lo > hi)
		return err_set(rd->err, -EINVAL, "the range `%s` runs backwards; write `%u-%u`", item, hi, lo);
	*ret = (struct port_range){ (uint16_t)lo, (uint16_t)hi };
	return 0;
}

static int bad_port(struct reader *rd, const char *item)
{
	const char *guess = port_guess(item);
	unsigned lo, hi;
	char end;

	if (guess)
		return err_set(rd->err, -EINVAL, "ports are numbers, not `%s`; write `%s`", item, guess);
	if (sscanf(item, "%u:%u%c", &lo, &hi, &end) == 2 || sscanf(item, "%u..%u%c", &lo, &hi, &end) == 2)
		return err_set(rd->err, -EINVAL, "`%s` is no range; write `%u-%u`", item, lo, hi);
	return err_set(rd->err, -EINVAL,
		       "`%s` is no port; write a number, a range such as `1024-65535`, or `%s` before the peer", item,
		       dir_word(rd->rule->dir));
}

/* Ascending and disjoint; neighbours stay two ranges, because they are two rules to AWS. */
static int order_ports(struct reader *rd)
{
	struct rule *r = rd->rule;

	for (unsigned i = 1; i < r->n_ports; i++)
		for (unsigned j = i; j > 0 && r->ports[j].lo < r->ports[j - 1].lo; j--) {
			struct port_range swap = r->ports[j];

			r->ports[j] = r->ports[j - 1];
			r->ports[j - 1] = swap;
		}
	for (unsigned i = 1; i < r->n_ports; i++) {
		const struct port_range *a = &r->ports[i - 1], *b = &r->ports[i];

		if (b->lo > a->hi)
			continue;
		if (a->lo == b->hi)
			return err_set(rd->err, -EINVAL, "port %u stands twice in the list; write it once", b->lo);
		return err_set(rd->err, -EINVAL, "`%u-%u` and `%u-%u` overlap; write `%u-%u`", a->lo, a->hi, b->lo,
			       b->hi, a->lo, a->hi > b->hi ? a->hi : b->hi);
	}
	return 0;
}

static int parse_icmp(struct reader *rd, const char *word)
{
	struct rule *rule = rd->rule;
	const char *guess;

	if (rule_icmp_parse(word, rule->proto, &rule->icmp_type, &rule->icmp_code) == 0)
		return 0;
	if (strncmp(word, "-1/", 3) == 0)
		return err_set(rd->err, -EINVAL, "`%s`: type -1 means every type and needs code -1; write `%s` alone",
			       word, rule->proto == PROTO_ICMP ? "icmp" : "icmpv6");
	if (is_all_word(word))
		return err_set(rd->err, -EINVAL, "`%s` is no ICMP type; leave the type out to mean all of them", word);
	guess = icmp_guess(word, rule->proto);
	if (guess)
		return err_set(rd->err, -EINVAL, "unknown ICMP type `%s`; write `%s`", word, guess);
	return err_set(
		rd->err, -EINVAL,
		"`%s` is no ICMP type; write TYPE or TYPE/CODE with numbers 0 to 255, or a name such as `echo-request`",
		word);
}

static int parse_direction(struct reader *rd)
{
	const char *word = rd->word[rd->at], *want = dir_word(rd->rule->dir);

	if (!word)
		return err_set(rd->err, -EINVAL,
			       "the peer is missing; end the rule with `%s` and a prefix%s, for example `%s 0.0.0.0/0`",
			       want, rd->rule->owner == RULE_OF_GROUP ? ", sg:NAME or pl:NAME" : "", want);
	if (strcmp(word, want) == 0) {
		rd->at++;
		return 0;
	}
	if (is_direction(word))
		return err_set(rd->err, -EINVAL, "%s rule uses `%s`; write `%s`", dir_name(rd->rule->dir), word, want);
	if (strchr(word, '.') || strchr(word, ':'))
		return err_set(rd->err, -EINVAL, "`%s` is missing before the peer; write `%s %s`", want, want, word);
	return err_set(rd->err, -EINVAL, "`%s` stands where `%s` should; write PROTO [PORTS] %s PEER", word, want,
		       want);
}

static int parse_peer(struct reader *rd)
{
	const char *word = rd->word[rd->at], *more;
	int r;

	if (!word)
		return err_set(rd->err, -EINVAL, "nothing stands after `%s`; write a prefix%s", dir_word(rd->rule->dir),
			       rd->rule->owner == RULE_OF_GROUP ? ", sg:NAME or pl:NAME" : "");
	more = rd->word[rd->at + 1];
	if (strchr(word, ',') || (more && more[0] == ','))
		return err_set(rd->err, -EINVAL,
			       "a rule has one peer, not the list `%s`; write a rule for each, or a prefix list", word);
	if (strncmp(word, "sg:", 3) == 0 || strncmp(word, "pl:", 3) == 0)
		r = parse_peer_name(rd, word);
	else
		r = parse_prefix(rd, word);
	if (r < 0)
		return r;
	if (more && (strcmp(more, "port") == 0 || strcmp(more, "ports") == 0 || (more[0] >= '0' && more[0] <= '9')))
		return err_set(rd->err, -EINVAL, "`%s` stands after the peer; ports come before `%s`", more,
			       dir_word(rd->rule->dir));
	if (more)
		return err_set(rd->err, -EINVAL,
			       "`%s` stands after the peer, where the rule ends; begin a description with ` ;`", more);
	return 0;
}

static int parse_peer_name(struct reader *rd, const char *word)
{
	struct rule *rule = rd->rule;
	bool group = word[0] == 's';

	if (rule->owner == RULE_OF_NACL)
		return err_set(rd->err, -EINVAL, "a network ACL names addresses only, not `%s`; write a prefix", word);
	if (!str_is_name(word + 3))
		return err_set(rd->err, -EINVAL, "`%s` names no %s; names are a-z, 0-9 and -, at most 32 characters",
			       word, group ? "security group" : "prefix list");
	rule->peer_kind = group ? PEER_GROUP : PEER_PREFIX_LIST;
	snprintf(rule->peer_name, sizeof(rule->peer_name), "%s", word + 3);
	return 0;
}

static int parse_prefix(struct reader *rd, const char *word)
{
	struct rule *rule = rd->rule;

	rule->peer_kind = PEER_PREFIX;
	if (prefix_parse(word, &rule->peer, NULL) < 0)
		return bad_prefix(rd, word);
	/* The address that means "none" is never a peer, but its owner surely meant everybody. */
	if (strcmp(word, "0.0.0.0") == 0 || strcmp(word, "::") == 0)
		return err_set(rd->err, -EINVAL,
			       "`%s` is a single address that nobody has; write `%s/0` for every address", word, word);
	return 0;
}

static int bad_prefix(struct reader *rd, const char *word)
{
	bool group = rd->rule->owner == RULE_OF_GROUP;
	const char *slash = strchr(word, '/'), *dash = strchr(word, '-');
	char head[ADDR_STRLEN];
	struct addr a;

	if (is_all_word(word) || strncmp(word, "anywhere", 8) == 0 || strcmp(word, "everyone") == 0 ||
	    strcmp(word, "internet") == 0)
		return err_set(rd->err, -EINVAL, "`%s` is no prefix; write `0.0.0.0/0` or `::/0`", word);
	if (slash && (size_t)(slash - word) < sizeof(head)) {
		snprintf(head, sizeof(head), "%.*s", (int)(slash - word), word);
		if (addr_parse(head, &a) == 0)
			return err_set(rd->err, -EINVAL, "`%s` has no valid prefix length; write `%s/%s", word, head,
				       addr_family(&a) == FAMILY_V4 ? "N` with N from 0 to 32"
								    : "N` with N from 0 to 128");
	}
	if (dash && (size_t)(dash - word) < sizeof(head)) {
		snprintf(head, sizeof(head), "%.*s", (int)(dash - word), word);
		if (addr_parse(head, &a) == 0)
			return err_set(rd->err, -EINVAL,
				       "`%s` is a range of addresses; write it as prefixes, such as `%s/%d`", word,
				       head, addr_family(&a) == FAMILY_V4 ? 24 : 64);
	}
	if (group && str_is_name(word) && word[0] >= 'a')
		return err_set(rd->err, -EINVAL,
			       "`%s` is no prefix; write `sg:%s` for a security group or `pl:%s` for a prefix list",
			       word, word, word);
	return err_set(rd->err, -EINVAL, "`%s` is no prefix; write for example `10.0.0.0/16`%s", word,
		       group ? ", `2001:db8::/32`, `sg:NAME` or `pl:NAME`" : " or `2001:db8::/32`");
}

/* ---- meaning ---- */

/* Drops what says nothing, so that equal meaning is equal data. */
static void canonicalize(struct rule *r)
{
	bool foreign =
		r->peer_kind == PEER_PREFIX && r->peer.family == (r->proto == PROTO_ICMP ? FAMILY_V6 : FAMILY_V4);

	if (!has_ports(r->proto) || (r->n_ports == 1 && r->ports[0].lo == 0 && r->ports[0].hi == PORT_MAX))
		r->n_ports = 0;
	memset(&r->ports[r->n_ports], 0, (RULE_PORT_RANGES_MAX - r->n_ports) * sizeof(r->ports[0]));
	/* ICMP over IPv6 and ICMPv6 over IPv4 are protocols like any other: no types. */
	if (!proto_is_icmp(r->proto) || foreign || r->icmp_type < 0)
		r->icmp_type = r->icmp_code = -1;
}

static bool has_ports(uint16_t proto)
{
	return proto == PROTO_TCP || proto == PROTO_UDP;
}

static bool is_all_word(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(all_words); i++)
		if (strcmp(word, all_words[i]) == 0)
			return true;
	return false;
}

static bool is_direction(const char *word)
{
	return strcmp(word, "from") == 0 || strcmp(word, "to") == 0;
}

static bool is_action(const char *word)
{
	return strcmp(word, "allow") == 0 || strcmp(word, "deny") == 0;
}

static const char *dir_word(enum rule_dir dir)
{
	return dir == RULE_IN ? "from" : "to";
}

static const char *dir_name(enum rule_dir dir)
{
	return dir == RULE_IN ? "inbound" : "outbound";
}
