/* probe_port.c: looks for a source port without a past. Reads the connection table, changes nothing. */
#include <netinet/in.h>
#include <string.h>
#include "daemon/probe_port.h"
#include "filters/conntrack.h"

/* Of Linux's own range of client ports, 32768-60999, in which 40000 lies. */
enum { TRIES = 256, CLIENT_PORT_LAST = 60999 };

static bool is_tracked_at(struct datapath *d, uint32_t port, const struct abi_flow_key *sent)
{
	struct abi_flow_key own = *sent, back;

	own.port = port;
	flow_key_reverse(sent, port, &back);
	return datapath_flow_is_tracked(d, &own) || datapath_flow_is_tracked(d, &back);
}

static bool is_tracked(struct datapath *d, const struct model *m, const struct flow *f, const struct abi_flow_key *sent)
{
	if (is_tracked_at(d, f->src.port, sent) || is_tracked_at(d, f->dst.port, sent))
		return true;
	for (uint32_t i = 0; i < m->n_enis; i++)
		if (!m->enis[i].source_dest_check && is_tracked_at(d, m->enis[i].obj.number, sent))
			return true;
	return false;
}

static void key_of(const struct wire *w, uint16_t sport, const struct addr *src, const struct addr *dst,
		   struct abi_flow_key *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->proto = w->proto;
	ret->family = 4;
	ret->src = src->a;
	ret->dst = dst->a;
	ret->sport[0] = (uint8_t)(sport >> 8);
	ret->sport[1] = (uint8_t)sport;
	ret->dport[0] = w->proto == IPPROTO_ICMP ? w->icmp_type : (uint8_t)(w->dport >> 8);
	ret->dport[1] = w->proto == IPPROTO_ICMP ? w->icmp_code : (uint8_t)w->dport;
}

bool probe_port_is_free_to_choose(const struct wire *w)
{
	return w->proto == IPPROTO_TCP || w->proto == IPPROTO_UDP ||
	       (w->proto == IPPROTO_ICMP && icmp_type_has_id(IPPROTO_ICMP, w->icmp_type));
}

uint16_t probe_port_choose(struct datapath *d, const struct model *m, const struct flow *f, const struct wire *w,
			   const struct side *a, unsigned n_a, const struct side *b, unsigned n_b)
{
	for (uint32_t port = w->sport; port < w->sport + (uint32_t)TRIES && port <= CLIENT_PORT_LAST; port++) {
		bool taken = false;

		for (unsigned i = 0; i < n_a && !taken; i++)
			for (unsigned k = 0; k < n_b && !taken; k++) {
				struct abi_flow_key key;

				key_of(w, (uint16_t)port, &a[i].addr, &b[k].addr, &key);
				taken = is_tracked(d, m, f, &key);
			}
		if (!taken)
			return (uint16_t)port;
	}
	return w->sport;
}
