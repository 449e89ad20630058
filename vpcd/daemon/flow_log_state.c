/* flow_log_state.c: flow-logs.json in and out. A broken one is as none: what the kernel holds is then taken whole. */
#include "daemon/flow_log_state.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <jansson.h>
#include "util/mem.h"
#include "util/str.h"

enum { STATE_MAX = 16 << 20 };

void log_state_done(struct log_state *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
	free(s->v);
	s->v = NULL;
	s->n = s->cap = 0;
}

struct log_window *log_state_find(const struct log_state *s, const char *log)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i]->log, log) == 0)
			return s->v[i];
	return NULL;
}

/* Which start of the machine this is: maps of the kernel do not outlive it. */
static char *boot_id(void)
{
	char *text = NULL;

	if (read_whole_file("/proc/sys/kernel/random/boot_id", 64, &text, NULL) < 0)
		return xstrdup("");
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static json_t *set_json(const struct port_set *s)
{
	json_t *a = json_array();

	for (uint32_t port = 0; port < ABI_PORTS_MAX; port++)
		if (port_in(s, port))
			json_array_append_new(a, json_integer(port));
	return a;
}

static void set_read(const json_t *a, struct port_set *ret)
{
	size_t i;
	json_t *v;

	json_array_foreach(a, i, v)
	{
		json_int_t port = json_integer_value(v);

		if (port >= 0 && port < ABI_PORTS_MAX)
			port_put(ret, (uint32_t)port);
	}
}

static uint64_t number(const json_t *o, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(o, name));
}

static void read_state(const json_t *o, struct log_state *ret)
{
	const char *name;
	uint32_t port;
	json_t *v;

	json_object_foreach(json_object_get(o, "lost"), name, v) if (str_to_u32(name, 0, ABI_PORTS_MAX - 1, &port) == 0)
		ret->lost[port] = (uint64_t)json_integer_value(v);
	json_object_foreach(json_object_get(o, "logs"), name, v)
	{
		struct log_window *w = xcalloc(1, sizeof(*w));

		snprintf(w->log, sizeof(w->log), "%s", name);
		w->from = (uint32_t)number(v, "from");
		w->start_s = (int64_t)number(v, "start");
		w->mark = (struct flow_log_mark){ number(v, "file"), number(v, "size") };
		set_read(json_object_get(v, "seen"), &w->seen);
		set_read(json_object_get(v, "skipped"), &w->skipped);
		*VEC_PUSH(ret->v, ret->n, ret->cap) = w;
	}
}

int log_state_load(const char *state_dir, const char *lab, struct log_state *ret, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/%s/flow-logs.json", state_dir, lab), *text = NULL, *boot = boot_id();
	json_error_t where;
	json_t *o;
	int r = read_whole_file(path, STATE_MAX, &text, NULL);

	if (r < 0)
		return err_set(e, r, "%s: %s", path, strerror(-r));
	o = json_loads(text, 0, &where);
	if (!o)
		return err_set(e, -EBADMSG, "%s is broken at line %d: %s", path, where.line, where.text);
	read_state(o, ret);
	r = str_eq(json_string_value(json_object_get(o, "boot")), boot) ? 0 : -ESTALE;
	json_decref(o);
	return r;
}

static json_t *state_json(const struct log_state *s)
{
	_cleanup_free_ char *boot = boot_id();
	json_t *lost = json_object(), *logs = json_object();

	for (uint32_t port = 0; port < ABI_PORTS_MAX; port++) {
		char name[16];

		if (!s->lost[port])
			continue;
		snprintf(name, sizeof(name), "%u", port);
		json_object_set_new(lost, name, json_integer((json_int_t)s->lost[port]));
	}
	for (size_t i = 0; i < s->n; i++) {
		const struct log_window *w = s->v[i];

		json_object_set_new(logs, w->log,
				    json_pack("{s:I,s:I,s:I,s:I,s:o,s:o}", "from", (json_int_t)w->from, "start",
					      (json_int_t)w->start_s, "file", (json_int_t)w->mark.file, "size",
					      (json_int_t)w->mark.size, "seen", set_json(&w->seen), "skipped",
					      set_json(&w->skipped)));
	}
	return json_pack("{s:s,s:o,s:o}", "boot", boot, "lost", lost, "logs", logs);
}

/* Not synced: it has to outlive the daemon, and the kernel's maps do not outlive the machine. */
int log_state_save(const char *state_dir, const char *lab, const struct log_state *s, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/%s/flow-logs.json", state_dir, lab);
	_cleanup_free_ char *text = NULL;
	json_t *o = state_json(s);
	int r;

	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	r = replace_whole_file(path, text, strlen(text), 0600);
	return r < 0 ? err_set(e, r, "%s: %s", path, strerror(-r)) : 0;
}
