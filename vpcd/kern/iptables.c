/* iptables.c: reads the tables that iptables-legacy writes, by the socket options it uses. It changes nothing: to ask the
 * kernel about a table that is not there would make one, so the list of those that are is read first. Kernel room, never
 * prints. */
#include "kern/iptables.h"
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include "util/mem.h"

#define TABLES "/proc/thread-self/net/ip_tables_names"
#define FILTER "filter"

static bool is_there(const char *table)
{
	char name[XT_TABLE_MAXNAMELEN];
	FILE *f = fopen(TABLES, "re");
	bool found = false;

	while (f && !found && fgets(name, sizeof(name), f)) {
		name[strcspn(name, "\n")] = '\0';
		found = strcmp(name, table) == 0;
	}
	if (f)
		fclose(f);
	return found;
}

/* Does the entry at that place of the table end in the verdict drop, and in no other target? */
static bool entry_drops(const struct ipt_get_entries *table, uint32_t at)
{
	const char *start = (const char *)table->entrytable;
	struct ipt_entry entry;
	struct xt_standard_target target;
	size_t target_at;

	if (at > table->size || table->size - at < sizeof(entry))
		return false;
	memcpy(&entry, start + at, sizeof(entry));
	target_at = (size_t)at + entry.target_offset;
	if (target_at > table->size || table->size - target_at < sizeof(target))
		return false;
	memcpy(&target, start + target_at, sizeof(target));
	return target.target.u.user.name[0] == '\0' && target.verdict == -NF_DROP - 1;
}

int iptables_forward_drops(void)
{
	_cleanup_free_ struct ipt_get_entries *table = NULL;
	_cleanup_close_ int fd = -1;
	struct ipt_getinfo info = { .name = FILTER };
	socklen_t n = sizeof(info);

	if (!is_there(FILTER))
		return 0;
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0 || getsockopt(fd, IPPROTO_IP, IPT_SO_GET_INFO, &info, &n) < 0 ||
	    !(info.valid_hooks & 1u << NF_INET_FORWARD))
		return 0;
	n = (socklen_t)(sizeof(*table) + info.size);
	table = xcalloc(1, n);
	memcpy(table->name, FILTER, sizeof(FILTER));
	table->size = info.size;
	if (getsockopt(fd, IPPROTO_IP, IPT_SO_GET_ENTRIES, table, &n) < 0)
		return 0; /* somebody changes it just now */
	return entry_drops(table, info.underflow[NF_INET_FORWARD]);
}
