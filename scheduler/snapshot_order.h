/* snapshot_order.h - puts the tables of a builder in order: for snapshot_finish*.c only.
 *
 * An `order` holds the old row of each new row; a `to` the new row of each old row (NONE: gone).
 * Both are scratch memory: give them back with order_release(). */
#ifndef BERTH_SCHEDULER_SNAPSHOT_ORDER_H
#define BERTH_SCHEDULER_SNAPSHOT_ORDER_H

#include "scheduler/snapshot_builder.h"

typedef int compare_f(const void *a, const void *b, void *ctx);

/* Sorts n rows; rows that are in order already cost one pass. */
void order_sort(void *rows, uint32_t n, size_t size, compare_f *compare, void *ctx);
/* The order of n rows by `compare`, which is given pointers to two row numbers and the builder. */
uint32_t *order_make(struct snapshot_builder *b, uint32_t n, compare_f *compare);
uint32_t *order_invert(struct snapshot_builder *b, const uint32_t *order, uint32_t n,
                       uint32_t n_old);
void order_release(struct snapshot_builder *b, uint32_t *rows, uint32_t n);

/* The table (cap rows of a size) in its new order of n rows; the old table is given back. */
void *order_apply(struct snapshot_builder *b, void *rows, size_t cap, size_t size,
                  const uint32_t *order, uint32_t n);
/* The same for all rows of a large table, where it stands: no second one is made. Uses up the
 * order. A row has at most ORDER_ROW bytes. */
enum { ORDER_ROW = 256 };
void order_permute(void *rows, size_t size, uint32_t *order, uint32_t n);
/* As order_apply() for a matrix; columns too are put in an order, NULL: they stand right. */
void order_apply_matrix(struct snapshot_builder *b, struct matrix *m, const uint32_t *order,
                        uint32_t n, const uint32_t *columns);

#define ORDER_APPLY(b, table, order, n)                                                            \
    ((b)->table = order_apply((b), (b)->table, (b)->cap_##table, sizeof(*(b)->table), (order), (n)))

/* x and y: the two rows whose numbers a compare_f was given. */
#define ORDER_ROWS(type, table, x, y)                                                              \
    const type *x = &((const struct snapshot_builder *)ctx)->table[*(const uint32_t *)a];          \
    const type *y = &((const struct snapshot_builder *)ctx)->table[*(const uint32_t *)b]

static inline int order_numbers(int64_t x, int64_t y)
{
    return (x > y) - (x < y);
}

/* A compare_f: row numbers themselves. */
static inline int order_as_added(const void *a, const void *b, void *ctx)
{
    (void)ctx;
    return order_numbers(*(const uint32_t *)a, *(const uint32_t *)b);
}

#endif
