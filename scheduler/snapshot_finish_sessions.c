/* snapshot_finish_sessions.c - the sessions, and what belongs to one stands together.
 *
 * The larger half of builder_finish(): tables with a row a session or more. */
#include <assert.h>
#include <string.h>

#include "scheduler/snapshot_order.h"

/* --- sessions by (created_at, id) --- */

struct session_key { /* what decides, side by side: sorts several times faster than row numbers */
    int64_t created_at;
    uint32_t row;
};

static int compare_session_keys(const void *a, const void *b, void *ctx)
{
    const struct session *all = ((const struct snapshot_builder *)ctx)->sessions;
    const struct session_key *x = a;
    const struct session_key *y = b;
    int by_time = order_numbers(x->created_at, y->created_at);
    return by_time != 0 ? by_time : uuid_compare(&all[x->row].id, &all[y->row].id);
}

static uint32_t *finish_sessions(struct snapshot_builder *b, const uint32_t *owner_to,
                                 const uint32_t *group_to)
{
    uint32_t n = b->n_sessions;
    struct session_key *keys = arena_new(b->arena, struct session_key, n);
    for (uint32_t i = 0; i < n; i++) {
        struct session *s = &b->sessions[i];
        keys[i] = (struct session_key){.created_at = s->created_at, .row = i};
        for (int kind = 0; kind < N_OWNER_KINDS; kind++) {
            assert(s->owner[kind] < b->n_owners);
            s->owner[kind] = owner_to[s->owner[kind]];
            assert((int)b->owners[s->owner[kind]].kind == kind);
        }
        assert(s->group == NONE || s->group < b->n_groups);
        if (s->group != NONE)
            s->group = group_to[s->group];
    }
    order_sort(keys, n, sizeof(*keys), compare_session_keys, b);
    uint32_t *order = arena_new(b->arena, uint32_t, n);
    for (uint32_t i = 0; i < n; i++)
        order[i] = keys[i].row;
    arena_release(b->arena, keys, n * sizeof(*keys));
    uint32_t *to = order_invert(b, order, n, n);
    order_permute(b->sessions, sizeof(*b->sessions), order, n);
    order_release(b, order, n);
    index_remap(&b->by_session, to);
    return to;
}

/* --- its kernels, dependencies and designated agents, in the order of the sessions --- */

static int compare_kernels(const void *a, const void *b, void *ctx)
{
    ORDER_ROWS(struct kernel, kernels, x, y);
    if (x->is_main != y->is_main)
        return x->is_main ? -1 : 1;
    int by_idx = order_numbers(x->cluster_idx, y->cluster_idx);
    return by_idx != 0 ? by_idx : uuid_compare(&x->id, &y->id);
}

static int compare_dependencies(const void *a, const void *b, void *ctx)
{
    ORDER_ROWS(struct dependency, dependencies, x, y);
    int by_id = uuid_compare(&x->id, &y->id);
    if (by_id != 0)
        return by_id;
    if (x->state != y->state)
        return x->state < y->state ? -1 : 1;
    return strcmp(x->name != NULL ? x->name : "", y->name != NULL ? y->name : "");
}

/* The order of the children; first[s] is where session s (new row) begins, first[n] the end. */
static uint32_t *order_children(struct snapshot_builder *b, struct children *c,
                                const uint32_t *session_to, compare_f *compare, uint32_t *first)
{
    uint32_t *order = arena_new(b->arena, uint32_t, c->n);
    memset(first, 0, (b->n_sessions + (size_t)1) * sizeof(*first));
    for (uint32_t i = 0; i < c->n; i++) {
        c->session[i] = session_to[c->session[i]];
        first[c->session[i] + 1]++;
    }
    for (uint32_t s = 0; s < b->n_sessions; s++)
        first[s + 1] += first[s];
    for (uint32_t i = 0; i < c->n; i++) /* moves first[s] to the end of s */
        order[first[c->session[i]]++] = i;
    for (uint32_t s = b->n_sessions; s > 0; s--)
        first[s] = first[s - 1];
    first[0] = 0;
    for (uint32_t s = 0; s < b->n_sessions; s++)
        order_sort(order + first[s], first[s + 1] - first[s], sizeof(*order), compare, b);
    arena_release(b->arena, c->session, c->cap * sizeof(*c->session));
    c->session = NULL;
    return order;
}

