/* route_text.c: routes in the words of the topology file. Pure. */
#include <stdio.h>
#include "path/route_text.h"

char *route_target_text(const struct model *m, const struct route *r, char *buf, size_t size)
{
	uint32_t i = r->target_index;

	switch (r->target) {
	case TARGET_LOCAL: snprintf(buf, size, "local"); break;
	case TARGET_IGW: snprintf(buf, size, "igw:%s", i == NONE ? "?" : m->igws[i].obj.name); break;
	case TARGET_NAT: snprintf(buf, size, "nat:%s", i == NONE ? "?" : m->nat_gateways[i].obj.name); break;
	case TARGET_ENI: snprintf(buf, size, "eni:%s", i == NONE ? "?" : m->enis[i].obj.name); break;
	case TARGET_INSTANCE: snprintf(buf, size, "instance:%s", i == NONE ? "?" : m->enis[i].obj.name); break;
	default: snprintf(buf, size, "?"); break;
	}
	return buf;
}

char *route_text(const struct model *m, const struct route *r, char *buf, size_t size)
{
	char prefix[PREFIX_STRLEN], target[64];

	prefix_format(&r->dst, prefix);
	route_target_text(m, r, target, sizeof(target));
	if (r->prefix_list != NONE)
		snprintf(buf, size, "%s (pl:%s) via %s", prefix, m->prefix_lists[r->prefix_list].obj.name, target);
	else
		snprintf(buf, size, "%s via %s", prefix, target);
	return buf;
}
