/* tally.h: packets and bytes by what decided them: a rule, a route, or a gate without either. */
#pragma once
#include <jansson.h>
#include "path/replay.h"

struct tally;
struct tally *tally_new(void);
void tally_free(struct tally **t);
void tally_add(struct tally *t, const struct replayed *r);
uint64_t tally_packets(const struct tally *t, enum replay_fate fate);
uint64_t tally_denied(const struct tally *t);
/* eni: its name, for words. */
void tally_print(const struct tally *t, const char *eni, FILE *out);
json_t *tally_json(const struct tally *t);
