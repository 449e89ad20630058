/* v_show.c: vpc show: what a lab consists of. One row a kind says its names and its columns. */
#include <string.h>
#include "cli/client.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "util/mem.h"
#include "util/str.h"

struct kind_row {
	const char *one, *many; /* as in the file and paths; as people say */
	const char *heads;      /* of the table; NULL: shown by fn */
	const char *members;    /* of the object, in the order of heads */
	void (*fn)(const json_t *object);
};

static void route_table_print(const json_t *t);
static void rules_print(const json_t *owner);

static const struct kind_row kind_rows[] = {
	{ "vpc", "vpcs", "NAME ID REGION CIDRS INTERNET-GATEWAY MAIN-ROUTE-TABLE DEFAULT-NACL",
	  "name id region cidrs internet_gateway main_route_table default_nacl", NULL },
	{ "subnet", "subnets", "NAME VPC ZONE CIDR >FREE ROUTE-TABLE NACL",
	  "name vpc zone cidr available route_table nacl", NULL },
	{ "instance", "instances", "NAME SUBNET PRIVATE PUBLIC SECURITY-GROUPS LISTEN STATE",
	  "name subnet addresses.private addresses.public security_groups listen state", NULL },
	{ "interface", "interfaces", "NAME ID TYPE INSTANCE >INDEX SUBNET PRIVATE PUBLIC SECURITY-GROUPS STATE",
	  "name eni type instance index subnet addresses.private addresses.public security_groups state", NULL },
	{ "route-table", "route-tables", NULL, NULL, route_table_print },
	{ "security-group", "security-groups", NULL, NULL, rules_print },
	{ "nacl", "nacls", NULL, NULL, rules_print },
	{ "internet-gateway", "internet-gateways", "NAME ID VPC STATE", "name id vpc state", NULL },
	{ "nat-gateway", "nat-gateways", "NAME SUBNET PRIVATE PUBLIC NAMESPACE STATE",
	  "name subnet addresses.private addresses.public namespace state", NULL },
	{ "vpc-peering-connection", "vpc-peering-connections", "NAME ID VPC PEER-VPC BETWEEN-REGIONS STATE",
	  "name id vpc peer_vpc between_regions state", NULL },
	{ "prefix-list", "prefix-lists", "NAME ID ENTRIES", "name id entries", NULL },
	{ "flow-log", "flow-logs", "NAME ID KIND OF TRAFFIC >INTERVAL-S PATH",
	  "name id resource_kind resource traffic max_aggregation_interval path", NULL },
	{ "alarm", "alarms", "NAME METRIC COMPARISON >THRESHOLD >PERIOD-S >VALUE STATE SINCE",
	  "name metric comparison threshold period value state since", NULL },
	{ "host", "hosts", "NAME ADDRESS LISTEN NAMESPACE", "name address listen namespace", NULL },
};

static int labs_show(const struct args *a);
static int topology_show(const struct args *a);
static int summary_print(const char *lab);
static int summary_kind(const char *lab, const char *kind, struct table *t);
static const struct kind_row *kind_find(const char *word);
static int kind_unknown(const char *word);
static void objects_print(const struct kind_row *kind, const json_t *objects);
static void cell_add(struct table *t, const json_t *object, const char *member);
static void place_add(struct table *t, const json_t *o);
static void text_print(const json_t *o, const char *member, const char *before);

int show_run(const struct args *a)
{
	_cleanup_strbuf_ struct strbuf path = { 0 };
	_cleanup_reply_ struct reply reply = { 0 };
	const struct kind_row *kind;
	const char *name = NULL;
	char lab[LAB_SIZE];
	int r;

	if (a->n == 0 || strcmp(a->words[0], "labs") == 0 || strcmp(a->words[0], "lab") == 0)
		return labs_show(a);
	if (strcmp(a->words[0], "topology") == 0)
		return topology_show(a);
	kind = kind_find(a->words[0]);
	if (!kind)
		return kind_unknown(a->words[0]);
	r = lab_of_kind(a, kind->one, a->n > 1 ? a->words[1] : NULL, lab, &name);
	if (r)
		return r;
	strbuf_addf(&path, "/v1/labs/%s/%s%s", lab, kind->one, name ? "/" : "");
	if (name)
		path_add(&path, name);
	r = client_get(&reply, "%s", path.s);
	if (r)
		return r;
	if (a->output == OUTPUT_JSON)
		json_print(reply.json);
	else
		objects_print(kind, json_object_get(reply.json, kind->one));
	return 0;
}

