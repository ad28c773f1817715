/* table.h - rows of text in aligned columns.
 *
 * A table lives in its arena. Cells are added left to right, row after row; table_write() wants the
 * last row complete. Widths are those of a terminal (text_width), columns stand two spaces apart,
 * and no line ends in spaces. An empty cell prints as such: the caller decides what "nothing" looks
 * like. */
#ifndef BERTH_BERTHCTL_TABLE_H
#define BERTH_BERTHCTL_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include "scheduler/arena.h"

enum style { STYLE_PLAIN, STYLE_HEAD, STYLE_GOOD, STYLE_WARN, STYLE_BAD, N_STYLES };

struct column {
    const char *head;
    bool right; /* numbers */
};

struct table;

struct table *table_create(struct arena *a, const struct column *columns, unsigned n_columns);
/* Adds one cell; what fmt makes is cleaned (text.h). */
void table_add(struct table *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
void table_add_styled(struct table *t, enum style style, const char *text);
unsigned table_rows(const struct table *t);
/* Writes the heads and the rows, each line after `indent` spaces. Styles show only with color. */
void table_write(const struct table *t, FILE *out, unsigned indent, bool color);

/* The escape sequence that begins a style, and the one that ends any; "" without color. */
const char *style_begin(enum style style, bool color);
const char *style_end(bool color);

#endif
