/* metric_list.c: lookup of names and labels. Pure. */
#include "model/metric_list.h"
#include <errno.h>
#include <string.h>
#include "util/str.h"

const struct metric_name metric_names[METRIC_MAX] = {
#define X(id, name, type, labels, help) [METRIC_##id] = { name, type, labels, help },
	METRICS(X)
#undef X
#define X(id, member, cloudwatch, name, type) \
	[METRIC_##id] = { name, type, "lab vpc subnet nat_gateway", "CloudWatch's " cloudwatch " of a NAT gateway." },
		NAT_METRICS(X)
#undef X
};

int metric_find(const char *name, enum metric_id *ret, struct err *e)
{
	const char *names[METRIC_MAX], *near;

	for (int i = 0; i < METRIC_MAX; i++) {
		names[i] = metric_names[i].name;
		if (strcmp(name, names[i]) == 0) {
			*ret = (enum metric_id)i;
			return 0;
		}
	}
	near = str_nearest(name, names, METRIC_MAX);
	return err_set(e, -EINVAL, "there is no metric \"%.60s\"%s%s%s", name, near ? "; did you mean " : "",
		       near ? near : "", near ? "?" : "; GET /metrics lists them");
}

bool metric_has_label(enum metric_id id, const char *label)
{
	size_t n = strlen(label), word;

	for (const char *at = metric_names[id].labels; *at; at += word + (at[word] == ' ')) {
		word = strcspn(at, " ");
		if (word == n && strncmp(at, label, n) == 0)
			return true;
	}
	return false;
}
