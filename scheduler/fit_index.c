/* fit_index.c - questions to a fit_tree. */
#include "scheduler/fit_index.h"

#include "scheduler/fit_tree.h"

struct fit_index {
    struct fit_tree tree;
    int64_t *need; /* scratch, width: the requirement at hand */
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

struct taking {
    const struct fit_tree *tree;
    const struct acceptance *filters;
};

static bool takes(const void *ctx, uint32_t leaf)
{
    const struct taking *t = ctx;
    return t->filters->accept(t->filters->ctx, t->tree->agent[leaf]);
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
        const struct taking ctx = {.tree = t, .filters = filters};
        const struct fit_taker taker = {.takes = takes, .ctx = &ctx};
        leaf = fit_order_first(&t->order, x->need, &taker);
    }
    return leaf != NONE ? t->agent[leaf] : NONE;
}
