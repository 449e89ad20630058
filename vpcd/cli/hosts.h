/* hosts.h: which of a lab's files of names is for the network we are in. */
#pragma once

/* RUN_DIR/hosts/LAB/… that gives NAME an address of this network namespace; NULL: none. To free(). */
char *hosts_file_of(const char *lab, const char *name);
