/* test_flow_log.c: what flow logs count: host and BPF keep the same entries; the records that they become are AWS's
 * (semantics 15), each packet in exactly one record an interface. */
#include "tests/bpf/pass_lab.h"
#include "model/record.h"
#include "model/record_format.h"

#define S 1000000000ull
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, T0_S = 1000 };

static const char *const log_topology =
	"[vpc v]\ncidr = 172.31.0.0/16\n[internet-gateway igw]\nvpc = v\n"
	"[route-table out]\nvpc = v\nroute = 0.0.0.0/0 via igw:igw\n"
	"[nacl closed]\nvpc = v\ninbound = 100 allow all from 0.0.0.0/0\noutbound = 90 deny icmp to 0.0.0.0/0\n"
	"outbound = 100 allow all to 0.0.0.0/0\n"
	"[nacl strict]\nvpc = v\ninbound = 10 deny tcp 23 from 0.0.0.0/0\ninbound = 100 allow all from 0.0.0.0/0\n"
	"outbound = 100 allow all to 0.0.0.0/0\n"
	"[subnet a]\nvpc = v\ncidr = 172.31.16.0/24\nnacl = closed\nroute-table = out\n"
	"[subnet b]\nvpc = v\ncidr = 172.31.17.0/24\nnacl = strict\n"
	"[security-group ping]\nvpc = v\ninbound = icmp from 0.0.0.0/0\n"
	"[security-group web]\nvpc = v\ninbound = tcp 80 from 172.31.0.0/16\ninbound = tcp 23 from 172.31.0.0/16\n"
	"[instance target]\nsubnet = a\naddress = 172.31.16.139\naddress = 172.31.16.140\nsecurity-groups = ping\npublic-ip = 203.0.113.12\n"
	"[instance web]\nsubnet = b\naddress = 172.31.17.10\nsecurity-groups = web\n"
	"[host home]\naddress = 198.51.100.7\n"
	"[flow-log everything]\nvpc = v\n";

static void send_one(struct lab *l, uint32_t port, const char *src, const char *dst, struct frame_spec s)
{
	struct pass x;

	s.src = addr_of(src);
	s.dst = addr_of(dst);
	pass_both(l, port, &s, &x);
}

struct taken {
	struct lab *l;
	struct record_window *w;
	struct abi_log_key *keys;
	size_t n, cap;
};

/* Each entry of the kernel's is the host's too. */
static void on_taken(void *ctx, const struct abi_log_key *key, const struct abi_log *log)
{
	struct taken *t = ctx;
	const struct abi_log *host = host_map_lookup(t->l->w->flow_log, key);

	assert_non_null(host);
	assert_memory_equal(host, log, sizeof(*log));
	host_map_delete(t->l->w->flow_log, key);
	record_window_add(t->w, key, log);
	*VEC_PUSH(t->keys, t->n, t->cap) = *key;
}

static void on_left(void *ctx, const struct abi_log_key *key, const struct abi_log *log)
{
	(void)key;
	(void)log;
	++*(unsigned *)ctx;
}

/* What was read is there until it is forgotten. */
static void forget(struct lab *l, struct taken *t)
{
	struct log_sweep again = { .generation = datapath_log_generation(l->d) }, last = again;
	unsigned there = 0, left = 0;

	while (datapath_log_read(l->d, &again, on_left, &there) > 0)
		;
	assert_int_equal(there, t->n);
	datapath_log_forget(l->d, t->keys, (uint32_t)t->n);
	while (datapath_log_read(l->d, &last, on_left, &left) > 0)
		;
	assert_int_equal(left, 0);
	free(t->keys);
}

