/* proto.h: the words of the rule language for protocols and ICMP types, and what other words were
 * meant to say. Pure. rule.h has the parsers. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ICMP6 = 58 };

bool proto_is_icmp(uint16_t proto);
/* What to write instead of an unknown word; NULL = no idea. */
const char *proto_guess(const char *word);
const char *port_guess(const char *word);
const char *icmp_guess(const char *word, uint16_t proto);
const char *icmp_type_name(uint16_t proto, int16_t type); /* NULL = it has none */
