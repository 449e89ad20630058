# vpcd: one Makefile, no configure step.
#
#   make            build/vpcd and build/vpc        make deps    install what the build needs (Debian)
#   make demo       deps, build, two labs up        make test    deps, build, every test
#   make lint       format and structure checks     make cover   line coverage of the unit tests
#
# V=1 shows commands, WERROR=1 turns warnings into errors, NO_DEPS=1 skips `deps`,
# B=DIR builds somewhere else than build/ (two builds side by side need two of them).
# Sources are found by wildcard, room by room: a new file needs no line here.

VERSION := 0.1.0
B       := build
PREFIX  := /usr/local
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-6s %s\n' '$(1)' '$(2)')

# Debian keeps bpftool and ip in sbin, which an ordinary user's PATH lacks.
export PATH := $(PATH):/usr/sbin:/sbin
export B

# The one list of what the build, the demo and the tests need: Debian 12 packages.
# a|b: any of them will do, the first is installed.
DEPS := gcc libc6-dev make pkg-config clang bpftool libbpf-dev linux-libc-dev \
	libnl-3-dev libnl-route-3-dev libmnl-dev libnftnl-dev \
	libinih-dev libjansson-dev libmicrohttpd-dev libcurl4-gnutls-dev|libcurl4-openssl-dev libpcap-dev libncurses-dev \
	libcmocka-dev libclang-rt-14-dev iproute2 iputils-ping nftables python3 curl procps clang-format

PURE_PKGS := inih jansson
KERN_PKGS := libnl-3.0 libnl-route-3.0 libmnl libnftnl libbpf
VPCD_PKGS := libmicrohttpd
VPC_PKGS  := libcurl libpcap ncursesw

# ---- flags --------------------------------------------------------------------------------
CC      := gcc
CLANG   := clang
BPFTOOL := bpftool
# vec_reserve() grows any typed array through a void **, hence no strict aliasing.
CFLAGS   := -O2 -g
override CFLAGS += -std=gnu11 -fno-strict-aliasing -fno-omit-frame-pointer -fstack-protector-strong
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wformat=2 \
	-Wvla -Wundef -Wwrite-strings -Wno-missing-field-initializers $(if $(WERROR),-Werror)
CPPFLAGS := -Ivpcd -I. -Ibpf -I$(B) -D_GNU_SOURCE -DVPCD_VERSION=\"$(VERSION)\"
PLAIN    := -D_FORTIFY_SOURCE=2
SAN      := -fsanitize=address,undefined -fno-sanitize-recover=all
COV      := --coverage -O0
FUZZ_SAN := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -O1
BPFFLAGS := -g -O2 -target bpf -mcpu=v3 -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers \
	-Wno-sign-compare $(if $(WERROR),-Werror) -I. -Ibpf

# Asked for when first used and then kept, so that `make deps` works before pkg-config exists.
lazy = $(eval $(1) = $$(eval $(1) := $$$$(shell $(2)))$$($(1)))
$(call lazy,PURE_CFLAGS,pkg-config --cflags $(PURE_PKGS))
$(call lazy,PURE_LIBS,pkg-config --libs $(PURE_PKGS))
$(call lazy,KERN_CFLAGS,pkg-config --cflags $(PURE_PKGS) $(KERN_PKGS) $(VPCD_PKGS) $(VPC_PKGS))
$(call lazy,KERN_LIBS,pkg-config --libs $(PURE_PKGS) $(KERN_PKGS))
$(call lazy,VPCD_LIBS,pkg-config --libs $(VPCD_PKGS))
$(call lazy,VPC_LIBS,pkg-config --libs $(VPC_PKGS))
$(call lazy,MULTIARCH,gcc -print-multiarch)

