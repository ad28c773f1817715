/* fit_order.h - the leaves of a fit_tree in the order in which a selector likes them, with the best
 * first: a treap. Each of its nodes knows the largest numbers below it, so the first leaf that fits
 * is found without looking at those that cannot.
 *
 * A leaf is in it while it holds the floor. Its place is made from its key, its height from its
 * number: the same leaves with the same keys always give the same tree. */
#ifndef BERTH_SCHEDULER_FIT_ORDER_H
#define BERTH_SCHEDULER_FIT_ORDER_H

#include "scheduler/fit_tree.h"

struct fit_node {           /* of a leaf */
    uint32_t before, after; /* subtrees; NONE: nobody */
    uint32_t above;         /* NONE: it is the root */
    uint32_t height;        /* not below those of its subtrees */
};

struct fit_order {
    int64_t *floor;  /* width numbers */
    uint32_t weight; /* how high the floor is */
    uint32_t root;
    struct fit_node *nodes; /* by leaf */
    int64_t *most;          /* rows by leaf: the largest of each number in its subtree */
};

void fit_order_init(struct fit_order *o, const struct fit_tree *x, const int64_t *floor);
size_t fit_order_bytes(const struct fit_tree *x);

/* A leaf changes in two steps. Before: its numbers and its key are about to be those of the tree's
 * scratch; true: it can stay where it is, else it is taken out. After: they are. */
bool fit_order_before(struct fit_order *o, const struct fit_tree *x, uint32_t leaf);
void fit_order_after(struct fit_order *o, const struct fit_tree *x, uint32_t leaf, bool stays);

#endif
