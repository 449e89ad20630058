/* explain.h: gates, reasons and verdicts in words. Pure. */
#pragma once
#include <stdbool.h>
#include "abi.h"

const char *gate_name(enum abi_gate gate);    /* "sg-in"; "?" when out of range */
enum abi_gate gate_by_name(const char *name); /* ABI_GATE_NONE when unknown */
bool gate_is_name(const char *name);
const char *reason_name(enum abi_reason reason); /* "ENI_SG_RULES_MISMATCH" */
const char *reason_text(enum abi_reason reason); /* one sentence without a full stop */
