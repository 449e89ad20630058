/* scenario_six.h: rules and prefix lists of IPv6 in scenarios, which the reader of topologies refuses: their peers go
 * through it as IPv4 prefixes of class E and become IPv6 again in the model. Tests only. Pure.
 * ::/0, 2001:db8::/32, 2001:db8:V::/48 and 2001:db8:V::P (V, P up to 9) are what scenarios use. */
#pragma once
#include "model/model.h"

char *six_hide(const char *text);                   /* to free() */
void six_show(struct model *m, char *const *lines); /* lines: of the text before it was hidden */
