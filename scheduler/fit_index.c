/* fit_index.c - tournament tree with bounds over the candidate agents of one architecture.
 *
 * Nodes 1..2*size-1, children of i are 2i and 2i+1, leaf k is node size+k. Each node has a row of
 * `width` bounds: the asked slots, then the containers that may be added. */
#include "scheduler/fit_index.h"

#include <string.h>

struct fit_index {
    const struct chosen *selector;
    struct requirement like;
    uint32_t n_leaves, size, width, key_len;
    uint32_t *agent;   /* by leaf, ascending */
    uint32_t *leaf_of; /* by agent, NONE: not here */
    int64_t *bounds;   /* rows by node; INT64_MIN: nobody below */
    uint32_t *winner;  /* by node: leaf; of a leaf: itself; NONE: nobody below */
    int64_t *keys;     /* rows by leaf */
    int64_t *key;      /* scratch, n_slots + 2 */
    int64_t *need;     /* scratch, width */
    uint32_t seen;     /* entries of the book's log already folded in */
};

enum { MAX_DEPTH = 34, STACK = 2 * MAX_DEPTH };

static int64_t *bounds_at(const struct fit_index *x, uint32_t node)
{
    return x->bounds + (size_t)node * x->width;
}

static bool is_better(const struct fit_index *x, uint32_t a, uint32_t b)
{
    const int64_t *ka = x->keys + (size_t)a * x->key_len, *kb = x->keys + (size_t)b * x->key_len;
    for (uint32_t i = 0; i < x->key_len; i++)
        if (ka[i] != kb[i])
            return ka[i] < kb[i];
    return a < b;
}

static uint32_t better_of(const struct fit_index *x, uint32_t a, uint32_t b)
{
    if (a == NONE || b == NONE)
        return a == NONE ? b : a;
    return is_better(x, a, b) ? a : b;
}

/* Copies what the book says about a leaf's agent; false: it said so before. */
static bool leaf_load(struct fit_index *x, const struct book *b, uint32_t leaf)
{
    const struct room *m = &b->room;
    uint32_t agent = x->agent[leaf];
    const int64_t *remaining = snapshot_row(m->snapshot, m->remaining, agent);
    int64_t *mine = bounds_at(x, x->size + leaf);
    bool changed = false;
    for (uint32_t i = 0; i < x->width; i++) {
        int64_t now = i < x->like.n_asked     ? remaining[x->like.asked[i]]
                      : m->max_containers > 0 ? m->max_containers - m->containers[agent]
                                              : INT64_MAX;
        changed |= mine[i] != now;
        mine[i] = now;
    }
    if (x->key_len > 0) {
        int64_t *key = x->keys + (size_t)leaf * x->key_len;
        (void)x->selector->plugin->selector.key(m, &x->like, x->selector->options, agent, x->key);
        changed |= memcmp(key, x->key, x->key_len * sizeof(*key)) != 0;
        memcpy(key, x->key, x->key_len * sizeof(*key));
    }
    return changed;
}

/* Makes a node from its children; false: it is as it was. */
static bool node_fold(struct fit_index *x, uint32_t node)
{
    const int64_t *left = bounds_at(x, 2 * node), *right = left + x->width;
    int64_t *mine = bounds_at(x, node);
    bool changed = false;
    for (uint32_t i = 0; i < x->width; i++) {
        int64_t most = left[i] > right[i] ? left[i] : right[i];
        changed |= mine[i] != most;
        mine[i] = most;
    }
    const uint32_t *winners = x->winner + (size_t)2 * node; /* of the children */
    uint32_t winner = better_of(x, winners[0], winners[1]);
    changed |= x->winner[node] != winner;
    x->winner[node] = winner;
    return changed;
}

static void leaf_repair(struct fit_index *x, const struct book *b, uint32_t leaf)
{
    if (!leaf_load(x, b, leaf))
        return;
    /* A winner's key may matter further up even where the winner stays the same. */
    for (uint32_t node = (x->size + leaf) / 2; node > 0; node /= 2)
        if (!node_fold(x, node) && x->winner[node] != leaf)
            return;
}

static void catch_up(struct fit_index *x, const struct book *b)
{
    for (; x->seen < b->n_log; x->seen++)
        if (x->leaf_of[b->log[x->seen]] != NONE)
            leaf_repair(x, b, x->leaf_of[b->log[x->seen]]);
}

void fit_index_restart(struct fit_index *x, const struct book *b)
{
    catch_up(x, b);
    x->seen = 0;
}

static void list_leaves(struct fit_index *x, const struct snapshot *s, struct arena *a)
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

