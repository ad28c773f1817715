/* text.h - text for a terminal, put together in an arena.
 *
 * Names, reasons and messages come from users of the cluster. What text_add_clean() lets through
 * cannot move the cursor, change colours or reverse the reading direction: control characters and
 * malformed UTF-8 become U+FFFD, a tab or a line break becomes a space. */
#ifndef BERTH_BERTHCTL_TEXT_H
#define BERTH_BERTHCTL_TEXT_H

#include <stdint.h>

#include "scheduler/arena.h"

struct text {
    struct arena *arena;
    char *chars; /* NUL-terminated; NULL while empty: read it through text_chars() */
    size_t n, cap;
};

void text_addf(struct text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
void text_add_clean(struct text *t, const char *s); /* NULL counts as empty */
const char *text_chars(const struct text *t);       /* what was added; never NULL */
char *text_clean(struct arena *a, const char *s);

/* Columns that UTF-8 text takes on a terminal: 0 for a combining mark, 2 for wide characters. */
unsigned text_width(const char *s);

/* The next code point of *p (not at its NUL), and *p moves behind it. Anything that is not
 * well-formed UTF-8 is U+FFFD and one byte. */
uint32_t utf8_next(const char **p);

#endif
