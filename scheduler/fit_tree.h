/* fit_tree.h - the candidate agents of one architecture, as leaves in id order, with what the book
 * says about each: how much is left of each asked slot, then, where it is bounded, how many
 * containers may be added.
 *
 * A question needs so much of each number. For selectors that go in turn the leaves are those of a
 * tree whose nodes know the largest numbers below them (nodes 1..2*size-1, children of i are 2i and
 * 2i+1, leaf k is node size+k): what needs more cannot fit there. For the others they stand in the
 * selector's order (fit_order.h). */
#ifndef BERTH_SCHEDULER_FIT_TREE_H
#define BERTH_SCHEDULER_FIT_TREE_H

#include "scheduler/book.h"
#include "scheduler/fit_order.h"

struct fit_tree {
    const struct chosen *selector;
    struct requirement like; /* any requirement of the track: arch and slots matter */
    bool in_turn;
    uint32_t n_leaves, width;
    uint32_t *agent;        /* by leaf, ascending */
    uint32_t *leaf_of;      /* by agent, NONE: not here */
    int64_t *row, *key;     /* scratch: width; n_slots + 2 */
    struct fit_order order; /* where the selector does not go in turn */
    uint32_t size;          /* where it does, with the bounds */
    int64_t *bounds;        /* rows by node; INT64_MIN: nobody below */
    uint32_t seen;          /* entries of the book's log already folded in */
    uint32_t serial;        /* of the catching up at hand */
    uint32_t *repaired;     /* by leaf: serial of the last one that looked at it */
};

void fit_tree_init(struct fit_tree *x, const struct book *b, const struct chosen *selector,
                   const struct requirement *like, struct arena *a);
/* About what a tree takes. */
size_t fit_tree_bytes(const struct snapshot *s, uint32_t n_asked);
void fit_tree_catch_up(struct fit_tree *x, const struct book *b);

static inline const int64_t *fit_tree_bounds(const struct fit_tree *x, uint32_t node)
{
    return x->bounds + (size_t)node * x->width;
}

/* Every number of the row is at least that of `need`. */
static inline bool fit_tree_holds(const struct fit_tree *x, const int64_t *row, const int64_t *need)
{
    for (uint32_t i = 0; i < x->width; i++)
        if (row[i] < need[i])
            return false;
    return true;
}

#endif
