/* fit_tree.c - building and repairing the tournament tree. */
#include "scheduler/fit_tree.h"

#include <string.h>

static uint32_t better_of(const struct fit_tree *x, uint32_t a, uint32_t b)
{
    if (a == NONE || b == NONE)
        return a == NONE ? b : a;
    return fit_tree_prefers(x, a, b) ? a : b;
}

/* Copies what the book says about a leaf's agent; false: it said so before. */
static bool leaf_load(struct fit_tree *x, const struct book *b, uint32_t leaf)
{
    const struct room *m = &b->room;
    uint32_t agent = x->agent[leaf], n = x->width - 1;
    const int64_t *remaining = snapshot_row(m->snapshot, m->remaining, agent);
    int64_t *mine = x->bounds + (size_t)(x->size + leaf) * x->width;
    int64_t containers =
        m->max_containers > 0 ? m->max_containers - m->containers[agent] : INT64_MAX;
    bool changed = mine[n] != containers;
    mine[n] = containers;
    for (uint32_t i = 0; i < n; i++) {
        int64_t now = remaining[x->like.asked[i]];
        changed |= mine[i] != now;
        mine[i] = now;
    }
    if (x->key_len > 0) {
        int64_t *key = x->keys + (size_t)leaf * x->key_len;
        (void)x->selector->plugin->selector.key(m, &x->like, x->selector->options, agent, x->key);
        for (uint32_t i = 0; i < x->key_len; i++) {
            changed |= key[i] != x->key[i];
            key[i] = x->key[i];
        }
    }
    return changed;
}

/* Makes a node's bounds from its children; false: they are as they were. */
static bool bounds_fold(struct fit_tree *x, uint32_t node)
{
    const int64_t *left = fit_tree_bounds(x, 2 * node), *right = left + x->width;
    int64_t *mine = x->bounds + (size_t)node * x->width;
    bool changed = false;
    for (uint32_t i = 0; i < x->width; i++) {
        int64_t most = left[i] > right[i] ? left[i] : right[i];
        changed |= mine[i] != most;
        mine[i] = most;
    }
    return changed;
}

static uint32_t layer_entry(const struct fit_tree *x, const struct fit_layer *l, uint32_t leaf)
{
    return fit_tree_holds(x, fit_tree_bounds(x, x->size + leaf), l->floor) ? leaf : NONE;
}

/* A leaf's key or bounds changed: its path may have other winners. Where the leaf neither was the
 * winner nor is, nothing changes further up. */
static void layer_repair(struct fit_tree *x, struct fit_layer *l, uint32_t leaf)
{
    uint32_t node = x->size + leaf;
    l->winner[node] = layer_entry(x, l, leaf);
    for (node /= 2; node > 0; node /= 2) {
        const uint32_t *children = l->winner + (size_t)2 * node;
        uint32_t before = l->winner[node], winner = better_of(x, children[0], children[1]);
        l->winner[node] = winner;
        if (winner == before && winner != leaf)
            return;
    }
}

static void leaf_repair(struct fit_tree *x, const struct book *b, uint32_t leaf)
{
    if (!leaf_load(x, b, leaf))
        return;
    for (uint32_t node = (x->size + leaf) / 2; node > 0; node /= 2)
        if (!bounds_fold(x, node))
            break;
    for (uint32_t i = 0; i < x->n_layers; i++)
        layer_repair(x, &x->layers[i], leaf);
}

void fit_tree_catch_up(struct fit_tree *x, const struct book *b)
{
    for (; x->seen < b->n_log; x->seen++) {
        uint32_t leaf = x->leaf_of[b->log[x->seen]];
        if (leaf != NONE)
            leaf_repair(x, b, leaf);
    }
}

/* How high a floor is: the number of bits of its numbers. */
static uint32_t weight_of(const int64_t *floor, uint32_t width)
{
    uint32_t weight = 0;
    for (uint32_t i = 0; i < width; i++)
        weight += floor[i] > 0 ? 64 - (uint32_t)__builtin_clzll((uint64_t)floor[i]) : 0;
    return weight;
}