/* Ends the window; its records with srcaddr … in lines, sorted. */
static char *records(struct lab *l, const char *format)
{
	struct log_sweep sweep = { .generation = datapath_log_turn(l->d) };
	struct record_time time = { .offset_ns = 0 };
	struct strbuf out = { 0 };
	struct record_format f;
	struct record_window w;
	struct taken t = { .l = l, .w = &w };
	char **lines;
	struct err e = { 0 };
	int r;

	l->w->config.log_generation = sweep.generation;
	record_window_init(&w, l->m);
	do
		r = datapath_log_read(l->d, &sweep, on_taken, &t);
	while (r > 0);
	assert_int_equal(r, 0);
	assert_int_equal(host_map_count(l->w->flow_log), 0);
	forget(l, &t);
	assert_int_equal(record_format_parse(format, &f, &e), 0);
	lines = xcalloc(w.n + 1, sizeof(*lines));
	for (size_t i = 0; i < w.n; i++) {
		struct strbuf row = { 0 }, line = { 0 };
		size_t at = i;

		record_row(l->m, record_window_at(&w, i), &time, &row);
		record_line(&f, row.s, &line);
		strbuf_done(&row);
		for (; at > 0 && strcmp(lines[at - 1], line.s) > 0; at--)
			lines[at] = lines[at - 1];
		lines[at] = strbuf_take(&line);
	}
	for (size_t i = 0; i < w.n; i++) {
		strbuf_addf(&out, "%s\n", lines[i]);
		free(lines[i]);
	}
	free(lines);
	record_window_done(&w);
	return strbuf_take(&out);
}

#define EXPECT(l, format, text) \
	do { \
		_cleanup_free_ char *got_ = records(l, format); \
		assert_string_equal(got_, text); \
	} while (0)

#define WHO "${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${action} "

/* AWS's example: home pings; the group lets it in, the network ACL keeps the answer: ACCEPT and REJECT. */
static void ping_is_accept_and_reject(void **state)
{
	const struct frame_spec echo = { .proto = PKT_PROTO_ICMP, .sport = 7, .dport = 8 << 8, .payload = 56 };
	const struct frame_spec reply = { .proto = PKT_PROTO_ICMP, .sport = 7, .dport = 0, .payload = 56 };
	_cleanup_free_ char *want = NULL;
	const char *id;
	struct lab l;

	(void)state;
	lab_up(&l, log_topology);
	lab_now_set(&l, T0_S * S);
	for (int i = 0; i < 4; i++)
		send_one(&l, l.m->igws[0].port, "198.51.100.7", "203.0.113.12", echo);
	lab_now_set(&l, (T0_S + 3) * S);
	send_one(&l, port_of(&l, "target"), "172.31.16.139", "198.51.100.7", reply);
	id = l.m->enis[model_find_eni(l.m, "target")].obj.id;
	want = xasprintf("2 123456789012 %s 172.31.16.139 198.51.100.7 0 0 1 1 84 1003 1003 REJECT OK\n"
			 "2 123456789012 %s 198.51.100.7 172.31.16.139 0 0 1 4 336 1000 1000 ACCEPT OK\n",
			 id, id);
	EXPECT(&l, NULL, want);
	lab_down(&l);
}

