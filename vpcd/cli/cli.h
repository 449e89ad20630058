/* cli.h: what every verb of vpc shares: exit codes, parsed words, the verb table. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "util/diag.h"
#include "util/err.h"

/* design 4. EXIT_SUCCESS and EXIT_FAILURE of stdlib.h are not used. */
enum exit_code {
	EXIT_OK = 0,      /* allowed, done, nothing to do */
	EXIT_FINDING = 1, /* denied, an expectation failed, errors found by validate, differs */
	EXIT_USAGE = 2,   /* usage, or an object nobody knows */
	EXIT_CANNOT = 3,  /* no root, no daemon, the kernel lacks a feature */
	EXIT_BROKEN = 4,  /* the input is broken, or the work failed */
	EXIT_EXEC = 125,  /* exec and shell: ours, not the command's */
};

enum output {
	OUTPUT_TABLE,
	OUTPUT_JSON,
	OUTPUT_TAP,
	OUTPUT_JUNIT,
	OUTPUT_CSV,
	OUTPUT_HTML,
	OUTPUT_SVG,
	OUTPUT_DOT,
	OUTPUT_MERMAID,
	OUTPUT_JSONL,
	OUTPUT_MAX
};

enum option_id {
	OPTION_HELP,
	OPTION_OUTPUT,
	OPTION_LAB,
	OPTION_LIVE,
	OPTION_FROM_PORT,
	OPTION_COUNT,
	OPTION_TIMEOUT,
	OPTION_SUMMARY,
	OPTION_MINIMAL,
	OPTION_FLOWS,
	OPTION_ALL,
	OPTION_EXIT_CODE,
	OPTION_WRITE,
	OPTION_COVERAGE,
	OPTION_FLOW,
	OPTION_FIX,
	OPTION_CHECK,
	OPTION_ADVICE,
	OPTION_ALL_FLOWS,
	OPTION_STATE,
	OPTION_ENI,
	OPTION_ASSUME,
	OPTION_ENGINE,
	OPTION_FOLLOW,
	OPTION_SINCE,
	OPTION_VERDICT,
	OPTION_FROM,
	OPTION_TO,
	OPTION_PROTO,
	OPTION_PORT,
	OPTION_GATE,
	OPTION_RULE,
	OPTION_INSTANCE,
	OPTION_SAMPLE_NEW,
	OPTION_SAMPLE_ESTABLISHED,
	OPTION_SAMPLE_DENIED,
	OPTION_OUT,
	OPTION_FILTER,
	OPTION_SNAPLEN,
	OPTION_FORMAT,
	OPTION_NOW,
	OPTION_MAX
};
struct option_row {        /* one option, for every verb that takes it */
	const char *name;  /* "--lab" */
	const char *value; /* "LAB", or NULL for a switch */
	const char *help;
};
extern const struct option_row option_rows[OPTION_MAX];

struct args {
	const struct verb *verb;
	char **words; /* what stands beside the options; NULL-terminated */
	size_t n;
	enum output output;
	const char *lab, *flows, *state, *eni, *assume, *engine;
	const char *text[OPTION_MAX];          /* values of options that are taken as they are; NULL: not given */
	uint32_t from_port, count, timeout_ms; /* 0: not given */
	bool live, summary, minimal, all, exit_code, write, coverage, advice, fix, check, flow, all_flows, follow, now;
};

enum verb_need { NEEDS_NOTHING, NEEDS_DAEMON, NEEDS_ROOT };
enum word_kind { WORD_NONE, WORD_FILE, WORD_KIND, WORD_NAME, WORD_VERB }; /* what completion offers */
struct verb_term {                      /* a word that a verb prints, and what it means */
	const char *word, *text, *more; /* more: a remark, or NULL */
};
struct verb {
	const char *name;
	int (*run)(const struct args *a); /* an exit code */
	const char *usage;                /* what follows the name */
	const char *line;                 /* one line: what it does */
	const char *text;                 /* the rest of its help, lines of at most 100 columns; may be NULL */
	struct {
		const char *title;
		bool (*get)(size_t i, struct verb_term *ret); /* the i-th; false: no more. NULL: there are none */
	} terms;
	enum verb_need need;
	uint64_t options; /* 1 << OPTION_… */
	unsigned outputs; /* 1 << OUTPUT_… */
	uint8_t words_min, words_max;
	enum word_kind word;
	bool rest; /* options end at the first word after "--", or where the command begins */
};
extern const struct verb verbs[];
extern const size_t n_verbs;
const struct verb *verb_find(const char *name);
const char *verb_nearest(const char *name);

/* Fills ret, or prints what is wrong and returns an exit code. words point into argv. */
int args_parse(const struct verb *v, int argc, char **argv, struct args *ret);
void args_done(struct args *a);
/* Can a lab have that name? EXIT_USAGE, said, when not: so the path of a request never holds anything else. */
int lab_check(const struct args *a, const char *lab);
const char *output_name(enum output o);

int help_run(const struct args *a);
int completion_run(const struct args *a);
void help_print(FILE *out);
void help_verb(FILE *out, const struct verb *v);
/* Prints the part of a man page ("vpc.1", "vpc.ini.5") that is made from the tables; false: no such page. */
bool man_print(const char *page);

/* Prints "vpc: " and one sentence to stderr; returns code. */
int fail(enum exit_code code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int fail_err(enum exit_code code, const struct err *e);
void warn_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void diag_list_print(FILE *out, const struct diag_list *l);

/* Directories, moved aside by the environment (design 2). */
const char *run_dir(void);
const char *state_dir(void);
const char *bpf_dir(void);

/* Colour: only on a terminal and without NO_COLOR. style_on/style_off give "" otherwise. */
enum style { STYLE_NONE, STYLE_GOOD, STYLE_BAD, STYLE_WARN, STYLE_HEAD, STYLE_DIM };
bool style_wanted(FILE *out);
const char *style_on(FILE *out, enum style s);
const char *style_off(FILE *out, enum style s);
enum style style_of_word(const char *word); /* "allow", "running" are good; "deny", "broken" are bad */
