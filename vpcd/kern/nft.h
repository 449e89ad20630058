/* nft.h: the ruleset and connection timers of a NAT gateway's namespace (netns_enter first, for
 * each of these). One table "vpcd" of family ip, written whole in one transaction. Kernel room. */
#pragma once
#include "plan/state.h"
#include "util/err.h"

int nft_write(const char *lab, const struct nft_row *row, struct err *e);
int nft_delete(struct err *e); /* our table; none is no error */
/* What is there: 0 no table of this lab, 1 it is what row says (rules and timers), 2 it is something else
 * (row may be NULL). Negative errno. */
int nft_compare(const char *lab, const struct nft_row *row, struct err *e);
