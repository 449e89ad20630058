/* fuzz.h: entry points that take any bytes: what they reach must neither crash nor break what it promises.
 * libFuzzer drives them (`make fuzz`); the unit tier runs the kept corpora through the same functions. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Frames into the packet parser and through the filter of a small lab. */
int fuzz_packet(const uint8_t *data, size_t n);
/* One rule: parse, print, parse again, compile. */
int fuzz_rule(const uint8_t *data, size_t n);
/* A topology: read, print, build, compile. */
int fuzz_topology(const uint8_t *data, size_t n);
/* A capture file, read and replayed. */
int fuzz_capture(const uint8_t *data, size_t n);

#define FUZZ_CHECK(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #what); \
			abort(); \
		} \
	} while (0)

/* The bytes as a text, cut at the first NUL. free() it. */
static inline char *fuzz_text(const uint8_t *data, size_t n)
{
	char *text = malloc(n + 1);

	if (!text)
		abort();
	for (size_t i = 0; i < n; i++)
		text[i] = (char)data[i];
	text[n] = '\0';
	return text;
}
