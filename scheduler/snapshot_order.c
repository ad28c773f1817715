/* snapshot_order.c - sorting by row numbers, and moving rows once they are sorted. */
#include "scheduler/snapshot_order.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void order_sort(void *rows, uint32_t n, size_t size, compare_f *compare, void *ctx)
{
    const char *p = rows;
    for (uint32_t i = 1; i < n; i++) {
        if (compare(p + (i - 1) * size, p + i * size, ctx) > 0) {
            qsort_r(rows, n, size, compare, ctx);
            return;
        }
    }
}

uint32_t *order_make(struct snapshot_builder *b, uint32_t n, compare_f *compare)
{
    uint32_t *order = arena_new(b->arena, uint32_t, n);
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    order_sort(order, n, sizeof(*order), compare, b);
    return order;
}

uint32_t *order_invert(struct snapshot_builder *b, const uint32_t *order, uint32_t n,
                       uint32_t n_old)
{
    uint32_t *to = arena_new(b->arena, uint32_t, n_old);
    for (uint32_t i = 0; i < n_old; i++)
        to[i] = NONE;
    for (uint32_t i = 0; i < n; i++)
        to[order[i]] = i;
    return to;
}

void order_release(struct snapshot_builder *b, uint32_t *rows, uint32_t n)
{
    arena_release(b->arena, rows, n * sizeof(*rows));
}

static bool is_identity(const uint32_t *order, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (order[i] != i)
            return false;
    return true;
}

void *order_apply(struct snapshot_builder *b, void *rows, size_t cap, size_t size,
                  const uint32_t *order, uint32_t n)
{
    if (is_identity(order, n))
        return rows;
    char *sorted = arena_alloc(b->arena, n, size);
    for (uint32_t i = 0; i < n; i++)
        memcpy(sorted + i * size, (const char *)rows + order[i] * size, size);
    arena_release(b->arena, rows, cap * size);
    return sorted;
}

/* Follows each cycle of the order once; rows that have got theirs stand for themselves. */
void order_permute(void *rows, size_t size, uint32_t *order, uint32_t n)
{
    char *p = rows;
    char first[ORDER_ROW];
    assert(size <= sizeof(first));
    for (uint32_t i = 0; i < n; i++) {
        if (order[i] == i)
            continue;
        memcpy(first, p + i * size, size);
        uint32_t at = i;
        while (order[at] != i) {
            const uint32_t from = order[at];
            memcpy(p + at * size, p + from * size, size);
            order[at] = at;
            at = from;
        }
        memcpy(p + at * size, first, size);
        order[at] = at;
    }
}

void order_apply_matrix(struct snapshot_builder *b, struct matrix *m, const uint32_t *order,
                        uint32_t n, const uint32_t *columns)
{
    size_t width = b->n_slots;
    if (columns == NULL) {
        m->row = order_apply(b, m->row, m->cap, width * sizeof(int64_t), order, n);
        return;
    }
    int64_t *sorted = arena_new(b->arena, int64_t, n * width);
    for (uint32_t i = 0; i < n; i++)
        for (size_t j = 0; j < width; j++)
            sorted[i * width + j] = m->row[order[i] * width + columns[j]];
    arena_release(b->arena, m->row, m->cap * width * sizeof(int64_t));
    m->row = sorted;
}
