/* names.h: the names of a lab, as programs inside an instance see them. */
#pragma once

/* Makes hosts the /etc/hosts of the caller's mount namespace, which is its own and shares nothing; the caller may
 * mount there (root of the namespace's user). A machine without an /etc/hosts gets an /etc, read-only, that has
 * one. -errno of the mount that was refused. */
int names_mount(const char *hosts);
