/* main.c: vpcd's command line: options, directories, and what must be there before anything starts. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include "daemon/agent.h"
#include "daemon/server.h"
#include "kern/needs.h"
#include "util/log.h"
#include "util/mem.h"
#include "util/str.h"

enum { EXIT_USAGE = 2, EXIT_CANNOT = 3, EXIT_FAILED = 4 };
enum { HEAP_KEPT = 16 << 20 };
#define BPFFS "/sys/fs/bpf"

struct options {
	uint32_t exit_when_idle_s, metrics_port;
	bool allow_uplink;
	const char *agent; /* a lab's name: this process is its agent */
};

static const char usage[] =
	"usage: vpcd [--foreground] [--exit-when-idle SECONDS] [--metrics-port PORT]\n"
	"            [--allow-uplink] [--log-level debug|info|warn|error] [--log-json]\n"
	"       vpcd --version | --help\n"
	"\n"
	"Runs virtual private clouds on this machine; `vpc` talks to it. It stays in the foreground and logs to stderr.\n"
	"  --foreground               says so (it is the default)\n"
	"  --exit-when-idle SECONDS   ends that long after its last lab is gone\n"
	"  --metrics-port PORT        also answers GET /metrics on 127.0.0.1:PORT, for Prometheus\n"
	"  --allow-uplink             labs whose file says `uplink = yes` may send into this machine's network\n"
	"  --log-level LEVEL          how much it says; info unless given\n"
	"  --log-json                 one JSON object a line instead of text\n"
	"Environment: VPCD_RUN_DIR (/run/vpcd), VPCD_STATE_DIR (/var/lib/vpcd), VPCD_BPF_DIR (/sys/fs/bpf/vpcd).\n";

static int parse(int argc, char **argv, struct options *o);
static const char *directory(const char *variable, const char *normal);
static int bpffs_prepare(const char *dir, struct err *e);

int main(int argc, char **argv)
{
	struct options o = { 0 };
	struct server_options s = { 0 };
	struct err e = { 0 };
	int r = parse(argc, argv, &o);

	if (r >= 0)
		return r;
	s.dirs.run_dir = directory("VPCD_RUN_DIR", "/run/vpcd");
	s.dirs.state_dir = directory("VPCD_STATE_DIR", "/var/lib/vpcd");
	s.dirs.bpf_dir = directory("VPCD_BPF_DIR", BPFFS "/vpcd");
	s.exit_when_idle_s = o.exit_when_idle_s;
	s.metrics_port = (uint16_t)o.metrics_port;
	s.allow_uplink = o.allow_uplink;
	if (geteuid() != 0) {
		fputs("vpcd: must be root, because it makes network namespaces and loads BPF programs; start it with sudo\n",
		      stderr);
		return EXIT_CANNOT;
	}
	if (o.agent) {
		r = agent_run(o.agent, &s.dirs, &e);
	} else {
		r = needs_check(&e);
		if (r == 0)
			r = bpffs_prepare(s.dirs.bpf_dir, &e);
		if (r < 0) {
			fprintf(stderr, "vpcd: %s\n", e.msg);
			return EXIT_CANNOT;
		}
		/* A change builds a model and a state and drops the old ones: their memory is used again, not given
		 * back to be cleared anew. */
		mallopt(M_MMAP_THRESHOLD, HEAP_KEPT);
		mallopt(M_TRIM_THRESHOLD, HEAP_KEPT);
		r = server_run(&s, &e);
	}
	if (r < 0) {
		fprintf(stderr, "vpcd: %s\n", e.msg);
		return r == -EBUSY ? EXIT_CANNOT : EXIT_FAILED;
	}
	return 0;
}

/* An exit code, or -1: go on. */
static int parse(int argc, char **argv, struct options *o)
{
	static const char *const levels[] = { "debug", "info", "warn", "error" };

	for (int i = 1; i < argc; i++) {
		const char *a = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
		bool known = false;

		if (strcmp(a, "--help") == 0) {
			fputs(usage, stdout);
			return 0;
		}
		if (strcmp(a, "--version") == 0) {
			puts("vpcd " VPCD_VERSION);
			return 0;
		}
		if (strcmp(a, "--foreground") == 0)
			continue;
		if (strcmp(a, "--allow-uplink") == 0) {
			o->allow_uplink = true;
			continue;
		}
		if (strcmp(a, "--log-json") == 0) {
			log_set_json(true);
			continue;
		}
		if (strcmp(a, "--exit-when-idle") == 0 && value) {
			known = str_to_u32(value, 1, 86400, &o->exit_when_idle_s) == 0;
		} else if (strcmp(a, "--metrics-port") == 0 && value) {
			known = str_to_u32(value, 1, 65535, &o->metrics_port) == 0;
		} else if (strcmp(a, "--log-level") == 0 && value) {
			for (unsigned k = 0; k < ARRAY_SIZE(levels); k++)
				if (strcmp(levels[k], value) == 0) {
					log_set_level((enum log_level)k);
					known = true;
				}
		} else if (strcmp(a, "--agent") == 0 && value) {
			o->agent = value;
			known = str_is_name(value);
		}
		if (!known) {
			fprintf(stderr, "vpcd: what is \"%s%s%s\"? see vpcd --help\n", a, value ? " " : "",
				value ? value : "");
			return EXIT_USAGE;
		}
		i++;
	}
	return -1;
}

static const char *directory(const char *variable, const char *normal)
{
	const char *value = getenv(variable);

	return value && *value ? value : normal;
}

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == BPF_FS_MAGIC;
}

static int make_folder(const char *path, mode_t mode, struct err *e)
{
	return mkdir(path, mode) < 0 && errno != EEXIST ? err_set(e, errno, "%s: %s", path, strerror(errno)) : 0;
}

/* Pins need a BPF file system: the machine's own at /sys/fs/bpf, or one of its own elsewhere. */
static int bpffs_prepare(const char *dir, struct err *e)
{
	bool machine = strncmp(dir, BPFFS "/", sizeof(BPFFS)) == 0;
	const char *at = machine ? BPFFS : dir;
	int r = machine ? 0 : make_folder(dir, 0700, e);

	if (r < 0)
		return r;
	if (!is_bpffs(at) && mount("bpf", at, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
		return err_set(e, errno, "no BPF file system can be mounted at %s: %s; is BPF built into this kernel?",
			       at, strerror(errno));
	return machine ? make_folder(dir, 0700, e) : 0;
}
