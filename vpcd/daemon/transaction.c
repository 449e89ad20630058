/* transaction.c: the state machine behind transaction.h. Runs from one timer; every step is short. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include "conf/build.h"
#include "daemon/crew.h"
#include "daemon/events.h"
#include "daemon/files.h"
#include "daemon/http.h"
#include "daemon/lab.h"
#include "daemon/loop.h"
#include "daemon/probe.h"
#include "daemon/server.h"
#include "daemon/store.h"
#include "daemon/transaction.h"
#include "daemon/views.h"
#include "kern/kern.h"
#include "kern/uplink.h"
#include "model/uplink.h"
#include "plan/desired.h"
#include "plan/diff.h"
#include "util/log.h"
#include "util/mem.h"
#include "util/str.h"

enum { SLICE_US = 4000 };

struct job {
	enum ask_kind kind;
	struct request *request;
	struct job *next;
};
enum phase {
	PHASE_DESIRE, /* what the model means */
	PHASE_PLAN,
	PHASE_COMMIT,
	PHASE_SETTLE, /* the agent ends what goes */
	PHASE_APPLY,
	PHASE_ROLLBACK,
	PHASE_CREW,  /* the agent begins what is new */
	PHASE_ENDED, /* the answer goes out */
};
struct transaction {
	struct lab *lab;
	enum ask_kind kind;
	struct request *request; /* NULL: nobody waits */
	struct timer *timer;
	enum phase phase;
	bool dry_run;
	bool policies_only; /* the edits are of kinds that stand in policy maps alone */
	bool trusting;      /* the plan is made against what the last change left, not against what was observed */

	const char *topology; /* PUT: in the request's body */
	struct document document;
	struct registry *registry;
	struct model *model; /* what is to be; NULL: nothing */
	struct diag_list diags;
	uint64_t revision;

	struct state *desired, *actual;
	struct plan *plan;
	struct change_list changes;
	struct apply *apply;
	struct err failure; /* why it is being undone */
	bool failed;
};

static void begin(struct lab *l, struct job *job);
static int prepare(struct transaction *t, struct err *e);
static int make_plan(struct transaction *t, struct err *e);
static void go_on_or_end(struct transaction *t, int r, const struct err *e);
static void planned(struct transaction *t);
static void go_on(struct transaction *t);
static int prepare_put(struct transaction *t, struct err *e);
static int prepare_edits(struct transaction *t, struct err *e);
static int build(struct transaction *t, struct err *e);
static int check_uplink(struct transaction *t, struct err *e);
static int plan_against(struct transaction *t, const struct model *m, struct err *e);
static int observe_and_diff(struct transaction *t, struct err *e);
static bool no_machine_changes(const struct transaction *t);
static bool try_again(struct transaction *t, const struct err *why);
static void know(struct transaction *t);
static void run(void *ctx);
static void wake(void *ctx);
static void apply_slice(struct transaction *t);
static void applied(struct transaction *t);
static void roll_back(struct transaction *t, const struct err *why);
static void rolled_back(struct transaction *t, const struct err *why);
static int commit(struct transaction *t, struct err *e);
static void add_words(struct err *e, const char *words);
static void adopt_quietly(struct transaction *t);
static void answer_changes(struct transaction *t, bool was_applied);
static void answer_failure(struct transaction *t, const struct err *e);
static void end(struct transaction *t);
static void journal(struct transaction *t, const char *action, const struct err *why);
static json_t *changes_json(const struct change_list *l);
static bool is_empty(const struct lab *l);

void transaction_ask(struct lab *l, enum ask_kind kind, struct request *r)
{
	struct job *job = xcalloc(1, sizeof(*job));

	*job = (struct job){ .kind = kind, .request = r };
	if (l->last_job)
		l->last_job->next = job;
	else
		l->first_job = job;
	l->last_job = job;
	if (!l->tx)
		timer_set_us(l->next_job, 0);
}

void transaction_next(void *ctx)
{
	struct lab *l = ctx;
	struct job *job = l->first_job;

	if (l->tx || !job)
		return;
	l->first_job = job->next;
	if (!l->first_job)
		l->last_job = NULL;
	begin(l, job);
	free(job);
}

