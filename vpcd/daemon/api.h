/* api.h: what can be asked under /v1/ (docs/json.md). */
#pragma once
#include "daemon/http.h"

/* Handlers get the server as ctx. */
extern const struct route_entry api_table[];
