/* fit_index.c - questions to a fit_tree, and which layers it gets. */
#include "scheduler/fit_index.h"

#include <string.h>

#include "scheduler/fit_order.h"

struct fit_index {
    struct fit_tree tree;
    int64_t *need;  /* scratch, width: the requirement at hand */
    int64_t *floor; /* scratch, width */
    uint64_t debt;  /* nodes visited in vain since the last layer was made */
};

/* A descent by turns takes at most 2 * depth entries; depth <= 32. */
enum { STACK = 68 };

struct fit_index *fit_index_create(struct book *b, const struct chosen *selector,
                                   const struct requirement *like, struct arena *a)
{
    if (!book_spend(b, fit_tree_bytes(b->room.snapshot, like->n_asked)))
        return NULL;
    struct fit_index *x = arena_new(a, struct fit_index, 1);
    fit_tree_init(&x->tree, b, selector, like, a);
    x->need = arena_new(a, int64_t, x->tree.width);
    x->floor = arena_new(a, int64_t, x->tree.width);
    return x;
}

void fit_index_restart(struct fit_index *x, const struct book *b)
{
    fit_tree_catch_up(&x->tree, b);
    x->tree.seen = 0;
}

static void need_load(struct fit_index *x, const struct requirement *r)
{
    for (uint32_t i = 0; i < r->n_asked; i++)
        x->need[i] = r->request[r->asked[i]];
    if (x->tree.width > r->n_asked)
        x->need[r->n_asked] = r->containers;
}

/* --- layers --- */

/* The layer with the highest floor that this need is not below: every agent that fits is in it. */
static struct fit_order *layer_for(const struct fit_index *x)
{
    struct fit_order *l = x->tree.layers;
    while (!fit_tree_holds(&x->tree, x->need, l->floor))
        l++; /* the last has floor 0 */
    return l;
}

/* Too many agents of the layer were in the way. Once they cost as much as a layer does, make one:
 * for all needs of about this size (powers of two), or, where that was not enough, for just this
 * need. */
static void pay(struct fit_index *x, struct book *b, const struct fit_order *used, uint32_t visited)
{
    enum { FREE_VISITS = 64, MAX_EXACT = 20 };
    struct fit_tree *t = &x->tree;
    if (visited <= FREE_VISITS)
        return;
    x->debt += visited;
    if (x->debt < t->n_leaves || t->n_layers == FIT_MAX_LAYERS)
        return;
    for (uint32_t i = 0; i < t->width; i++)
        x->floor[i] =
            x->need[i] > 0 ? INT64_C(1) << (63 - __builtin_clzll((uint64_t)x->need[i])) : 0;
    const int64_t *floor = x->floor;
    if (memcmp(floor, used->floor, t->width * sizeof(*floor)) == 0)
        floor = x->need;
    bool exact = floor == x->need;
    if (exact &&
        (t->n_layers >= MAX_EXACT || memcmp(floor, used->floor, t->width * sizeof(*floor)) == 0))
        return;
    if (book_spend(b, fit_order_bytes(t)))
        fit_tree_add_layer(t, floor);
    x->debt = 0;
}

/* --- questions --- */

/* fit_tree_holds() for a width that is known where this is inlined. */
static inline bool holds(const int64_t *row, const int64_t *need, uint32_t width)
{
    if (width < 1 || width > 4) {
        for (uint32_t i = 0; i < width; i++)
            if (row[i] < need[i])
                return false;
        return true;
    }
    return row[0] >= need[0] && (width < 2 || row[1] >= need[1]) &&
           (width < 3 || row[2] >= need[2]) && (width < 4 || row[3] >= need[3]);
}

/* The first leaf of the layer that takes it; adds the nodes it had to look at to *visited. */
static inline __attribute__((always_inline)) uint32_t
descend(const struct fit_tree *t, const struct fit_order *l, const int64_t *need,
        const struct acceptance *f, uint32_t width, uint32_t *visited)
{
    const struct fit_node *nodes = l->nodes;
    const int64_t *most = l->most;
    uint32_t *stack = t->path, n = 0, at = l->root;
    for (;;) {
        for (; at != NONE && holds(most + (size_t)at * width, need, width); (*visited)++) {
            stack[n++] = at;
            at = nodes[at].before;
        }
        if (n == 0)
            return NONE;
        at = stack[--n];
        if (holds(t->bounds + (size_t)at * width, need, width) && f->accept(f->ctx, t->agent[at]))
            return at;
        at = nodes[at].after;
    }
}

/* The first leaf in the selector's order that takes it. */
static uint32_t best_leaf(struct fit_index *x, struct book *b, const struct acceptance *f)
{
    const struct fit_tree *t = &x->tree;
    const struct fit_order *l = layer_for(x);
    uint32_t visited = 0, found = NONE;
    switch (t->width) { /* the usual ones at full speed */
    case 1:
        found = descend(t, l, x->need, f, 1, &visited);
        break;
    case 2:
        found = descend(t, l, x->need, f, 2, &visited);
        break;
    case 3:
        found = descend(t, l, x->need, f, 3, &visited);
        break;
    case 4:
        found = descend(t, l, x->need, f, 4, &visited);
        break;
    default:
        found = descend(t, l, x->need, f, t->width, &visited);
    }
    pay(x, b, l, visited);
    return found;
}

/* The first leaf of [from, to) that takes it. */
static uint32_t first_leaf(const struct fit_index *x, uint32_t from, uint32_t to,
                           const struct acceptance *f)
{
    const struct fit_tree *t = &x->tree;
    struct range {
        uint32_t node, begin, end;
    } stack[STACK];
    uint32_t n = 0;
    stack[n++] = (struct range){1, 0, t->size};
    while (n > 0) {
        struct range at = stack[--n];
        if (at.end <= from || at.begin >= to ||
            !fit_tree_holds(t, fit_tree_bounds(t, at.node), x->need))
            continue;
        if (at.node >= t->size) {
            if (f->accept(f->ctx, t->agent[at.begin]))
                return at.begin;
            continue;
        }
        uint32_t middle = at.begin + (at.end - at.begin) / 2;
        stack[n++] = (struct range){2 * at.node + 1, middle, at.end};
        stack[n++] = (struct range){2 * at.node, at.begin, middle};
    }
    return NONE;
}

/* The number of leaves whose agent is before `agent`. */
static uint32_t leaves_before(const struct fit_tree *t, uint32_t agent)
{
    uint32_t low = 0, high = t->n_leaves;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (t->agent[middle] < agent)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t fit_index_choose(struct fit_index *x, struct book *b, const struct requirement *r,
                          const struct acceptance *filters)
{
    struct fit_tree *t = &x->tree;
    uint32_t leaf = NONE;
    fit_tree_catch_up(t, b);
    need_load(x, r);
    if (t->in_turn) {
        uint32_t turn = leaves_before(t, r->turn);
        leaf = first_leaf(x, turn, t->n_leaves, filters);
        if (leaf == NONE)
            leaf = first_leaf(x, 0, turn, filters);
    } else {
        leaf = best_leaf(x, b, filters);
    }
    return leaf != NONE ? t->agent[leaf] : NONE;
}
