/* warm_delta.c - reads what changed since a snapshot, and takes the rest from it.
 *
 * A row that is seen now and has not changed since has an id (xmin) that had ended then, so it was
 * seen then, with the same columns. Every row whose id is not older than the xmin of then counts as
 * changed, and so does the session or agent it belongs to: those are read anew. What is kept and
 * what was read is therefore at least what there is; rows that are there no more are found by
 * counting. Equal counts of a set and one that holds it are equal sets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/failure_record.h"
#include "repo/warm_internal.h"

/* More than this share of the sessions to be read anew: reading all is no slower. */
enum { LEAST_SHARE = 2, LEAST_MANY = 64 };

struct delta {
    struct txn *t;
    const struct snapshot_query *q;
    const struct warm *old;
    struct load *l;
    struct pg_param since; /* xmin of then: an xid in text */
    int64_t n_sessions, n_kernels, n_ledger, n_agents, n_resources; /* there are now */
    bool *session_dirty, *agent_dirty; /* by row of old->s; gone counts as dirty */
    struct uuid *sessions;             /* to be read */
    const char **agents;
    uint32_t n_read_sessions, n_read_agents;
    uint32_t *owner_to; /* by owner of old->s: index in the builder, NONE: not met */
    uint32_t *slot_to;  /* by slot of old->s: index in the builder */
    struct snapshot_spec_owners *found; /* by spec */
    char since_text[16];
};

/* --- what changed --- */

#define SQL_CHANGED(id, table)                                                                     \
    "SELECT count(*), array_agg(" id ") FILTER (WHERE age(" table ".xmin) <= age($2::text::xid)) "
#define SQL_PENDING "s.resource_group_id = $1 AND s.status = 'PENDING'"

static const char sql_sessions[] = SQL_CHANGED("s.id", "s") "FROM sessions s WHERE " SQL_PENDING;
static const char sql_kernels[] = SQL_CHANGED(
    "s.id", "k") "FROM kernels k JOIN sessions s ON s.id = k.session_id WHERE " SQL_PENDING;
static const char sql_ledger[] = SQL_CHANGED(
    "s.id", "r") "FROM resource_allocations r JOIN kernels k ON k.id = r.kernel_id "
                 "JOIN sessions s ON s.id = k.session_id WHERE " SQL_PENDING
                 " AND k.resource_group_id = $1 AND k.status = 'PENDING' AND r.free_at IS NULL";
static const char sql_agents[] =
    SQL_CHANGED("a.id::text", "a") "FROM agents a WHERE a.resource_group_id = $1";
static const char sql_resources[] =
    SQL_CHANGED("a.id::text", "r") "FROM agent_resources r JOIN agents a ON a.id = r.agent_id "
                                   "WHERE a.resource_group_id = $1";

static void add_session(struct delta *d, const struct uuid *id)
{
    uint32_t at = snapshot_find_session(d->old->s, id);
    if (at != NONE)
        d->session_dirty[at] = true;
    d->sessions[d->n_read_sessions++] = *id;
}