static void transaction_free(struct transaction *t)
{
	apply_free(&t->apply);
	plan_free(&t->plan);
	state_free(&t->desired);
	state_free(&t->actual);
	change_list_done(&t->changes);
	document_done(&t->document);
	registry_free(&t->registry);
	model_free(&t->model);
	diag_list_done(&t->diags);
	timer_free(&t->timer);
	free(t);
}

static void free_ended(struct lab *l)
{
	if (l->ended)
		transaction_free(l->ended);
	l->ended = NULL;
}

void transaction_drop(struct lab *l)
{
	struct job *next;

	if (l->tx)
		transaction_free(l->tx);
	l->tx = NULL;
	free_ended(l);
	for (struct job *j = l->first_job; j; j = next) {
		next = j->next;
		free(j);
	}
	l->first_job = l->last_job = NULL;
}

/* ---- up to the plan ---- */

static void begin(struct lab *l, struct job *job)
{
	struct transaction *t = xcalloc(1, sizeof(*t));
	struct err e = { 0 };

	*t = (struct transaction){ .lab = l, .kind = job->kind, .request = job->request, .revision = l->revision };
	t->dry_run = job->request && request_flag(job->request, "dry-run");
	t->timer = timer_new(l->server->loop, run, t);
	diag_list_init(&t->diags);
	l->tx = t;
	t->phase = PHASE_DESIRE;
	go_on_or_end(t, prepare(t, &e), &e);
}

/* The next of the steps before the kernel is touched, or the answer. */
static void go_on_or_end(struct transaction *t, int r, const struct err *e)
{
	struct lab *l = t->lab;

	if (r == 0) {
		wake(t);
		return;
	}
	answer_failure(t, e);
	if (t->kind == ASK_MEND)
		lab_fail(l, e);
	end(t);
}

static void planned(struct transaction *t)
{
	if (t->dry_run) {
		answer_changes(t, false);
		end(t);
	} else if (t->plan->n == 0 && t->changes.n == 0 && t->kind != ASK_DOWN) {
		adopt_quietly(t);
	} else {
		wake(t);
	}
}

/* An edit of rules or routes: names, addresses and programs are as they were. */
static bool no_machine_changes(const struct transaction *t)
{
	static const enum obj_kind kinds[] = { KIND_SECURITY_GROUP, KIND_NACL, KIND_ROUTE_TABLE, KIND_PREFIX_LIST };

	if (!t->trusting)
		return false;
	for (size_t i = 0; i < t->changes.n; i++) {
		bool known = false;

		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
			known |= strcmp(t->changes.v[i].kind, obj_kind_name(kinds[k])) == 0;
		if (!known)
			return false;
	}
	return true;
}

static void go_on(struct transaction *t)
{
	struct lab *l = t->lab;
	struct err e = { 0 };

	if (t->kind != ASK_MEND && commit(t, &e) < 0) {
		answer_failure(t, &e);
		end(t);
		return;
	}
	journal(t, t->kind == ASK_DOWN ? "down" : t->kind == ASK_MEND ? "mend" : "begin", NULL);
	lab_set_state(l, LAB_APPLYING);
	for (size_t i = 0; i < t->changes.n; i++) {
		const struct change *c = &t->changes.v[i];

		events_add(l->server->events, l->name, "change",
			   json_pack("{sIssssssss}", "revision", (json_int_t)t->revision, "op", change_op_name(c->op),
				     "kind", c->kind, "name", c->name, "why", c->why ? c->why : ""));
	}
	if (t->kind == ASK_DOWN)
		probes_model_gone(l->probes); /* their sockets would hold the namespaces */
	t->phase = PHASE_SETTLE;
	/* Only what is to stay may run on while namespaces go. A mend touches no program here. */
	if (t->kind == ASK_MEND || no_machine_changes(t) || (t->kind != ASK_DOWN && !l->model))
		wake(t);
	else
		crew_set(l->crew, t->kind == ASK_DOWN ? NULL : l->model, t->model, wake, t);
}

