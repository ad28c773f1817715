/* fit_tree.h - the candidate agents of one architecture, as leaves in id order, with what the book
 * says about each: how much is left of each asked slot, then, where it is bounded, how many
 * containers may be added.
 *
 * A question needs so much of each number. For selectors that go in turn the leaves are those of a
 * tree whose nodes know the largest numbers below them (nodes 1..2*size-1, children of i are 2i and
 * 2i+1, leaf k is node size+k): what needs more cannot fit there. For the others there are layers,
 * each with the leaves in the selector's order (fit_order.h). Layer 0 has floor 0: everybody.
 * Layers with higher floors leave out agents that are too full to matter; they are made on demand
 * and kept by descending weight (how high the floor is). */
#ifndef BERTH_SCHEDULER_FIT_TREE_H
#define BERTH_SCHEDULER_FIT_TREE_H

#include "scheduler/book.h"

enum { FIT_MAX_LAYERS = 32 };

struct fit_order;

struct fit_tree {
    struct arena *arena;
    const struct chosen *selector;
    struct requirement like; /* any requirement of the track: arch and slots matter */
    bool in_turn;
    uint32_t n_leaves, size, width, key_len; /* size: 0 where there are no nodes above the leaves */
    uint32_t *agent;                         /* by leaf, ascending */
    uint32_t *leaf_of;                       /* by agent, NONE: not here */
    int64_t *bounds;                         /* rows by node; INT64_MIN: nobody below */
    int64_t *keys;                           /* rows by leaf */
    uint64_t *ranks;                         /* by leaf: fit_tree_rank() of its key */
    int64_t *row, *key;                      /* scratch: width; n_slots + 2 */
    uint32_t *path;                          /* scratch: n_leaves */
    struct fit_order *layers; /* FIT_MAX_LAYERS; NULL where the selector goes in turn */
    uint32_t n_layers;
    uint32_t seen; /* entries of the book's log already folded in */
};

void fit_tree_init(struct fit_tree *x, const struct book *b, const struct chosen *selector,
                   const struct requirement *like, struct arena *a);
/* About what a tree with its first layer takes. */
size_t fit_tree_bytes(const struct snapshot *s, uint32_t n_asked);
void fit_tree_catch_up(struct fit_tree *x, const struct book *b);
void fit_tree_add_layer(struct fit_tree *x, const int64_t *floor); /* n_layers < FIT_MAX_LAYERS */

static inline const int64_t *fit_tree_bounds(const struct fit_tree *x, uint32_t node)
{
    return x->bounds + (size_t)node * x->width;
}

static inline const int64_t *fit_tree_own(const struct fit_tree *x, uint32_t leaf)
{
    return fit_tree_bounds(x, x->size + leaf);
}

/* Every number of the row is at least that of `need`. */
static inline bool fit_tree_holds(const struct fit_tree *x, const int64_t *row, const int64_t *need)
{
    for (uint32_t i = 0; i < x->width; i++)
        if (row[i] < need[i])
            return false;
    return true;
}

static inline const int64_t *fit_tree_key(const struct fit_tree *x, uint32_t leaf)
{
    return x->keys + (size_t)leaf * x->key_len;
}

/* The first two numbers of a key in one: of two keys with different ranks the one with the lower
 * rank is the less. Where the first number does not fit the second is left out. */
static inline uint64_t fit_tree_rank(const struct fit_tree *x, const int64_t *key)
{
    const int64_t first_most = INT16_MAX, most = (INT64_C(1) << 47) - 1;
    if (x->key_len == 0)
        return 0;
    if (key[0] >= first_most || key[0] <= -first_most)
        return key[0] > 0 ? UINT64_MAX : 0;
    const uint64_t first = (uint64_t)(key[0] + first_most) << 48;
    if (x->key_len == 1)
        return first;
    const int64_t second = key[1] > most ? most : key[1] < -most ? -most : key[1];
    return first + (uint64_t)(second + most);
}

/* Whether the selector would prefer leaf a with this key and its rank to leaf b. */
static inline bool fit_tree_key_prefers(const struct fit_tree *x, const int64_t *key, uint64_t rank,
                                        uint32_t a, uint32_t b)
{
    const int64_t *other = fit_tree_key(x, b);
    if (rank != x->ranks[b])
        return rank < x->ranks[b];
    for (uint32_t i = 0; i < x->key_len; i++)
        if (key[i] != other[i])
            return key[i] < other[i];
    return a < b;
}

#endif
