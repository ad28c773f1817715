/* fit_tree.h - a tournament tree over the candidate agents of one architecture, in id order.
 *
 * Nodes 1..2*size-1, children of i are 2i and 2i+1, leaf k is node size+k. Each node has
 *   bounds   the largest remaining amount of each asked slot below it, then the most containers
 * that may be added: what asks for more cannot fit there winner   in each layer: the leaf below it
 * that the selector likes best among those that hold the layer's floor, or NONE Layer 0 has floor
 * 0: everybody. Layers with higher floors keep agents that are too full to matter from winning,
 * which is what a selector that likes full agents needs; they are made on demand and kept by
 * descending weight (how high the floor is). A touched agent costs at most one path to the root for
 * the bounds and one a layer. */
#ifndef BERTH_SCHEDULER_FIT_TREE_H
#define BERTH_SCHEDULER_FIT_TREE_H

#include "scheduler/book.h"

enum { FIT_MAX_LAYERS = 32 };

struct fit_layer {
    int64_t *floor; /* width numbers */
    uint32_t *winner;
    uint32_t weight;
};

struct fit_tree {
    struct arena *arena;
    const struct chosen *selector;
    struct requirement like; /* any requirement of the track: arch and slots matter */
    uint32_t n_leaves, size, width, key_len;
    uint32_t *agent;                         /* by leaf, ascending */
    uint32_t *leaf_of;                       /* by agent, NONE: not here */
    int64_t *bounds;                         /* rows by node; INT64_MIN: nobody below */
    int64_t *keys;                           /* rows by leaf */
    int64_t *key;                            /* scratch, n_slots + 2 */
    struct fit_layer layers[FIT_MAX_LAYERS]; /* none where the selector goes in turn */
    uint32_t n_layers;
    uint32_t seen; /* entries of the book's log already folded in */
};

void fit_tree_init(struct fit_tree *x, const struct book *b, const struct chosen *selector,
                   const struct requirement *like, struct arena *a);
/* About what a tree with its first layer takes, and what each further layer takes. */
size_t fit_tree_bytes(const struct snapshot *s, uint32_t n_asked);
size_t fit_layer_bytes(const struct fit_tree *x);
void fit_tree_catch_up(struct fit_tree *x, const struct book *b);
void fit_tree_add_layer(struct fit_tree *x, const int64_t *floor); /* n_layers < FIT_MAX_LAYERS */

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

/* Whether the selector prefers leaf a to leaf b. */
static inline bool fit_tree_prefers(const struct fit_tree *x, uint32_t a, uint32_t b)
{
    const int64_t *ka = x->keys + (size_t)a * x->key_len, *kb = x->keys + (size_t)b * x->key_len;
    for (uint32_t i = 0; i < x->key_len; i++)
        if (ka[i] != kb[i])
            return ka[i] < kb[i];
    return a < b;
}

#endif
