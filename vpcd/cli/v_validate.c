/* v_validate.c: vpc validate: every mistake of topology files. */
#include <string.h>
#include "cli/client.h"
#include "cli/source.h"
#include "cli/verbs.h"
#include "conf/build.h"
#include "plan/desired.h"
#include "util/mem.h"
#include "util/str.h"

static void counts_print(const char *file, const struct model *m);
static json_t *diag_json(const struct diag *d);
static void count_add(struct strbuf *b, uint32_t n, const char *one, const char *many);

int validate_run(const struct args *a)
{
	json_t *root = json_object(), *list = json_array();
	int worst = 0;

	for (size_t i = 0; i < a->n; i++) {
		_cleanup_source_ struct source s = { 0 };
		_cleanup_model_ struct model *m = NULL;
		_cleanup_diag_list_ struct diag_list diags = { 0 };
		int r = source_read(a->words[i], &s);

		if (r) {
			json_decref(list);
			json_decref(root);
			return r;
		}
		if (model_from_text(s.text, s.len, s.file, &m, &diags) == 0)
			maps_desired_check(m, &diags);
		if (diags.errors)
			worst = EXIT_FINDING;
		for (size_t k = 0; k < diags.n; k++)
			json_array_append_new(list, diag_json(&diags.v[k]));
		if (a->output != OUTPUT_TABLE)
			continue;
		diag_list_print(stdout, &diags);
		if (!diags.errors)
			counts_print(s.file, m);
		else
			printf("%s: %zu error%s\n", s.file, diags.errors, diags.errors == 1 ? "" : "s");
	}
	json_object_set_new(root, "errors", list);
	if (a->output == OUTPUT_JSON)
		json_print(root);
	json_decref(root);
	return worst;
}

static void counts_print(const char *file, const struct model *m)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };

	count_add(&b, m->n_vpcs, "VPC", "VPCs");
	count_add(&b, m->n_subnets, "subnet", "subnets");
	count_add(&b, m->n_instances, "instance", "instances");
	count_add(&b, m->n_hosts, "host", "hosts");
	count_add(&b, m->n_security_groups, "security group", "security groups");
	count_add(&b, m->n_nacls, "network ACL", "network ACLs");
	count_add(&b, m->n_expects, "expectation", "expectations");
	printf("%s: valid: %s\n", file, b.n ? b.s : "empty");
}

static void count_add(struct strbuf *b, uint32_t n, const char *one, const char *many)
{
	if (n)
		strbuf_addf(b, "%s%u %s", b->n ? ", " : "", n, n == 1 ? one : many);
}

static json_t *diag_json(const struct diag *d)
{
	json_t *o = json_object();

	json_object_set_new(o, "file", d->file ? json_string(d->file) : json_null());
	json_object_set_new(o, "line", d->line ? json_integer(d->line) : json_null());
	json_object_set_new(o, "severity", json_string(d->severity == SEV_ERROR ? "error" : "warning"));
	json_object_set_new(o, "code", d->code ? json_string(d->code) : json_null());
	json_object_set_new(o, "message", json_string(d->message));
	json_object_set_new(o, "fix", d->fix ? json_string(d->fix) : json_null());
	return o;
}
