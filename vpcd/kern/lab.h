/* lab.h: what observe and apply share of one lab: where it is, its open namespaces. Kernel room,
 * private to it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "kern/kern.h"
#include "kern/datapath.h"
#include "kern/nl.h"
#include "kern/sysctl.h"

/* A network namespace as it is now. Kept only while observe or apply runs: an open one would live
 * on when somebody removes it, and hide one that was made anew under its name. */
struct lab_ns {
	struct lab_ns *next; /* of its bucket */
	char *name;
	int fd;
	struct nl_ns *nl; /* NULL until wanted */
	uint64_t used;    /* the least recently used one goes when there are too many */
};
enum { LAB_NS_BUCKETS = 1024 };

struct ns_watch;
struct kern {
	char *lab;
	struct kern_dirs dirs; /* owned copies */
	char *bpf_dir;         /* of this lab */
	char mark[48];         /* "vpcd LAB": alias of lo, and how aliases of links begin */
	char file_text[48];    /* the same as a line: in the files under mounts */
	int self_ns;           /* where this process lives */
	int userns;            /* of the lab; -1 when there is none */
	bool netns_dir_ready;
	struct datapath *datapath;
	struct sysctl_view sysctls;
	struct lab_ns *buckets[LAB_NS_BUCKETS];
	size_t n_ns, max_ns;
	struct ns_watch *watches[LAB_NS_BUCKETS]; /* kern/watch.h */
	size_t n_watches, max_watches;
	int ears; /* epoll of what the watches hear */
	uint64_t tick;
};

/* The namespace, opened if need be; its ->nl too when nl is set. The pointer is good until the next call
 * but one. -ENOENT. */
int lab_ns_get(struct kern *k, const char *name, bool nl, struct lab_ns **ret, struct err *e);
/* Takes fd and nl (may be NULL) over as what stands at name. */
struct lab_ns *lab_ns_put(struct kern *k, const char *name, int fd, struct nl_ns *nl);
void lab_ns_drop(struct kern *k, const char *name);
void lab_ns_drop_all(struct kern *k);
/* The lab's user namespace: opened or made on first need; fd stays k's. */
int lab_userns(struct kern *k, struct err *e);

/* Is it ours: an alias that begins with the lab's mark. */
bool lab_is_marked(const struct kern *k, const char *alias);
/* What the data path must have room for. */
void lab_datapath_sizes(const struct state *desired, struct datapath_sizes *ret);
