/* loop.h: one thread, one epoll: file descriptors, timers and signals. Daemon and agent run on it.
 * Nothing that is called back may block for more than about 5 ms. */
#pragma once
#include <signal.h>
#include <stdint.h>
#include "util/err.h"

struct loop;
struct timer;
typedef void (*loop_fd_fn)(void *ctx, int fd, uint32_t events);
typedef void (*timer_fn)(void *ctx);
typedef void (*signal_fn)(void *ctx, int signo);

struct loop *loop_new(void);
void loop_free(struct loop **l);
int loop_run(struct loop *l, struct err *e);
void loop_stop(struct loop *l);

/* Calls fn while any of events (EPOLLIN, …) holds; a second call for the same fd replaces the first. */
int loop_watch(struct loop *l, int fd, uint32_t events, loop_fd_fn fn, void *ctx);
/* Before close(fd). Events of it that wait already are dropped. Harmless when fd is not watched. */
void loop_unwatch(struct loop *l, int fd);
/* Blocks the signals and reports them instead. */
int loop_signals(struct loop *l, const sigset_t *set, signal_fn fn, void *ctx, struct err *e);

/* One shot: set it again in fn for a period. fn may free its own timer. */
struct timer *timer_new(struct loop *l, timer_fn fn, void *ctx);
void timer_free(struct timer **t);
void timer_set_us(struct timer *t, uint64_t in_us);
void timer_set_ms(struct timer *t, uint64_t in_ms);
void timer_stop(struct timer *t);
uint64_t clock_ns(void); /* CLOCK_MONOTONIC */
