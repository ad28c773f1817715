/* fit_order.c - a tree of wide blocks over leaves, with the largest numbers below each entry. */
#include "scheduler/fit_order.h"

#include <assert.h>
#include <string.h>

/* A root is split once it has FIT_FAN blocks, which takes FIT_FAN / 8 times as many moves at each
 * height: more than there will ever be. */
enum { MOST_HEIGHT = 21 };

struct path { /* by height: the block and the entry in it */
    struct fit_block *block[MOST_HEIGHT + 1];
    uint32_t at[MOST_HEIGHT + 1];
};

/* --- blocks --- */

static struct fit_block *block_take(struct fit_order *o)
{
    struct fit_block *b = o->spare;
    if (b == NULL)
        return arena_new(o->arena, struct fit_block, 1);
    o->spare = b->items[0].block;
    b->n = 0;
    b->loose = false;
    return b;
}

static void block_give(struct fit_order *o, struct fit_block *b)
{
    b->items[0].block = o->spare;
    o->spare = b;
}

static void entries_copy(struct fit_block *to, uint32_t at, const struct fit_block *from,
                         uint32_t first, uint32_t n)
{
    memmove(&to->most[at], &from->most[first], n * sizeof(*to->most));
    memmove(&to->ranks[at], &from->ranks[first], n * sizeof(*to->ranks));
    memmove(&to->items[at], &from->items[first], n * sizeof(*to->items));
}

static void entry_insert(struct fit_block *b, uint32_t at, uint64_t most, fit_rank rank,
                         union fit_item item)
{
    entries_copy(b, at + 1, b, at, b->n - at);
    b->most[at] = most;
    b->ranks[at] = rank;
    b->items[at] = item;
    b->n++;
}

static void entry_remove(struct fit_block *b, uint32_t at)
{
    b->n--;
    entries_copy(b, at, b, at + 1, b->n - at);
    b->loose = true;
}

static uint64_t block_most(const struct fit_order *o, const struct fit_block *b)
{
    uint64_t most = 0;
    for (uint32_t i = 0; i < b->n; i++)
        most = fit_lanes_most(&o->lanes, most, b->most[i]);
    return most;
}

/* --- the order --- */

/* Whether leaf a stands before leaf b, or is it. */
static bool stands_before(const struct fit_order *o, uint32_t a, uint32_t b)
{
    if (o->ranks[a] != o->ranks[b])
        return o->ranks[a] < o->ranks[b];
    const int64_t *x = o->keys + (size_t)a * o->key_len, *y = o->keys + (size_t)b * o->key_len;
    for (uint32_t i = 0; i < o->key_len; i++)
        if (x[i] != y[i])
            return x[i] < y[i];
    return a <= b;
}

static uint32_t first_leaf(const struct fit_block *b, uint32_t height, uint32_t at)
{
    for (; height > 0; height--, at = 0)
        b = b->items[at].block;
    return b->items[at].leaf;
}

/* How many entries of the block stand before the leaf, or are it. */
static uint32_t entries_before(const struct fit_order *o, const struct fit_block *b,
                               uint32_t height, uint32_t leaf)
{
    const fit_rank rank = o->ranks[leaf];
    uint32_t begin = 0, n = b->n;
    while (n > 0) {
        const uint32_t half = n / 2, at = begin + half;
        bool before = b->ranks[at] <= rank;
        if (o->ties && b->ranks[at] == rank)
            before = stands_before(o, first_leaf(b, height, at), leaf);
        begin = before ? at + 1 : begin;
        n = before ? n - half - 1 : half;
    }
    return begin;
}

/* The entry of a block above below which the leaf has its place. */
static uint32_t entry_for(const struct fit_order *o, const struct fit_block *b, uint32_t height,
                          uint32_t leaf)
{
    const uint32_t n = entries_before(o, b, height, leaf);
    return n > 0 ? n - 1 : 0;
}

static void find(const struct fit_order *o, uint32_t leaf, struct path *p)
{
    struct fit_block *b = o->root;
    for (uint32_t h = o->height;; h--) {
        p->block[h] = b;
        p->at[h] = entry_for(o, b, h, leaf);
        if (h == 0)
            break;
        b = b->items[p->at[h]].block;
    }
    assert(b->items[p->at[0]].leaf == leaf);
}

/* --- in and out --- */

/* The second half of a full block gets a block of its own; less of it, where the leaf goes behind
 * all: leaves that come in order fill their blocks. */
static void split(struct fit_order *o, struct fit_block *above, uint32_t at, uint32_t height,
                  uint32_t leaf)
{
    struct fit_block *full = above->items[at].block, *more = block_take(o);
    more->n = entries_before(o, full, height, leaf) < FIT_FAN ? FIT_FAN / 2 : FIT_FAN / 8;
    full->n = FIT_FAN - more->n;
    entries_copy(more, 0, full, full->n, more->n);
    above->loose |= full->loose;
    full->loose = false;
    above->most[at] = block_most(o, full);
    entry_insert(above, at + 1, block_most(o, more), more->ranks[0],
                 (union fit_item){.block = more});
}

