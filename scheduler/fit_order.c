/* fit_order.c - a treap over leaves, with the largest numbers of each subtree. */
#include "scheduler/fit_order.h"

static uint32_t height_of(uint32_t leaf)
{
    uint32_t h = (leaf ^ (leaf >> 16)) * UINT32_C(0x85ebca6b);
    h = (h ^ (h >> 13)) * UINT32_C(0xc2b2ae35);
    return h ^ (h >> 16); /* a bijection: no two are equal */
}

static int64_t *most_of(const struct fit_order *o, const struct fit_tree *x, uint32_t leaf)
{
    return o->most + (size_t)leaf * x->width;
}

/* The largest of the three; whether *mine was another. */
static inline bool fold_number(int64_t *mine, int64_t own, int64_t before, int64_t after)
{
    int64_t most = own > before ? own : before;
    most = most > after ? most : after;
    const bool changed = *mine != most;
    *mine = most;
    return changed;
}

/* false: its numbers are as they were. */
static bool fold(struct fit_order *o, const struct fit_tree *x, uint32_t leaf)
{
    const int64_t *own = fit_tree_own(x, leaf);
    const int64_t *before =
        o->nodes[leaf].before != NONE ? most_of(o, x, o->nodes[leaf].before) : own;
    const int64_t *after = o->nodes[leaf].after != NONE ? most_of(o, x, o->nodes[leaf].after) : own;
    int64_t *mine = most_of(o, x, leaf);
    bool changed = false;
    switch (x->width) { /* the usual ones without a loop */
    case 3:
        changed |= fold_number(&mine[2], own[2], before[2], after[2]);
        __attribute__((fallthrough));
    case 2:
        changed |= fold_number(&mine[1], own[1], before[1], after[1]);
        __attribute__((fallthrough));
    case 1:
        changed |= fold_number(&mine[0], own[0], before[0], after[0]);
        break;
    default:
        for (uint32_t i = 0; i < x->width; i++)
            changed |= fold_number(&mine[i], own[i], before[i], after[i]);
    }
    return changed;
}

/* From here up to, but not including, `end`. */
static void fold_to(struct fit_order *o, const struct fit_tree *x, uint32_t from, uint32_t end)
{
    for (; from != end; from = o->nodes[from].above)
        (void)fold(o, x, from);
}

static void fold_while_changed(struct fit_order *o, const struct fit_tree *x, uint32_t from)
{
    while (from != NONE && fold(o, x, from))
        from = o->nodes[from].above;
}

/* A leaf came in below this one. */
static void raise_from(struct fit_order *o, const struct fit_tree *x, uint32_t from, uint32_t leaf)
{
    const int64_t *own = fit_tree_own(x, leaf);
    for (bool changed = true; from != NONE && changed; from = o->nodes[from].above) {
        int64_t *mine = most_of(o, x, from);
        changed = false;
        for (uint32_t i = 0; i < x->width; i++) {
            if (own[i] <= mine[i])
                continue;
            mine[i] = own[i];
            changed = true;
        }
    }
}

/* A leaf below this one went. Where it had none of the largest numbers nothing changes. */
static void lower_from(struct fit_order *o, const struct fit_tree *x, uint32_t from, uint32_t leaf)
{
    const int64_t *own = fit_tree_own(x, leaf);
    for (; from != NONE; from = o->nodes[from].above) {
        const int64_t *mine = most_of(o, x, from);
        bool had = false;
        for (uint32_t i = 0; i < x->width; i++)
            had |= own[i] == mine[i];
        if (!had || !fold(o, x, from))
            return;
    }
}

static void hang(struct fit_order *o, uint32_t *link, uint32_t leaf, uint32_t above)
{
    *link = leaf;
    if (leaf != NONE)
        o->nodes[leaf].above = above;
}

static void take_out(struct fit_order *o, const struct fit_tree *x, uint32_t leaf)
{
    struct fit_node *nodes = o->nodes;
    const uint32_t end = nodes[leaf].above;
    uint32_t a = nodes[leaf].before, b = nodes[leaf].after, above = end, *link = &o->root;
    if (end != NONE)
        link = nodes[end].before == leaf ? &nodes[end].before : &nodes[end].after;
    while (a != NONE && b != NONE) { /* all of a go before all of b */
        const bool a_first = nodes[a].height > nodes[b].height;
        const uint32_t first = a_first ? a : b;
        hang(o, link, first, above);
        above = first;
        link = a_first ? &nodes[a].after : &nodes[b].before;
        if (a_first)
            a = *link;
        else
            b = *link;
    }
    hang(o, link, a != NONE ? a : b, above);
    fold_to(o, x, above, end);
    lower_from(o, x, end, leaf);
}

