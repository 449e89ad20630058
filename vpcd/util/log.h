/* log.h: leveled lines to stderr, used only by the daemon, the agent and main. */
#pragma once
#include <stdbool.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

void log_set_level(enum log_level level);
void log_set_json(bool on);
/* component: "apply", "http", ...; object: "lab=demo eni=web-1" or NULL. */
void log_line(enum log_level level, const char *component, const char *object, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
#define log_debug(comp, obj, ...) log_line(LOG_LEVEL_DEBUG, comp, obj, __VA_ARGS__)
#define log_info(comp, obj, ...) log_line(LOG_LEVEL_INFO, comp, obj, __VA_ARGS__)
#define log_warn(comp, obj, ...) log_line(LOG_LEVEL_WARN, comp, obj, __VA_ARGS__)
#define log_error(comp, obj, ...) log_line(LOG_LEVEL_ERROR, comp, obj, __VA_ARGS__)
