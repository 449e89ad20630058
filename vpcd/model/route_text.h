/* route_text.h: a route as it is written in a file: "0.0.0.0/0 via igw:igw". Pure. */
#pragma once
#include "model/model.h"

char *route_text(const struct model *m, const struct route *r, char *buf, size_t size);
char *route_target_text(const struct route *r, char *buf, size_t size); /* "igw:igw", "local" */