void fit_tree_add_layer(struct fit_tree *x, const int64_t *floor)
{
    struct fit_layer l = {.floor = arena_memdup(x->arena, floor, x->width * sizeof(*floor)),
                          .winner = arena_new(x->arena, uint32_t, (size_t)2 * x->size),
                          .weight = weight_of(floor, x->width)};
    for (uint32_t k = 0; k < x->size; k++)
        l.winner[x->size + k] = k < x->n_leaves ? layer_entry(x, &l, k) : NONE;
    for (uint32_t node = x->size - 1; node > 0; node--) {
        const uint32_t *children = l.winner + (size_t)2 * node;
        l.winner[node] = better_of(x, children[0], children[1]);
    }
    uint32_t at = x->n_layers++;
    for (; at > 0 && x->layers[at - 1].weight < l.weight; at--)
        x->layers[at] = x->layers[at - 1];
    x->layers[at] = l;
}

static void list_leaves(struct fit_tree *x, const struct snapshot *s)
{
    x->agent = arena_new(x->arena, uint32_t, s->n_agents);
    x->leaf_of = arena_new(x->arena, uint32_t, s->n_agents);
    for (uint32_t i = 0; i < s->n_agents; i++) {
        bool here = agent_is_candidate(&s->agents[i]) && s->agents[i].arch == x->like.arch;
        x->leaf_of[i] = here ? x->n_leaves : NONE;
        if (here)
            x->agent[x->n_leaves++] = i;
    }
    x->size = 1;
    while (x->size < x->n_leaves)
        x->size *= 2;
}

static void load_all(struct fit_tree *x, const struct book *b)
{
    for (uint32_t k = 0; k < x->size; k++) {
        if (k < x->n_leaves)
            (void)leaf_load(x, b, k);
        for (uint32_t i = 0; k >= x->n_leaves && i < x->width; i++)
            x->bounds[(size_t)(x->size + k) * x->width + i] = INT64_MIN;
    }
    for (uint32_t node = x->size - 1; node > 0; node--)
        (void)bounds_fold(x, node);
}

size_t fit_tree_bytes(const struct snapshot *s, uint32_t n_asked)
{
    size_t nodes = (size_t)4 * s->n_agents; /* at most; a tree has twice as many as leaves */
    size_t row = (n_asked + 1) * sizeof(int64_t);
    return nodes * (row + sizeof(uint32_t)) + s->n_agents * (row + 2 * sizeof(uint32_t));
}

size_t fit_layer_bytes(const struct fit_tree *x)
{
    return (size_t)2 * x->size * sizeof(uint32_t);
}

void fit_tree_init(struct fit_tree *x, const struct book *b, const struct chosen *selector,
                   const struct requirement *like, struct arena *a)
{
    *x = (struct fit_tree){.arena = a,
                           .selector = selector,
                           .like = {.session = like->session,
                                    .arch = like->arch,
                                    .request = like->request,
                                    .asked = like->asked,
                                    .priority = like->priority,
                                    .n_asked = like->n_asked},
                           .width = like->n_asked + 1,
                           .seen = b->n_log};
    list_leaves(x, b->room.snapshot);
    x->key = arena_new(a, int64_t, b->room.snapshot->n_slots + 2);
    bool by_slots = selector->plugin->selector.scope == SELECT_BY_SLOTS;
    if (x->n_leaves > 0 && by_slots)
        x->key_len = selector->plugin->selector.key(&b->room, &x->like, selector->options,
                                                    x->agent[0], x->key);
    x->keys = arena_new(a, int64_t, (size_t)x->n_leaves * x->key_len);
    x->bounds = arena_new(a, int64_t, (size_t)2 * x->size * x->width);
    load_all(x, b);
    if (by_slots)
        fit_tree_add_layer(x, arena_new(a, int64_t, x->width));
}