static void put_in(struct fit_order *o, const struct fit_tree *x, uint32_t leaf)
{
    struct fit_node *nodes = o->nodes, *mine = &nodes[leaf];
    uint32_t *link = &o->root, above = NONE;
    const uint32_t height = mine->height;
    const int64_t *key = fit_tree_key(x, leaf);
    const uint64_t rank = x->ranks[leaf];
    while (*link != NONE && nodes[*link].height > height) {
        above = *link;
        link = fit_tree_key_prefers(x, key, rank, leaf, above) ? &nodes[above].before
                                                               : &nodes[above].after;
    }
    uint32_t split = *link, *before = &mine->before, *after = &mine->after;
    uint32_t above_before = leaf, above_after = leaf;
    hang(o, link, leaf, above);
    while (split != NONE) { /* what was below goes to its sides */
        if (fit_tree_key_prefers(x, key, rank, leaf, split)) {
            hang(o, after, split, above_after);
            above_after = split;
            after = &nodes[split].before;
            split = *after;
        } else {
            hang(o, before, split, above_before);
            above_before = split;
            before = &nodes[split].after;
            split = *before;
        }
    }
    *before = *after = NONE;
    fold_to(o, x, above_before, leaf);
    fold_to(o, x, above_after, leaf);
    (void)fold(o, x, leaf);
    raise_from(o, x, above, leaf);
}

/* The leaf that stands just before (after) this one; NONE: nobody. */
static uint32_t leaf_before(const struct fit_order *o, uint32_t leaf)
{
    const struct fit_node *nodes = o->nodes;
    uint32_t at = nodes[leaf].before;
    if (at == NONE) {
        for (at = nodes[leaf].above; at != NONE && nodes[at].before == leaf; at = nodes[at].above)
            leaf = at;
        return at;
    }
    while (nodes[at].after != NONE)
        at = nodes[at].after;
    return at;
}

static uint32_t leaf_after(const struct fit_order *o, uint32_t leaf)
{
    const struct fit_node *nodes = o->nodes;
    uint32_t at = nodes[leaf].after;
    if (at == NONE) {
        for (at = nodes[leaf].above; at != NONE && nodes[at].after == leaf; at = nodes[at].above)
            leaf = at;
        return at;
    }
    while (nodes[at].before != NONE)
        at = nodes[at].before;
    return at;
}

static bool stands_right(const struct fit_order *o, const struct fit_tree *x, uint32_t leaf)
{
    const uint64_t rank = fit_tree_rank(x, x->key);
    const uint32_t before = leaf_before(o, leaf);
    if (before != NONE && fit_tree_key_prefers(x, x->key, rank, leaf, before))
        return false;
    const uint32_t after = leaf_after(o, leaf);
    return after == NONE || fit_tree_key_prefers(x, x->key, rank, leaf, after);
}

bool fit_order_before(struct fit_order *o, const struct fit_tree *x, uint32_t leaf)
{
    if (!fit_tree_holds(x, fit_tree_own(x, leaf), o->floor))
        return false;
    if (fit_tree_holds(x, x->row, o->floor) && stands_right(o, x, leaf))
        return true;
    take_out(o, x, leaf);
    return false;
}

void fit_order_after(struct fit_order *o, const struct fit_tree *x, uint32_t leaf, bool stays)
{
    if (stays)
        fold_while_changed(o, x, leaf);
    else if (fit_tree_holds(x, fit_tree_own(x, leaf), o->floor))
        put_in(o, x, leaf);
}

/* How high a floor is: the number of bits of its numbers. */
static uint32_t weight_of(const int64_t *floor, uint32_t width)
{
    uint32_t weight = 0;
    for (uint32_t i = 0; i < width; i++)
        weight += floor[i] > 0 ? 64 - (uint32_t)__builtin_clzll((uint64_t)floor[i]) : 0;
    return weight;
}

size_t fit_order_bytes(const struct fit_tree *x)
{
    return x->n_leaves * (sizeof(struct fit_node) + x->width * sizeof(int64_t));
}

void fit_order_init(struct fit_order *o, const struct fit_tree *x, const int64_t *floor)
{
    *o = (struct fit_order){.floor = arena_memdup(x->arena, floor, x->width * sizeof(*floor)),
                            .weight = weight_of(floor, x->width),
                            .root = NONE,
                            .nodes = arena_new(x->arena, struct fit_node, x->n_leaves),
                            .most = arena_new(x->arena, int64_t, (size_t)x->n_leaves * x->width)};
    for (uint32_t leaf = 0; leaf < x->n_leaves; leaf++) {
        o->nodes[leaf].height = height_of(leaf);
        fit_order_after(o, x, leaf, false);
    }
}
