/* route_text.c: routes in the words of the topology file. Pure. */
#include <stdio.h>
#include "model/route_text.h"

char *route_target_text(const struct route *r, char *buf, size_t size)
{
	static const char *const words[TARGET_KIND_MAX] = {
		[TARGET_LOCAL] = "local", [TARGET_IGW] = "igw:",           [TARGET_NAT] = "nat:",
		[TARGET_ENI] = "eni:",    [TARGET_INSTANCE] = "instance:", [TARGET_PCX] = "pcx:",
	};

	snprintf(buf, size, "%s%s", words[r->target], r->target_name ? r->target_name : "");
	return buf;
}

char *route_text(const struct model *m, const struct route *r, char *buf, size_t size)
{
	char prefix[PREFIX_STRLEN], target[64];

	prefix_format(&r->dst, prefix);
	route_target_text(r, target, sizeof(target));
	if (r->prefix_list != NONE)
		snprintf(buf, size, "%s (pl:%s) via %s", prefix, m->prefix_lists[r->prefix_list].obj.name, target);
	else
		snprintf(buf, size, "%s via %s", prefix, target);
	return buf;
}
