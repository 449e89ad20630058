/* format.h: a topology file in its canonical form, comments and order kept. Pure. */
#pragma once
#include "conf/document.h"

/* text: what d was parsed from, without errors. A string to free(). */
char *format_text(const char *text, const struct document *d);
