/* log.h - one line per event on standard error: for a person when it is a terminal, JSON otherwise.
 *
 * Only server/ logs, once, where an error stops travelling. The event is a constant sentence; what
 * varies are fields. Any thread; a line is one write. Text beyond the line's bound (4 KiB) is cut
 * and ends in '+'. Never hand it a secret (config_redact() for connection strings). */
#ifndef BERTH_SERVER_LOG_H
#define BERTH_SERVER_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "scheduler/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_AUTO, LOG_TEXT, LOG_JSON };

struct log_field {
    const char *key;
    const char *text; /* NULL: number is meant */
    int64_t number;
};
static inline const char *log_text(const char *v) /* NULL is shown as "" */
{
    return v != NULL ? v : "";
}
#define LOG_STR(k, v) ((struct log_field){.key = (k), .text = log_text(v), .number = 0})
#define LOG_NUM(k, v) ((struct log_field){.key = (k), .text = 0, .number = (int64_t)(v)})

void log_setup(enum log_level least, enum log_format format); /* any thread, at any time */
void log_write(enum log_level level, const char *event, const struct log_field *fields, unsigned n);
/* The event, then reason, message, detail and meta of *e, then the fields. */
void log_err(enum log_level level, const char *event, const struct err *e,
             const struct log_field *fields, unsigned n);

/* At most per_second lines a second from one place; the others are counted. */
struct log_limit {
    unsigned per_second;
    _Atomic int64_t second; /* the one being counted */
    _Atomic unsigned count; /* in it */
    _Atomic uint64_t left_out;
};
#define LOG_LIMIT(n)                                                                               \
    {                                                                                              \
        .per_second = (n)                                                                          \
    }
/* May a line of this level be written now? *ret_left_out: how many were not, since the last that
 * was. */
bool log_allowed(struct log_limit *l, enum log_level level, uint64_t *ret_left_out);

/* log_info("server is listening", LOG_STR("address", a)); at least one field. */
#define LOG_FIELDS(...)                                                                            \
    (struct log_field[]){__VA_ARGS__},                                                             \
        (unsigned)(sizeof((struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))
#define log_debug(event, ...) log_write(LOG_DEBUG, event, LOG_FIELDS(__VA_ARGS__))
#define log_info(event, ...)  log_write(LOG_INFO, event, LOG_FIELDS(__VA_ARGS__))
#define log_warn(event, ...)  log_write(LOG_WARN, event, LOG_FIELDS(__VA_ARGS__))
#define log_error(event, ...) log_write(LOG_ERROR, event, LOG_FIELDS(__VA_ARGS__))

#endif
