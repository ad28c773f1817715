/* log.h - one line per event on standard error: for a person when it is a terminal, JSON otherwise.
 *
 * Only server/ logs, once, where an error stops travelling. The event is a constant sentence; what
 * varies are fields. Any thread; a line is one write. Never hand it a secret (config_redact() for
 * connection strings).
 *
 * A line: time, level, event, area, the fields, those of the scopes around (log_scope below), then
 * what a struct err tells. The area is the first word of the file's name (log_areas.def); levels
 * are set by area. One place in the code writes at most LOG_PER_SECOND lines a second; the next
 * line it writes says in left_out how many it did not.
 *
 * Whatever a text holds, a JSON line is valid JSON in UTF-8: bytes that are no UTF-8 are shown as
 * U+FFFD, control characters as \uXXXX. Bounds: a text 1 KiB, a line 4 KiB; what was cut ends in
 * '+', and a JSON line that lacks fields has "+":1. */
#ifndef BERTH_SERVER_LOG_H
#define BERTH_SERVER_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "scheduler/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_AUTO, LOG_TEXT, LOG_JSON };

enum log_area {
#define AREA(name, prose) LOG_AREA_##name,
#include "server/log_areas.def"
#undef AREA
    N_LOG_AREAS
};

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
#define LOG_FIELDS(...)                                                                            \
    (struct log_field[]){__VA_ARGS__},                                                             \
        (unsigned)(sizeof((struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

/* --- what is written; any thread, at any time --- */

void log_setup(enum log_level least, enum log_format format);
/* The same, with levels of their own for some areas: n items that log_parse_level() takes; others
 * are passed over. */
void log_setup_areas(enum log_level least, enum log_format format, const char *const *items,
                     unsigned n);
/* "hub=debug"; false: no such area or level, or another form. */
bool log_parse_level(const char *item, enum log_area *ret_area, enum log_level *ret_level);

void log_list_areas(FILE *out); /* one a line: name, prose */

/* --- writing --- */

enum { LOG_PER_SECOND = 100 };

/* One place that writes lines; static. */
struct log_site {
    const char *file;
    unsigned per_second;
    _Atomic int64_t second; /* the one being counted */
    _Atomic unsigned count; /* in it */
    _Atomic uint64_t left_out;
};

void log_write_at(struct log_site *site, enum log_level level, const char *event,
                  const struct log_field *fields, unsigned n);
void log_err_at(struct log_site *site, enum log_level level, const char *event, const struct err *e,
                const struct log_field *fields, unsigned n);

#define LOG_AT(write, most, ...)                                                                   \
    do {                                                                                           \
        static struct log_site site_ = {.file = __FILE_NAME__, .per_second = (most)};              \
        write(&site_, __VA_ARGS__);                                                                \
    } while (0)

/* log_info("server is listening", LOG_STR("address", a)); at least one field. */
#define log_debug(event, ...) log_write(LOG_DEBUG, event, LOG_FIELDS(__VA_ARGS__))
#define log_info(event, ...)  log_write(LOG_INFO, event, LOG_FIELDS(__VA_ARGS__))
#define log_warn(event, ...)  log_write(LOG_WARN, event, LOG_FIELDS(__VA_ARGS__))
#define log_error(event, ...) log_write(LOG_ERROR, event, LOG_FIELDS(__VA_ARGS__))
/* level, event, fields, n */
#define log_write(...) LOG_AT(log_write_at, LOG_PER_SECOND, __VA_ARGS__)
/* level, event, err, fields, n: the fields, then code, reason, message, detail and meta of *e. */
#define log_err(...) LOG_AT(log_err_at, LOG_PER_SECOND, __VA_ARGS__)
/* most a second, level, event, fields, n */
#define log_rarely(most, ...) LOG_AT(log_write_at, most, __VA_ARGS__)

/* --- what a piece of work is about --- */

/* Fields of every line this thread writes until the end of the block; empty texts are left out, and
 * so is a key that the line or a scope further in has. Everything is lent. */
struct log_scope {
    struct log_scope *outer;
    const struct log_field *fields;
    unsigned n;
};
void log_enter(struct log_scope *s, const struct log_field *fields, unsigned n);
void log_leave(struct log_scope *s);
#define LOG_SCOPE(name, ...)                                                                       \
    CLEANUP(log_leave) struct log_scope name;                                                      \
    log_enter(&name, LOG_FIELDS(__VA_ARGS__))

#endif
