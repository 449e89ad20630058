/* kern.h: one lab in the kernel: observe it, apply a plan to it. Kernel room; never prints.
 * Everything here may block for at most a few milliseconds a call; apply runs in steps. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "plan/diff.h"
#include "plan/state.h"
#include "util/err.h"

struct datapath; /* kern/datapath.h: the BPF side */

struct kern_dirs {
	const char *run_dir, *state_dir, *bpf_dir; /* /run/vpcd, /var/lib/vpcd, /sys/fs/bpf/vpcd */
};
struct kern;
/* Opens what is there of the lab, or nothing yet. kern owns the lab's user namespace (bind mount
 * RUN_DIR/ns/LAB.user, made on first need) and netlink sockets, opened on demand and cached. */
int kern_open(const char *lab, const struct kern_dirs *dirs, struct kern **ret, struct err *e);
void kern_close(struct kern **k);
/* NULL until the data path is loaded (by an apply that needs it, or by kern_open when pins are there). */
struct datapath *kern_datapath(struct kern *k);

/* Reads all of the lab that carries our mark. desired tells which namespaces and sysctls matter beyond
 * what is found by mark; may be NULL. *ret is sorted. */
int kern_observe(struct kern *k, const struct state *desired, struct state **ret, struct err *e);

/* Reads namespaces of a lab that is as desired, so that the next kern_observe need not: from row *at of desired on,
 * for about budget_us. 1 when more is to do, else 0. */
int kern_read_ahead(struct kern *k, const struct state *desired, size_t *at, unsigned budget_us);

/* The next hook, from row *at of desired on, whose program can be called a quicker way. 1 when there may be more, else 0.
 * Nothing depends on it. */
int kern_quicken(struct kern *k, const struct state *desired, size_t *at);

/* Applies a plan in order. Additions stop at the first error (kept, names the object, with the
 * kernel's own words); deletions go on and keep the first error. */
struct apply;
struct apply *apply_new(struct kern *k, const struct plan *plan); /* borrows both */
/* Works for at most budget_us; returns 1 when more is to do, 0 when done, negative on failure (e set;
 * nothing more will be done). */
int apply_step(struct apply *a, unsigned budget_us, struct err *e);
void apply_progress(const struct apply *a, size_t *done, size_t *total);
void apply_free(struct apply **a);

/* What the NAT gateway of this namespace of the lab counts (kern/nft_count.h). Negative errno: it is not there. */
struct nat_metrics;
int kern_nat_metrics(struct kern *k, const char *ns, struct nat_metrics *ret, struct err *e);
/* nft_find.h, of the NAT gateway with that namespace. */
struct abi_flow_key;
int kern_nat_find(struct kern *k, const char *ns, const struct abi_flow_key *sent, struct abi_flow_key *ret);

/* Labs with anything of ours in the kernel: names into a NULL-terminated array to free() with its strings. */
int kern_labs(const struct kern_dirs *dirs, char ***ret, struct err *e);

/* Opens /run/netns/NAME (O_RDONLY|O_CLOEXEC): fd or negative errno. */
int netns_open(const char *name);
/* Runs fn inside a network namespace of this (single-threaded) process and comes back; fn's result. */
int netns_call(int ns_fd, int (*fn)(void *ctx), void *ctx);
/* The lab's user namespace: an fd (caller closes) or -ENOENT. */
int userns_open(const char *lab, const struct kern_dirs *dirs);
