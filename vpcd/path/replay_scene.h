/* replay_scene.h: the tables of a lab with every gate open but those of one interface, so that captured packets
 * meet just that interface's filter, wherever their other end is. Pure.
 *
 *   outbound  source-check, sg-out, nacl-out, route and the route's target judge; what the far end would say is left out
 *   inbound   nacl-in (from another subnet), dest-check, sg-in judge
 *
 * Whoever has the other address sends and receives: an interface of the lab by its own port, so that group
 * references hold; a peer VPC by the peering connection's port; everybody else by a *stranger's* port, one a subnet and
 * one for all that lies outside. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "filters/rows.h"
#include "model/model.h"

struct replay_scene {
	const struct model *m;
	uint32_t eni;          /* index */
	uint32_t port;         /* its number */
	uint32_t outside;      /* port of strangers outside the VPC's subnets */
	uint32_t *strangers;   /* port by subnet index; 0: another VPC's subnet */
	struct state *desired; /* .maps: the tables, opened */
};
/* -errno as state_desired(); -E2BIG where the lab has no ports left for strangers. */
int replay_scene_make(const struct model *m, uint32_t eni, struct replay_scene *ret, struct err *e);
void replay_scene_done(struct replay_scene *s);

/* The port that a packet with this source comes in by: its owner's, or that of the appliance to which the owner's routes
 * lead. *peering: it is a peering connection's. */
uint32_t replay_sender(const struct replay_scene *s, const struct addr *src, const struct addr *dst, bool *peering);
/* The neighbour to whose MAC the interface sends what is for dst: its port, or 0 for the router. */
uint32_t replay_neighbour(const struct replay_scene *s, const struct addr *dst);
/* Where dst is an address of the VPC that nobody in the lab has: the row that gives it to a stranger. False: it is not. */
bool replay_stranger_row(const struct replay_scene *s, const struct addr *dst, struct map_rows *ret);