static void put_in(struct fit_order *o, uint32_t leaf)
{
    const uint64_t packed = o->packed[leaf];
    if (o->root->n == FIT_FAN) {
        struct fit_block *root = block_take(o);
        assert(o->height < MOST_HEIGHT);
        entry_insert(root, 0, 0, o->root->ranks[0], (union fit_item){.block = o->root});
        o->root = root;
        o->height++;
    }
    struct fit_block *b = o->root;
    for (uint32_t h = o->height; h > 0; h--) {
        uint32_t at = entry_for(o, b, h, leaf);
        if (b->items[at].block->n == FIT_FAN) {
            split(o, b, at, h - 1, leaf);
            at = entry_for(o, b, h, leaf);
        }
        b->most[at] = fit_lanes_most(&o->lanes, b->most[at], packed);
        if (o->ranks[leaf] < b->ranks[at])
            b->ranks[at] = o->ranks[leaf]; /* before all others */
        b = b->items[at].block;
    }
    entry_insert(b, entries_before(o, b, 0, leaf), packed, o->ranks[leaf],
                 (union fit_item){.leaf = leaf});
}

static void take_out(struct fit_order *o, const struct path *p)
{
    entry_remove(p->block[0], p->at[0]);
    for (uint32_t h = 0; h < o->height; h++) {
        p->block[h + 1]->loose = true;
        if (p->block[h]->n > 0)
            continue;
        block_give(o, p->block[h]);
        entry_remove(p->block[h + 1], p->at[h + 1]);
    }
    while (o->height > 0 && o->root->n <= 1) {
        struct fit_block *root = o->root;
        o->height = root->n > 0 ? o->height - 1 : 0;
        if (root->n == 0)
            break;
        o->root = root->items[0].block;
        block_give(o, root);
    }
}

/* --- outside --- */

/* Who has nothing of a number fits nowhere. */
static bool is_of_use(const struct fit_order *o, uint32_t leaf)
{
    return fit_lanes_hold(o->lanes.guards, o->packed[leaf], o->use);
}

/* Room for one more outside: who is of no use or else moved longest ago makes it. */
static uint32_t outside_room(struct fit_order *o)
{
    struct fit_outside *x = &o->outside;
    uint32_t oldest = 0;
    if (x->n < FIT_OUTSIDE)
        return x->n++;
    for (uint32_t i = 1; i < x->n; i++)
        if (x->moved[i] < x->moved[oldest])
            oldest = i;
    if (is_of_use(o, x->leaves[oldest]))
        put_in(o, x->leaves[oldest]);
    return oldest;
}

/* The leaf is in the tree no longer. Its place outside; NONE: it was not of use and will not be. */
static uint32_t outside_place(struct fit_order *o, uint32_t leaf, bool use)
{
    for (uint32_t i = 0; i < o->outside.n; i++)
        if (o->outside.leaves[i] == leaf)
            return i;
    if (is_of_use(o, leaf)) {
        struct path p;
        find(o, leaf, &p);
        take_out(o, &p);
    }
    if (!use)
        return NONE;
    const uint32_t at = outside_room(o);
    o->outside.leaves[at] = leaf;
    return at;
}

void fit_order_move(struct fit_order *o, uint32_t leaf, const int64_t *row, const int64_t *key)
{
    int64_t *mine = o->keys + (size_t)leaf * o->key_len;
    bool total = true;
    const fit_rank rank = fit_ranks_of(&o->layout, key, leaf, &total);
    const uint64_t packed = fit_lanes_pack(&o->lanes, row);
    if (rank == o->ranks[leaf] && packed == o->packed[leaf] &&
        memcmp(mine, key, o->key_len * sizeof(*key)) == 0)
        return;
    const bool use = fit_lanes_hold(o->lanes.guards, packed, o->use);
    const uint32_t at = outside_place(o, leaf, use);
    for (uint32_t i = 0; i < o->key_len; i++)
        mine[i] = key[i];
    o->ranks[leaf] = rank;
    o->packed[leaf] = packed;
    o->ties |= !total;
    if (at == NONE)
        return;
    o->outside.ranks[at] = rank;
    o->outside.packed[at] = packed;
    o->outside.moved[at] = use ? ++o->moves : 0;
}

/* --- questions --- */

/* The first entry from `at` on that may hold the need; n: none. */
static uint32_t next_entry(struct fit_block *b, uint32_t at, uint64_t guards, uint64_t gap)
{
    b->most[b->n] = ~guards; /* holds everything: an end that need not be looked for */
    while (!fit_lanes_hold(guards, b->most[at], gap))
        at++;
    return at;
}

