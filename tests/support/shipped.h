/* shipped.h: the topologies of the project, for tests that hold something of each. */
#pragma once

/* Calls each() with text and path of every file in topologies/; how many there were. Aborts when one cannot be read. */
unsigned shipped_each(void (*each)(void *ctx, const char *text, const char *path), void *ctx);
