/* lint.h: what is probably not meant in a topology that is valid: rules that decide nothing, replies
 * that get lost, doors that stand wide open. Pure.
 *
 * A finding is silenced where the author knows: a comment that holds "lint: CODE", behind the line, in the
 * comment lines above it, or, for a finding about a whole section, anywhere in the section. */
#pragma once
#include "model/model.h"
#include "util/diag.h"

struct lint_code {
	const char *code, *text;
	bool fixable; /* --fix takes the line away: no packet's fate changes */
};
extern const struct lint_code lint_codes[];
extern const size_t n_lint_codes;

/* Findings by place, all of severity warning. text: the file, for the comments that silence; may be NULL. */
void lint_model(const struct model *m, const char *text, struct diag_list *ret);
const struct lint_code *lint_code_find(const char *code);
/* The text without the lines of fixable findings; to free(). *ret_n: how many lines went. */
char *lint_fix(const char *text, const struct diag_list *findings, size_t *ret_n);

/* inside path/; carried: does some interface carry the group?
 * lint_rules.c: rule against rule; lint_sources.c: rules about packets that nothing brings; lint_open.c: open doors;
 * lint_replies.c: what a stateless ACL forgets; lint_network.c: gateways, addresses, leftovers */
void lint_rules(const struct model *m, const bool *carried, struct diag_list *l);
void lint_sources(const struct model *m, const bool *carried, struct diag_list *l);
void lint_open(const struct model *m, const bool *carried, struct diag_list *l);
void lint_replies(const struct model *m, struct diag_list *l);
void lint_network(const struct model *m, const bool *carried, struct diag_list *l);
