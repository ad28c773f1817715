/* table.c - rows of text in aligned columns, see table.h. */
#include "server/berthctl/table.h"

#include <assert.h>
#include <stdarg.h>

#include "server/berthctl/text.h"

struct cell {
    const char *text;
    unsigned width;
    enum style style;
};

struct table {
    struct arena *arena;
    const struct column *columns;
    unsigned n_columns;
    unsigned *widths; /* by column: the widest cell so far, its head included */
    struct cell *cells;
    size_t n_cells, cap;
};

struct table *table_create(struct arena *a, const struct column *columns, unsigned n_columns)
{
    struct table *t = arena_new(a, struct table, 1);
    t->arena = a;
    t->columns = columns;
    t->n_columns = n_columns;
    t->widths = arena_new(a, unsigned, n_columns);
    for (unsigned i = 0; i < n_columns; i++)
        t->widths[i] = text_width(columns[i].head);
    return t;
}

void table_add_styled(struct table *t, enum style style, const char *text)
{
    unsigned column = (unsigned)(t->n_cells % t->n_columns);
    t->cells = arena_grow(t->arena, t->cells, &t->cap, t->n_cells + 1, sizeof(*t->cells));
    struct cell *c = &t->cells[t->n_cells++];
    *c = (struct cell){.text = text_clean(t->arena, text), .style = style};
    c->width = text_width(c->text);
    if (c->width > t->widths[column])
        t->widths[column] = c->width;
}

void table_add(struct table *t, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    assert(n >= 0);
    text = arena_new(t->arena, char, (size_t)n + 1);
    va_start(args, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, args);
    va_end(args);
    table_add_styled(t, STYLE_PLAIN, text);
}

unsigned table_rows(const struct table *t)
{
    return (unsigned)(t->n_cells / t->n_columns);
}

const char *style_begin(enum style style, bool color)
{
    static const char *const sequences[N_STYLES] = {
        [STYLE_PLAIN] = "",        [STYLE_HEAD] = "\x1b[2m", [STYLE_GOOD] = "\x1b[32m",
        [STYLE_WARN] = "\x1b[33m", [STYLE_BAD] = "\x1b[31m",
    };
    return color ? sequences[style] : "";
}

const char *style_end(bool color)
{
    return color ? "\x1b[0m" : "";
}

static void write_cell(FILE *out, const struct cell *c, const struct column *column, unsigned width,
                       bool last, bool color)
{
    int pad = (int)(width - c->width);
    bool styled = color && c->style != STYLE_PLAIN;
    if (column->right)
        fprintf(out, "%*s", pad, "");
    fprintf(out, "%s%s%s", style_begin(c->style, styled), c->text, style_end(styled));
    if (!column->right && !last)
        fprintf(out, "%*s", pad, "");
}

/* A row ends with its last cell that has text, so that no line ends in spaces. */
static void write_row(const struct table *t, FILE *out, const struct cell *cells, unsigned indent,
                      bool color)
{
    unsigned n = t->n_columns;
    while (n > 0 && cells[n - 1].width == 0)
        n--;
    fprintf(out, "%*s", n == 0 ? 0 : (int)indent, "");
    for (unsigned i = 0; i < n; i++) {
        fprintf(out, "%s", i == 0 ? "" : "  ");
        write_cell(out, &cells[i], &t->columns[i], t->widths[i], i + 1 == n, color);
    }
    fputc('\n', out);
}

void table_write(const struct table *t, FILE *out, unsigned indent, bool color)
{
    struct cell *heads = arena_new(t->arena, struct cell, t->n_columns);
    assert(t->n_cells % t->n_columns == 0);
    for (unsigned i = 0; i < t->n_columns; i++)
        heads[i] = (struct cell){.text = t->columns[i].head,
                                 .width = text_width(t->columns[i].head),
                                 .style = STYLE_HEAD};
    write_row(t, out, heads, indent, color);
    for (size_t i = 0; i < t->n_cells; i += t->n_columns)
        write_row(t, out, &t->cells[i], indent, color);
}