struct fit_index *fit_index_create(const struct book *b, const struct chosen *selector,
                                   const struct requirement *like, struct arena *a)
{
    const struct snapshot *s = b->room.snapshot;
    struct fit_index *x = arena_new(a, struct fit_index, 1);
    x->selector = selector;
    x->like = (struct requirement){.session = like->session,
                                   .arch = like->arch,
                                   .request = like->request,
                                   .asked = like->asked,
                                   .priority = like->priority,
                                   .n_asked = like->n_asked};
    x->width = like->n_asked + 1;
    x->seen = b->n_log;
    list_leaves(x, s, a);
    for (x->size = 1; x->size < x->n_leaves; x->size *= 2)
        ;
    x->key = arena_new(a, int64_t, s->n_slots + 2);
    x->need = arena_new(a, int64_t, x->width);
    if (x->n_leaves > 0 && selector->plugin->selector.scope == SELECT_BY_SLOTS)
        x->key_len = selector->plugin->selector.key(&b->room, &x->like, selector->options,
                                                    x->agent[0], x->key);
    x->keys = arena_new(a, int64_t, (size_t)x->n_leaves * x->key_len);
    x->bounds = arena_new(a, int64_t, (size_t)2 * x->size * x->width);
    x->winner = arena_new(a, uint32_t, (size_t)2 * x->size);
    for (uint32_t k = 0; k < x->size; k++) {
        x->winner[x->size + k] = k < x->n_leaves ? k : NONE;
        if (k < x->n_leaves)
            (void)leaf_load(x, b, k);
        for (uint32_t i = 0; k >= x->n_leaves && i < x->width; i++)
            bounds_at(x, x->size + k)[i] = INT64_MIN;
    }
    for (uint32_t node = x->size - 1; node > 0; node--)
        (void)node_fold(x, node);
    return x;
}

/* --- questions --- */

static void need_load(struct fit_index *x, const struct requirement *r)
{
    for (uint32_t i = 0; i < r->n_asked; i++)
        x->need[i] = r->request[r->asked[i]];
    x->need[r->n_asked] = r->containers;
}

static bool may_hold(const struct fit_index *x, uint32_t node)
{
    const int64_t *bounds = bounds_at(x, node);
    for (uint32_t i = 0; i < x->width; i++)
        if (bounds[i] < x->need[i])
            return false;
    return true;
}

static bool leaf_takes(const struct fit_index *x, uint32_t leaf, const struct acceptance *f)
{
    return may_hold(x, x->size + leaf) && f->accept(f->ctx, x->agent[leaf]);
}

/* The leaf with the best key that takes it. */
static uint32_t best_leaf(const struct fit_index *x, const struct acceptance *f)
{
    uint32_t stack[STACK], n = 0, best = NONE;
    stack[n++] = 1;
    while (n > 0) {
        uint32_t node = stack[--n];
        if (!may_hold(x, node))
            continue;
        uint32_t winner = x->winner[node];
        if (best != NONE && !is_better(x, winner, best))
            continue;
        if (leaf_takes(x, winner, f)) {
            best = winner;
            continue;
        }
        if (node >= x->size)
            continue;
        bool left_first = x->winner[(size_t)2 * node] == winner;
        stack[n++] = 2 * node + left_first;
        stack[n++] = 2 * node + !left_first;
    }
    return best;
}

/* The first leaf of [from, to) that takes it. */
static uint32_t first_leaf(const struct fit_index *x, uint32_t from, uint32_t to,
                           const struct acceptance *f)
{
    struct range {
        uint32_t node, begin, end;
    } stack[STACK];
    uint32_t n = 0;
    stack[n++] = (struct range){1, 0, x->size};
    while (n > 0) {
        struct range at = stack[--n];
        if (at.end <= from || at.begin >= to || !may_hold(x, at.node))
            continue;
        if (at.node >= x->size) {
            if (f->accept(f->ctx, x->agent[at.begin]))
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
static uint32_t leaves_before(const struct fit_index *x, uint32_t agent)
{
    uint32_t low = 0, high = x->n_leaves;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (x->agent[middle] < agent)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t fit_index_choose(struct fit_index *x, const struct book *b, const struct requirement *r,
                          const struct acceptance *filters)
{
    catch_up(x, b);
    need_load(x, r);
    uint32_t leaf = NONE;
    if (x->selector->plugin->selector.scope == SELECT_IN_TURN) {
        uint32_t turn = leaves_before(x, r->turn);
        leaf = first_leaf(x, turn, x->n_leaves, filters);
        if (leaf == NONE)
            leaf = first_leaf(x, 0, turn, filters);
    } else {
        leaf = best_leaf(x, filters);
    }
    return leaf != NONE ? x->agent[leaf] : NONE;
}
