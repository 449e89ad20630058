/* help.c: vpc help, vpc VERB --help and the completion, all read from the tables. */
#include <string.h>
#include "cli/cli.h"

static void need_print(FILE *out, enum verb_need need, const char *title);
static void terms_print(FILE *out, const struct verb *v);
static void words_print(const struct verb *v);

int help_run(const struct args *a)
{
	const struct verb *v;

	if (a->n == 0) {
		help_print(stdout);
		return EXIT_OK;
	}
	if (man_print(a->words[0]))
		return EXIT_OK;
	v = verb_find(a->words[0]);
	if (!v)
		return fail(EXIT_USAGE, "there is no verb \"%s\"; vpc help lists them", a->words[0]);
	help_verb(stdout, v);
	return EXIT_OK;
}

void help_print(FILE *out)
{
	fprintf(out, "usage: vpc VERB …   (vpc VERB --help says more)\n\n"
		     "Virtual private clouds on this machine: labs made from topology files.\n");
	need_print(out, NEEDS_NOTHING, "needs nothing");
	need_print(out, NEEDS_DAEMON, "asks the daemon, vpcd (up starts one)");
	need_print(out, NEEDS_ROOT, "needs root");
	fprintf(out, "\nexit: 0 allowed or done, 1 a finding (denied, failed, differs), 2 usage or unknown object,\n"
		     "      3 cannot run here (no root, no daemon), 4 broken input or failed work\n");
}

void help_verb(FILE *out, const struct verb *v)
{
	const char *sep = "";

	fprintf(out, "usage: vpc %s%s%s\n\n%s\n", v->name, *v->usage ? " " : "", v->usage, v->line);
	if (v->text)
		fprintf(out, "\n%s", v->text);
	terms_print(out, v);
	fprintf(out, "\n");
	for (enum option_id id = 0; id < OPTION_MAX; id++) {
		const struct option_row *row = &option_rows[id];
		int width;

		if (id != OPTION_HELP && !(v->options & (1ull << id)))
			continue;
		width = fprintf(out, "  %s%s%s", row->name, row->value ? " " : "", row->value ? row->value : "");
		fprintf(out, "%*s%s", width < 20 ? 20 - width : 1, "", row->help);
		if (id == OPTION_OUTPUT) {
			fprintf(out, ": ");
			for (enum output o = 0; o < OUTPUT_MAX; o++) {
				if (!(v->outputs & (1u << o)))
					continue;
				fprintf(out, "%s%s", sep, output_name(o));
				sep = ", ";
			}
		}
		fprintf(out, "\n");
	}
}

/* Words complete by what the verb wants; labs and instances are read from /run/netns (LAB.NAME). */
int completion_run(const struct args *a)
{
	(void)a;
	printf("# completion of vpc for bash: eval \"$(vpc completion)\"\n"
	       "_vpc() {\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} words=\n"
	       "\tif [ \"$COMP_CWORD\" = 1 ]; then\n"
	       "\t\twords='");
	for (size_t i = 0; i < n_verbs; i++)
		printf("%s%s", i ? " " : "", verbs[i].name);
	printf("'\n"
	       "\telif [ \"${COMP_WORDS[COMP_CWORD-1]}\" = -o ]; then\n"
	       "\t\twords='");
	for (enum output o = 0; o < OUTPUT_MAX; o++)
		printf("%s%s", o ? " " : "", output_name(o));
	printf("'\n"
	       "\telif [ \"${COMP_WORDS[COMP_CWORD-1]}\" = --lab ]; then\n"
	       "\t\twords=$(ls /run/netns 2>/dev/null | sed 's/\\..*//' | sort -u)\n"
	       "\telse\n"
	       "\t\tcase ${COMP_WORDS[1]} in\n");
	for (size_t i = 0; i < n_verbs; i++)
		words_print(&verbs[i]);
	printf("\t\tesac\n"
	       "\tfi\n"
	       "\tCOMPREPLY+=($(compgen -W \"$words\" -- \"$cur\"))\n"
	       "}\n"
	       "complete -o filenames -F _vpc vpc\n");
	return EXIT_OK;
}

static void need_print(FILE *out, enum verb_need need, const char *title)
{
	fprintf(out, "\n%s\n", title);
	for (size_t i = 0; i < n_verbs; i++)
		if (verbs[i].need == need)
			fprintf(out, "  %-11s %s\n", verbs[i].name, verbs[i].line);
}

static void terms_print(FILE *out, const struct verb *v)
{
	struct verb_term t;

	if (!v->terms.get)
		return;
	fprintf(out, "\n%s:\n", v->terms.title);
	for (size_t i = 0; v->terms.get(i, &t); i++)
		fprintf(out, "  %-24s %s%s%s%s\n", t.word, t.text, t.more ? " (" : "", t.more ? t.more : "",
			t.more ? ")" : "");
}

static void words_print(const struct verb *v)
{
	printf("\t\t%s) words='--help", v->name);
	for (enum option_id id = 1; id < OPTION_MAX; id++)
		if (v->options & (1ull << id))
			printf(" %s", option_rows[id].name);
	switch (v->word) {
	case WORD_FILE: printf("'; COMPREPLY=($(compgen -f -X '!*.ini' -- \"$cur\") $(compgen -d -- \"$cur\"))"); break;
	case WORD_KIND:
		printf("%s vpcs subnets instances interfaces route-tables security-groups nacls internet-gateways "
		       "nat-gateways vpc-peering-connections prefix-lists hosts flow-logs alarms'",
		       strcmp(v->name, "show") == 0 ? " labs topology" : "");
		break;
	case WORD_NAME: printf("'\" $(ls /run/netns 2>/dev/null | tr . /)\""); break;
	case WORD_VERB:
		for (size_t i = 0; i < n_verbs; i++)
			printf(" %s", verbs[i].name);
		printf("'");
		break;
	default: printf("'"); break;
	}
	printf(" ;;\n");
}
