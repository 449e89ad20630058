/* v_zone.c: vpc zone: which availability zones a running lab has; an outage of one, and its end. */
#include <string.h>
#include "cli/changes.h"
#include "cli/client.h"
#include "cli/source.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "util/mem.h"
#include "util/str.h"

static int zones_list(const struct args *a);
static int zone_set(const struct args *a, bool down);
static void zones_words(const struct model *m, const bool *out, struct strbuf *words);
static const char *region_of(const struct model *m, uint32_t subnet);
static json_t *zones_json(const struct model *m);
static json_t *zone_find(json_t *zones, const struct model *m, uint32_t subnet);

int zone_run(const struct args *a)
{
	const bool down = a->n && strcmp(a->words[0], "down") == 0, up = a->n && strcmp(a->words[0], "up") == 0;

	if (a->n <= 1 && !down && !up)
		return zones_list(a);
	if ((!down && !up) || a->n < 2 || (a->n == 2 && !a->lab) || (a->n == 3 && a->lab))
		return fail(EXIT_USAGE, "zone: usage: vpc zone %s", a->verb->usage);
	return zone_set(a, down);
}

static int zones_list(const struct args *a)
{
	_cleanup_model_ struct model *m = NULL;
	_cleanup_table_ struct table t = { 0 };
	char lab[LAB_SIZE];
	json_t *zones, *z, *root;
	size_t i;
	int r = lab_of(a, a->n ? a->words[0] : NULL, lab, NULL);

	if (r == 0)
		r = model_of_lab(lab, &m);
	if (r)
		return r;
	zones = zones_json(m);
	if (a->output == OUTPUT_JSON) {
		root = json_pack("{s:o}", "zones", zones);
		json_print(root);
		json_decref(root);
		return EXIT_OK;
	}
	table_init(&t, "ZONE REGION STATE SUBNETS INSTANCES NAT-GATEWAYS");
	json_array_foreach(zones, i, z)
	{
		table_add_json(&t, json_object_get(z, "name"));
		table_add_json(&t, json_object_get(z, "region"));
		table_add_json(&t, json_object_get(z, "state"));
		table_add_json(&t, json_object_get(z, "subnets"));
		table_add_json(&t, json_object_get(z, "instances"));
		table_add_json(&t, json_object_get(z, "nat_gateways"));
	}
	table_print(&t, stdout);
	json_decref(zones);
	return EXIT_OK;
}

/* The list of zones that are out is a setting of the lab; it has no place in the file, so no `up` ends it. What a word
 * means is a set of zones, whichever way it is written: a is us-east-1a, and eu-west-1a too where there is one. */
static int zone_set(const struct args *a, bool down)
{
	_cleanup_model_ struct model *m = NULL;
	_cleanup_strbuf_ struct strbuf words = { 0 };
	_cleanup_free_ bool *out = NULL;
	const char *zone = a->words[a->n - 1];
	char lab[LAB_SIZE];
	bool known = false, changes = false;
	int r = lab_of(a, a->n == 3 ? a->words[1] : NULL, lab, NULL);

	if (r == 0)
		r = model_of_lab(lab, &m);
	if (r)
		return r;
	out = xcalloc(m->n_subnets + 1, sizeof(*out));
	for (uint32_t i = 0; i < m->n_subnets; i++) {
		const bool meant = model_zone_is(m, i, zone);

		out[i] = model_subnet_is_out(m, i);
		known |= meant;
		changes |= meant && out[i] != down;
		if (meant)
			out[i] = down;
	}
	if (!known)
		return fail(EXIT_USAGE, "zone: lab %s has no subnet in zone \"%s\"; vpc zone %s lists its zones", lab,
			    zone, lab);
	if (!changes) {
		printf("no changes\n");
		return EXIT_OK;
	}
	zones_words(m, out, &words);
	return edits_send(a, lab,
			  json_pack("[{s:s,s:s,s:s,s:s,s:o}]", "op", words.n ? "set" : "unset", "kind", "lab", "name",
				    "", "key", "zones-down", "value", words.n ? json_string(words.s) : json_null()));
}

/* The zones of the subnets that are out, each once: by the letter where that is out in every region. */
static void zones_words(const struct model *m, const bool *out, struct strbuf *words)
{
	for (uint32_t i = 0; i < m->n_subnets; i++) {
		const struct subnet *s = &m->subnets[i];
		bool everywhere = true, told = !out[i];

		for (uint32_t k = 0; k < m->n_subnets; k++)
			everywhere &= out[k] || strcmp(m->subnets[k].zone, s->zone) != 0;
		for (uint32_t k = 0; k < i && !told; k++)
			told = out[k] && strcmp(m->subnets[k].zone, s->zone) == 0 &&
			       (everywhere || strcmp(region_of(m, k), region_of(m, i)) == 0);
		if (!told)
			strbuf_addf(words, "%s%s%s", words->n ? " " : "", everywhere ? "" : region_of(m, i), s->zone);
	}
}

static const char *region_of(const struct model *m, uint32_t subnet)
{
	return m->vpcs[m->subnets[subnet].vpc].region;
}

static json_t *zones_json(const struct model *m)
{
	json_t *zones = json_array();

	for (uint32_t i = 0; i < m->n_subnets; i++)
		json_array_append_new(json_object_get(zone_find(zones, m, i), "subnets"),
				      json_string(m->subnets[i].obj.name));
	for (uint32_t i = 0; i < m->n_enis; i++) {
		const struct eni *eni = &m->enis[i];
		const bool nat = eni->owner == ENI_OF_NAT_GATEWAY;

		if (eni->owner_index != NONE && (nat || m->instances[eni->owner_index].enis[0] == i))
			json_array_append_new(
				json_object_get(zone_find(zones, m, eni->subnet), nat ? "nat_gateways" : "instances"),
				json_string(eni->obj.name));
	}
	return zones;
}

/* Borrowed; made when it is not there. */
static json_t *zone_find(json_t *zones, const struct model *m, uint32_t subnet)
{
	const struct subnet *s = &m->subnets[subnet];
	const char *region = region_of(m, subnet);
	json_t *z;
	size_t i;

	json_array_foreach(zones, i,
			   z) if (strcmp(json_string_value(json_object_get(z, "name")), s->zone) == 0 &&
				  strcmp(json_string_value(json_object_get(z, "region")), region) == 0) return z;
	z = json_pack("{s:s,s:s,s:s,s:[],s:[],s:[]}", "name", s->zone, "region", region, "state",
		      model_subnet_is_out(m, subnet) ? "down" : "up", "subnets", "instances", "nat_gateways");
	json_array_append_new(zones, z);
	return z;
}