static int check_turn(struct transaction *t, struct err *e)
{
	const char *want = t->request ? request_header(t->request, "If-Match") : NULL;
	char have[32];
	size_t n;

	if (t->lab->broken && t->kind != ASK_DOWN)
		return err_set_aws(e, -EBUSY, "IncorrectState", "%s; `vpc down %s` takes the lab down",
				   t->lab->error.msg, t->lab->name);
	if (t->kind == ASK_EDITS && !t->lab->model)
		return err_set_aws(e, -ENOENT, "InvalidLab.NotFound", "lab %s is not up", t->lab->name);
	if (t->kind == ASK_DOWN && is_empty(t->lab))
		return err_set_aws(e, -ENOENT, "InvalidLab.NotFound", "lab %s is not up", t->lab->name);
	if (!want || t->kind != ASK_EDITS)
		return 0;
	n = strlen(want);
	if (n >= 2 && want[0] == '"' && want[n - 1] == '"') {
		want++;
		n -= 2;
	}
	snprintf(have, sizeof(have), "%llu", (unsigned long long)t->lab->revision);
	if (str_eq(want, "*") || (n == strlen(have) && strncmp(have, want, n) == 0))
		return 0;
	/* ESTALE becomes 412 in answer_failure */
	return err_set_aws(e, -ESTALE, "IncorrectState.Revision", "lab %s is at revision %s, not %.*s: look again",
			   t->lab->name, have, (int)n, want);
}

static int prepare(struct transaction *t, struct err *e)
{
	int r = check_turn(t, e);

	if (r < 0)
		return r;
	switch (t->kind) {
	case ASK_PUT: return prepare_put(t, e);
	case ASK_EDITS: return prepare_edits(t, e);
	case ASK_MEND:
	case ASK_DOWN: break;
	}
	return 0;
}

static const struct model *wanted(const struct transaction *t)
{
	return t->kind == ASK_MEND ? t->lab->model : t->model;
}

static int desire(struct transaction *t, struct err *e)
{
	struct lab *l = t->lab;

	t->trusting = t->kind == ASK_EDITS && l->known && l->kern && l->state == LAB_UP;
	if (t->trusting && t->policies_only)
		return state_desired_policies(t->model, l->known, &t->desired, e);
	return wanted(t) ? state_desired(wanted(t), &t->desired, e) : 0;
}

static int make_plan(struct transaction *t, struct err *e)
{
	struct lab *l = t->lab;
	int r;

	if (t->trusting)
		r = plan_diff(t->desired, l->known, &t->plan);
	else
		r = observe_and_diff(t, e);
	if (r < 0)
		return r;
	/* What the last change left needs no repair. */
	changes_of(l->model, wanted(t), t->trusting ? NULL : t->plan, &t->changes);
	for (size_t i = 0; i < t->changes.n && t->kind != ASK_MEND; i++)
		if (t->changes.v[i].op != CHANGE_REPAIR) {
			t->revision = l->revision + 1;
			break;
		}
	return 0;
}

static int prepare_put(struct transaction *t, struct err *e)
{
	struct lab *l = t->lab;
	_cleanup_document_ struct document file = { 0 };
	_cleanup_free_ char *fallback = xasprintf("%s.ini", l->name);
	const char *name = request_header(t->request, "Vpcd-File");
	size_t len;

	t->topology = request_body(t->request, &len);
	if (strlen(t->topology) != len)
		return err_set_aws(e, -EINVAL, "InvalidParameterValue", "the topology has a NUL byte in it");
	document_init(&file);
	document_parse(t->topology, len, name && *name ? name : fallback, &file, &t->diags);
	if (l->model)
		document_merge_file(&l->document, &file, &t->document);
	else
		document_copy(&file, &t->document);
	return build(t, e);
}

static bool edit_word(const json_t *o, const char *key, const char **ret)
{
	const json_t *v = json_object_get(o, key);

	*ret = json_string_value(v);
	return !v || json_is_null(v) || json_is_string(v);
}

