/* test_pcapng.c: blocks as the draft has them, byte by byte; what is read back is what was written. */
#include <errno.h>
#include <string.h>
#include "test.h"
#include "util/mem.h"
#include "util/pcapng.h"

static uint32_t at32(const struct strbuf *b, size_t at)
{
	uint32_t v;

	memcpy(&v, b->s + at, 4);
	return v;
}

/* A packet block of 5 bytes with a comment of 3, worked out by hand. */
static void test_bytes(void **state)
{
	static const uint32_t want[] = {
		6,          88,         1, 0x01020304, 0x05060708, 5, 9, 0x64636261, 0x65, /* data, filled up */
		0x00030001, 0x00797868,                                                    /* opt_comment */
		0x00040002, 2,                                                             /* epb_flags: outbound */
		0x00090007, 0x00000201, 0, 0, /* epb_verdict: type 1, 64 bits of TC_ACT_SHOT, filled up */
		0,          88,
	};
	struct strbuf b = { 0 };

	(void)state;
	pcapng_packet(&b, &(struct pcapng_packet){ .interface = 1,
						   .time_ns = 0x0102030405060708ull,
						   .data = "abcde",
						   .cap_len = 5,
						   .len = 9,
						   .tc_action = 2,
						   .comment = "hxy" });
	assert_int_equal(b.n, at32(&b, 4));
	assert_int_equal(b.n % 4, 0);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		if (i != 1 && i != ARRAY_SIZE(want) - 1 && at32(&b, i * 4) != want[i])
			fail_msg("word %zu is %#x, not %#x", i, at32(&b, i * 4), want[i]);
	assert_int_equal(b.n, ARRAY_SIZE(want) * 4);
	strbuf_done(&b);
}

static void test_back(void **state)
{
	struct pcapng_counts c = {
		.interface = 2, .time_ns = 7, .received = 10, .dropped = 3, .accepted = -1, .delivered = 6
	};
	struct pcapng_counts c2;
	struct pcapng_packet p2;
	struct strbuf b = { 0 };
	uint32_t type;
	size_t at = 0;
	int n;

	(void)state;
	pcapng_section(&b, "Linux", "test");
	pcapng_interface(&b, &(struct pcapng_interface){ .name = "web-1", .snaplen = 96, .filter = "tcp" });
	for (uint32_t len = 0; len < 9; len++)
		pcapng_packet(
			&b, &(struct pcapng_packet){
				    .time_ns = 1ull << 40 | len, .data = "12345678", .cap_len = len, .len = len + 1 });
	pcapng_statistics(&b, &c);
	for (size_t cut = 0; cut < (size_t)at32(&b, 4); cut++) /* an unfinished block is none */
		assert_int_equal(pcapng_next((uint8_t *)b.s, cut, &type), 0);
	at = (size_t)pcapng_next((uint8_t *)b.s, b.n, &type);
	assert_int_equal(type, PCAPNG_SECTION);
	at += (size_t)pcapng_next((uint8_t *)b.s + at, b.n - at, &type);
	assert_int_equal(type, PCAPNG_INTERFACE);
	for (uint32_t len = 0; len < 9; len++) {
		n = pcapng_next((uint8_t *)b.s + at, b.n - at, &type);
		assert_int_equal(type, PCAPNG_PACKET);
		assert_int_equal(pcapng_packet_read((uint8_t *)b.s + at, (size_t)n, &p2), 0);
		assert_int_equal(p2.cap_len, len);
		assert_int_equal(p2.len, len + 1);
		assert_true(p2.time_ns == (1ull << 40 | len));
		assert_memory_equal(p2.data, "12345678", len);
		at += (size_t)n;
	}
	n = pcapng_next((uint8_t *)b.s + at, b.n - at, &type);
	assert_int_equal(type, PCAPNG_STATISTICS);
	assert_int_equal(pcapng_statistics_read((uint8_t *)b.s + at, (size_t)n, &c2), 0);
	assert_true(c2.interface == 2 && c2.time_ns == 7 && c2.received == 10 && c2.dropped == 3);
	assert_int_equal(at + (size_t)n, b.n);
	strbuf_done(&b);
}

static void test_broken(void **state)
{
	uint8_t block[32] = { 6, 0, 0, 0, 13 };
	struct pcapng_packet p;
	uint32_t type;

	(void)state;
	assert_int_equal(pcapng_next(block, sizeof(block), &type), -EINVAL); /* no multiple of 4 */
	block[4] = 8;
	assert_int_equal(pcapng_next(block, sizeof(block), &type), -EINVAL); /* shorter than a block */
	block[4] = 32;
	assert_int_equal(pcapng_next(block, sizeof(block), &type), 32);
	block[20] = 1; /* more data than there is */
	assert_int_equal(pcapng_packet_read(block, sizeof(block), &p), -EINVAL);
	block[20] = 0;
	assert_int_equal(pcapng_packet_read(block, sizeof(block), &p), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_back),
		cmocka_unit_test(test_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
