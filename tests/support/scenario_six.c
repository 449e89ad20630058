/* scenario_six.c: IPv6 peers, hidden from the reader and shown to the model. */
#include "tests/support/scenario_six.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "util/mem.h"
#include "util/str.h"

enum { EVERYTHING = 240, OF_VPC = 241, DOCUMENTATION = 242, ADDRESS = 243 };

/* The IPv6 prefix at s as an IPv4 one; its length there, 0: it is none. */
static size_t hide_one(const char *s, char *buf, size_t size)
{
	unsigned v = 0, p = 0;
	int n = 0;

	if (!strncmp(s, "::/0", 4)) {
		snprintf(buf, size, "%d.0.0.0/8", EVERYTHING);
		return 4;
	}
	if (strncmp(s, "2001:db8:", 9))
		return 0;
	if (!strncmp(s, "2001:db8::/32", 13)) {
		snprintf(buf, size, "%d.0.0.0/8", DOCUMENTATION);
		return 13;
	}
	if (sscanf(s, "2001:db8:%1u::/48%n", &v, &n) == 1 && n) {
		snprintf(buf, size, "%d.%u.0.0/16", OF_VPC, v);
		return (size_t)n;
	}
	if (sscanf(s, "2001:db8:%1u::%1u%n", &v, &p, &n) == 2 && n) {
		snprintf(buf, size, "%d.%u.%u.0/24", ADDRESS, v, p);
		return (size_t)n + (strncmp(s + n, "/128", 4) ? 0 : 4);
	}
	return 0;
}

char *six_hide(const char *text)
{
	struct strbuf b;
	char one[32];

	strbuf_init(&b);
	while (*text) {
		size_t n = hide_one(text, one, sizeof(one));

		if (n)
			strbuf_adds(&b, one);
		else
			strbuf_add(&b, text, n = 1);
		text += n;
	}
	return strbuf_take(&b);
}

static void show_one(struct prefix *p)
{
	const uint8_t *b = p->addr.a.b + 12;
	struct addr a = { { { 0x20, 0x01, 0x0d, 0xb8 } } };
	unsigned len;

	if (p->family != 4 || b[0] < EVERYTHING || b[0] > ADDRESS || p->len < 8)
		return;
	a.a.b[5] = b[1];
	a.a.b[15] = b[2];
	len = b[0] == EVERYTHING ? 0 : b[0] == OF_VPC ? 48 : b[0] == DOCUMENTATION ? 32 : 128;
	*p = prefix_of(&a, len);
}

/* A rule's whole text is read again: for the reader, ICMPv6 with an IPv4 prefix has no types. */
static void show_rules(struct rule_list *l, enum rule_owner owner, enum rule_dir dir, char *const *lines)
{
	for (uint32_t i = 0; i < l->n; i++) {
		const char *line = l->v[i].loc.line ? lines[l->v[i].loc.line - 1] : "";
		struct err e = { 0 };

		if (strstr(line, "::") && rule_parse(strchr(line, '=') + 1, owner, dir, &l->v[i].rule, &e))
			abort();
	}
}

void six_show(struct model *m, char *const *lines)
{
	for (int d = 0; d < 2; d++) {
		for (uint32_t i = 0; i < m->n_security_groups; i++)
			show_rules(&m->security_groups[i].dir[d], RULE_OF_GROUP, d, lines);
		for (uint32_t i = 0; i < m->n_nacls; i++)
			show_rules(&m->nacls[i].dir[d], RULE_OF_NACL, d, lines);
	}
	for (uint32_t i = 0; i < m->n_prefix_lists; i++)
		for (uint32_t k = 0; k < m->prefix_lists[i].n_entries; k++)
			show_one(&m->prefix_lists[i].entries[k]);
}
