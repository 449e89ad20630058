/* v_capture.c: vpc capture: frames of several interfaces with their verdicts into one pcapng file, or down a pipe as they
 * come. The filter is libpcap's, and it runs here. */
#include <errno.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "abi.h"
#include "cli/client.h"
#include "cli/verbs.h"
#include "util/mem.h"
#include "util/pcapng.h"
#include "util/str.h"

enum { SNAPLEN_DEFAULT = 2048 };

struct capturing {
	const struct args *a;
	FILE *out;
	const char *file;
	struct bpf_program filter;
	bool has_filter;
	struct strbuf in;             /* what has come of the next block */
	struct pcapng_counts *counts; /* an interface: as told last; accepted, delivered: ours */
	uint32_t n;
	uint64_t written;
	uint32_t left; /* UINT32_MAX: no end */
	int error;     /* of writing, or -EINVAL: the stream makes no sense */
};

static volatile sig_atomic_t interrupted;

static int names_read(const struct args *a, char *lab, json_t *names);
static int filter_read(struct capturing *c, uint32_t snaplen);
static int out_open(struct capturing *c);
static int out_close(struct capturing *c, int r);
static bool take(void *ctx, const char *p, size_t n);
static void block_take(struct capturing *c, uint32_t type, const uint8_t *block, size_t n);
static void interface_write(struct capturing *c, const uint8_t *block, size_t n);
static void packet_write(struct capturing *c, const uint8_t *block, size_t n);
static void counts_keep(struct capturing *c, const uint8_t *block, size_t n);
static void counts_write(struct capturing *c);

static void on_signal(int signo)
{
	(void)signo;
	interrupted = 1;
}

int capture_run(const struct args *a)
{
	struct capturing c = { .a = a, .left = a->count ? a->count : UINT32_MAX };
	struct request q = {
		.method = "POST", .take = take, .take_ctx = &c, .bad_code = EXIT_USAGE, .stop = &interrupted
	};
	struct sigaction sa = { .sa_handler = on_signal };
	_cleanup_reply_ struct reply reply = { 0 };
	_cleanup_free_ char *path = NULL, *body = NULL;
	uint32_t snaplen = SNAPLEN_DEFAULT;
	json_t *names = json_array(), *o;
	char lab[LAB_SIZE];
	int r = names_read(a, lab, names);

	if (r == 0 && a->text[OPTION_SNAPLEN] && str_to_u32(a->text[OPTION_SNAPLEN], 1, ABI_SNAPLEN_MAX, &snaplen) < 0)
		r = fail(EXIT_USAGE, "capture: --snaplen %s: a number from 1 to %d is wanted", a->text[OPTION_SNAPLEN],
			 ABI_SNAPLEN_MAX);
	if (r == 0)
		r = filter_read(&c, snaplen);
	if (r) {
		json_decref(names);
		return r;
	}
	o = json_pack("{so si}", "interfaces", names, "snaplen", (int)snaplen);
	body = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	path = xasprintf("/v1/labs/%s/captures", lab);
	q.path = path;
	q.body = body;
	q.body_len = strlen(body);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	r = out_open(&c);
	q.for_reader = c.out == stdout;
	if (r == 0)
		r = out_close(&c, client_call(&q, &reply));
	strbuf_done(&c.in);
	free(c.counts);
	if (c.has_filter)
		pcap_freecode(&c.filter);
	return r;
}

/* All of one lab: "web-1 db-1", "lab/web-1 db-1", "lab/web-1 lab/db-1". */
static int names_read(const struct args *a, char *lab, json_t *names)
{
	const char *name;
	int r = lab_of(a, a->words[0], lab, &name);

	for (size_t i = 0; r == 0 && i < a->n; i++) {
		const char *word = a->words[i], *slash = strchr(word, '/');

		if (slash && ((size_t)(slash - word) != strlen(lab) || strncmp(word, lab, strlen(lab)) != 0))
			return fail(EXIT_USAGE, "capture: %s is not of lab %s; a capture is of one lab", word, lab);
		if (json_array_append_new(names, json_string(slash ? slash + 1 : word)) < 0)
			return fail(EXIT_USAGE, "capture: the words are no UTF-8");
	}
	return r;
}

static int filter_read(struct capturing *c, uint32_t snaplen)
{
	const char *text = c->a->text[OPTION_FILTER];
	pcap_t *pcap;
	int r = 0;

	if (!text)
		return 0;
	pcap = pcap_open_dead(DLT_EN10MB, (int)snaplen);
	if (!pcap)
		return fail(EXIT_BROKEN, "capture: libpcap could not be set up");
	if (pcap_compile(pcap, &c->filter, text, 1, PCAP_NETMASK_UNKNOWN) < 0)
		r = fail(EXIT_USAGE, "capture: --filter '%s': %s", text, pcap_geterr(pcap));
	c->has_filter = r == 0;
	pcap_close(pcap);
	return r;
}

