/* observe.h: what the data path of a lab tells, as events of the stream: verdicts, drops that were gathered, what was
 * lost. And what the streams' readers want to hear. */
#pragma once
#include <stdint.h>
#include "abi.h"

struct lab;
struct observe;
struct server;

struct observe *observe_new(struct lab *l);
void observe_free(struct observe **o);
/* The data path is there, or is about to be replaced. */
void observe_start(struct observe *o);
void observe_rest(struct observe *o);
void observe_event(struct observe *o, const struct abi_event *ev);

/* One reader's wish: of each kind one of so many, 0 none. While it stands, the finest of all wishes holds; without
 * any: every new flow, every denied one, none of the others. wish_gone takes it back. */
struct wish;
struct wish *wish_add(struct server *s, const uint32_t sample[ABI_TELL_MAX]);
void wish_gone(void *wish);
void wishes_sum(const struct server *s, uint32_t ret[ABI_TELL_MAX]);
extern const uint32_t sample_default[ABI_TELL_MAX];
