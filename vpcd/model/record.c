/* record.c: fields of flow log records in AWS's words. Pure. semantics 15. */
#include "model/record.h"
#include <stdio.h>
#include <string.h>
#include "model/record_format.h"
#include "util/mem.h"

enum { RULE_SIZE = 256, ZONE_ID_SIZE = 32 };
enum { PATH_SAME_VPC = 1, PATH_PCX = 4, PATH_PCX_REGIONS = 5, PATH_IGW = 8 };

struct row {
	char v[RECORD_FIELD_MAX][64];
	struct strbuf rule;
};

static void put(struct row *r, enum record_field f, const char *text)
{
	size_t n = text ? strlen(text) : 0;

	n = n < sizeof(r->v[f]) ? n : sizeof(r->v[f]) - 1;
	if (!n)
		return;
	memcpy(r->v[f], text, n);
	r->v[f][n] = '\0';
}

static void put_u64(struct row *r, enum record_field f, uint64_t n)
{
	char digits[24], *p = digits + sizeof(digits);

	*--p = '\0';
	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	memcpy(r->v[f], p, (size_t)(digits + sizeof(digits) - p));
}

static void put_addr(struct row *r, enum record_field f, const struct abi_addr *a)
{
	struct addr addr = { *a };
	char buf[ADDR_STRLEN];

	put(r, f, addr_format(&addr, buf));
}

/* "us-east-1", "a": "use1-az1", as AWS abbreviates: compass points by their initials. */
static void zone_id(const char *region, const char *zone, char buf[ZONE_ID_SIZE])
{
	static const struct {
		const char *word, *brief;
	} words[] = { { "northeast", "ne" }, { "northwest", "nw" }, { "southeast", "se" }, { "southwest", "sw" },
		      { "north", "n" },      { "south", "s" },      { "east", "e" },       { "west", "w" },
		      { "central", "c" },    { "gov", "g" } };
	size_t n = 0, k;

	for (const char *p = region; *p && n < ZONE_ID_SIZE - 16;) {
		size_t len = strcspn(p, "-");

		for (k = 0; k < ARRAY_SIZE(words); k++)
			if (strlen(words[k].word) == len && strncmp(p, words[k].word, len) == 0)
				break;
		n += (size_t)snprintf(buf + n, ZONE_ID_SIZE - n, "%.*s",
				      k < ARRAY_SIZE(words) ? 2 : (int)(len > 8 ? 8 : len),
				      k < ARRAY_SIZE(words) ? words[k].brief : p);
		p += len + (p[len] == '-');
	}
	snprintf(buf + n, ZONE_ID_SIZE - n, "-az%d", zone[0] - 'a' + 1);
}

static void put_place(struct row *r, const struct model *m, uint32_t eni)
{
	const struct eni *e = &m->enis[eni];
	const struct subnet *s = &m->subnets[e->subnet];
	const struct vpc *v = &m->vpcs[s->vpc];
	char zone[ZONE_ID_SIZE];

	put(r, RECORD_ACCOUNT_ID, RECORD_ACCOUNT);
	put(r, RECORD_INTERFACE_ID, e->obj.id);
	put(r, RECORD_VPC_ID, v->obj.id);
	put(r, RECORD_SUBNET_ID, s->obj.id);
	if (e->owner == ENI_OF_INSTANCE && e->owner_index != NONE)
		put(r, RECORD_INSTANCE_ID, m->instances[e->owner_index].obj.id);
	put(r, RECORD_REGION, v->region);
	zone_id(v->region, s->zone, zone);
	put(r, RECORD_AZ_ID, zone);
}

static void row_init(struct row *r)
{
	r->rule = (struct strbuf){ 0 };
	for (int f = 0; f < RECORD_FIELD_MAX; f++)
		memcpy(r->v[f], "-", 2);
}

static void row_print(struct row *r, struct strbuf *out)
{
	for (int f = 0; f < RECORD_FIELD_MAX; f++) {
		strbuf_adds(out, f ? "\t" : "");
		strbuf_adds(out, f == RECORD_RULE && r->rule.n ? r->rule.s : r->v[f]);
	}
	strbuf_done(&r->rule);
}