static int out_open(struct capturing *c)
{
	c->file = c->a->text[OPTION_OUT];
	if (!c->file)
		return fail(EXIT_USAGE, "capture: say where to: -w FILE, or -w - for a pipe");
	if (strcmp(c->file, "-") != 0) {
		c->out = fopen(c->file, "we");
		return c->out ? 0 : fail(EXIT_BROKEN, "%s: %s", c->file, strerror(errno));
	}
	if (isatty(STDOUT_FILENO))
		return fail(EXIT_USAGE, "capture: stdout is a terminal; -w - | wireshark -k -i -, or -w FILE");
	c->out = stdout;
	return 0;
}

static int out_close(struct capturing *c, int r)
{
	uint64_t lost = 0, seen = 0;

	if (r == 0 && !c->error)
		counts_write(c);
	if ((fflush(c->out) != 0 || ferror(c->out)) && !c->error)
		c->error = -errno;
	if (c->out != stdout && fclose(c->out) != 0 && !c->error)
		c->error = -errno;
	if (c->error == -EINVAL)
		return fail(EXIT_BROKEN, "vpcd's capture is broken behind packet %llu", (unsigned long long)c->written);
	if (c->out == stdout)
		clearerr(stdout); /* it is told of here */
	if (c->error == -EPIPE)
		return EXIT_OK; /* the reader has enough */
	if (c->error && c->out == stdout)
		return fail(EXIT_BROKEN, "the result cannot be written: %s", strerror(-c->error));
	if (c->error)
		return fail(EXIT_BROKEN, "%s: %s", c->file, strerror(-c->error));
	if (r)
		return r;
	for (uint32_t i = 0; i < c->n; i++) {
		lost += c->counts[i].dropped > 0 ? (uint64_t)c->counts[i].dropped : 0;
		seen += (uint64_t)c->counts[i].delivered;
	}
	fprintf(stderr, "%llu packets captured", (unsigned long long)c->written);
	if (c->has_filter)
		fprintf(stderr, ", %llu seen by the filter", (unsigned long long)seen);
	fprintf(stderr, ", %llu lost\n", (unsigned long long)lost);
	return !interrupted && c->left ? fail(EXIT_CANNOT, "the lab or vpcd has ended") : EXIT_OK;
}

static bool take(void *ctx, const char *p, size_t n)
{
	struct capturing *c = ctx;
	size_t at = 0;
	uint32_t type;
	int len;

	strbuf_add(&c->in, p, n);
	while (c->left && !c->error && (len = pcapng_next((uint8_t *)c->in.s + at, c->in.n - at, &type)) != 0) {
		if (len < 0) {
			c->error = len;
			break;
		}
		block_take(c, type, (uint8_t *)c->in.s + at, (size_t)len);
		at += (size_t)len;
	}
	memmove(c->in.s, c->in.s + at, c->in.n - at);
	c->in.n -= at;
	if ((fflush(c->out) != 0 || ferror(c->out)) && !c->error) /* whole blocks, as they come: for who reads along */
		c->error = -errno;
	return c->left && !c->error && !interrupted;
}

static void block_take(struct capturing *c, uint32_t type, const uint8_t *block, size_t n)
{
	if (type == PCAPNG_PACKET)
		packet_write(c, block, n);
	else if (type == PCAPNG_STATISTICS)
		counts_keep(c, block, n); /* written at the end, with what the filter has done */
	else if (type == PCAPNG_INTERFACE)
		interface_write(c, block, n);
	else
		fwrite(block, 1, n, c->out);
}

static void interface_write(struct capturing *c, const uint8_t *block, size_t n)
{
	c->counts = xrealloc(c->counts, (c->n + 1) * sizeof(*c->counts));
	c->counts[c->n] = (struct pcapng_counts){ .interface = c->n, .received = PCAPNG_COUNT_UNKNOWN };
	c->n++;
	fwrite(block, 1, n, c->out);
}

static void packet_write(struct capturing *c, const uint8_t *block, size_t n)
{
	struct pcapng_packet p;
	struct pcap_pkthdr head = { 0 };

	if (pcapng_packet_read(block, n, &p) < 0 || p.interface >= c->n) {
		c->error = -EINVAL;
		return;
	}
	c->counts[p.interface].delivered++;
	head.caplen = p.cap_len;
	head.len = p.len;
	if (c->has_filter && pcap_offline_filter(&c->filter, &head, p.data) == 0)
		return;
	c->counts[p.interface].accepted++;
	fwrite(block, 1, n, c->out);
	c->written++;
	if (c->left != UINT32_MAX)
		c->left--;
}

static void counts_keep(struct capturing *c, const uint8_t *block, size_t n)
{
	struct pcapng_counts told;

	if (pcapng_statistics_read(block, n, &told) < 0 || told.interface >= c->n) {
		c->error = -EINVAL;
		return;
	}
	c->counts[told.interface].received = told.received;
	c->counts[told.interface].dropped = told.dropped;
}

static void counts_write(struct capturing *c)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	for (uint32_t i = 0; i < c->n; i++) {
		struct pcapng_counts *k = &c->counts[i];

		k->time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
		if (k->received < k->delivered + k->dropped) /* the last word of it was before the last packets */
			k->received = k->delivered + k->dropped;
		pcapng_statistics(&b, k);
	}
	if (b.n)
		fwrite(b.s, 1, b.n, c->out);
}