/* All labs; where one is meant, also what stands in it. */
static int labs_show(const struct args *a)
{
	_cleanup_reply_ struct reply reply = { 0 };
	_cleanup_table_ struct table t;
	const char *only = a->n > 1 ? a->words[1] : a->lab;
	json_t *labs, *lab;
	size_t i;
	int r;

	table_init(&t, "LAB STATE DATAPATH >REVISION >VPCS >INSTANCES >HOSTS FILE");
	if (only && lab_check(a, only))
		return EXIT_USAGE;
	r = only ? client_get(&reply, "/v1/labs/%s", only) : client_get(&reply, "/v1/labs");
	if (r)
		return r;
	if (a->output == OUTPUT_JSON) {
		json_print(reply.json);
		return 0;
	}
	labs = only ? json_pack("[O]", reply.json) : json_incref(json_object_get(reply.json, "labs"));
	json_array_foreach(labs, i, lab)
	{
		static const char *const members[] = { "name", "state",     "datapath", "revision",
						       "vpcs", "instances", "hosts",    "file" };

		for (size_t k = 0; k < ARRAY_SIZE(members); k++)
			table_add_json(&t, json_object_get(lab, members[k]));
	}
	if (table_rows(&t))
		table_print(&t, stdout);
	else
		fprintf(stderr, "no lab is running; vpc up FILE brings one up\n");
	if (json_array_size(labs) == 1)
		r = summary_print(json_string_value(json_object_get(json_array_get(labs, 0), "name")));
	json_decref(labs);
	return r;
}

static int topology_show(const struct args *a)
{
	_cleanup_reply_ struct reply reply = { 0 };
	_cleanup_free_ char *path = NULL;
	struct request q = { .text = true };
	char lab[LAB_SIZE];
	struct args b = *a;
	int r;

	if (a->output != OUTPUT_TABLE)
		return fail(EXIT_USAGE, "show topology prints a topology file; it has no -o %s",
			    output_name(a->output));
	b.lab = a->n > 1 ? a->words[1] : a->lab;
	if (b.lab && lab_check(a, b.lab))
		return EXIT_USAGE;
	r = lab_of(&b, NULL, lab, NULL);
	if (r)
		return r;
	path = xasprintf("/v1/labs/%s/topology", lab);
	q.path = path;
	r = client_call(&q, &reply);
	if (r == 0)
		fputs(reply.text, stdout);
	return r;
}

/* Everything with an address in one table. */
static int summary_print(const char *lab)
{
	_cleanup_table_ struct table t;
	int r;

	table_init(&t, "NAME KIND VPC SUBNET PRIVATE PUBLIC SECURITY-GROUPS STATE");
	r = summary_kind(lab, "instance", &t);
	if (r == 0)
		r = summary_kind(lab, "nat-gateway", &t);
	if (r == 0)
		r = summary_kind(lab, "host", &t);
	if (r)
		return r;
	if (table_rows(&t)) {
		printf("\n");
		table_print(&t, stdout);
	}
	return 0;
}

static int summary_kind(const char *lab, const char *kind, struct table *t)
{
	static const char *const members[][2] = {
		{ "instance", "vpc subnet addresses.private addresses.public security_groups state" },
		{ "nat-gateway", "vpc subnet private public - state" },
		{ "host", "- - - address - -" },
	};
	_cleanup_reply_ struct reply reply = { 0 };
	json_t *o;
	size_t i;
	int r = client_get(&reply, "/v1/labs/%s/%s", lab, kind);

	if (r)
		return r;
	json_array_foreach(json_object_get(reply.json, kind), i, o)
	{
		table_add_json(t, json_object_get(o, "name"));
		table_add(t, kind);
		for (size_t k = 0; k < ARRAY_SIZE(members); k++) {
			_cleanup_free_ char *copy = xstrdup(members[k][1]);
			char *p = copy, *word;

			while (strcmp(kind, members[k][0]) == 0 && (word = str_word(&p)))
				cell_add(t, o, word);
		}
	}
	return 0;
}

static const struct kind_row *kind_find(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(kind_rows); i++)
		if (strcmp(word, kind_rows[i].one) == 0 || strcmp(word, kind_rows[i].many) == 0)
			return &kind_rows[i];
	return NULL;
}

static int kind_unknown(const char *word)
{
	const char *all[ARRAY_SIZE(kind_rows) * 2], *near;
	_cleanup_strbuf_ struct strbuf many = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(kind_rows); i++) {
		all[2 * i] = kind_rows[i].one;
		all[2 * i + 1] = kind_rows[i].many;
		strbuf_addf(&many, "%s ", kind_rows[i].many);
	}
	near = str_nearest(word, all, ARRAY_SIZE(all));
	if (near)
		return fail(EXIT_USAGE, "there is nothing called \"%s\" to show; did you mean %s?", word, near);
	return fail(EXIT_USAGE, "there is nothing called \"%s\" to show; there are labs, topology, %s", word,
		    str_trim(many.s));
}

