/* v_version.c: vpc version: of the client, and of the daemon where one answers. */
#include "cli/client.h"
#include "cli/verbs.h"

int version_run(const struct args *a)
{
	struct request q = { .path = "/v1/version", .quiet = true };
	struct reply reply = { 0 };
	bool answers = client_call(&q, &reply) == 0;

	if (a->output == OUTPUT_JSON) {
		json_t *o = json_pack("{s:s,s:o}", "vpc", VPCD_VERSION, "vpcd",
				      answers ? json_incref(reply.json) : json_null());

		json_print(o);
		json_decref(o);
	} else {
		printf("vpc %s\n", VPCD_VERSION);
		if (answers)
			printf("vpcd %s, process %" JSON_INTEGER_FORMAT "\n",
			       json_string_value(json_object_get(reply.json, "version")),
			       json_integer_value(json_object_get(reply.json, "pid")));
		else
			printf("vpcd: %s on %s\n", client_refused() ? "not open to you" : "none answers", run_dir());
	}
	reply_done(&reply);
	return 0;
}
