/* fit_tree.c - building and repairing: leaves, the nodes above them, the layers. */
#include "scheduler/fit_tree.h"

#include <string.h>

#include "scheduler/fit_order.h"

/* What the book says about a leaf's agent, into the scratch; false: it said so before. */
static bool leaf_look(struct fit_tree *x, const struct book *b, uint32_t leaf)
{
    const struct room *m = &b->room;
    const uint32_t agent = x->agent[leaf], n = x->like.n_asked;
    const int64_t *remaining = snapshot_row(m->snapshot, m->remaining, agent);
    for (uint32_t i = 0; i < n; i++)
        x->row[i] = remaining[x->like.asked[i]];
    if (x->width > n)
        x->row[n] = m->max_containers - m->containers[agent];
    if (x->key_len > 0)
        (void)x->selector->plugin->selector.key(m, &x->like, x->selector->options, agent, x->key);
    return memcmp(x->row, fit_tree_own(x, leaf), x->width * sizeof(*x->row)) != 0 ||
           memcmp(x->key, x->keys + (size_t)leaf * x->key_len, x->key_len * sizeof(*x->key)) != 0;
}

static void leaf_set(struct fit_tree *x, uint32_t leaf)
{
    memcpy(x->bounds + (size_t)(x->size + leaf) * x->width, x->row, x->width * sizeof(*x->row));
    memcpy(x->keys + (size_t)leaf * x->key_len, x->key, x->key_len * sizeof(*x->key));
    x->ranks[leaf] = fit_tree_rank(x, x->key);
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

_Static_assert(FIT_MAX_LAYERS <= 32, "layers are bits");
static void leaf_repair(struct fit_tree *x, const struct book *b, uint32_t leaf)
{
    if (!leaf_look(x, b, leaf))
        return;
    uint32_t stays = 0; /* bit: layer */
    for (uint32_t i = 0; i < x->n_layers; i++)
        stays |= (uint32_t)fit_order_before(&x->layers[i], x, leaf) << i;
    leaf_set(x, leaf);
    for (uint32_t i = 0; i < x->n_layers; i++)
        fit_order_after(&x->layers[i], x, leaf, (stays >> i & 1) != 0);
    for (uint32_t node = (x->size + leaf) / 2; x->in_turn && node > 0; node /= 2)
        if (!bounds_fold(x, node))
            break;
}

void fit_tree_catch_up(struct fit_tree *x, const struct book *b)
{
    for (; x->seen < b->n_log; x->seen++) {
        const uint32_t agent = b->log[x->seen];
        if (x->seen + 1 < b->n_log && b->log[x->seen + 1] == agent)
            continue; /* once for all of a run */
        if (x->leaf_of[agent] != NONE)
            leaf_repair(x, b, x->leaf_of[agent]);
    }
}

void fit_tree_add_layer(struct fit_tree *x, const int64_t *floor)
{
    struct fit_order o;
    fit_order_init(&o, x, floor);
    uint32_t at = x->n_layers++;
    for (; at > 0 && x->layers[at - 1].weight < o.weight; at--)
        x->layers[at] = x->layers[at - 1];
    x->layers[at] = o;
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
    for (x->size = x->in_turn ? 1 : 0; x->in_turn && x->size < x->n_leaves;)
        x->size *= 2;
}

static void load_all(struct fit_tree *x, const struct book *b)
{
    for (uint32_t k = 0; k < x->n_leaves; k++) {
        (void)leaf_look(x, b, k);
        leaf_set(x, k);
    }
    for (uint32_t k = x->n_leaves; k < x->size; k++)
        for (uint32_t i = 0; i < x->width; i++)
            x->bounds[(size_t)(x->size + k) * x->width + i] = INT64_MIN;
    for (uint32_t node = x->size; node-- > 1;)
        (void)bounds_fold(x, node);
}

size_t fit_tree_bytes(const struct snapshot *s, uint32_t n_asked)
{
    size_t rows = (size_t)4 * s->n_agents; /* at most; a tree has twice as many nodes as leaves */
    size_t row = (n_asked + 1) * sizeof(int64_t);
    return rows * row + s->n_agents * (row + 8 * sizeof(uint32_t));
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
                           .in_turn = selector->plugin->selector.scope != SELECT_BY_SLOTS,
                           .width = like->n_asked + (b->room.max_containers > 0),
                           .seen = b->n_log};
    list_leaves(x, b->room.snapshot);
    x->row = arena_new(a, int64_t, x->width);
    x->key = arena_new(a, int64_t, b->room.snapshot->n_slots + 2);
    if (x->n_leaves > 0 && !x->in_turn)
        x->key_len = selector->plugin->selector.key(&b->room, &x->like, selector->options,
                                                    x->agent[0], x->key);
    x->keys = arena_new(a, int64_t, (size_t)x->n_leaves * x->key_len);
    x->ranks = arena_new(a, uint64_t, x->n_leaves);
    x->bounds = arena_new(a, int64_t, (x->in_turn ? (size_t)2 * x->size : x->n_leaves) * x->width);
    load_all(x, b);
    if (x->in_turn)
        return;
    x->path = arena_new(a, uint32_t, x->n_leaves);
    x->layers = arena_new(a, struct fit_order, FIT_MAX_LAYERS);
    fit_tree_add_layer(x, arena_new(a, int64_t, x->width));
}