static int find_sessions(struct delta *d, const char *sql, int64_t *ret_count, struct err *e)
{
    const struct pg_param p[] = {param_uuid(&d->l->group_id), d->since};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    uint32_t n;
    if (pg_query(d->t, sql, "iU", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    *ret_count = rows_int(r, 0, 0);
    const struct uuid *ids = rows_uuid_array(r, 0, 1, d->l->a, &n);
    struct uuid *grown = arena_new(d->l->a, struct uuid, (size_t)d->n_read_sessions + n);
    for (uint32_t i = 0; i < d->n_read_sessions; i++)
        grown[i] = d->sessions[i];
    d->sessions = grown;
    for (uint32_t i = 0; i < n; i++)
        add_session(d, &ids[i]);
    return 0;
}

static int find_agents(struct delta *d, const char *sql, int64_t *ret_count, struct err *e)
{
    const struct pg_param p[] = {param_uuid(&d->l->group_id), d->since};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    uint32_t n;
    if (pg_query(d->t, sql, "iT", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    *ret_count = rows_int(r, 0, 0);
    const char *const *ids = rows_text_array(r, 0, 1, d->l->a, &n);
    const char **grown = arena_new(d->l->a, const char *, (size_t)d->n_read_agents + n);
    for (uint32_t i = 0; i < d->n_read_agents; i++)
        grown[i] = d->agents[i];
    d->agents = grown;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = snapshot_find_agent(d->old->s, ids[i]);
        if (at != NONE)
            d->agent_dirty[at] = true;
        d->agents[d->n_read_agents++] = ids[i];
    }
    return 0;
}

/* A session that cannot be read says so in a sentence, which may be about its group of sessions;
 * another one may be counted later. */
static void add_unreadable(struct delta *d)
{
    const struct snapshot *s = d->old->s;
    struct uuid *sessions =
        arena_new(d->l->a, struct uuid, (size_t)d->n_read_sessions + s->n_sessions);
    for (uint32_t i = 0; i < d->n_read_sessions; i++)
        sessions[i] = d->sessions[i];
    d->sessions = sessions;
    for (uint32_t i = 0; i < s->n_sessions; i++)
        if (d->old->extra.again[i] && !d->session_dirty[i])
            add_session(d, &s->sessions[i].id);
}

static int find_changes(struct delta *d, struct err *e)
{
    d->session_dirty = arena_new(d->l->a, bool, d->old->s->n_sessions);
    d->agent_dirty = arena_new(d->l->a, bool, d->old->s->n_agents);
    if (find_sessions(d, sql_sessions, &d->n_sessions, e) < 0 ||
        find_sessions(d, sql_kernels, &d->n_kernels, e) < 0 ||
        find_sessions(d, sql_ledger, &d->n_ledger, e) < 0 ||
        find_agents(d, sql_agents, &d->n_agents, e) < 0 ||
        find_agents(d, sql_resources, &d->n_resources, e) < 0)
        return -1;
    add_unreadable(d);
    return 0;
}

/* A column that was renamed, dropped or made with a default changes rows without an id of theirs,
 * and so does the name of an enum's value. */
static const char sql_definitions[] =
    "SELECT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = ANY($1::int8[]::oid[]) "
    "AND age(a.xmin) <= age($2::text::xid)) OR EXISTS (SELECT FROM pg_class c "
    "WHERE c.oid = ANY($1::int8[]::oid[]) AND age(c.xmin) <= age($2::text::xid)) "
    "OR EXISTS (SELECT FROM pg_enum n WHERE age(n.xmin) <= age($2::text::xid))";

static int definitions_changed(struct delta *d, bool *ret, struct err *e)
{
    const struct pg_param p[] = {param_array_int8(d->l->a, d->old->tables, WARM_TABLES), d->since};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(d->t, sql_definitions, "b", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    *ret = rows_bool(r, 0, 0);
    return 0;
}

/* --- the slots, which every amount is read by --- */

static bool slots_same(struct delta *d)
{
    const struct snapshot *s = d->old->s;
    d->slot_to = arena_new(d->l->a, uint32_t, s->n_slots);
    bool same = builder_n_slots(d->l->b) == s->n_slots;
    for (uint32_t i = 0; same && i < s->n_slots; i++) {
        d->slot_to[i] = builder_find_slot(d->l->b, s->slots[i].name);
        same =
            d->slot_to[i] != NONE && builder_slot_type(d->l->b, d->slot_to[i]) == s->slots[i].type;
    }
    return same;
}

static void copy_row(const struct delta *d, int64_t *to, const int64_t *matrix, uint32_t row)
{
    const int64_t *from = snapshot_row(d->old->s, matrix, row);
    for (uint32_t i = 0; i < d->old->s->n_slots; i++)
        to[d->slot_to[i]] = from[i];
}

/* --- what is taken over --- */

static void keep_agents(struct delta *d)
{
    const struct snapshot *s = d->old->s;
    for (uint32_t i = 0; i < s->n_agents; i++) {
        if (d->agent_dirty[i])
            continue;
        struct agent agent = s->agents[i];
        agent.containers = 0; /* counted anew */
        int64_t *capacity, *held;
        uint32_t at = builder_agent(d->l->b, &agent, s->archs[agent.arch], &capacity, &held);
        copy_row(d, capacity, s->agent_capacity, i);
        copy_row(d, held, s->agent_held, i);
        d->l->agent_rows = arena_grow(d->l->a, d->l->agent_rows, &d->l->cap_agent_rows,
                                      (size_t)at + 1, sizeof(*d->l->agent_rows));
        d->l->agent_rows[at] = d->old->extra.agent_rows[i];
    }
}

static uint32_t keep_owner(struct delta *d, uint32_t owner)
{
    const struct owner *o = &d->old->s->owners[owner];
    if (d->owner_to[owner] == NONE)
        d->owner_to[owner] = owner_intern(d->l, o->kind, o->key);
    return d->owner_to[owner];
}

static void keep_grouping(struct delta *d, uint32_t i, uint32_t session)
{
    struct load *l = d->l;
    if (d->old->extra.has_group == NULL || !d->old->extra.has_group[i])
        return;
    l->groupings = arena_grow(l->a, l->groupings, &l->cap_groupings, (size_t)l->n_groupings + 1,
                              sizeof(*l->groupings));
    l->groupings[l->n_groupings++] =
        (struct session_grouping){.session = session, .group = d->old->extra.group_id[i]};
}

/* Dependencies are read anew: what they say is of other sessions. */
static bool keep_session(struct delta *d, uint32_t i, int64_t more)
{
    const struct snapshot *s = d->old->s;
    struct session x = s->sessions[i];
    struct session_rare rare = *x.rare;
    x.rare = &rare;
    if (!failure_recount(&x, &rare, more))
        return false;
    for (int kind = 0; kind < N_OWNER_KINDS; kind++)
        x.owner[kind] = keep_owner(d, x.owner[kind]);
    x.group = NONE; /* session_group_load() points to it */
    uint32_t at = builder_session(d->l->b, &x);
    for (uint32_t k = x.first_kernel; k < x.first_kernel + x.n_kernels; k++) {
        int64_t *request;
        builder_kernel(d->l->b, at, &s->kernels[k], s->archs[s->kernels[k].arch], &request);
        copy_row(d, request, s->requests, s->kernels[k].request);
    }
    for (uint32_t k = 0; k < rare.n_designated; k++)
        builder_designated(d->l->b, at, s->designated[rare.first_designated + k]);
    keep_grouping(d, i, at);
    d->l->seeded_rows[at] = d->old->extra.ledger_rows[i];
    return true;
}

static const char sql_ids[] = "SELECT s.id FROM sessions s WHERE " SQL_PENDING;

/* Some have left: those that are not there are dirty, and have not been read. */
static int drop_gone(struct delta *d, struct err *e)
{
    const struct pg_param p[] = {param_uuid(&d->l->group_id)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    bool *there = arena_new(d->l->a, bool, d->old->s->n_sessions);
    if (pg_query(d->t, sql_ids, "u", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    for (uint32_t i = 0; i < rows_count(r); i++) {
        struct uuid id = rows_uuid(r, i, 0);
        uint32_t at = snapshot_find_session(d->old->s, &id);
        if (at != NONE)
            there[at] = true;
    }
    for (uint32_t i = 0; i < d->old->s->n_sessions; i++)
        d->session_dirty[i] |= !there[i];
    return 0;
}

static uint32_t n_clean(const bool *dirty, uint32_t n)
{
    uint32_t clean = 0;
    for (uint32_t i = 0; i < n; i++)
        clean += !dirty[i];
    return clean;
}

static int keep_sessions(struct delta *d, bool *ret, struct err *e)
{
    const struct snapshot *s = d->old->s;
    const int64_t more = d->l->failure_rounds - s->failure_rounds;
    const int64_t read = builder_n_sessions(d->l->b);
    *ret = false;
    if (read + n_clean(d->session_dirty, s->n_sessions) != d->n_sessions && drop_gone(d, e) < 0)
        return -1;
    if (more < 0)
        return 0;
    d->owner_to = arena_new(d->l->a, uint32_t, s->n_owners);
    for (uint32_t i = 0; i < s->n_owners; i++)
        d->owner_to[i] = NONE;
    d->l->seeded_rows = arena_new(d->l->a, uint32_t, (size_t)read + s->n_sessions);
    for (uint32_t i = 0; i < s->n_sessions; i++)
        if (!d->session_dirty[i] && !keep_session(d, i, more))
            return 0;
    *ret = true;
    return 0;
}

/* --- is it all? --- */

static bool counts_match(const struct delta *d)
{
    const struct load *l = d->l;
    int64_t ledger = 0, resources = 0;
    for (uint32_t i = 0; i < builder_n_sessions(l->b); i++)
        ledger += l->seeded_rows[i];
    for (uint32_t i = 0; i < l->n_kernels; i++)
        ledger += l->ledger_rows[i];
    for (uint32_t i = 0; i < builder_n_agents(l->b); i++)
        resources += l->agent_rows[i];
    return builder_n_sessions(l->b) == d->n_sessions && builder_n_kernels(l->b) == d->n_kernels &&
           ledger == d->n_ledger && builder_n_agents(l->b) == d->n_agents &&
           resources == d->n_resources;
}

/* --- the whole, in the order of load_all() --- */

static bool is_worth_it(const struct delta *d)
{
    return d->n_read_sessions <= LEAST_MANY ||
           d->n_read_sessions <= d->old->s->n_sessions / LEAST_SHARE;
}

static int load_rows(struct delta *d, bool *ret, struct err *e)
{
    struct load *l = d->l;
    const struct load_only only = {
        .sessions = param_array_uuid(l->a, d->sessions, d->n_read_sessions),
        .agents = param_array_text(l->a, d->agents, d->n_read_agents),
    };
    l->only = &only;
    int rc = agent_load(l, e);
    if (rc == 0 && (rc = session_load(l, e)) == 0 && (rc = kernel_load(l, e)) == 0)
        rc = allocation_load(l, e);
    l->only = NULL;
    if (rc < 0)
        return -1;
    keep_agents(d);
    if (keep_sessions(d, ret, e) < 0)
        return -1;
    *ret = *ret && counts_match(d);
    return 0;
}

static int load_delta(struct delta *d, bool *ret, struct err *e)
{
    struct load *l = d->l;
    bool changed = false;
    *ret = false;
    if (group_load(l, d->q->scaling_group, e) < 0 || slots_load(l, e) < 0 || cursors_load(l, e) < 0)
        return -1;
    if (uuid_compare(&l->group_id, &d->old->s->group_id) != 0 || !slots_same(d))
        return 0;
    if (definitions_changed(d, &changed, e) < 0 || (!changed && find_changes(d, e) < 0))
        return -1;
    if (changed || !is_worth_it(d))
        return 0;
    if (load_rows(d, ret, e) < 0)
        return -1;
    if (!*ret)
        return 0;
    return container_load(l, e) < 0 || dependency_load(l, e) < 0 ||
                   specs_load(l, d->q, d->found, e) < 0 || owner_load(l, e) < 0 ||
                   owner_usage_load(l, e) < 0 || other_pending_load(l, e) < 0
               ? -1
               : 0;
}

int warm_delta(struct txn *t, const struct snapshot_query *q, const struct warm_here *h,
               const struct warm *old, struct warm **ret, struct err *e)
{
    CLEANUP(arena_destroyp) struct arena *scratch = arena_create();
    CLEANUP(warm_destroyp) struct warm *w = warm_create(h);
    struct load *l = arena_new(scratch, struct load, 1);
    struct delta *d = arena_new(scratch, struct delta, 1);
    bool done = false;
    *l = (struct load){.t = t, .b = w->b, .a = scratch};
    *d = (struct delta){.t = t, .q = q, .old = old, .l = l};
    d->found = arena_new(scratch, struct snapshot_spec_owners, q->n_specs);
    (void)snprintf(d->since_text, sizeof(d->since_text), "%u", (unsigned)old->moment.xmin);
    d->since = param_text(d->since_text);
    *ret = NULL;
    if (load_delta(d, &done, e) < 0)
        return -1;
    if (done) {
        warm_finish(w, l, q, d->found);
        w->checked_at = old->checked_at;
        *ret = TAKE(w);
    }
    return 0;
}
