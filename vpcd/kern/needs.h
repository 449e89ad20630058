/* needs.h: what vpcd needs of the kernel, tried before anything is built. */
#pragma once
#include "util/err.h"

/* Tries each thing once, in a process and a network namespace that go away again. 0, or in one sentence what is
 * missing and how to get it. */
int needs_check(struct err *e);