static int read_edit(const json_t *o, struct edit *ret, struct err *e)
{
	static const char *const names[] = {
		[EDIT_CREATE] = "create", [EDIT_DELETE] = "delete", [EDIT_SET] = "set", [EDIT_UNSET] = "unset"
	};
	const char *op = NULL;

	*ret = (struct edit){ 0 };
	if (!json_is_object(o) || !edit_word(o, "op", &op) || !edit_word(o, "kind", &ret->kind) ||
	    !edit_word(o, "name", &ret->name) || !edit_word(o, "key", &ret->key) ||
	    !edit_word(o, "value", &ret->value) || !op || !ret->kind)
		return err_set_aws(e, -EINVAL, "InvalidParameterValue",
				   "an edit is {\"op\",\"kind\",\"name\",\"key\",\"value\"}, all texts");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], op) != 0)
			continue;
		ret->op = (enum edit_op)i;
		if (ret->op == EDIT_SET && (!ret->key || !ret->value))
			return err_set_aws(e, -EINVAL, "MissingParameter", "set needs a key and a value");
		if (ret->op == EDIT_UNSET && !ret->key)
			return err_set_aws(e, -EINVAL, "MissingParameter", "unset needs a key");
		return 0;
	}
	return err_set_aws(e, -EINVAL, "InvalidParameterValue",
			   "op \"%s\" is not known; it is create, delete, set or unset", op);
}

static bool is_policy(const char *kind)
{
	for (enum obj_kind k = 0; k < KIND_MAX; k++)
		if (kind_is_policy(k) && strcmp(kind, obj_kind_name(k)) == 0)
			return true;
	return false;
}

static int prepare_edits(struct transaction *t, struct err *e)
{
	size_t len, i;
	const char *body = request_body(t->request, &len);
	json_error_t where;
	json_t *o = json_loadb(body, len, 0, &where), *edits = json_object_get(o, "edits"), *v;
	int r = 0;

	if (!o)
		return err_set_aws(e, -EINVAL, "InvalidParameterValue", "the body is not JSON: line %d: %s", where.line,
				   where.text);
	if (!json_is_array(edits))
		r = err_set_aws(e, -EINVAL, "MissingParameter", "the body has no list \"edits\"");
	document_copy(&t->lab->document, &t->document);
	t->policies_only = true;
	json_array_foreach(edits, i, v)
	{
		struct edit edit;

		if (r < 0)
			break;
		r = read_edit(v, &edit, e);
		if (r == 0)
			r = document_edit(&t->document, &edit, e);
		if (r == 0)
			t->policies_only &= is_policy(edit.kind);
		if (r < 0 && json_array_size(edits) > 1)
			err_wrap(e, "edit %zu", i + 1);
	}
	json_decref(o);
	return r < 0 ? r : build(t, e);
}

static uint64_t fresh_seed(void)
{
	uint64_t seed = 0;

	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		seed = clock_ns();
	return seed;
}

/* -EBADMSG: the findings are in t->diags. */
static int build(struct transaction *t, struct err *e)
{
	struct lab *l = t->lab;
	int r;

	t->registry = l->registry ? registry_clone(l->registry) : registry_new(fresh_seed());
	r = model_build(&t->document, l->name, t->registry, &t->model, &t->diags);
	if (r < 0 || t->diags.errors)
		return err_set(e, -EBADMSG, "the topology is not valid");
	if (strcmp(t->model->name, l->name) != 0)
		return err_set_aws(e, -EINVAL, "InvalidParameterValue",
				   "the file says [lab %s], but lab %s was asked for", t->model->name, l->name);
	return t->model->uplink.on ? check_uplink(t, e) : 0;
}

/* What the machine's owner and the machine itself say to it. One that is there stays: that the machine has stopped
 * forwarding is no reason against another change. */
static int check_uplink(struct transaction *t, struct err *e)
{
	const struct lab *l = t->lab;
	int r;

	if (!l->server->allow_uplink)
		return err_set_aws(
			e, -EPERM, "UnauthorizedOperation",
			"[internet]: uplink = yes would let packets of lab %s leave this machine, and vpcd was not "
			"started with --allow-uplink",
			l->name);
	if (l->model && l->model->uplink.on)
		return 0;
	r = uplink_check_machine(e);
	if (r == 0)
		r = uplink_choose_addr(l->name, &t->model->uplink.addr, e);
	if (r == 0)
		registry_addr_set(t->registry, UPLINK_KEY, &t->model->uplink.addr);
	return r;
}

/* m NULL: all of the lab goes. */
static int plan_against(struct transaction *t, const struct model *m, struct err *e)
{
	int r;

	state_free(&t->desired);
	r = m ? state_desired(m, &t->desired, e) : 0;
	return r < 0 ? r : observe_and_diff(t, e);
}