/* How it went on, for what was sent (egress) and left its interface. */
static int traffic_path(const struct model *m, const struct record *r)
{
	uint32_t port = r->peer;

	if (r->key.ingress || r->key.reject || !port)
		return 0;
	for (uint32_t i = 0; i < m->n_igws; i++)
		if (m->igws[i].port == port)
			return PATH_IGW;
	for (uint32_t i = 0; i < m->n_peerings; i++)
		if (m->peerings[i].ports[0] == port || m->peerings[i].ports[1] == port)
			return m->peerings[i].cross_region ? PATH_PCX_REGIONS : PATH_PCX;
	return PATH_SAME_VPC;
}

static uint64_t seconds(const struct record_time *t, uint64_t ktime_ns)
{
	return (uint64_t)(((int64_t)ktime_ns + t->offset_ns) / 1000000000);
}

/* "web/inbound/tcp_443_from_0.0.0.0/0": owner, direction and text of the rule in one word; "web,base/inbound/-": none of
 * these groups has one that matches; "-". */
static void rule_word(const struct model *m, const struct record *r, struct strbuf *out)
{
	const struct eni *eni = &m->enis[r->key.eni];
	struct rule_place at;
	char text[RULE_SIZE] = "*";

	if (r->no_match && eni->n_groups) {
		for (uint32_t i = 0; i < eni->n_groups; i++)
			strbuf_addf(out, "%s%s", i ? "," : "", m->security_groups[eni->groups[i]].obj.name);
		strbuf_addf(out, "/%s/-", r->key.ingress ? "inbound" : "outbound");
		return;
	}
	if (!r->rule || !model_rule_place(m, r->rule, &at)) {
		strbuf_adds(out, "-");
		return;
	}
	if (at.rule)
		rule_format(&at.rule->rule, text, sizeof(text));
	for (char *p = text; *p; p++)
		if (*p == ' ')
			*p = '_';
	strbuf_addf(out, "%s/%s/%s", at.owner, at.dir == RULE_IN ? "inbound" : "outbound", text);
}

void record_row(const struct model *m, const struct record *r, const struct record_time *t, struct strbuf *out)
{
	const struct abi_addr *own = &m->enis[r->key.eni].addrs[0].addr.a;
	int path = traffic_path(m, r);
	struct row row;

	row_init(&row);
	put_place(&row, m, r->key.eni);
	put_addr(&row, RECORD_PKT_SRCADDR, &r->key.src);
	put_addr(&row, RECORD_PKT_DSTADDR, &r->key.dst);
	put_addr(&row, RECORD_SRCADDR, r->key.ingress ? &r->key.src : own);
	put_addr(&row, RECORD_DSTADDR, r->key.ingress ? own : &r->key.dst);
	put_u64(&row, RECORD_SRCPORT, r->key.sport);
	put_u64(&row, RECORD_DSTPORT, r->key.dport);
	put_u64(&row, RECORD_PROTOCOL, r->key.proto);
	put_u64(&row, RECORD_PACKETS, r->packets);
	put_u64(&row, RECORD_BYTES, r->bytes);
	put_u64(&row, RECORD_START, seconds(t, r->first_ns));
	put_u64(&row, RECORD_END, seconds(t, r->last_ns));
	put(&row, RECORD_ACTION, r->key.reject ? "REJECT" : "ACCEPT");
	put(&row, RECORD_LOG_STATUS, "OK");
	put_u64(&row, RECORD_TCP_FLAGS, r->tcp_flags);
	put(&row, RECORD_TYPE, r->key.family == 6 ? "IPv6" : "IPv4");
	put(&row, RECORD_FLOW_DIRECTION, r->key.ingress ? "ingress" : "egress");
	if (path)
		put_u64(&row, RECORD_TRAFFIC_PATH, (uint64_t)path);
	rule_word(m, r, &row.rule);
	row_print(&row, out);
}

void record_empty_row(const struct model *m, uint32_t eni, bool skipped, const struct record_time *t,
		      struct strbuf *out)
{
	struct row row;

	row_init(&row);
	put_place(&row, m, eni);
	put_u64(&row, RECORD_START, t->start_s);
	put_u64(&row, RECORD_END, t->end_s);
	put(&row, RECORD_LOG_STATUS, skipped ? "SKIPDATA" : "NODATA");
	row_print(&row, out);
}
