/* files.h: small files of a lab under the run directory: names for its programs, their logs. */
#pragma once
#include "model/model.h"
#include "util/err.h"

/* RUN_DIR/hosts/LAB/VPC: /etc/hosts as that VPC's instances see it: names of their VPC at private addresses,
 * all others at public ones. RUN_DIR/hosts/LAB/internet: the same for hosts. */
int hosts_write(const struct model *m, const char *run_dir, struct err *e);
char *hosts_path(const char *run_dir, const char *lab, const char *vpc); /* vpc NULL: internet */
/* What the programs of an instance printed, oldest first. -ENOENT: nothing yet. */
int program_log_read(const char *run_dir, const char *lab, const char *name, char **ret, struct err *e);
/* Removes both for a lab that is gone. */
void lab_files_remove(const char *run_dir, const char *lab);
