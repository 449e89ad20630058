/* replay.h: captured packets through the filter of one interface, as if they came and went there. Pure.
 *
 * A packet from an address of the interface is outbound, one to it inbound; its public addresses count too. What it
 * meets is the interface's own side (path/replay_scene.h). The capture's clock is the filter's: connections are
 * tracked and forgotten as they were then. Captures of another machine (assume): the address at the interface's
 * end of the first packet stands for the interface. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "filters/pass.h"
#include "path/replay_scene.h"
#include "util/err.h"

enum replay_fate {
	REPLAY_JUDGED,
	REPLAY_ARP,     /* the router's business, no gate sees it */
	REPLAY_FOREIGN, /* neither from nor to the interface */
	REPLAY_CUT,     /* the capture holds too little of it, or it was none */
	REPLAY_FATE_MAX
};
enum replay_assume { ASSUME_NOTHING, ASSUME_INBOUND, ASSUME_OUTBOUND };

struct captured {
	uint64_t time_ns;   /* any origin; should ascend */
	uint16_t ethertype; /* host order */
	const uint8_t *l3;  /* what follows the link's header */
	uint32_t captured_len, len;
};
struct replayed {
	enum replay_fate fate;
	bool has_way; /* its addresses could be read: outbound says which way it went */
	bool outbound, allow;
	struct pkt packet;  /* as read; addresses as captured */
	enum abi_gate gate; /* that denied; allowed: whose rule admitted it, sg-out or sg-in, else the last one */
	enum abi_reason reason;
	uint32_t rule;       /* rule or route number; 0: none */
	bool is_route;       /* rule is a route's number */
	char rule_text[160]; /* "" = null */
	struct src_loc loc;  /* of the rule, or of the gate that had none to name; line 0 = none */
};

/* Who runs the filter: the host's world, or the programs in the kernel (kern/prog_run.h). */
struct replay_engine {
	void *ctx;
	uint32_t frame_max; /* larger packets are shown as if they were so large; 0: as they are */
	/* One more row of the tables. */
	int (*row)(void *ctx, const struct map_rows *rows, const struct map_row *row, struct err *e);
	/* One frame that port sends; ret->p and ret->o are filled. Nothing is taken from what was judged before but
	 * connections and fragments. */
	int (*pass)(void *ctx, uint32_t port, bool peering, uint64_t now_ns, const uint8_t *frame, uint32_t held,
		    uint32_t len, struct pass *ret, struct err *e);
	/* Forgets what has run out. */
	int (*sweep)(void *ctx, uint64_t now_ns, struct err *e);
};

struct replay;
/* eni: index. e: NULL for the host's own engine; else it holds the scene's tables already. scene is taken over on success. */
int replay_new(struct replay_scene *scene, enum replay_assume assume, const struct replay_engine *engine,
	       struct replay **ret, struct err *e);
void replay_free(struct replay **r);
/* -errno only when the engine fails. */
int replay_packet(struct replay *r, const struct captured *c, struct replayed *ret, struct err *e);