static int observe_and_diff(struct transaction *t, struct err *e)
{
	struct lab *l = t->lab;
	int r;

	t->trusting = false;
	apply_free(&t->apply);
	plan_free(&t->plan);
	state_keep(t->desired);
	state_free(&t->actual);
	r = lab_kern(l, e);
	if (r == 0)
		r = kern_observe(l->kern, t->desired, &t->actual, e);
	if (r < 0)
		return r;
	return plan_diff(t->desired, t->actual, &t->plan) < 0 ? err_set(e, -EIO, "lab %s: no plan can be made", l->name)
							      : 0;
}

/* ---- from the plan to the kernel ---- */

static void wake(void *ctx)
{
	struct transaction *t = ctx;

	timer_set_us(t->timer, 0);
}

static void start_apply(struct transaction *t, enum phase phase)
{
	/* Whatever comes of it, known is not what is there any more. A plan that trusts it keeps it to its end. */
	if (t->trusting)
		t->actual = TAKE_PTR(t->lab->known);
	lab_know(t->lab, NULL);
	lab_datapath_rest(t->lab);
	t->phase = phase;
	t->apply = apply_new(t->lab->kern, t->plan);
	wake(t);
}

static void run(void *ctx)
{
	struct transaction *t = ctx;
	struct err e = { 0 };
	int r;

	switch (t->phase) {
	case PHASE_DESIRE:
		t->phase = PHASE_PLAN;
		r = desire(t, &e);
		go_on_or_end(t, r, &e);
		break;
	case PHASE_PLAN:
		t->phase = PHASE_COMMIT;
		r = make_plan(t, &e);
		if (r < 0)
			go_on_or_end(t, r, &e);
		else
			planned(t);
		break;
	case PHASE_COMMIT: go_on(t); break;
	case PHASE_SETTLE: start_apply(t, PHASE_APPLY); break;
	case PHASE_APPLY:
	case PHASE_ROLLBACK: apply_slice(t); break;
	case PHASE_CREW:
		answer_changes(t, true);
		end(t);
		break;
	case PHASE_ENDED: free_ended(t->lab); break;
	}
}

static void apply_slice(struct transaction *t)
{
	struct err e = { 0 };
	int r = apply_step(t->apply, SLICE_US, &e);

	if (r > 0) {
		wake(t);
		return;
	}
	apply_free(&t->apply);
	if (t->phase == PHASE_ROLLBACK)
		rolled_back(t, r < 0 ? &e : NULL);
	else if (r == 0)
		applied(t);
	else if (!try_again(t, &e))
		roll_back(t, &e);
}

/* The kernel was not as the last change left it: somebody touched it. Now everything is looked at. */
static bool try_again(struct transaction *t, const struct err *why)
{
	struct err e = { 0 };

	if (!t->trusting)
		return false;
	log_info("apply", t->lab->name, "%s; observing all of the lab", why->msg);
	if (observe_and_diff(t, &e) < 0)
		return false;
	start_apply(t, PHASE_APPLY);
	return true;
}

/* Takes what was wanted as what is there now: the next edits are planned against it. */
static void know(struct transaction *t)
{
	plan_free(&t->plan); /* borrows it */
	state_keep(t->desired);
	lab_know(t->lab, &t->desired);
	if (!t->trusting || !t->policies_only) /* else no namespace is another one */
		lab_read_ahead(t->lab);
}

/* The words for DELETE's end: nothing of the lab is left but its folder. */
static void gone(struct transaction *t)
{
	struct lab *l = t->lab;
	_cleanup_document_ struct document none = { 0 };
	struct registry *no_registry = NULL;
	struct model *no_model = NULL;
	struct err e = { 0 };

	lab_close_kern(l);
	lab_files_remove(l->server->dirs.run_dir, l->name);
	if (store_remove(l->server->dirs.state_dir, l->name, &e) < 0)
		log_warn("store", l->name, "%s", e.msg);
	lab_adopt(l, &none, &no_registry, &no_model);
	registry_free(&no_registry);
	model_free(&no_model);
	diag_list_done(&l->warnings);
	l->going = l->broken = false;
	l->revision = 0;
}

