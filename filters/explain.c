/* explain.c: names and sentences for the enums of abi.h. Pure: no syscalls. */
#include "filters/explain.h"
#include <string.h>

static const char *const gate_names[ABI_GATE_MAX] = {
#define X(name, text) [ABI_GATE_##name] = text,
	ABI_GATES(X)
#undef X
};
static const char *const reason_names[ABI_REASON_MAX] = {
#define X(name, text) [ABI_REASON_##name] = #name,
	ABI_REASONS(X)
#undef X
};
static const char *const reason_texts[ABI_REASON_MAX] = {
#define X(name, text) [ABI_REASON_##name] = text,
	ABI_REASONS(X)
#undef X
};

const char *gate_name(enum abi_gate gate)
{
	return (unsigned)gate < ABI_GATE_MAX ? gate_names[gate] : "?";
}

enum abi_gate gate_by_name(const char *name)
{
	for (unsigned i = 1; i < ABI_GATE_MAX; i++)
		if (!strcmp(gate_names[i], name))
			return (enum abi_gate)i;
	return ABI_GATE_NONE;
}

bool gate_is_name(const char *name)
{
	return gate_by_name(name) != ABI_GATE_NONE;
}

const char *reason_name(enum abi_reason reason)
{
	return (unsigned)reason < ABI_REASON_MAX ? reason_names[reason] : "?";
}

const char *reason_text(enum abi_reason reason)
{
	return (unsigned)reason < ABI_REASON_MAX ? reason_texts[reason] : "?";
}
