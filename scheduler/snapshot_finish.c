/* snapshot_finish.c - sorts what a builder holds, fixes the references, hands out the snapshot.
 *
 * No order depends on the order of adding, except that of a session's designated agents, which is
 * part of the data. Every order ends in an id or a name. */
#include <assert.h>

#include "scheduler/snapshot_order.h"

/* --- slots by (rank, name): the columns of every matrix --- */

static int compare_slots(const void *a, const void *b, void *ctx)
{
    ORDER_ROWS(struct slot, slots, x, y);
    int by_rank = order_numbers(x->rank, y->rank);
    return by_rank != 0 ? by_rank : strcmp(x->name, y->name);
}

/* NULL: they stand right already. */
static const uint32_t *finish_slots(struct snapshot_builder *b)
{
    uint32_t *order = order_make(b, b->n_slots, compare_slots);
    void *before = b->slots;
    ORDER_APPLY(b, slots, order, b->n_slots);
    return b->slots != before ? order : NULL;
}

/* --- architectures in use, by name --- */

static int compare_archs(const void *a, const void *b, void *ctx)
{
    ORDER_ROWS(char *, archs, x, y);
    return strcmp(*x, *y);
}

static void finish_archs(struct snapshot_builder *b)
{
    bool *used = arena_new(b->arena, bool, b->n_archs);
    for (uint32_t i = 0; i < b->n_agents; i++)
        used[b->agents[i].arch] |= !b->dropped[i];
    for (uint32_t i = 0; i < b->kernel_of.n; i++)
        used[b->kernels[i].arch] = true;
    for (uint32_t i = 0; i < b->n_cursors; i++)
        used[b->cursors[i].arch] = true;

    uint32_t *order = order_make(b, b->n_archs, compare_archs);
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n_archs; i++)
        if (used[order[i]])
            order[n++] = order[i];
    const uint32_t *to = order_invert(b, order, n, b->n_archs);
    for (uint32_t i = 0; i < b->n_agents; i++)
        b->agents[i].arch = to[b->agents[i].arch];
    for (uint32_t i = 0; i < b->kernel_of.n; i++)
        b->kernels[i].arch = to[b->kernels[i].arch];
    for (uint32_t i = 0; i < b->n_cursors; i++)
        b->cursors[i].arch = to[b->cursors[i].arch];
    ORDER_APPLY(b, archs, order, n);
    b->n_archs = n;
}

/* --- agents by id, without the dropped ones --- */

static int compare_agents(const void *a, const void *b, void *ctx)
{
    ORDER_ROWS(struct agent, agents, x, y);
    return strcmp(x->id, y->id);
}

static uint32_t *finish_agents(struct snapshot_builder *b, const uint32_t *columns)
{
    uint32_t n_old = b->n_agents;
    uint32_t *order = order_make(b, n_old, compare_agents);
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_old; i++)
        if (!b->dropped[order[i]])
            order[n++] = order[i];
    uint32_t *to = order_invert(b, order, n, n_old);
    ORDER_APPLY(b, agents, order, n);
    order_apply_matrix(b, &b->capacity, order, n, columns);
    order_apply_matrix(b, &b->held, order, n, columns);
    order_release(b, order, n_old);
    b->n_agents = n;
    return to;
}

/* --- owners by (kind, key) --- */

static int compare_owners(const void *a, const void *b, void *ctx)
{
    ORDER_ROWS(struct owner, owners, x, y);
    int by_kind = order_numbers(x->kind, y->kind);
    return by_kind != 0 ? by_kind : strcmp(x->key, y->key);
}

static uint32_t *finish_owners(struct snapshot_builder *b, const uint32_t *columns)
{
    uint32_t n = b->n_owners;
    uint32_t *order = order_make(b, n, compare_owners);
    ORDER_APPLY(b, owners, order, n);
    order_apply_matrix(b, &b->limit, order, n, columns);
    order_apply_matrix(b, &b->usage, order, n, columns);
    order_apply_matrix(b, &b->group_usage, order, n, columns);
    order_apply_matrix(b, &b->pending_limit, order, n, columns);
    uint32_t *to = order_invert(b, order, n, n);
    order_release(b, order, n);
    return to;
}

/* --- session groups by id, their members by (group, agent) --- */

static int compare_groups(const void *a, const void *b, void *ctx)
{
    ORDER_ROWS(struct session_group, groups, x, y);
    return uuid_compare(&x->id, &y->id);
}

static uint32_t *finish_groups(struct snapshot_builder *b)
{
    uint32_t *order = order_make(b, b->n_groups, compare_groups);
    ORDER_APPLY(b, groups, order, b->n_groups);
    return order_invert(b, order, b->n_groups, b->n_groups);
}

static int compare_members(const void *a, const void *b, void *ctx)
{
    (void)ctx;
    const struct group_members *x = a;
    const struct group_members *y = b;
    int by_group = order_numbers(x->group, y->group);
    return by_group != 0 ? by_group : order_numbers(x->agent, y->agent);
}

