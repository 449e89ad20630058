/* ns.h: namespaces of a lab: the user namespace that owns its instances, and network namespaces
 * published under /run/netns. Kernel room.
 *
 * What is ours: a network namespace whose lo has the alias "vpcd LAB", or one owned by the lab's
 * user namespace (root inside cannot change that). The file under a mount holds the same text, so
 * a file without its mount, left by a crash, is known as ours too. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "kern/kern.h"
#include "util/err.h"

#define NETNS_DIR "/run/netns"

/* ---- the lab's user namespace: userns.c ---- */
/* Opens it, makes it when missing. Returns an fd. */
int userns_make(const char *lab, const struct kern_dirs *dirs, struct err *e);
int userns_remove(const char *lab, const struct kern_dirs *dirs, struct err *e);
/* Can one be made? Negative errno when not. */
int userns_try(void);
/* Which namespace an fd of /proc/PID/ns or /run/netns is; 0 = none. */
uint64_t ns_inode(int fd);
/* The same of a name under /run/netns, without opening it. */
uint64_t netns_inode(const char *name);

/* Mounts a namespace fd on a file of ours (made when missing, holding text); a mount that stands
 * there already is -EEXIST. Crash-safe: the file appears with its text, or not at all. */
int ns_mount(const char *path, int fd, const char *text, struct err *e);
int ns_unmount(const char *path, struct err *e); /* 0 when nothing is there */

/* ---- network namespaces: netns.c ---- */
int netns_dir_prepare(const struct kern_dirs *dirs, struct err *e);
/* Takes the mount away again if prepare made it and no namespace, whoever's, has a name left. */
void netns_dir_release(const struct kern_dirs *dirs);
/* A new namespace, owned by the initial user namespace; fd. self_fd is the way back. */
int netns_new(int self_fd, struct err *e);

/* Many new ones, owned by a user namespace, made by a child while the caller does other work. */
struct netns_maker;
int netns_maker_start(int userns_fd, uint32_t count, struct netns_maker **ret, struct err *e);
int netns_maker_next(struct netns_maker *m, struct err *e); /* fd */
void netns_maker_stop(struct netns_maker **m);

enum netns_found {
	NETNS_ABSENT,
	NETNS_FOREIGN, /* there, and not known as ours by its file or owner; lo's alias may still say so */
	NETNS_HALF,    /* a file of ours without its mount */
	NETNS_OWNED,   /* owned by the lab's user namespace: ours */
};
/* fd of the namespace (FOREIGN, OWNED), else -1. userns_inode 0: the lab has none. */
enum netns_found netns_examine(const char *name, const char *text, uint64_t userns_inode, int *ret_fd);

/* The user namespace that owns a network namespace: fd, -ENOTTY when it is none. */
int netns_owner(int ns_fd);
/* Goes into a namespace, and back; cannot fail to come back (the process would be in the wrong
 * network: it ends). */
int netns_enter(int ns_fd);
void netns_leave(int self_fd);
