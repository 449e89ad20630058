/* fuzz_packet.c: frames into the packet parser and through the filter of a small lab.
 *
 * The input is a sequence of  PORT(1) MS(1) HELD(2) LEN(2) FRAME(LEN): who sends it, how long after the one
 * before, how many bytes of it are readable, its bytes.
 *
 *   nothing is read beyond what is readable (a buffer of just that size, under ASan)
 *   what is not readable does not make another packet of it
 *   each packet has one outcome: allowed with a receiver that is there, or denied at a gate for a reason
 *   what is denied makes no connection */
#include <string.h>
#include "conf/build.h"
#include "filters/verdict.h"
#include "plan/desired.h"
#include "tests/fuzz/fuzz.h"
#include "util/mem.h"

enum { HEAD = 6, PACKETS_MAX = 32, FRAME_MAX = 2048, FLOWS = 64 };

static const char lab_text[] =
	"[lab t]\n[vpc v]\ncidr = 10.0.0.0/16\n[vpc w]\ncidr = 10.1.0.0/16\n[internet-gateway igw]\nvpc = v\n"
	"[vpc-peering-connection p]\nvpc = v\npeer-vpc = w\n"
	"[route-table pub]\nvpc = v\nroute = 0.0.0.0/0 via igw:igw\nroute = 10.1.0.0/16 via pcx:p\n"
	"[route-table priv]\nvpc = v\nroute = 0.0.0.0/0 via nat:n\nroute = 198.18.0.0/16 via instance:fw\n"
	"[nacl edge]\nvpc = v\ninbound = 100 allow tcp 80 from 0.0.0.0/0\ninbound = 110 allow all from 10.0.0.0/8\n"
	"inbound = 120 allow tcp 1024-65535 from 0.0.0.0/0\noutbound = 100 deny udp 9 to 0.0.0.0/0\n"
	"outbound = 110 allow all to 0.0.0.0/0\n"
	"[subnet a]\nvpc = v\ncidr = 10.0.0.0/24\nroute-table = pub\nnacl = edge\n"
	"[subnet b]\nvpc = v\ncidr = 10.0.1.0/24\nroute-table = priv\n[subnet c]\nvpc = w\ncidr = 10.1.0.0/24\n"
	"[nat-gateway n]\nsubnet = a\n"
	"[security-group web]\nvpc = v\ninbound = tcp 80 from 0.0.0.0/0\ninbound = icmp from 0.0.0.0/0\n"
	"[security-group db]\nvpc = v\ninbound = tcp 5432 from sg:web\ninbound = udp 53 from 10.0.0.0/16\noutbound = none\n"
	"[security-group far]\nvpc = w\ninbound = all from 0.0.0.0/0\n"
	"[instance web]\nsubnet = a\naddress = 10.0.0.10\npublic-ip = 203.0.113.10\nsecurity-groups = web\n"
	"[instance web2]\nsubnet = a\naddress = 10.0.0.11\nsecurity-groups = web\n"
	"[instance fw]\nsubnet = a\naddress = 10.0.0.12\nsecurity-groups = web\nsource-dest-check = no\n"
	"[instance db]\nsubnet = b\naddress = 10.0.1.10\nsecurity-groups = db\n"
	"[instance far]\nsubnet = c\naddress = 10.1.0.10\nsecurity-groups = far\n[host h]\naddress = 198.51.100.7\n";

static struct lab {
	struct world *w;
	uint32_t ports[64];
	size_t n_ports;
} lab;

static int port_note(void *ctx, const void *key, void *value)
{
	struct lab *l = ctx;
	struct abi_port *p = value;

	if (p->kind && l->n_ports < ARRAY_SIZE(l->ports)) {
		memcpy(&l->ports[l->n_ports++], key, sizeof(uint32_t));
		p->flags |= ABI_PORT_IPV6;
		p->ct_limit = FLOWS / 4;
	}
	return 0;
}

static void lab_make(void)
{
	_cleanup_diag_list_ struct diag_list diags = { 0 };
	_cleanup_model_ struct model *m = NULL;
	struct map_rows rows;
	struct err e = { 0 };

	FUZZ_CHECK(model_from_text(lab_text, strlen(lab_text), "fuzz.ini", &m, &diags) == 0);
	map_rows_init(&rows);
	FUZZ_CHECK(maps_desired(m, &rows, &e) == 0);
	lab.w = world_new(FLOWS);
	FUZZ_CHECK(world_load(lab.w, &rows) == 0);
	map_rows_done(&rows);
	host_map_each(lab.w->ports, port_note, &lab);
}

static int forget(void *map, const void *key, void *value)
{
	(void)value;
	return host_map_delete(map, key);
}

