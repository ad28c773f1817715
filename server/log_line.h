/* log_line.h - one line of the log under construction, for log.c. See log.h for the form. */
#ifndef BERTH_SERVER_LOG_LINE_H
#define BERTH_SERVER_LOG_LINE_H

#include "server/log.h"

enum { LOG_LINE_MAX = 4096, LOG_TEXT_MAX = 1024 };

struct log_line {
    char text[LOG_LINE_MAX];
    size_t n;
    bool cut;
    bool json;
};

void log_line_begin(struct log_line *l, bool json, const char *time, const char *level,
                    const char *area, const char *event);
void log_line_fields(struct log_line *l, const struct log_field *f, unsigned n);
/* Adds the newline; the line's length in bytes. */
size_t log_line_end(struct log_line *l);

#endif
