/* flow_logs.h: flow logs of one lab: ends windows, keeps records, writes files, answers for them.
 *
 *   STATE_DIR/LAB/flow-log-NAME.log       lines in the log's format; .1 … .4 are older ones
 *
 * What is counted lies in the kernel and outlives the daemon, and so does how far each log goes (flow_log_state.h);
 * records that were made are kept in a ring and, unless log-destination = none, in the file. */
#pragma once
#include <jansson.h>

struct lab;
struct flow_logs;
struct model;
struct request;

enum { FLOW_RECORDS_KEPT = 16384 };
struct flow_logs *flow_logs_new(struct lab *l);
void flow_logs_free(struct flow_logs **f);
/* The data path is there and the model is known: windows begin where the model has flow logs. */
void flow_logs_start(struct flow_logs *f);
/* The data path is about to change or go. */
void flow_logs_rest(struct flow_logs *f);
/* Before the lab's model goes or changes: takes it over where records are still to be made by it; *m is NULL then. */
void flow_logs_model_keep(struct flow_logs *f, struct model **m);
json_t *view_flow_logs(struct lab *l, const char *name);
/* GET …/flows?since=SEQ&log=NAME&now=1&wait=1; answers now, or at the end of the window. */
void flow_logs_ask(struct flow_logs *f, struct request *r);
