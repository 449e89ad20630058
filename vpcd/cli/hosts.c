/* hosts.c: a lab has a file of names for each VPC and one for its internet. The one that belongs to
 * an instance is the one that knows it by an address it has itself. */
#include <arpa/inet.h>
#include <dirent.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include "cli/cli.h"
#include "cli/hosts.h"
#include "util/mem.h"
#include "util/str.h"

enum { HOSTS_MAX = 16 << 20 };

static bool file_knows(const char *path, const char *name, const struct ifaddrs *own);
static bool line_knows(char *line, const char *name, const struct ifaddrs *own);
static bool is_own(const char *addr, const struct ifaddrs *own);

char *hosts_file_of(const char *lab, const char *name)
{
	_cleanup_free_ char *dir = xasprintf("%s/hosts/%s", run_dir(), lab);
	struct ifaddrs *own = NULL;
	struct dirent *entry;
	char *found = NULL;
	DIR *d = opendir(dir);

	if (!d)
		return NULL;
	if (getifaddrs(&own) == 0) {
		while (!found && (entry = readdir(d))) {
			char *path = xasprintf("%s/%s", dir, entry->d_name);

			if (entry->d_name[0] != '.' && file_knows(path, name, own))
				found = TAKE_PTR(path);
			free(path);
		}
		freeifaddrs(own);
	}
	closedir(d);
	return found;
}

static bool file_knows(const char *path, const char *name, const struct ifaddrs *own)
{
	_cleanup_free_ char *text = NULL;
	char *save = NULL;

	if (read_whole_file(path, HOSTS_MAX, &text, NULL) < 0)
		return false;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (line_knows(line, name, own))
			return true;
	return false;
}

static bool line_knows(char *line, const char *name, const struct ifaddrs *own)
{
	char *p = line, *addr, *word;

	line[strcspn(line, "#")] = '\0';
	addr = str_word(&p);
	while (addr && (word = str_word(&p)))
		if (strcmp(word, name) == 0)
			return is_own(addr, own);
	return false;
}

static bool is_own(const char *addr, const struct ifaddrs *own)
{
	struct in_addr a;

	if (inet_pton(AF_INET, addr, &a) != 1)
		return false;
	for (; own; own = own->ifa_next)
		if (own->ifa_addr && own->ifa_addr->sa_family == AF_INET &&
		    ((const struct sockaddr_in *)(const void *)own->ifa_addr)->sin_addr.s_addr == a.s_addr)
			return true;
	return false;
}