/* The rows that kernels (in their new order) ask for, by who comes first. Those that were left
 * behind, when a kernel asked for more after others had been looked at, go. */
static void finish_requests(struct snapshot_builder *b, const uint32_t *columns)
{
    const uint32_t n_old = b->n_requests;
    uint32_t *order = arena_new(b->arena, uint32_t, n_old);
    uint32_t *to = order_invert(b, order, 0, n_old);
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->kernel_of.n; i++) {
        uint32_t *at = &to[b->kernels[i].request];
        if (*at == NONE) {
            order[n] = b->kernels[i].request;
            *at = n++;
        }
        b->kernels[i].request = *at;
    }
    order_release(b, to, n_old);
    order_apply_matrix(b, &b->request, order, n, columns);
    order_release(b, order, n_old);
    b->n_requests = n;
}

static void finish_children(struct snapshot_builder *b, const uint32_t *session_to,
                            const uint32_t *columns)
{
    uint32_t n = b->n_sessions;
    uint32_t *first = arena_new(b->arena, uint32_t, n + (size_t)1);

    uint32_t *order = order_children(b, &b->kernel_of, session_to, compare_kernels, first);
    order_permute(b->kernels, sizeof(*b->kernels), order, b->kernel_of.n);
    finish_requests(b, columns);
    order_release(b, order, b->kernel_of.n);
    for (uint32_t i = 0; i < n; i++) {
        b->sessions[i].first_kernel = first[i];
        b->sessions[i].n_kernels = first[i + 1] - first[i];
    }
    order = order_children(b, &b->dependency_of, session_to, compare_dependencies, first);
    ORDER_APPLY(b, dependencies, order, b->dependency_of.n);
    order_release(b, order, b->dependency_of.n);
    for (uint32_t i = 0; i < n; i++) {
        if (first[i] == first[i + 1])
            continue;
        struct session_rare *rare = builder_session_rare(b, i);
        rare->first_dependency = first[i];
        rare->n_dependencies = first[i + 1] - first[i];
    }
    order = order_children(b, &b->designated_of, session_to, order_as_added, first);
    ORDER_APPLY(b, designated, order, b->designated_of.n);
    order_release(b, order, b->designated_of.n);
    for (uint32_t i = 0; i < n; i++) {
        if (first[i] == first[i + 1])
            continue;
        struct session_rare *rare = builder_session_rare(b, i);
        rare->first_designated = first[i];
        rare->n_designated = first[i + 1] - first[i];
    }
    order_release(b, first, n + 1);
}

/* --- other groups' sessions by (keypair, created_at, id) --- */

static int compare_others(const void *a, const void *b, void *ctx)
{
    ORDER_ROWS(struct other_pending, others, x, y);
    int by_keypair = order_numbers(x->keypair, y->keypair);
    if (by_keypair != 0)
        return by_keypair;
    int by_time = order_numbers(x->created_at, y->created_at);
    return by_time != 0 ? by_time : uuid_compare(&x->id, &y->id);
}

static void finish_others(struct snapshot_builder *b, const uint32_t *owner_to,
                          const uint32_t *columns)
{
    for (uint32_t i = 0; i < b->n_others; i++)
        b->others[i].keypair = owner_to[b->others[i].keypair];
    uint32_t *order = order_make(b, b->n_others, compare_others);
    ORDER_APPLY(b, others, order, b->n_others);
    order_apply_matrix(b, &b->other_request, order, b->n_others, columns);
    order_release(b, order, b->n_others);
}

void builder_finish_sessions(struct snapshot_builder *b, const uint32_t *owner_to,
                             const uint32_t *group_to, const uint32_t *columns)
{
    uint32_t *session_to = finish_sessions(b, owner_to, group_to);
    finish_children(b, session_to, columns);
    if (b->keeps_rows)
        b->session_to = session_to;
    else
        order_release(b, session_to, b->n_sessions);
    finish_others(b, owner_to, columns);
}