static void applied(struct transaction *t)
{
	struct lab *l = t->lab;
	struct err e = { 0 };

	if (t->kind == ASK_DOWN) {
		gone(t);
		lab_set_state(l, LAB_UP);
		events_add(l->server->events, l->name, "gone", json_object());
		answer_changes(t, true);
		end(t);
		return;
	}
	if (t->kind != ASK_MEND) {
		lab_adopt(l, &t->document, &t->registry, &t->model);
		diag_list_done(&l->warnings);
		l->warnings = t->diags;
		diag_list_init(&t->diags);
		l->going = false;
	}
	l->revision = t->revision;
	know(t);
	journal(t, "done", NULL);
	if (lab_datapath_start(l, &e) < 0 ||
	    (!no_machine_changes(t) && hosts_write(l->model, l->server->dirs.run_dir, &e) < 0))
		lab_fail(l, &e);
	else
		lab_set_state(l, LAB_UP);
	t->phase = PHASE_CREW;
	if (no_machine_changes(t))
		run(t);
	else
		crew_set(l->crew, l->model, NULL, wake, t);
}

/* The old document is what was asked again, and the kernel is brought back to it. */
static void roll_back(struct transaction *t, const struct err *why)
{
	struct lab *l = t->lab;
	struct err e = { 0 };

	t->failure = *why;
	t->failed = true;
	journal(t, "failed", why);
	log_warn("apply", l->name, "%s", why->msg);
	if (t->kind == ASK_MEND || t->kind == ASK_DOWN) {
		lab_fail(l, why);
		lab_datapath_start(l, &e);
		answer_failure(t, why);
		if (t->kind == ASK_MEND)
			crew_set(l->crew, l->model, NULL, NULL, NULL);
		end(t);
		return;
	}
	if (l->model) {
		_cleanup_stored_ struct stored s = { .revision = l->revision };

		s.document = document_dump(&l->document);
		s.registry = registry_dump(l->registry);
		if (store_save(l->server->dirs.state_dir, l->name, &s, NULL, &e) < 0) {
			rolled_back(t, &e);
			return;
		}
	} else {
		_cleanup_stored_ struct stored s = { .going = true };

		if (store_save(l->server->dirs.state_dir, l->name, &s, NULL, &e) < 0) {
			rolled_back(t, &e);
			return;
		}
	}
	if (plan_against(t, l->model, &e) < 0)
		rolled_back(t, &e);
	else
		start_apply(t, PHASE_ROLLBACK);
}

/* What became of the lab stands at the end, after the kernel's words, which are cut if need be. */
static void add_words(struct err *e, const char *words)
{
	size_t room = sizeof(e->msg) - strlen(words) - 1, n = strnlen(e->msg, room);

	memcpy(e->msg + n, words, strlen(words) + 1);
}

/* why: the way back failed too; NULL: all is as it was before. */
static void rolled_back(struct transaction *t, const struct err *why)
{
	struct lab *l = t->lab;
	struct err e = t->failure;

	if (why) {
		log_error("apply", l->name, "the way back failed: %s", why->msg);
		add_words(&e, "; the lab is half changed; `vpc up` or `vpc down` mends it");
		journal(t, "stuck", why);
		l->going = !l->model;
		lab_fail(l, &e);
	} else if (l->model) {
		struct err more = { 0 };

		journal(t, "rolled-back", NULL);
		if (lab_datapath_start(l, &more) < 0)
			lab_fail(l, &more);
		else
			lab_set_state(l, LAB_UP);
		add_words(&e, "; the lab is as it was before");
	} else {
		gone(t);
		add_words(&e, "; nothing of it is left");
	}
	if (l->model)
		crew_set(l->crew, l->model, NULL, NULL, NULL);
	answer_failure(t, &e);
	end(t);
}

/* What is asked, kept before the kernel is touched. */
static int commit(struct transaction *t, struct err *e)
{
	struct lab *l = t->lab;
	const char *state_dir = l->server->dirs.state_dir;
	_cleanup_stored_ struct stored s = { .revision = t->revision, .going = t->kind == ASK_DOWN };
	int r;

	if (t->kind != ASK_DOWN) {
		s.document = document_dump(&t->document);
		s.registry = registry_dump(t->registry);
	}
	r = store_save(state_dir, l->name, &s, t->topology, e);
	if (r < 0) {
		if (is_empty(l))
			store_remove(state_dir, l->name, NULL);
		err_wrap(e, "lab %s", l->name);
		add_words(e, "; nothing was changed");
		return r;
	}
	l->going |= t->kind == ASK_DOWN;
	return 0;
}