static void objects_print(const struct kind_row *kind, const json_t *objects)
{
	_cleanup_table_ struct table t;
	size_t i;
	json_t *o;

	table_init(&t, kind->heads ? kind->heads : "-");
	json_array_foreach(objects, i, o)
	{
		_cleanup_free_ char *members = kind->members ? xstrdup(kind->members) : NULL;
		char *p = members, *word;

		if (kind->fn) {
			if (i)
				printf("\n");
			kind->fn(o);
		}
		while (p && (word = str_word(&p)))
			cell_add(&t, o, word);
	}
	if (kind->heads && table_rows(&t))
		table_print(&t, stdout);
	if (json_array_size(objects) == 0)
		fprintf(stderr, "this lab has no %s\n", kind->many);
}

/* "addresses.public": that member of each element. "-": nothing. */
static void cell_add(struct table *t, const json_t *object, const char *member)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };
	const char *dot = strchr(member, '.');
	_cleanup_free_ char *list = dot ? xstrdup(member) : NULL;
	json_t *item;
	size_t i;

	if (!dot) {
		table_add_json(t, json_object_get(object, member));
		return;
	}
	list[dot - member] = '\0';
	json_array_foreach(json_object_get(object, list), i, item)
	{
		_cleanup_free_ char *one = json_cell(json_object_get(item, dot + 1));

		if (*one)
			strbuf_addf(&b, "%s%s", b.n ? " " : "", one);
	}
	table_add(t, b.s);
}

/* "three-tier.ini:51" */
static void place_add(struct table *t, const json_t *o)
{
	const char *file = json_string_value(json_object_get(o, "file"));
	json_int_t line = json_integer_value(json_object_get(o, "line"));

	if (file && line)
		table_addf(t, "%s:%" JSON_INTEGER_FORMAT, file, line);
	else
		table_add(t, NULL);
}

static void text_print(const json_t *o, const char *member, const char *before)
{
	_cleanup_free_ char *text = json_cell(json_object_get(o, member));

	if (*text)
		printf("%s%s", before, text);
}

static void route_table_print(const json_t *table)
{
	_cleanup_table_ struct table t;
	size_t i;
	json_t *r;

	printf("%s%s%s", style_on(stdout, STYLE_HEAD), json_string_value(json_object_get(table, "name")),
	       style_off(stdout, STYLE_HEAD));
	text_print(table, "id", "  ");
	text_print(table, "vpc", "  vpc ");
	text_print(table, "number", ", number ");
	text_print(table, "linux_table", ", linux table ");
	printf("%s", json_is_true(json_object_get(table, "main")) ? ", main" : "");
	text_print(table, "subnets", ", subnets ");
	text_print(table, "edge", ", edge of internet gateway ");
	printf("\n");
	table_init(&t, "DESTINATION TARGET STATE ORIGIN >PACKETS >BYTES WHERE");
	json_array_foreach(json_object_get(table, "routes"), i, r)
	{
		const char *list = json_string_value(json_object_get(r, "prefix_list"));

		if (list)
			table_addf(&t, "%s (pl:%s)", json_string_value(json_object_get(r, "destination")), list);
		else
			table_add_json(&t, json_object_get(r, "destination"));
		table_add_json(&t, json_object_get(r, "target"));
		table_add_json(&t, json_object_get(r, "state"));
		table_add_json(&t, json_object_get(r, "origin"));
		table_add_json(&t, json_object_get(r, "packets"));
		table_add_json(&t, json_object_get(r, "bytes"));
		place_add(&t, r);
	}
	if (table_rows(&t))
		table_print(&t, stdout);
}

/* A security group or a network ACL. */
static void rules_print(const json_t *owner)
{
	_cleanup_table_ struct table t;
	size_t i;
	json_t *r;

	printf("%s%s%s", style_on(stdout, STYLE_HEAD), json_string_value(json_object_get(owner, "name")),
	       style_off(stdout, STYLE_HEAD));
	text_print(owner, "id", "  ");
	text_print(owner, "vpc", "  vpc ");
	printf("%s", json_is_true(json_object_get(owner, "default")) ? ", default" : "");
	text_print(owner, "members", ", on ");
	text_print(owner, "subnets", ", subnets ");
	printf("\n");
	table_init(&t, "DIRECTION RULE >PACKETS >BYTES WHERE");
	json_array_foreach(json_object_get(owner, "rules"), i, r)
	{
		table_add_json(&t, json_object_get(r, "direction"));
		table_add_json(&t, json_object_get(r, "text"));
		table_add_json(&t, json_object_get(r, "packets"));
		table_add_json(&t, json_object_get(r, "bytes"));
		place_add(&t, r);
	}
	if (table_rows(&t))
		table_print(&t, stdout);
}
