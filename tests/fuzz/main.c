/* main.c: what libFuzzer calls; built once an entry point (FUZZ_ENTRY). */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	return FUZZ_ENTRY(data, n);
}