/* Nobody below the entry was found: it should know no more than there is. */
static void tighten(const struct fit_order *o, struct fit_block *above, uint32_t at)
{
    struct fit_block *b = above->items[at].block;
    if (!b->loose)
        return;
    b->loose = false;
    above->most[at] = block_most(o, b);
    above->loose = true;
}

/* The same, one by one: where ranks do not tell all or the first is not taken. */
static uint32_t first_outside_taken(const struct fit_order *o, uint64_t gap,
                                    const struct fit_taker *taker)
{
    uint32_t first = NONE;
    for (uint32_t i = 0; i < o->outside.n; i++) {
        const uint32_t leaf = o->outside.leaves[i];
        if (fit_lanes_hold(o->lanes.guards, o->outside.packed[i], gap) &&
            (first == NONE || stands_before(o, leaf, first)) && taker->takes(taker->ctx, leaf))
            first = leaf;
    }
    return first;
}

/* The first of those outside that holds the need and is taken. */
static uint32_t first_outside(const struct fit_order *o, uint64_t gap,
                              const struct fit_taker *taker)
{
    const struct fit_outside *x = &o->outside;
    fit_rank rank = ~(fit_rank)0;
    uint32_t first = NONE;
    for (uint32_t i = 0; i < x->n; i++) {
        const bool better =
            fit_lanes_hold(o->lanes.guards, x->packed[i], gap) & (x->ranks[i] <= rank);
        first = better ? x->leaves[i] : first;
        rank = better ? x->ranks[i] : rank;
    }
    if (first != NONE && (o->ties || !taker->takes(taker->ctx, first)))
        return first_outside_taken(o, gap, taker);
    return first;
}

/* Whether the leaf stands before the entry of this height and all behind it. */
static bool stands_before_entry(const struct fit_order *o, uint32_t leaf, const struct fit_block *b,
                                uint32_t height, uint32_t at)
{
    if (leaf == NONE || b->ranks[at] < o->ranks[leaf])
        return false;
    return b->ranks[at] > o->ranks[leaf] ||
           (height == 0 && stands_before(o, leaf, b->items[at].leaf));
}

uint32_t fit_order_first(struct fit_order *o, const int64_t *need, const struct fit_taker *taker)
{
    const uint64_t guards = o->lanes.guards, gap = guards - fit_lanes_pack(&o->lanes, need);
    const uint32_t other = first_outside(o, gap, taker);
    struct path p;
    p.block[o->height] = o->root;
    for (uint32_t h = o->height, at = 0;;) {
        struct fit_block *b = p.block[h];
        at = next_entry(b, at, guards, gap);
        if (at == b->n) {
            if (h == o->height)
                return other;
            h++;
            tighten(o, p.block[h], p.at[h]);
            at = p.at[h] + 1;
        } else if (stands_before_entry(o, other, b, h, at)) {
            return other;
        } else if (h > 0) {
            p.at[h] = at;
            p.block[--h] = b->items[at].block;
            at = 0;
        } else if (taker->takes(taker->ctx, b->items[at].leaf)) {
            return b->items[at].leaf;
        } else {
            at++;
        }
    }
}

/* --- building --- */

size_t fit_order_bytes(size_t n_leaves, size_t key_len)
{
    const size_t blocks = n_leaves / (FIT_FAN / 2) + n_leaves / FIT_FAN / 4 + 2;
    const size_t leaf = sizeof(fit_rank) + sizeof(uint64_t) + key_len * sizeof(int64_t);
    return n_leaves * leaf + blocks * sizeof(struct fit_block);
}

void fit_order_init(struct fit_order *o, uint32_t n_leaves, uint32_t n_numbers, int64_t *keys,
                    uint32_t key_len, struct arena *a)
{
    *o = (struct fit_order){.arena = a,
                            .key_len = key_len,
                            .keys = keys,
                            .ranks = arena_new(a, fit_rank, n_leaves),
                            .packed = arena_new(a, uint64_t, n_leaves),
                            .root = arena_new(a, struct fit_block, 1)};
    fit_lanes_init(&o->lanes, n_numbers);
    o->use = o->lanes.guards - (o->lanes.guards >> (o->lanes.bits - 1));
    fit_ranks_init(&o->layout, keys, n_leaves, key_len, a);
}

void fit_order_add(struct fit_order *o, uint32_t leaf, const int64_t *row)
{
    bool total = true;
    o->ranks[leaf] = fit_ranks_of(&o->layout, o->keys + (size_t)leaf * o->key_len, leaf, &total);
    o->packed[leaf] = fit_lanes_pack(&o->lanes, row);
    o->ties |= !total;
    if (is_of_use(o, leaf))
        put_in(o, leaf);
}
