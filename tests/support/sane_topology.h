/* sane_topology.h: topologies as a careful person writes them, from a seed: nothing in them is worth a word of lint. */
#pragma once
#include <stdint.h>

/* INI text to free(). One to three VPCs v0… with public, application and database tiers over one to three zones. */
char *sane_topology(uint64_t seed);
