/* loop.c: epoll, a list of timers, a signalfd. Each watched fd has a generation, so an event that was
 * fetched before its fd was unwatched (and perhaps used again) is not delivered to the new owner. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include "daemon/loop.h"
#include "util/mem.h"

enum { EVENTS_A_ROUND = 64 };

struct watch {
	loop_fd_fn fn; /* NULL: not watched */
	void *ctx;
	uint32_t generation;
};
struct timer {
	struct loop *loop;
	timer_fn fn;
	void *ctx;
	uint64_t due_ns; /* 0: off */
	struct timer *prev, *next;
};
struct loop {
	int epoll_fd, signal_fd;
	bool stopped;
	struct watch *watches; /* by fd */
	size_t cap;
	struct timer *timers;
	signal_fn on_signal;
	void *signal_ctx;
};

static void run_timers(struct loop *l);
static int wait_ms(const struct loop *l);
static void read_signals(void *ctx, int fd, uint32_t events);

struct loop *loop_new(void)
{
	struct loop *l = xcalloc(1, sizeof(*l));

	l->signal_fd = -1;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0)
		abort(); /* out of descriptors before anything began */
	return l;
}

void loop_free(struct loop **lp)
{
	struct loop *l = *lp;

	if (!l)
		return;
	if (l->signal_fd >= 0)
		close(l->signal_fd);
	close(l->epoll_fd);
	free(l->watches);
	free(l);
	*lp = NULL;
}

int loop_run(struct loop *l, struct err *e)
{
	struct epoll_event ev[EVENTS_A_ROUND];

	while (!l->stopped) {
		int n = epoll_wait(l->epoll_fd, ev, EVENTS_A_ROUND, wait_ms(l));

		if (n < 0 && errno != EINTR)
			return err_set(e, errno, "waiting for events: %s", strerror(errno));
		for (int i = 0; i < n; i++) {
			size_t fd = (uint32_t)ev[i].data.u64;
			const struct watch *w = &l->watches[fd];

			if (w->fn && w->generation == ev[i].data.u64 >> 32)
				w->fn(w->ctx, (int)fd, ev[i].events);
		}
		run_timers(l);
	}
	return 0;
}

void loop_stop(struct loop *l)
{
	l->stopped = true;
}

int loop_watch(struct loop *l, int fd, uint32_t events, loop_fd_fn fn, void *ctx)
{
	size_t had = l->cap;
	struct epoll_event ev = { .events = events };
	struct watch *w;
	int op;

	vec_reserve((void **)&l->watches, &l->cap, (size_t)fd + 1, sizeof(*l->watches));
	if (l->cap > had)
		memset(l->watches + had, 0, (l->cap - had) * sizeof(*l->watches));
	w = &l->watches[fd];
	op = w->fn ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (!w->fn)
		w->generation++;
	ev.data.u64 = (uint64_t)w->generation << 32 | (uint32_t)fd;
	if (epoll_ctl(l->epoll_fd, op, fd, &ev) < 0)
		return -errno;
	w->fn = fn;
	w->ctx = ctx;
	return 0;
}

void loop_unwatch(struct loop *l, int fd)
{
	if (fd < 0 || (size_t)fd >= l->cap || !l->watches[fd].fn)
		return;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	l->watches[fd].fn = NULL;
	l->watches[fd].generation++;
}

int loop_signals(struct loop *l, const sigset_t *set, signal_fn fn, void *ctx, struct err *e)
{
	if (sigprocmask(SIG_BLOCK, set, NULL) < 0 || (l->signal_fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
		return err_set(e, errno, "signalfd: %s", strerror(errno));
	l->on_signal = fn;
	l->signal_ctx = ctx;
	return loop_watch(l, l->signal_fd, EPOLLIN, read_signals, l);
}

struct timer *timer_new(struct loop *l, timer_fn fn, void *ctx)
{
	struct timer *t = xcalloc(1, sizeof(*t));

	*t = (struct timer){ .loop = l, .fn = fn, .ctx = ctx, .next = l->timers };
	if (l->timers)
		l->timers->prev = t;
	l->timers = t;
	return t;
}

void timer_free(struct timer **tp)
{
	struct timer *t = *tp;

	if (!t)
		return;
	if (t->prev)
		t->prev->next = t->next;
	else
		t->loop->timers = t->next;
	if (t->next)
		t->next->prev = t->prev;
	free(t);
	*tp = NULL;
}

void timer_set_us(struct timer *t, uint64_t in_us)
{
	t->due_ns = clock_ns() + in_us * 1000;
}

void timer_set_ms(struct timer *t, uint64_t in_ms)
{
	timer_set_us(t, in_ms * 1000);
}

void timer_stop(struct timer *t)
{
	t->due_ns = 0;
}

uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* A call may free any timer, so the list is looked at anew after each. Timers that are set while this
 * runs wait for the next round: descriptors get their turn in between. */
static void run_timers(struct loop *l)
{
	uint64_t now = clock_ns();

	for (;;) {
		struct timer *first = NULL;

		for (struct timer *t = l->timers; t; t = t->next)
			if (t->due_ns && t->due_ns <= now && (!first || t->due_ns < first->due_ns))
				first = t;
		if (!first)
			return;
		first->due_ns = 0;
		first->fn(first->ctx);
	}
}

static int wait_ms(const struct loop *l)
{
	uint64_t first = UINT64_MAX, now = clock_ns();

	for (const struct timer *t = l->timers; t; t = t->next)
		if (t->due_ns && t->due_ns < first)
			first = t->due_ns;
	if (first == UINT64_MAX)
		return -1;
	if (first <= now)
		return 0;
	first = (first - now + 999999) / 1000000;
	return first > 60000 ? 60000 : (int)first;
}

static void read_signals(void *ctx, int fd, uint32_t events)
{
	struct loop *l = ctx;
	struct signalfd_siginfo info;

	(void)events;
	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		l->on_signal(l->signal_ctx, (int)info.ssi_signo);
}
