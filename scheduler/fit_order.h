/* fit_order.h - the leaves of a fit_tree in the order in which a selector likes them, with the best
 * first: a tree of wide blocks, all leaves at the same depth, whose entries lie side by side. Each
 * entry of a block above knows the largest numbers below it, so the first leaf that fits is found
 * without looking at those that cannot, and looking over a block is one pass over packed words.
 *
 * What an entry knows may be too much for a while, never too little: a leaf that goes lowers
 * nothing; a question that finds nobody below an entry puts it right.
 *
 * The few leaves that moved last stand outside the tree and are looked at one by one: an agent that
 * is being filled moves with every session and goes back once. Who has nothing left of one of the
 * numbers is not in the tree at all, as every need is positive. */
#ifndef BERTH_SCHEDULER_FIT_ORDER_H
#define BERTH_SCHEDULER_FIT_ORDER_H

#include "scheduler/fit_pack.h"

enum { FIT_FAN = 64, FIT_OUTSIDE = 8 };

struct fit_block {
    uint64_t most[FIT_FAN + 1]; /* packed numbers: of the leaf, or the largest below */
    fit_rank ranks[FIT_FAN];    /* of the leaf, or not above those below and above those before */
    union fit_item {
        uint32_t leaf;
        struct fit_block *block;
    } items[FIT_FAN];
    uint32_t n;
    bool loose; /* the entry above may know too much */
};

struct fit_order {
    struct arena *arena;
    struct fit_lanes lanes;
    struct fit_ranks layout;
    uint32_t key_len;
    int64_t *keys; /* rows by leaf; less is better, ties go to the lower leaf */
    fit_rank *ranks;
    uint64_t *packed;
    bool ties; /* some rank is not total: keys have to be looked at */
    struct fit_block *root;
    uint32_t height;         /* of the root; blocks of height 0 have leaves */
    struct fit_block *spare; /* out of use, linked by their first item */
    struct fit_outside {     /* as in a block, but in no order */
        uint64_t packed[FIT_OUTSIDE];
        fit_rank ranks[FIT_OUTSIDE];
        uint32_t leaves[FIT_OUTSIDE];
        uint64_t moved[FIT_OUTSIDE]; /* when: the more the later; 0: it is of no use */
        uint32_t n;
    } outside;
    uint64_t moves;
    uint64_t use; /* gap of the least need there is: who does not hold it is not in the tree */
};

/* `keys` has a row of key_len numbers for each leaf; it is kept and written to. */
void fit_order_init(struct fit_order *o, uint32_t n_leaves, uint32_t n_numbers, int64_t *keys,
                    uint32_t key_len, struct arena *a);
/* Each leaf once, with its numbers. */
void fit_order_add(struct fit_order *o, uint32_t leaf, const int64_t *row);
/* About what it takes, with the keys. */
size_t fit_order_bytes(size_t n_leaves, size_t key_len);

/* The leaf has these numbers and this key from now on. */
void fit_order_move(struct fit_order *o, uint32_t leaf, const int64_t *row, const int64_t *key);

/* Whether somebody takes a leaf that seems to hold the need. */
struct fit_taker {
    bool (*takes)(const void *ctx, uint32_t leaf);
    const void *ctx;
};

/* The first leaf that holds the need and is taken; NONE: there is none. */
uint32_t fit_order_first(struct fit_order *o, const int64_t *need, const struct fit_taker *taker);

#endif
