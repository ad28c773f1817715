/* snapshot_build_sessions.c - takes rows in any order: sessions and what refers to them. */
#include <assert.h>

#include <string.h>

#include "scheduler/fnv.h"
#include "scheduler/snapshot_builder.h"

/* --- sessions and what belongs to one --- */

uint32_t builder_find_session(const struct snapshot_builder *b, const struct uuid *id)
{
    uint32_t hash = index_hash_uuid(id);
    for (uint32_t at = hash, i; (i = index_next(&b->by_session, hash, &at)) != NONE;)
        if (uuid_compare(&b->sessions[i].id, id) == 0)
            return i;
    return NONE;
}

struct session_rare *builder_session_rare(struct snapshot_builder *b, uint32_t session)
{
    struct session *s = builder_session_at(b, session);
    if (s->rare == &session_rare_none)
        s->rare = arena_new(b->arena, struct session_rare, 1);
    return (struct session_rare *)s->rare; /* ours, const for who reads the snapshot */
}

static const struct session_rare *copy_rare(struct snapshot_builder *b,
                                            const struct session_rare *from)
{
    if (from == NULL || (from->cause_digest == 0 && from->record_digest == 0 && from->carried == 0))
        return &session_rare_none;
    struct session_rare *own = arena_new(b->arena, struct session_rare, 1);
    *own = (struct session_rare){.cause_digest = from->cause_digest,
                                 .record_digest = from->record_digest,
                                 .carried = from->carried};
    return own;
}

uint32_t builder_session(struct snapshot_builder *b, const struct session *s)
{
    uint32_t i = builder_find_session(b, &s->id);
    if (i != NONE)
        return i;
    assert(!b->spent);
    i = b->n_sessions++;
    BUILDER_GROW(b, sessions, i);
    struct session *row = &b->sessions[i];
    *row = *s;
    row->name = arena_strdup(b->arena, s->name);
    row->creation_id = arena_strdup(b->arena, s->creation_id);
    row->bad_data = arena_strdup(b->arena, s->bad_data);
    row->rare = copy_rare(b, s->rare);
    index_put(&b->by_session, b->arena, index_hash_uuid(&s->id), i);
    return i;
}

struct session *builder_session_at(struct snapshot_builder *b, uint32_t session)
{
    assert(session < b->n_sessions);
    return &b->sessions[session];
}

uint32_t builder_n_sessions(const struct snapshot_builder *b)
{
    return b->n_sessions;
}

uint32_t builder_n_kernels(const struct snapshot_builder *b)
{
    return b->kernel_of.n;
}

/* One more child of a session; returns its row. */
static uint32_t add_child(struct snapshot_builder *b, struct children *c, uint32_t session)
{
    assert(session < b->n_sessions && !b->spent);
    c->session = arena_grow(b->arena, c->session, &c->cap, (size_t)c->n + 1, sizeof(uint32_t));
    c->session[c->n] = session;
    return c->n++;
}

uint32_t builder_find_kernel(const struct snapshot_builder *b, const struct uuid *id)
{
    uint32_t hash = index_hash_uuid(id);
    for (uint32_t at = hash, i; (i = index_next(&b->by_kernel, hash, &at)) != NONE;)
        if (uuid_compare(&b->kernels[i].id, id) == 0)
            return i;
    return NONE;
}

/* --- what kernels ask for: most queues know a few rows, and each is kept once --- */

static uint32_t hash_amounts(const int64_t *row, uint32_t n)
{
    uint64_t h = FNV_START;
    for (uint32_t i = 0; i < n; i++) {
        h = (h ^ (uint64_t)row[i]) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 32;
    }
    return (uint32_t)h;
}

static uint32_t intern_request(struct snapshot_builder *b, const int64_t *row)
{
    const size_t size = b->n_slots * sizeof(*row);
    const uint32_t hash = hash_amounts(row, b->n_slots);
    for (uint32_t at = hash, i; (i = index_next(&b->by_request, hash, &at)) != NONE;)
        if (memcmp(builder_row_at(b, &b->request, i), row, size) == 0)
            return i;
    memcpy(builder_add_row(b, &b->request, b->n_requests, 0), row, size);
    index_put(&b->by_request, b->arena, hash, b->n_requests);
    return b->n_requests++;
}

void builder_settle_request(struct snapshot_builder *b)
{
    if (b->open_kernel != NONE)
        b->kernels[b->open_kernel].request = intern_request(b, b->open_row);
    b->open_kernel = NONE;
}

