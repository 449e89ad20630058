/* shipped.c: reads the files of topologies/, from the top of the tree, where tests run. */
#include "tests/support/shipped.h"
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include "util/mem.h"
#include "util/str.h"

enum { FILE_MAX = 1 << 20 };

unsigned shipped_each(void (*each)(void *ctx, const char *text, const char *path), void *ctx)
{
	unsigned n = 0;
	glob_t g;

	if (glob("topologies/*.ini", 0, NULL, &g) != 0) {
		fprintf(stderr, "no topologies/*.ini here\n");
		abort();
	}
	for (; n < g.gl_pathc; n++) {
		_cleanup_free_ char *text = NULL;

		if (read_whole_file(g.gl_pathv[n], FILE_MAX, &text, NULL) < 0) {
			fprintf(stderr, "%s cannot be read\n", g.gl_pathv[n]);
			abort();
		}
		each(ctx, text, g.gl_pathv[n]);
	}
	globfree(&g);
	return n;
}