static void records_say_who_and_why(void **state)
{
	struct frame_spec tcp = { .proto = PKT_PROTO_TCP, .sport = 40000, .dport = 80, .tcp_flags = SYN };
	struct lab l;

	(void)state;
	lab_up(&l, log_topology);
	lab_now_set(&l, T0_S * S);
	/* a short connection: 3 from the client, 19 from the server */
	send_one(&l, port_of(&l, "target"), "172.31.16.139", "172.31.17.10", tcp);
	send_one(&l, port_of(&l, "web"), "172.31.17.10", "172.31.16.139",
		 (struct frame_spec){ .proto = PKT_PROTO_TCP, .sport = 80, .dport = 40000, .tcp_flags = SYN | ACK });
	tcp.tcp_flags = ACK | PSH;
	tcp.payload = 100;
	send_one(&l, port_of(&l, "target"), "172.31.16.139", "172.31.17.10", tcp);
	tcp.payload = 0;
	tcp.tcp_flags = FIN | ACK;
	send_one(&l, port_of(&l, "target"), "172.31.16.139", "172.31.17.10", tcp);
	send_one(&l, port_of(&l, "web"), "172.31.17.10", "172.31.16.139",
		 (struct frame_spec){ .proto = PKT_PROTO_TCP, .sport = 80, .dport = 40000, .tcp_flags = FIN | ACK });
	EXPECT(&l, WHO "${tcp-flags} ${flow-direction} ${traffic-path} ${rule}",
	       "172.31.16.139 172.31.17.10 40000 80 6 3 220 ACCEPT 3 egress 1 closed/outbound/100_allow_all_to_0.0.0.0/0\n"
	       "172.31.16.139 172.31.17.10 40000 80 6 3 220 ACCEPT 3 ingress - web/inbound/tcp_80_from_172.31.0.0/16\n"
	       "172.31.17.10 172.31.16.139 80 40000 6 2 80 ACCEPT 19 egress 1 strict/outbound/100_allow_all_to_0.0.0.0/0\n"
	       "172.31.17.10 172.31.16.139 80 40000 6 2 80 ACCEPT 19 ingress - ping/outbound/all_to_0.0.0.0/0\n");
	/* in the middle of a connection: no flags. From the second address: srcaddr is the primary one */
	tcp.tcp_flags = ACK;
	send_one(&l, port_of(&l, "target"), "172.31.16.139", "172.31.17.10", tcp);
	EXPECT(&l, "${tcp-flags} ${packets} ${flow-direction}", "0 1 egress\n0 1 ingress\n");
	tcp.tcp_flags = SYN;
	send_one(&l, port_of(&l, "target"), "172.31.16.140", "172.31.17.10", tcp);
	EXPECT(&l, "${srcaddr} ${pkt-srcaddr} ${dstaddr} ${pkt-dstaddr} ${flow-direction}",
	       "172.31.16.139 172.31.16.140 172.31.17.10 172.31.17.10 egress\n"
	       "172.31.16.140 172.31.16.140 172.31.17.10 172.31.17.10 ingress\n");
	/* dropped by the receiver's network ACL, by its groups: REJECT there, ACCEPT here */
	tcp.dport = 23;
	send_one(&l, port_of(&l, "target"), "172.31.16.139", "172.31.17.10", tcp);
	tcp.dport = 22;
	send_one(&l, port_of(&l, "target"), "172.31.16.139", "172.31.17.10", tcp);
	EXPECT(&l, WHO "${flow-direction} ${rule}",
	       "172.31.16.139 172.31.17.10 40000 22 6 1 40 ACCEPT egress closed/outbound/100_allow_all_to_0.0.0.0/0\n"
	       "172.31.16.139 172.31.17.10 40000 22 6 1 40 REJECT ingress web/inbound/-\n"
	       "172.31.16.139 172.31.17.10 40000 23 6 1 40 ACCEPT egress closed/outbound/100_allow_all_to_0.0.0.0/0\n"
	       "172.31.16.139 172.31.17.10 40000 23 6 1 40 REJECT ingress strict/inbound/10_deny_tcp_23_from_0.0.0.0/0\n");
	/* no route from b, an RFC 1918 destination at the gateway: what drops them is no interface */
	send_one(&l, port_of(&l, "web"), "172.31.17.10", "198.51.100.7", tcp);
	send_one(&l, port_of(&l, "target"), "172.31.16.139", "10.9.9.9", tcp);
	send_one(&l, port_of(&l, "target"), "172.31.16.139", "198.51.100.7", tcp);
	EXPECT(&l, WHO "${traffic-path}",
	       "172.31.16.139 10.9.9.9 40000 22 6 1 40 ACCEPT 8\n"
	       "172.31.16.139 198.51.100.7 40000 22 6 1 40 ACCEPT 8\n"
	       "172.31.17.10 198.51.100.7 40000 22 6 1 40 ACCEPT -\n");
	/* services and what an interface may not send leave no record */
	send_one(&l, port_of(&l, "web"), "172.31.17.10", "169.254.169.254", tcp);
	send_one(&l, port_of(&l, "web"), "172.31.17.10", "172.31.0.2", tcp);
	send_one(&l, port_of(&l, "web"), "172.31.17.99", "172.31.16.139", tcp);
	EXPECT(&l, NULL, "");
	lab_down(&l);
}

