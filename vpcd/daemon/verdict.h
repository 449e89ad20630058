/* verdict.h: events in words: the numbers that packets and maps carry, by the names of a model. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "abi.h"
#include "model/port.h"

/* What an event says, with names. Strings belong to the model or to this. */
struct verdict_words {
	bool allow;
	const char *gate;      /* NULL when allowed */
	const char *rule_gate; /* the gate whose rule is named; NULL: none */
	const char *object;    /* NULL: none */
	const char *reason;
	char rule[160];     /* "" = null */
	struct src_loc loc; /* of the rule, or of the gate that had none to name; line 0 = none */
};
void verdict_words(const struct ports *p, const struct abi_event *ev, struct verdict_words *ret);
/* "deny at nacl-in@db: rule \"10 deny …\" FILE:LINE [REASON]". To free(). */
char *verdict_sentence(const struct verdict_words *w);
bool event_has_rule(const struct abi_event *ev);                         /* of a group or NACL */
json_t *verdict_json(const struct ports *p, const struct abi_event *ev); /* for the event stream */
json_t *json_ktime(uint64_t ns);  /* a moment of CLOCK_MONOTONIC as the wall clock says it; 0: null */
json_t *json_second(uint64_t ns); /* the same without the fractions of the second */
/* The text of rule or route NUMBER, and where it stands. */
void rule_words(const struct model *m, uint32_t number, char *buf, size_t size, struct src_loc *ret);
/* Those of the local route that holds a: what decides where nobody answers for an address of the VPC. */
void local_route_words(const struct model *m, const struct route_table *t, const struct addr *a,
		       struct verdict_words *ret);
/* "groups web, base": what a group denial lacks in rules it says in names; "" of others. */
void groups_words(const struct ports *p, const struct abi_event *ev, char *buf, size_t size);
json_t *json_text(const char *s);        /* NULL, "": null */
json_t *json_line(struct src_loc loc);   /* 0: null */
json_t *json_file(struct src_loc loc);   /* without a line: null */
json_t *json_addr(const struct addr *a); /* zero: null */