/* The row that kernel is about to write; zero when it has none yet. */
static int64_t *open_request(struct snapshot_builder *b, uint32_t kernel, bool has_one)
{
    const size_t size = b->n_slots * sizeof(*b->open_row);
    assert(!b->spent);
    if (b->open_kernel == kernel)
        return b->open_row;
    builder_settle_request(b);
    if (b->open_row == NULL) {
        b->has_rows = true;
        b->open_row = arena_new(b->arena, int64_t, b->n_slots);
    }
    if (has_one)
        memcpy(b->open_row, builder_row_at(b, &b->request, b->kernels[kernel].request), size);
    else
        memset(b->open_row, 0, size);
    b->open_kernel = kernel;
    return b->open_row;
}

uint32_t builder_kernel(struct snapshot_builder *b, uint32_t session, const struct kernel *k,
                        const char *arch, int64_t **ret_request)
{
    uint32_t i = builder_find_kernel(b, &k->id);
    const bool is_new = i == NONE;
    if (is_new) {
        i = add_child(b, &b->kernel_of, session);
        BUILDER_GROW(b, kernels, i);
        b->kernels[i] = *k;
        b->kernels[i].arch = builder_arch(b, arch);
        index_put(&b->by_kernel, b->arena, index_hash_uuid(&k->id), i);
    }
    *ret_request = open_request(b, i, !is_new);
    return i;
}

const struct kernel *builder_kernel_at(const struct snapshot_builder *b, uint32_t kernel)
{
    assert(kernel < b->kernel_of.n);
    return &b->kernels[kernel];
}

int64_t *builder_kernel_request(struct snapshot_builder *b, uint32_t kernel)
{
    assert(kernel < b->kernel_of.n);
    return open_request(b, kernel, true);
}

uint32_t builder_kernel_session(const struct snapshot_builder *b, uint32_t kernel)
{
    assert(kernel < b->kernel_of.n);
    return b->kernel_of.session[kernel];
}

void builder_dependency(struct snapshot_builder *b, uint32_t session, const struct dependency *d)
{
    uint32_t i = add_child(b, &b->dependency_of, session);
    BUILDER_GROW(b, dependencies, i);
    b->dependencies[i] = *d;
    b->dependencies[i].name = arena_strdup(b->arena, d->name);
}

void builder_designated(struct snapshot_builder *b, uint32_t session, const char *agent_id)
{
    uint32_t i = add_child(b, &b->designated_of, session);
    BUILDER_GROW(b, designated, i);
    b->designated[i] = arena_strdup(b->arena, agent_id);
}

/* --- session groups, other groups' sessions, cursors --- */

uint32_t builder_find_session_group(const struct snapshot_builder *b, const struct uuid *id)
{
    uint32_t hash = index_hash_uuid(id);
    for (uint32_t at = hash, i; (i = index_next(&b->by_group, hash, &at)) != NONE;)
        if (uuid_compare(&b->groups[i].id, id) == 0)
            return i;
    return NONE;
}

uint32_t builder_session_group(struct snapshot_builder *b, const struct session_group *g)
{
    uint32_t i = builder_find_session_group(b, &g->id);
    if (i != NONE)
        return i;
    i = b->n_groups++;
    BUILDER_GROW(b, groups, i);
    b->groups[i] = *g;
    index_put(&b->by_group, b->arena, index_hash_uuid(&g->id), i);
    return i;
}

void builder_group_member(struct snapshot_builder *b, uint32_t group, uint32_t agent, int32_t count)
{
    assert(group < b->n_groups && agent < b->n_agents);
    BUILDER_GROW(b, members, b->n_members);
    b->members[b->n_members++] =
        (struct group_members){.group = group, .agent = agent, .count = count};
}

int64_t *builder_other_pending(struct snapshot_builder *b, const struct other_pending *p)
{
    assert(p->keypair < b->n_owners && b->owners[p->keypair].kind == OWNER_KEYPAIR);
    uint32_t i = b->n_others++;
    BUILDER_GROW(b, others, i);
    b->others[i] = *p;
    return builder_add_row(b, &b->other_request, i, 0);
}

void builder_rr_cursor(struct snapshot_builder *b, const char *arch, const char *agent_id)
{
    BUILDER_GROW(b, cursors, b->n_cursors);
    b->cursors[b->n_cursors++] = (struct rr_cursor){
        .arch = builder_arch(b, arch),
        .agent_id = arena_strdup(b->arena, agent_id),
    };
}
