/* source.h: the models that verbs look at: of a file, or of a running lab. Print what is wrong and
 * return an exit code; 0 is success. */
#pragma once
#include <jansson.h>
#include "cli/cli.h"
#include "conf/document.h"
#include "model/model.h"
#include "model/registry.h"

struct source {
	char *file; /* as given; "-" is stdin */
	char *text;
	size_t len;
};
int source_read(const char *file, struct source *ret);
void source_done(struct source *s);
#define _cleanup_source_ __attribute__((cleanup(source_done)))

/* Builds; findings go to stderr. EXIT_BROKEN when there are errors. */
int model_of_source(const struct source *s, struct model **ret);
/* Reads and builds; findings go to stderr. EXIT_BROKEN when there are errors. */
int model_of_file(const char *file, struct model **ret);
/* What a model was made of: the document and, of a running lab, its registry (NULL of a file). */
struct parts {
	struct document document;
	struct registry *registry;
	char lab[64];
};
int parts_of_source(const struct source *s, struct parts *ret);
int parts_of_lab(const char *lab, struct parts *ret);
/* model: {"document","registry"} of the control interface. */
int parts_of_json(const char *lab, const json_t *model, struct parts *ret);
void parts_done(struct parts *p);
#define _cleanup_parts_ __attribute__((cleanup(parts_done)))
/* The model that the daemon runs, built here from the same document and registry. */
int model_of_lab(const char *lab, struct model **ret);
int model_of_json(const char *lab, const json_t *model, struct model **ret);
/* The lab that a file is about: [lab NAME], else wanted (may be NULL), else the file's name. ret: LAB_SIZE bytes. */
int lab_name_of_source(const struct source *s, const char *wanted, char *ret);