/* Each input meets the lab as the first one did. */
static void lab_reset(void)
{
	const __s64 none = 0;

	if (!lab.w)
		lab_make();
	host_map_each(lab.w->flows, forget, lab.w->flows);
	host_map_each(lab.w->cache, forget, lab.w->cache);
	host_map_each(lab.w->frags, forget, lab.w->frags);
	host_map_each(lab.w->gate_hits, forget, lab.w->gate_hits);
	for (size_t i = 0; i < lab.n_ports; i++)
		host_map_update(lab.w->port_ct, &lab.ports[i], &none);
	host_map_update(lab.w->port_ct, &(uint32_t){ 0 }, &none);
	lab.w->now_ns = 1000000000ull;
}

/* The frame in a buffer of just the readable size. */
static enum abi_reason parse(const uint8_t *frame, uint32_t held, uint32_t len, uint32_t port, struct pkt *p)
{
	uint8_t *copy = xmalloc(held ? held : 1);
	enum abi_reason reason;

	memcpy(copy, frame, held);
	memset(p, 0, sizeof(*p));
	p->key.port = port;
	p->segs = 1;
	reason = packet_parse(copy, copy + held, len, p);
	free(copy);
	return reason;
}

static void parse_check(const uint8_t *frame, uint32_t held, uint32_t len)
{
	struct pkt whole, part;
	enum abi_reason a = parse(frame, len, len, 1, &whole), b = parse(frame, held, len, 1, &part);

	FUZZ_CHECK(a < ABI_REASON_MAX && b < ABI_REASON_MAX);
	FUZZ_CHECK(b == a || b == ABI_REASON_MALFORMED);
	FUZZ_CHECK(b != ABI_REASON_NONE || memcmp(&whole.key, &part.key, sizeof(whole.key)) == 0);
	if (a != ABI_REASON_NONE || whole.kind == PKT_ARP)
		return;
	FUZZ_CHECK(whole.key.family == 4 || whole.key.family == 6);
	FUZZ_CHECK(whole.len <= len - ETH_HLEN_ && whole.headers <= whole.len);
	FUZZ_CHECK(whole.l4_off >= ETH_HLEN_ && whole.l4_off <= ETH_HLEN_ + whole.len);
	FUZZ_CHECK(whole.frag || !whole.frag_off);
	FUZZ_CHECK(!whole.frag || whole.frag_off + whole.frag_len <= IP_LEN_MAX);
	FUZZ_CHECK(!whole.icmp_error || (whole.inner.family == whole.key.family && whole.inner.port == 0));
}

static void pass_check(const uint8_t *frame, uint32_t held, uint32_t len, uint32_t port)
{
	const struct abi_port *s = host_map_lookup(lab.w->ports, &port), *d;
	size_t before = host_map_count(lab.w->flows);
	struct pass x;
	enum abi_reason reason;

	memset(&x, 0, sizeof(x));
	reason = parse(frame, held, len, port, &x.p);
	if (reason == ABI_REASON_NONE && (s->kind == ABI_PORT_ENI || s->kind == ABI_PORT_NAT))
		reason = packet_may_be_sent(&x.p);
	if (reason == ABI_REASON_NONE && x.p.kind == PKT_ARP)
		return; /* answered before the gates */
	pass_packet(lab.w, &x, reason);
	FUZZ_CHECK(x.o.gate < ABI_GATE_MAX && x.o.reason < ABI_REASON_MAX);
	if (x.o.allow) {
		d = host_map_lookup(lab.w->ports, &x.o.peer);
		FUZZ_CHECK(x.o.gate == ABI_GATE_NONE && reason == ABI_REASON_NONE && d && d->kind);
		FUZZ_CHECK(x.p.key.family == 4 || !(x.o.flags & (ABI_FLOW_SNAT | ABI_FLOW_DNAT)));
	} else {
		FUZZ_CHECK(x.o.gate != ABI_GATE_NONE);
		FUZZ_CHECK(x.o.reason != ABI_REASON_NONE && x.o.reason != ABI_REASON_ACCEPT);
		FUZZ_CHECK(host_map_count(lab.w->flows) <= before);
	}
}

static uint32_t be16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

int fuzz_packet(const uint8_t *data, size_t n)
{
	lab_reset();
	for (unsigned i = 0; i < PACKETS_MAX && n >= HEAD; i++) {
		uint32_t port = lab.ports[data[0] % lab.n_ports], held = be16(data + 2), len = be16(data + 4);
		const uint8_t *frame = data + HEAD;

		if (len > n - HEAD)
			len = (uint32_t)(n - HEAD);
		if (len > FRAME_MAX)
			len = FRAME_MAX;
		if (held > len)
			held = len;
		lab.w->now_ns += data[1] * data[1] * 1000000ull;
		parse_check(frame, held, len);
		pass_check(frame, held, len, port);
		data += HEAD + len;
		n -= HEAD + len;
	}
	FUZZ_CHECK(host_map_count(lab.w->flows) <= FLOWS);
	world_reap(lab.w);
	return 0;
}