# ---- sources, room by room ------------------------------------------------------------------
PURE_ROOMS := vpcd/util filters vpcd/model vpcd/conf vpcd/plan vpcd/path
PURE_SRCS  := $(foreach d,$(PURE_ROOMS),$(wildcard $(d)/*.c))
KERN_SRCS  := $(wildcard vpcd/kern/*.c)
DAEMON_SRCS := $(wildcard vpcd/daemon/*.c vpcd/main.c)
CLI_SRCS   := $(wildcard vpcd/cli/*.c)
BPF_SRCS   := $(wildcard bpf/*.bpf.c)
# A program is built once its main exists.
PROGRAMS   := $(if $(wildcard vpcd/main.c),vpcd) $(if $(wildcard vpcd/cli/main.c),vpc)

# tests/support/*.c is linked into every test binary and uses room P only (the oracle lives there);
# tests/net/*.c are single-file programs that the scripts beside them use.
SUPPORT_SRCS := $(wildcard tests/support/*.c)
UNIT_SRCS := $(wildcard tests/unit/*.c)
BPFT_SRCS := $(wildcard tests/bpf/*.c)
NETT_SRCS := $(wildcard tests/net/*.c)
UNIT_BINS := $(UNIT_SRCS:%.c=$(B)/%)
BPFT_BINS := $(BPFT_SRCS:%.c=$(B)/%)
NETT_BINS := $(NETT_SRCS:%.c=$(B)/%)
# tests/fuzz/fuzz_NAME.c is an entry point of libFuzzer; the unit tier runs its kept corpus.
FUZZ_SRCS := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BINS := $(FUZZ_SRCS:tests/fuzz/fuzz_%.c=$(B)/fuzz/fuzz_%)
BENCH_BINS := $(patsubst %.c,$(B)/%,$(wildcard tests/bench/*.c))

BPF_OBJS := $(BPF_SRCS:bpf/%.bpf.c=$(B)/bpf/%.bpf.o)
BPF_ALL  := $(if $(BPF_SRCS),$(B)/bpf/vpcd.bpf.o)
SKEL     := $(if $(BPF_SRCS),$(B)/vpcd.skel.h)

# ---- targets ----------------------------------------------------------------------------------
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
.PHONY: all deps demo test check test-unit test-bpf test-net test-bins bench bench-quick bench-build bench-filter fuzz fuzz-diff mutants asan cover lint format install clean FORCE
# Several goals at once (clean all; test lint) run one after another; each is still parallel inside.
ifneq ($(word 2,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif

all: # what it builds is added below
FORCE:

deps:
ifeq ($(NO_DEPS),)
	@missing=; \
	if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then \
		for p in $(foreach d,$(DEPS),'$(d)'); do \
			dpkg-query -W -f '$${db:Status-Status}\n' $$(echo "$$p" | tr '|' ' ') 2>/dev/null | \
				grep -qx installed || missing="$$missing $${p%%|*}"; \
		done; \
		[ -n "$$missing" ] || exit 0; \
		echo "deps: missing:$$missing"; \
		if [ "$$(id -u)" != 0 ]; then \
			echo "deps: not root; install them with:"; \
			echo "    apt-get install --no-install-recommends$$missing"; exit 1; \
		fi; \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get update -q && apt-get install -y -q --no-install-recommends $$missing; \
	elif $(MAKE) --no-print-directory -s have 2>/dev/null; then :; \
	else \
		echo "deps: this is not Debian; install what these Debian 12 packages hold:"; \
		echo "    $(foreach d,$(DEPS),$(firstword $(subst |, ,$(d))))"; exit 1; \
	fi
endif

# A second make reads pkg-config after `deps` has brought it.
demo: deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)bash topologies/demo

test: deps
	$(Q)$(MAKE) --no-print-directory check

test-bins: $(UNIT_BINS) $(BPFT_BINS) $(NETT_BINS)
check: all test-bins
	$(Q)tests/run unit bpf net
test-unit: $(UNIT_BINS)
	$(Q)tests/run unit
test-bpf: all $(BPFT_BINS)
	$(Q)tests/run bpf
test-net: all $(NETT_BINS)
	$(Q)tests/run net
# 200 random labs more than `make test` has: walk, packets, their replay and oracle must agree (root; some minutes; COUNT=N)
.PHONY: soak
soak: all $(NETT_BINS)
	$(Q)COUNT=$(or $(COUNT),200) bash tests/net/random.sh

# 100,000 drops a second for ten seconds, then as many as two senders can: counters exact, the loss told, the daemon small. A
# machine that cannot send so fast fails here; `make test` floods for three seconds, as fast as it goes (root; LOAD_S=N, RATE=N)
.PHONY: soak-flood
soak: soak-flood
soak-flood: all $(NETT_BINS)
	$(Q)LOAD_S=$(or $(LOAD_S),10) KEEP_UP=1 bash tests/net/observe.sh

# all pairs of every shipped topology in kernel mode too: `make test` takes the small ones
.PHONY: soak-pairs
soak: soak-pairs
soak-pairs: all
	$(Q)MODES=kernel PAIRS=9999 bash tests/net/pairs.sh

# five ways to ask, in both modes: every shipped topology and 50 random ones
.PHONY: soak-five-ways
soak: soak-five-ways
soak-five-ways: all $(NETT_BINS)
	$(Q)MODES='fast kernel' COUNT=$(or $(COUNT),50) bash tests/net/five_ways.sh

# up, down, plan, an edit and memory at 1,000 instances, against bare system calls (root; BENCH="-n 5000 -r 3")
bench-build: all $(BENCH_BINS)
	$(Q)tests/bench/build.py $(BENCH)

# all figures, as ratios against baselines of the same run (root, ten minutes); bench-quick: a minute and a half.
# Also into build/bench/; DOCS=1 brings table and curves into docs/benchmarks.md
bench bench-quick: all $(BENCH_BINS)
	$(Q)mkdir -p $(B)/bench
	$(Q)tests/bench/bench.py $(if $(filter bench-quick,$@),--quick) -j $(abspath $(B))/bench/bench.json \
		-m $(abspath $(B))/bench/bench.md --svg $(abspath $(if $(DOCS),docs,$(B)/bench)) $(if $(DOCS),--docs docs/benchmarks.md) $(BENCH)

# the filter with 10 to 10,000 rules: compile time, memory, rows, ns a packet (root; BENCH="-r 51 -j FILE")
bench-filter: $(B)/tests/bench/filter
	$(Q)tests/isolate $(B)/tests/bench/filter $(BENCH)

# random worlds and packets: BPF object, host build and oracle agree on verdict, gate, rule and state (root)
N    := 1000000
SEED := 1
fuzz-diff: all $(B)/tests/bpf/test_diff
	$(Q)FUZZ_N=$(N) FUZZ_SEED=$(SEED) tests/isolate $(B)/tests/bpf/test_diff

clean:
	rm -rf $(B)

# ---- what must be there: one line says what is missing, not a page of compiler errors -----------
define have
have: $(B)/.have-$(1)
$(B)/.have-$(1):
	@missing=; \
	for c in $(2); do command -v $$$$c >/dev/null || missing="$$$$missing $$$$c"; done; \
	for p in $(3); do pkg-config --exists $$$$p 2>/dev/null || missing="$$$$missing $$$$p"; done; \
	[ -z "$$$$missing" ] || { echo "build: missing:$$$$missing; run: make deps" >&2; exit 1; }; \
	mkdir -p $$(@D) && touch $$@
endef
.PHONY: have
$(eval $(call have,pure,$(CC) ar pkg-config,$(PURE_PKGS)))
$(eval $(call have,kern,$(CLANG) $(BPFTOOL),$(KERN_PKGS) $(VPCD_PKGS) $(VPC_PKGS)))
$(eval $(call have,test,,cmocka))

# Objects depend on the flags they were built with.
$(B)/.flags: FORCE
	@mkdir -p $(@D); flags='$(CC) $(CPPFLAGS) $(CFLAGS) $(WARN) $(BPFFLAGS)'; \
	printf '%s\n' "$$flags" | cmp -s - $@ || printf '%s\n' "$$flags" > $@

# ---- BPF: one object a file, linked into one, wrapped in a skeleton -------------------------------
$(B)/bpf/%.bpf.o: bpf/%.bpf.c $(B)/.flags | $(B)/.have-pure $(B)/.have-kern
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPFFLAGS) -I/usr/include/$(MULTIARCH) -MMD -MP -MF $(@:.o=.d) -c -o $@ $<

$(B)/bpf/vpcd.bpf.o: $(BPF_OBJS)
	$(call say,LINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(B)/vpcd.skel.h: $(B)/bpf/vpcd.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name vpcd_bpf > $@

# ---- one tree of objects a set of flags: plain, sanitized, coverage --------------------------------
objs = $(patsubst %.c,$(1)/obj/%.o,$(2))

# $(1) folder, $(2) extra flags
define tree
$(1)/obj/%.o: %.c $(B)/.flags | $(B)/.have-pure
	$$(call say,CC,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CPPFLAGS) $$(CFLAGS) $$(WARN) $(2) $$(or $$(ROOM_CFLAGS),$$(PURE_CFLAGS)) -MMD -MP -c -o $$@ $$<

$(call objs,$(1),$(KERN_SRCS) $(DAEMON_SRCS) $(CLI_SRCS) $(BPFT_SRCS)): ROOM_CFLAGS = $$(KERN_CFLAGS)
$(call objs,$(1),$(KERN_SRCS) $(DAEMON_SRCS) $(CLI_SRCS) $(BPFT_SRCS)): | $(B)/.have-kern $(SKEL)
$(call objs,$(1),$(SUPPORT_SRCS) $(UNIT_SRCS) $(BPFT_SRCS)): | $(B)/.have-test

$(1)/libvpcpure.a: $(call objs,$(1),$(PURE_SRCS))
$(1)/libvpckern.a: $(call objs,$(1),$(KERN_SRCS))
$(1)/libvpcpure.a $(1)/libvpckern.a:
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && ar rcs $$@ $$^

$(1)/vpcd: $(call objs,$(1),$(DAEMON_SRCS)) $(1)/libvpckern.a $(1)/libvpcpure.a
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(CFLAGS) $(2) $$(LDFLAGS) -o $$@ $$^ $$(KERN_LIBS) $$(VPCD_LIBS)

$(1)/vpc: $(call objs,$(1),$(CLI_SRCS)) $(1)/libvpckern.a $(1)/libvpcpure.a
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(CFLAGS) $(2) $$(LDFLAGS) -o $$@ $$^ $$(KERN_LIBS) $$(VPC_LIBS)
endef

# $(1) tree, $(2) folder of the programs, $(3) extra flags
define unit-tests
$(2)/tests/unit/%: $(1)/obj/tests/unit/%.o $(call objs,$(1),$(SUPPORT_SRCS)) $(1)/libvpcpure.a
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CFLAGS) $(3) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) $$(filter %.a,$$^) $$(PURE_LIBS) $$(MORE_LIBS) -lcmocka
endef

$(eval $(call tree,$(B),$(PLAIN)))
$(eval $(call tree,$(B)/asan,$(SAN)))
$(eval $(call tree,$(B)/cover,$(COV)))
$(eval $(call unit-tests,$(B)/asan,$(B),$(SAN)))
$(eval $(call unit-tests,$(B)/cover,$(B)/cover,$(COV)))
$(B)/tests/unit/test_corpora: $(call objs,$(B)/asan,$(FUZZ_SRCS) vpcd/cli/capture_file.c)
$(B)/cover/tests/unit/test_corpora: $(call objs,$(B)/cover,$(FUZZ_SRCS) vpcd/cli/capture_file.c)
$(B)/tests/unit/test_corpora $(B)/cover/tests/unit/test_corpora $(B)/fuzz/fuzz_capture: MORE_LIBS = $(VPC_LIBS)
$(B)/tests/unit/test_graph $(B)/cover/tests/unit/test_graph: MORE_LIBS = -lm

$(B)/tests/bpf/%: $(B)/obj/tests/bpf/%.o $(call objs,$(B),$(SUPPORT_SRCS)) $(B)/libvpckern.a $(B)/libvpcpure.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(KERN_LIBS) -lcmocka

$(B)/tests/net/%: $(B)/obj/tests/net/%.o $(call objs,$(B),$(SUPPORT_SRCS)) $(B)/libvpcpure.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PURE_LIBS)

$(B)/tests/bench/%: $(B)/obj/tests/bench/%.o
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lpthread

$(B)/obj/tests/bench/filter.o: ROOM_CFLAGS = $(KERN_CFLAGS)
$(B)/obj/tests/bench/filter.o: | $(B)/.have-kern $(SKEL)
$(B)/tests/bench/filter: $(B)/obj/tests/bench/filter.o $(B)/libvpckern.a $(B)/libvpcpure.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(KERN_LIBS) -lm

# changes under traffic, each looked at as soon as it is acknowledged: a million by the library, and by the daemon for
# minutes (root; CHANGES=N, SECONDS_EACH=N)
.PHONY: soak-acknowledged
soak: soak-acknowledged
soak-acknowledged: all $(B)/tests/bpf/test_acknowledged $(NETT_BINS)
	$(Q)ACK_CHANGES=$(or $(CHANGES),1000000) tests/isolate $(B)/tests/bpf/test_acknowledged
	$(Q)SECONDS_EACH=$(or $(SECONDS_EACH),120) tests/isolate bash tests/net/acknowledged.sh

# a gigabyte of packets through vpc replay: its memory stays what it was
.PHONY: soak soak-replay
soak: soak-replay
soak-replay: all
	$(Q)B=$(B) python3 tests/soak/replay.py

# libFuzzer is clang's. One main serves all entry points.
$(eval $(call tree,$(B)/fuzz,$(FUZZ_SAN)))
$(B)/fuzz/obj/%: CC = $(CLANG)
$(B)/fuzz/obj/main-%.o: tests/fuzz/main.c tests/fuzz/fuzz.h $(B)/.flags
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) $(CFLAGS) $(FUZZ_SAN) -DFUZZ_ENTRY=fuzz_$* -c -o $@ $<
$(B)/fuzz/fuzz_capture: $(B)/fuzz/obj/vpcd/cli/capture_file.o
$(B)/fuzz/fuzz_%: $(B)/fuzz/obj/tests/fuzz/fuzz_%.o $(B)/fuzz/obj/main-%.o $(B)/fuzz/libvpcpure.a
	$(call say,LD,$@)
	$(Q)$(CLANG) $(CFLAGS) $(FUZZ_SAN) -fsanitize=fuzzer $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(PURE_LIBS) $(MORE_LIBS)

# each fuzzer for TIME seconds (600), one after another; ONLY="packet rule", MERGE=1 keeps what was found
fuzz: $(FUZZ_BINS)
	$(Q)B=$(B) TIME=$(TIME) MERGE=$(MERGE) tests/fuzz/run $(ONLY)

# faults of tests/mutants/list, one at a time in a copy of the tree: a test must see each (root; MUTANTS="-k 'nacl-*'")
mutants:
	$(Q)B=$(B) tests/mutants/run $(MUTANTS)

all: $(B)/libvpcpure.a $(BPF_ALL) $(SKEL) $(if $(KERN_SRCS),$(B)/libvpckern.a) \
	$(call objs,$(B),$(DAEMON_SRCS) $(CLI_SRCS)) $(PROGRAMS:%=$(B)/%)

asan: $(PROGRAMS:%=$(B)/asan/%)

# ---- checks -----------------------------------------------------------------------------------------
C_FILES = $(wildcard bpf/*.[ch] filters/*.[ch] vpcd/*.[ch] vpcd/*/*.[ch] tests/*/*.[ch])

lint: $(SKEL)
	$(Q)clang-format --dry-run -Werror $(C_FILES)
	$(Q)tests/lint/rooms
	$(Q)tests/lint/words
	$(Q)CPPFLAGS='$(CPPFLAGS)' tests/lint/headers

.PHONY: man
# the parts of the man pages that come from the tables of verbs, options, kinds and keys
man: $(B)/vpc
	$(Q)docs/man

# make format FILES="a.c b.h" (everything when FILES is not given)
format:
	clang-format -i $(or $(FILES),$(C_FILES))

COVER_BINS := $(UNIT_SRCS:%.c=$(B)/cover/%)
cover: $(COVER_BINS)
	$(Q)find $(B)/cover -name '*.gcda' -delete
	$(Q)B=$(B)/cover tests/run unit
	$(Q)tests/cover $(B)/cover/obj $(PURE_SRCS)

# ---- install ----------------------------------------------------------------------------------------
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/share/vpcd/topologies
	$(if $(filter vpc,$(PROGRAMS)),install -m 755 $(B)/vpc $(DESTDIR)$(PREFIX)/bin/)
	$(if $(filter vpcd,$(PROGRAMS)),install -m 755 $(B)/vpcd $(DESTDIR)$(PREFIX)/sbin/)
	$(if $(wildcard topologies/*.ini),install -m 644 $(wildcard topologies/*.ini) $(DESTDIR)$(PREFIX)/share/vpcd/topologies/)
	$(foreach s,1 5 8,install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man$(s) $(wildcard docs/*.$(s)) &&) :

-include $(shell find $(B) -path $(B)/mutants -prune -o -name '*.d' -print 2>/dev/null)