/* Nothing to do in the kernel and nothing that anybody would call a change; but places in the file may
 * have moved, and verdicts name them. */
static void adopt_quietly(struct transaction *t)
{
	struct lab *l = t->lab;
	struct err e = { 0 };

	if (t->kind != ASK_MEND) {
		if (commit(t, &e) < 0) {
			answer_failure(t, &e);
			end(t);
			return;
		}
		lab_adopt(l, &t->document, &t->registry, &t->model);
		diag_list_done(&l->warnings);
		l->warnings = t->diags;
		diag_list_init(&t->diags);
	}
	know(t);
	if (l->state != LAB_UP || l->events_fd < 0) {
		if (lab_datapath_start(l, &e) < 0 || hosts_write(l->model, l->server->dirs.run_dir, &e) < 0)
			lab_fail(l, &e);
		else
			lab_set_state(l, LAB_UP);
	}
	answer_changes(t, false);
	t->request = NULL;
	if (t->kind == ASK_MEND)
		crew_set(l->crew, l->model, NULL, NULL, NULL);
	end(t);
}

/* ---- the end ---- */

static void answer_changes(struct transaction *t, bool was_applied)
{
	struct lab *l = t->lab;
	json_t *o;
	bool model;

	if (!t->request)
		return;
	model = t->dry_run && t->model && t->changes.n && request_flag(t->request, "model");
	if (t->kind == ASK_DOWN)
		o = json_pack("{ssso}", "lab", l->name, "changes", changes_json(&t->changes));
	else
		o = json_pack("{sssIsbsoso}", "lab", l->name, "revision", (json_int_t)l->revision, "applied",
			      was_applied ? 1 : 0, "changes", changes_json(&t->changes), "warnings",
			      diags_json(was_applied || (!t->dry_run && t->changes.n == 0) ? &l->warnings : &t->diags,
					 SEV_WARNING));
	if (model)
		json_object_set_new(o, "model", model_json(&t->document, t->registry));
	answer_json(t->request, 200, o);
	t->request = NULL;
}

static void answer_failure(struct transaction *t, const struct err *e)
{
	struct request *r = t->request;

	t->request = NULL;
	if (!r)
		return;
	if (t->diags.errors && !t->failed)
		answer_diags(r, &t->diags);
	else if (e->code == -ESTALE && !t->failed && e->aws[0])
		answer_fail(r, 412, e->aws, "%s", e->msg);
	else if (t->failed)
		answer_fail(r, 500, e->aws[0] ? e->aws : "InternalError", "%s", e->msg);
	else
		answer_err(r, e);
}

/* Of the lab too, when nothing is left of it. Whoever waits for the answer need not wait until what was before is
 * freed. */
static void end(struct transaction *t)
{
	struct lab *l = t->lab;

	l->tx = NULL;
	free_ended(l);
	l->ended = t;
	t->phase = PHASE_ENDED;
	wake(t);
	if (l->first_job)
		timer_set_us(l->next_job, 0);
	else if (is_empty(l))
		server_lab_remove(l->server, l);
}

static bool is_empty(const struct lab *l)
{
	return !l->model && !l->going && !l->broken && l->state != LAB_FAILED;
}

static void journal(struct transaction *t, const char *action, const struct err *why)
{
	json_t *more = json_object();
	struct err e = { 0 };

	if (why)
		json_object_set_new(more, "error", json_string(why->msg));
	else
		json_object_set_new(more, "changes", changes_json(&t->changes));
	if (journal_add(t->lab->server->dirs.state_dir, t->lab->name, t->revision, action, more, &e) < 0)
		log_warn("store", t->lab->name, "%s", e.msg);
}

static json_t *changes_json(const struct change_list *l)
{
	json_t *a = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(a, json_pack("{ssssssss?}", "op", change_op_name(l->v[i].op), "kind",
						   l->v[i].kind, "name", l->v[i].name, "why", l->v[i].why));
	return a;
}