static const struct frame_spec data = {
	.proto = PKT_PROTO_TCP, .sport = 40000, .dport = 80, .tcp_flags = ACK | PSH, .payload = 10
};
static const struct frame_spec answer = {
	.proto = PKT_PROTO_TCP, .sport = 80, .dport = 40000, .tcp_flags = ACK | PSH, .payload = 10
};

/* target asks web, and the connection ends by these flags from web and from target. */
static void connection_end(struct lab *l, uint8_t web_flags, uint8_t target_flags)
{
	struct frame_spec ask = data, say = answer;
	const uint8_t flags[][2] = { { SYN, SYN | ACK }, { ACK, web_flags }, { target_flags, 0 } };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		ask.tcp_flags = flags[i][0];
		say.tcp_flags = flags[i][1];
		if (flags[i][0])
			send_one(l, port_of(l, "target"), "172.31.16.139", "172.31.17.10", ask);
		if (flags[i][1])
			send_one(l, port_of(l, "web"), "172.31.17.10", "172.31.16.139", say);
	}
}

/* AWS's REJECT of a packet after its connection was closed is not here: it is the connection's as long as that is
 * remembered, and then the rules judge it as any other. */
static void after_a_connection_was_closed(void **state)
{
	static const struct {
		uint8_t web_flags, target_flags;
		unsigned remembered_s;
	} cases[] = { { RST | ACK, 0, 10 }, { FIN | ACK, FIN | ACK, 120 } };
	struct lab l;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *before = NULL;

		lab_up(&l, log_topology);
		lab_now_set(&l, T0_S * S);
		connection_end(&l, cases[i].web_flags, cases[i].target_flags);
		before = records(&l, NULL);
		assert_null(strstr(before, "REJECT"));
		lab_now_set(&l, (T0_S + cases[i].remembered_s - 1) * S);
		send_one(&l, port_of(&l, "web"), "172.31.17.10", "172.31.16.139", answer);
		EXPECT(&l, "${srcaddr} ${flow-direction} ${action}",
		       "172.31.17.10 egress ACCEPT\n172.31.17.10 ingress ACCEPT\n");
		lab_now_set(&l, (T0_S + 3 * cases[i].remembered_s) * S);
		send_one(&l, port_of(&l, "web"), "172.31.17.10", "172.31.16.139", answer);
		EXPECT(&l, "${srcaddr} ${flow-direction} ${action}",
		       "172.31.17.10 egress ACCEPT\n172.31.17.10 ingress REJECT\n");
		send_one(&l, port_of(&l, "target"), "172.31.16.139", "172.31.17.10", data);
		EXPECT(&l, "${srcaddr} ${flow-direction} ${action} ${rule}",
		       "172.31.16.139 egress ACCEPT closed/outbound/100_allow_all_to_0.0.0.0/0\n"
		       "172.31.16.139 ingress ACCEPT web/inbound/tcp_80_from_172.31.0.0/16\n");
		lab_down(&l);
	}
}

