/* random_topology.h: valid topologies from a seed, small and dense, for tests. The same seed gives the
 * same text. */
#pragma once
#include <stdint.h>

struct rng {
	uint64_t s;
};
static inline uint32_t rng_next(struct rng *r)
{
	r->s = r->s * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(r->s >> 33);
}
static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
	return rng_next(r) % n;
}

/* INI text to free(). name: of the lab. */
char *random_topology(uint64_t seed, const char *name);
