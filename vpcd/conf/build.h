/* build.h: from a document to a model: every semantic check, automatic addresses, ids and numbers. Pure. */
#pragma once
#include "conf/document.h"
#include "model/model.h"
#include "model/registry.h"
#include "util/diag.h"

/* All findings of a run go to diags (sorted). Returns 0 with *ret set, or -EINVAL with *ret untouched
 * when there was an error. registry is updated (ids, numbers, addresses); on failure discard it.
 * lab_name: used unless [lab NAME] says otherwise; NULL: then [lab NAME] must. The model borrows
 * nothing from the document or registry. */
int model_build(const struct document *d, const char *lab_name, struct registry *registry, struct model **ret,
		struct diag_list *diags);
/* Reads FILE from text: parse, then build, with a fresh registry: what every offline verb does. */
int model_from_text(const char *text, size_t len, const char *file, struct model **ret, struct diag_list *diags);
/* "dir/three-tier.ini" -> "three-tier"; false when that is no legal lab name. */
bool lab_name_of_file(const char *file, char *buf, size_t size);
