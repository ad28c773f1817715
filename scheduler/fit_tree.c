/* fit_tree.c - building and repairing: leaves, the nodes above them or their order. */
#include "scheduler/fit_tree.h"

#include <string.h>

/* What the book says about a leaf's agent, into the scratch. */
static void row_look(struct fit_tree *x, const struct book *b, uint32_t leaf)
{
    const struct room *m = &b->room;
    const uint32_t agent = x->agent[leaf], n = x->like.n_asked;
    const int64_t *remaining = snapshot_row(m->snapshot, m->remaining, agent);
    for (uint32_t i = 0; i < n; i++)
        x->row[i] = remaining[x->like.asked[i]];
    if (x->width > n)
        x->row[n] = m->max_containers - m->containers[agent];
}

static uint32_t key_look(const struct fit_tree *x, const struct book *b, uint32_t leaf,
                         int64_t *ret)
{
    return x->selector->plugin->selector.key(&b->room, &x->like, x->selector->options,
                                             x->agent[leaf], ret);
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

static void leaf_repair(struct fit_tree *x, const struct book *b, uint32_t leaf)
{
    row_look(x, b, leaf);
    if (!x->in_turn) {
        (void)key_look(x, b, leaf, x->key);
        fit_order_move(&x->order, leaf, x->row, x->key);
        return;
    }
    memcpy(x->bounds + (size_t)(x->size + leaf) * x->width, x->row, x->width * sizeof(*x->row));
    for (uint32_t node = (x->size + leaf) / 2; node > 0; node /= 2)
        if (!bounds_fold(x, node))
            break;
}

void fit_tree_catch_up(struct fit_tree *x, const struct book *b)
{
    x->serial++;
    for (uint32_t i = b->n_log; i-- > x->seen;) {
        const uint32_t leaf = x->leaf_of[b->log[i]];
        if (leaf == NONE || x->repaired[leaf] == x->serial)
            continue;
        x->repaired[leaf] = x->serial;
        leaf_repair(x, b, leaf);
    }
    x->seen = b->n_log;
}

static void list_leaves(struct fit_tree *x, const struct snapshot *s, struct arena *a)
{
    x->agent = arena_new(a, uint32_t, s->n_agents);
    x->leaf_of = arena_new(a, uint32_t, s->n_agents);
    for (uint32_t i = 0; i < s->n_agents; i++) {
        bool here = agent_is_candidate(&s->agents[i]) && s->agents[i].arch == x->like.arch;
        x->leaf_of[i] = here ? x->n_leaves : NONE;
        if (here)
            x->agent[x->n_leaves++] = i;
    }
}

static void bounds_load(struct fit_tree *x, const struct book *b, struct arena *a)
{
    for (x->size = 1; x->size < x->n_leaves;)
        x->size *= 2;
    x->bounds = arena_new(a, int64_t, (size_t)2 * x->size * x->width);
    for (uint32_t k = 0; k < x->size; k++) {
        int64_t *mine = x->bounds + (size_t)(x->size + k) * x->width;
        if (k < x->n_leaves)
            row_look(x, b, k);
        for (uint32_t i = 0; i < x->width; i++)
            mine[i] = k < x->n_leaves ? x->row[i] : INT64_MIN;
    }
    for (uint32_t node = x->size; node-- > 1;)
        (void)bounds_fold(x, node);
}

static void order_load(struct fit_tree *x, const struct book *b, struct arena *a)
{
    const uint32_t len = x->n_leaves > 0 ? key_look(x, b, 0, x->key) : 0;
    int64_t *keys = arena_new(a, int64_t, (size_t)x->n_leaves * len);
    for (uint32_t k = 0; k < x->n_leaves; k++) {
        (void)key_look(x, b, k, x->key);
        memcpy(keys + (size_t)k * len, x->key, len * sizeof(*keys));
    }
    fit_order_init(&x->order, x->n_leaves, x->width, keys, len, a);
    for (uint32_t k = 0; k < x->n_leaves; k++) {
        row_look(x, b, k);
        fit_order_add(&x->order, k, x->row);
    }
}

size_t fit_tree_bytes(const struct snapshot *s, uint32_t n_asked)
{
    const size_t bounds = (size_t)4 * s->n_agents * (n_asked + 1) * sizeof(int64_t);
    const size_t order = fit_order_bytes(s->n_agents, n_asked + 1);
    return (size_t)3 * s->n_agents * sizeof(uint32_t) + (bounds > order ? bounds : order);
}

void fit_tree_init(struct fit_tree *x, const struct book *b, const struct chosen *selector,
                   const struct requirement *like, struct arena *a)
{
    *x = (struct fit_tree){.selector = selector,
                           .like = {.session = like->session,
                                    .arch = like->arch,
                                    .request = like->request,
                                    .asked = like->asked,
                                    .priority = like->priority,
                                    .n_asked = like->n_asked},
                           .in_turn = selector->plugin->selector.scope != SELECT_BY_SLOTS,
                           .width = like->n_asked + (b->room.max_containers > 0),
                           .seen = b->n_log};
    list_leaves(x, b->room.snapshot, a);
    x->repaired = arena_new(a, uint32_t, x->n_leaves);
    x->row = arena_new(a, int64_t, x->width);
    x->key = arena_new(a, int64_t, b->room.snapshot->n_slots + 2);
    if (x->in_turn)
        bounds_load(x, b, a);
    else
        order_load(x, b, a);
}