/* Members on agents that are gone go; counts of one pair add up; no members is no row. */
static void finish_members(struct snapshot_builder *b, const uint32_t *group_to,
                           const uint32_t *agent_to)
{
    struct group_members *m = b->members;
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n_members; i++) {
        m[i].group = group_to[m[i].group];
        m[i].agent = agent_to[m[i].agent];
        if (m[i].agent != NONE)
            m[n++] = m[i];
    }
    order_sort(m, n, sizeof(*m), compare_members, NULL);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n;) {
        struct group_members pair = m[i];
        int64_t sum = 0;
        for (; i < n && compare_members(&pair, &m[i], NULL) == 0; i++)
            sum += m[i].count;
        pair.count = sum < INT32_MAX ? (int32_t)sum : INT32_MAX;
        if (sum > 0)
            m[kept++] = pair;
    }
    b->n_members = kept;
}

/* --- cursors by architecture, options by key --- */

static int compare_cursors(const void *a, const void *b, void *ctx)
{
    ORDER_ROWS(struct rr_cursor, cursors, x, y);
    int by_arch = order_numbers(x->arch, y->arch);
    return by_arch != 0 ? by_arch : order_as_added(a, b, ctx);
}

static int compare_options(const void *a, const void *b, void *ctx)
{
    ORDER_ROWS(struct option, options, x, y);
    int by_key = strcmp(x->key, y->key);
    return by_key != 0 ? by_key : order_as_added(a, b, ctx);
}

/* Of several rows with one key the last added one stays. */
static void finish_settings(struct snapshot_builder *b)
{
    uint32_t *order = order_make(b, b->n_cursors, compare_cursors);
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n_cursors; i++)
        if (i + 1 == b->n_cursors || b->cursors[order[i]].arch != b->cursors[order[i + 1]].arch)
            order[n++] = order[i];
    ORDER_APPLY(b, cursors, order, n);
    b->n_cursors = n;

    order = order_make(b, b->n_options, compare_options);
    n = 0;
    for (uint32_t i = 0; i < b->n_options; i++)
        if (i + 1 == b->n_options ||
            strcmp(b->options[order[i]].key, b->options[order[i + 1]].key) != 0)
            order[n++] = order[i];
    ORDER_APPLY(b, options, order, n);
    b->n_options = n;
}

static void hand_out(const struct snapshot_builder *b, struct snapshot *s)
{
    s->n_slots = b->n_slots;
    s->n_archs = b->n_archs;
    s->n_agents = b->n_agents;
    s->n_owners = b->n_owners;
    s->n_sessions = b->n_sessions;
    s->n_kernels = b->kernel_of.n;
    s->n_dependencies = b->dependency_of.n;
    s->n_designated = b->designated_of.n;
    s->n_session_groups = b->n_groups;
    s->n_group_members = b->n_members;
    s->n_other_pending = b->n_others;
    s->n_rr_cursors = b->n_cursors;
    s->n_options = b->n_options;
    s->slots = b->slots;
    s->archs = b->archs;
    s->agents = b->agents;
    s->agent_capacity = b->capacity.row;
    s->agent_held = b->held.row;
    s->owners = b->owners;
    s->owner_limit = b->limit.row;
    s->owner_usage = b->usage.row;
    s->owner_group_usage = b->group_usage.row;
    s->owner_pending_limit = b->pending_limit.row;
    s->sessions = b->sessions;
    s->kernels = b->kernels;
    s->n_requests = b->n_requests;
    s->requests = b->request.row;
    s->dependencies = b->dependencies;
    s->designated = b->designated;
    s->session_groups = b->groups;
    s->group_members = b->members;
    s->other_pending = b->others;
    s->other_request = b->other_request.row;
    s->rr_cursors = b->cursors;
    s->options = b->options;
    s->session_index = &b->by_session;
}

const struct snapshot *builder_finish(struct snapshot_builder *b)
{
    assert(!b->spent);
    builder_settle_request(b);
    index_release(&b->by_request, b->arena);
    index_release(&b->by_kernel, b->arena);
    b->spent = true;
    const uint32_t *columns = finish_slots(b);
    finish_archs(b);
    const uint32_t n_agents = b->n_agents;
    uint32_t *agent_to = finish_agents(b, columns);
    uint32_t *owner_to = finish_owners(b, columns);
    uint32_t *group_to = finish_groups(b);
    finish_members(b, group_to, agent_to);
    builder_finish_sessions(b, owner_to, group_to, columns);
    finish_settings(b);

    order_release(b, agent_to, n_agents);

    struct snapshot *s = arena_new(b->arena, struct snapshot, 1);
    *s = b->head;
    hand_out(b, s);
    b->made = s;
    return s;
}

void builder_keep_rows(struct snapshot_builder *b)
{
    assert(!b->spent);
    b->keeps_rows = true;
}

uint32_t *builder_session_rows(struct snapshot_builder *b)
{
    assert(b->made != NULL && b->keeps_rows);
    return b->session_to;
}

void builder_renew(struct snapshot_builder *b, int64_t observed_at, int64_t failure_rounds)
{
    assert(b->made != NULL);
    b->made->observed_at = observed_at;
    b->made->failure_rounds = failure_rounds;
}

const struct snapshot *snapshot_renew(const struct snapshot *s, int64_t observed_at,
                                      int64_t failure_rounds, struct arena *a,
                                      struct session **ret_sessions)
{
    struct snapshot *r = arena_memdup(a, s, sizeof(*s));
    r->observed_at = observed_at;
    r->failure_rounds = failure_rounds;
    if (ret_sessions != NULL) {
        *ret_sessions = arena_memdup(a, s->sessions, s->n_sessions * sizeof(*s->sessions));
        r->sessions = *ret_sessions;
    }
    return r;
}