/* 1 within the VPC, 4 and 5 into a peered one, 8 to the internet gateway; of what left alone. */
static void traffic_paths(void **state)
{
	static const char topology[] =
		"[vpc a]\ncidr = 10.0.0.0/16\nregion = us-east-1\n[vpc b]\ncidr = 10.1.0.0/16\nregion = us-east-1\n"
		"[vpc c]\ncidr = 10.2.0.0/16\nregion = eu-west-1\n[internet-gateway igw]\nvpc = a\n"
		"[vpc-peering-connection near]\nvpc = a\npeer-vpc = b\n"
		"[vpc-peering-connection far]\nvpc = a\npeer-vpc = c\n"
		"[route-table a]\nvpc = a\nmain = yes\nroute = 10.1.0.0/16 via pcx:near\n"
		"route = 10.2.0.0/16 via pcx:far\nroute = 0.0.0.0/0 via igw:igw\n"
		"[subnet a]\nvpc = a\ncidr = 10.0.0.0/24\n[subnet b]\nvpc = b\ncidr = 10.1.0.0/24\n"
		"[subnet c]\nvpc = c\ncidr = 10.2.0.0/24\n"
		"[instance i]\nsubnet = a\naddress = 10.0.0.4\npublic-ip = 203.0.113.12\n"
		"[instance j]\nsubnet = a\naddress = 10.0.0.5\n[instance b]\nsubnet = b\naddress = 10.1.0.4\n"
		"[instance c]\nsubnet = c\naddress = 10.2.0.4\n[host home]\naddress = 198.51.100.7\n"
		"[flow-log of-i]\ninterface = i\n[flow-log of-j]\ninterface = j\n";
	static const struct {
		const char *dst, *want;
	} cases[] = {
		{ "10.0.0.5", "egress ACCEPT 1\ningress ACCEPT -\n" },
		{ "10.1.0.4", "egress ACCEPT 4\n" },
		{ "10.2.0.4", "egress ACCEPT 5\n" },
		{ "198.51.100.7", "egress ACCEPT 8\n" },
	};
	struct lab l;

	(void)state;
	lab_up(&l, topology);
	lab_now_set(&l, T0_S * S);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		send_one(&l, port_of(&l, "i"), "10.0.0.4", cases[i].dst, data);
		EXPECT(&l, "${flow-direction} ${action} ${traffic-path}", cases[i].want);
	}
	lab_down(&l);
}

/* Whatever is sent: the records' packets are the packets, at both ends. */
static void every_packet_is_in_a_record(void **state)
{
	struct frame_spec udp = { .proto = PKT_PROTO_UDP };
	struct record_window w;
	struct log_sweep sweep;
	struct taken t;
	struct lab l;
	uint64_t packets[2] = { 0, 0 };
	uint32_t sent = 0;

	(void)state;
	lab_up(&l, log_topology);
	lab_now_set(&l, T0_S * S);
	for (uint16_t flow = 0; flow < 300; flow++)
		for (uint16_t i = 0; i <= flow % 7; i++, sent++) {
			udp.sport = (uint16_t)(1024 + flow);
			udp.dport = (uint16_t)(flow % 3 ? 53 : 9000 + flow);
			send_one(&l, port_of(&l, "target"), "172.31.16.139", "172.31.17.10", udp);
		}
	record_window_init(&w, l.m);
	t = (struct taken){ .l = &l, .w = &w };
	sweep = (struct log_sweep){ .generation = datapath_log_turn(l.d) };
	while (datapath_log_read(l.d, &sweep, on_taken, &t) > 0)
		;
	forget(&l, &t);
	for (size_t i = 0; i < w.n; i++)
		packets[record_window_at(&w, i)->key.ingress] += record_window_at(&w, i)->packets;
	assert_int_equal(packets[0], sent);
	assert_int_equal(packets[1], sent);
	assert_int_equal(w.n, 600);
	record_window_done(&w);
	lab_down(&l);
}

/* Without a flow log nothing is counted. */
static void nothing_without_a_flow_log(void **state)
{
	_cleanup_free_ char *text = xstrdup(log_topology);
	struct lab l;

	(void)state;
	*strstr(text, "[flow-log") = '\0';
	lab_up(&l, text);
	lab_now_set(&l, T0_S * S);
	send_one(&l, port_of(&l, "target"), "172.31.16.139", "172.31.17.10",
		 (struct frame_spec){ .proto = PKT_PROTO_TCP, .sport = 40000, .dport = 80, .tcp_flags = SYN });
	EXPECT(&l, NULL, "");
	lab_down(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ping_is_accept_and_reject),     cmocka_unit_test(records_say_who_and_why),
		cmocka_unit_test(after_a_connection_was_closed), cmocka_unit_test(traffic_paths),
		cmocka_unit_test(every_packet_is_in_a_record),   cmocka_unit_test(nothing_without_a_flow_log),
	};

	return pass_tests_run("test-flow-log", tests, ARRAY_SIZE(tests));
}
