/* fuzz_capture.c: the reader of captures and the replay behind it. The first byte says whose filter and what is assumed of
 * foreign packets; the rest is the file.
 *
 *   a file is refused with words, or it yields packets that lie within what libpcap read
 *   each packet has one fate; a judged one is allowed, or denied at a gate for a reason
 *   a file that breaks off says so, and behind which packet */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "cli/capture_file.h"
#include "conf/build.h"
#include "path/replay.h"
#include "tests/fuzz/fuzz.h"
#include "util/mem.h"

enum { PACKETS_MAX = 200, KINDS = 6, INPUTS_EACH = 50 };

static const char lab_text[] =
	"[lab t]\n[vpc v]\ncidr = 10.0.0.0/16\n[vpc w]\ncidr = 10.1.0.0/16\n[internet-gateway igw]\nvpc = v\n"
	"[vpc-peering-connection p]\nvpc = v\npeer-vpc = w\n"
	"[route-table pub]\nvpc = v\nmain = yes\nroute = 0.0.0.0/0 via igw:igw\nroute = 10.1.0.0/16 via pcx:p\n"
	"[nacl edge]\nvpc = v\ninbound = 100 deny tcp 23 from 0.0.0.0/0\ninbound = 110 allow all from 0.0.0.0/0\n"
	"outbound = 100 deny udp 9 to 0.0.0.0/0\noutbound = 110 allow all to 0.0.0.0/0\n"
	"[subnet a]\nvpc = v\ncidr = 10.0.0.0/24\nnacl = edge\n[subnet c]\nvpc = w\ncidr = 10.1.0.0/24\n"
	"[nat-gateway n]\nsubnet = a\naddress = 10.0.0.5\n"
	"[security-group web]\nvpc = v\ninbound = tcp 80 from 0.0.0.0/0\ninbound = icmp from 0.0.0.0/0\ninbound = udp 53 from sg:web\n"
	"[instance web]\nsubnet = a\naddress = 10.0.0.10\npublic-ip = 203.0.113.10\nsecurity-groups = web\n"
	"[instance web2]\nsubnet = a\naddress = 10.0.0.11\nsecurity-groups = web\n"
	"[instance far]\nsubnet = c\naddress = 10.1.0.10\n";
static const char *const names[] = { "web", "n" };

static struct model *lab_model(void)
{
	static struct model *m; /* read-only: every input may share it */
	_cleanup_diag_list_ struct diag_list diags = { 0 };

	if (!m)
		FUZZ_CHECK(model_from_text(lab_text, strlen(lab_text), "fuzz.ini", &m, &diags) == 0);
	return m;
}

static struct replay *replay_make(unsigned which)
{
	const struct model *m = lab_model();
	struct replay_scene scene = { 0 };
	struct replay *r = NULL;
	struct err e = { 0 };

	FUZZ_CHECK(replay_scene_make(m, model_find_eni(m, names[which & 1]), &scene, &e) == 0);
	FUZZ_CHECK(replay_new(&scene, (enum replay_assume)(which / 2), NULL, &r, &e) == 0);
	replay_scene_done(&scene);
	return r;
}

/* Tables for ten thousand interfaces cost more than the packets: one replay serves some inputs, with what the ones before
 * left in it. */
static struct replay *replay_of(unsigned which)
{
	static struct {
		struct replay *replay;
		unsigned inputs;
	} kept[KINDS];

	if (kept[which].inputs++ % INPUTS_EACH == 0)
		replay_free(&kept[which].replay);
	if (!kept[which].replay)
		kept[which].replay = replay_make(which);
	return kept[which].replay;
}

/* libpcap wants a file: one in memory, by its number. */
static int file_make(const uint8_t *data, size_t n, char *path, size_t size)
{
	int fd = memfd_create("capture", MFD_CLOEXEC);

	FUZZ_CHECK(fd >= 0 && write(fd, data, n) == (ssize_t)n && lseek(fd, 0, SEEK_SET) == 0);
	snprintf(path, size, "/proc/self/fd/%d", fd);
	return fd;
}

static void fate_check(const struct captured *c, const struct replayed *p)
{
	FUZZ_CHECK(p->fate < REPLAY_FATE_MAX);
	if (p->fate != REPLAY_JUDGED)
		return;
	FUZZ_CHECK(p->gate > ABI_GATE_NONE && p->gate < ABI_GATE_MAX && p->reason < ABI_REASON_MAX);
	FUZZ_CHECK(p->reason != ABI_REASON_NONE && (p->allow || p->reason != ABI_REASON_ACCEPT));
	FUZZ_CHECK(!p->allow || (p->packet.len && p->packet.len <= c->len));
	FUZZ_CHECK(!p->loc.line || !p->allow || (p->rule && p->rule_text[0]));
}

int fuzz_capture(const uint8_t *data, size_t n)
{
	_cleanup_close_ int fd = -1;
	struct capture_file *f = NULL;
	struct replay *r;
	struct captured c;
	struct replayed p;
	struct err e = { 0 };
	char path[40];
	int rc = 0;

	if (!n)
		return 0;
	fd = file_make(data + 1, n - 1, path, sizeof(path));
	if (capture_file_open(path, &f, &e) < 0) {
		FUZZ_CHECK(!f && strstr(e.msg, path));
		return 0;
	}
	r = replay_of(data[0] % KINDS);
	for (unsigned i = 0; i < PACKETS_MAX && (rc = capture_file_next(f, &c, &e)) == 1; i++) {
		FUZZ_CHECK(c.captured_len <= c.len);
		FUZZ_CHECK(replay_packet(r, &c, &p, &e) == 0);
		fate_check(&c, &p);
	}
	FUZZ_CHECK(rc >= 0 || e.msg[0]);
	capture_file_close(&f);
	return 0;
}
