/* v_diff.c: vpc diff: which flows a change of a topology allows or denies, and by which rule. */
#include "cli/client.h"
#include "cli/reach_view.h"
#include "cli/source.h"
#include "cli/verbs.h"

static void diff_json_print(const struct args *a, const struct reach_diff *d);

int diff_run(const struct args *a)
{
	_cleanup_model_ struct model *before = NULL, *after = NULL;
	_cleanup_reach_diff_ struct reach_diff d = { 0 };
	struct err e = { 0 };
	int r = model_of_file(a->words[0], &before);

	if (r == 0)
		r = model_of_file(a->words[1], &after);
	if (r)
		return r;
	if (reach_diff_make(before, after, 0, &d, &e) < 0)
		return fail_err(EXIT_BROKEN, &e);
	if (a->output == OUTPUT_JSON) {
		diff_json_print(a, &d);
	} else {
		reach_print(&d);
		if (!d.n)
			printf("no changes\n");
	}
	return d.n ? EXIT_FINDING : EXIT_OK;
}

static void diff_json_print(const struct args *a, const struct reach_diff *d)
{
	json_t *flows = reach_json(d),
	       *root = json_pack("{s:i,s:s,s:s}", "api", 1, "old", a->words[0], "new", a->words[1]);

	json_object_update(root, flows);
	json_print(root);
	json_decref(flows);
	json_decref(root);
}
