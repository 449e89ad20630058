/* alarms.h: the alarms of one lab: a value a period, the state it makes, what is run when that changes. */
#pragma once
#include <jansson.h>

struct lab;
struct alarms;

struct alarms *alarms_new(struct lab *l);
void alarms_free(struct alarms **a);
/* The lab's model is there, or another one: alarms that mean the same keep their state. */
void alarms_start(struct alarms *a);
void alarms_model_gone(struct alarms *a);
void alarms_child_ended(struct alarms *a); /* SIGCHLD */
json_t *view_alarms(struct lab *l, const char *name);
