/* snapshot_build.c - takes rows in any order: the group, slots, agents, owners. The rest is in
 * snapshot_build_sessions.c; snapshot_finish.c makes the snapshot of them. */
#include "scheduler/snapshot_build.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "scheduler/snapshot_builder.h"

struct snapshot_builder *builder_create(struct arena *a)
{
    struct snapshot_builder *b = arena_new(a, struct snapshot_builder, 1);
    b->arena = a;
    b->open_kernel = NONE;
    b->head = (struct snapshot){.group_name = "", .scheduler = "fifo", .strategy = "dispersed"};
    return b;
}

struct arena *builder_arena(struct snapshot_builder *b)
{
    return b->arena;
}

void builder_group(struct snapshot_builder *b, const struct snapshot *head)
{
    struct snapshot *h = &b->head;
    h->observed_at = head->observed_at;
    h->group_id = head->group_id;
    h->pending_timeout = head->pending_timeout;
    h->failure_rounds = head->failure_rounds;
    h->bad_options = arena_strdup(b->arena, head->bad_options);
    if (head->group_name != NULL)
        h->group_name = arena_strdup(b->arena, head->group_name);
    if (head->scheduler != NULL)
        h->scheduler = arena_strdup(b->arena, head->scheduler);
    if (head->strategy != NULL)
        h->strategy = arena_strdup(b->arena, head->strategy);
}

int64_t builder_observed_at(const struct snapshot_builder *b)
{
    return b->head.observed_at;
}

void builder_option(struct snapshot_builder *b, const char *key, const char *json_value)
{
    BUILDER_GROW(b, options, b->n_options);
    b->options[b->n_options++] = (struct option){
        .key = arena_strdup(b->arena, key),
        .value = arena_strdup(b->arena, json_value),
    };
}

/* --- slots and amounts --- */

uint32_t builder_find_slot(const struct snapshot_builder *b, const char *name)
{
    uint32_t hash = index_hash_text(name);
    for (uint32_t at = hash, i; (i = index_next(&b->by_slot, hash, &at)) != NONE;)
        if (strcmp(b->slots[i].name, name) == 0)
            return i;
    return NONE;
}

uint32_t builder_slot(struct snapshot_builder *b, const char *name, enum slot_type type,
                      int32_t rank)
{
    assert(!b->has_rows && !b->spent); /* slots come first */
    uint32_t i = builder_find_slot(b, name);
    if (i != NONE)
        return i;
    i = b->n_slots++;
    BUILDER_GROW(b, slots, i);
    b->slots[i] = (struct slot){.name = arena_strdup(b->arena, name), .type = type, .rank = rank};
    index_put(&b->by_slot, b->arena, index_hash_text(name), i);
    return i;
}

enum slot_type builder_slot_type(const struct snapshot_builder *b, uint32_t slot)
{
    assert(slot < b->n_slots);
    return b->slots[slot].type;
}

uint32_t builder_n_slots(const struct snapshot_builder *b)
{
    return b->n_slots;
}

int64_t *builder_row_at(const struct snapshot_builder *b, const struct matrix *m, uint32_t i)
{
    return m->row + (size_t)i * b->n_slots;
}

int64_t *builder_add_row(struct snapshot_builder *b, struct matrix *m, uint32_t n, int64_t fill)
{
    assert(!b->spent);
    b->has_rows = true;
    m->row = arena_grow(b->arena, m->row, &m->cap, (size_t)n + 1, b->n_slots * sizeof(int64_t));
    int64_t *row = builder_row_at(b, m, n);
    for (uint32_t i = 0; fill != 0 && i < b->n_slots; i++)
        row[i] = fill;
    return row;
}

/* --- architectures and agents --- */

uint32_t builder_arch(struct snapshot_builder *b, const char *name)
{
    uint32_t hash = index_hash_text(name);
    for (uint32_t at = hash, i; (i = index_next(&b->by_arch, hash, &at)) != NONE;)
        if (strcmp(b->archs[i], name) == 0)
            return i;
    uint32_t i = b->n_archs++;
    BUILDER_GROW(b, archs, i);
    b->archs[i] = arena_strdup(b->arena, name);
    index_put(&b->by_arch, b->arena, hash, i);
    return i;
}

/* Dropped ones too. */
static uint32_t find_agent(const struct snapshot_builder *b, const char *id, uint32_t hash)
{
    for (uint32_t at = hash, i; (i = index_next(&b->by_agent, hash, &at)) != NONE;)
        if (strcmp(b->agents[i].id, id) == 0)
            return i;
    return NONE;
}

uint32_t builder_find_agent(const struct snapshot_builder *b, const char *id)
{
    uint32_t i = find_agent(b, id, index_hash_text(id));
    return i != NONE && !b->dropped[i] ? i : NONE;
}

uint32_t builder_agent(struct snapshot_builder *b, const struct agent *agent, const char *arch,
                       int64_t **ret_capacity, int64_t **ret_held)
{
    uint32_t hash = index_hash_text(agent->id);
    uint32_t known = find_agent(b, agent->id, hash);
    uint32_t i = known;
    if (known == NONE || b->dropped[known]) {
        i = b->n_agents++;
        BUILDER_GROW(b, agents, i);
        BUILDER_GROW(b, dropped, i);
        b->agents[i] = *agent;
        b->agents[i].id = arena_strdup(b->arena, agent->id);
        b->agents[i].addr = arena_strdup(b->arena, agent->addr != NULL ? agent->addr : "");
        b->agents[i].bad_data = arena_strdup(b->arena, agent->bad_data);
        b->agents[i].arch = builder_arch(b, arch);
        builder_add_row(b, &b->capacity, i, 0);
        builder_add_row(b, &b->held, i, 0);
        if (known == NONE)
            index_put(&b->by_agent, b->arena, hash, i);
        else
            index_move(&b->by_agent, hash, known, i);
    }
    *ret_capacity = builder_row_at(b, &b->capacity, i);
    *ret_held = builder_row_at(b, &b->held, i);
    return i;
}

struct agent *builder_agent_at(struct snapshot_builder *b, uint32_t agent)
{
    assert(agent < b->n_agents);
    return &b->agents[agent];
}

uint32_t builder_n_agents(const struct snapshot_builder *b)
{
    return b->n_agents;
}

void builder_drop_agent(struct snapshot_builder *b, uint32_t agent)
{
    assert(agent < b->n_agents);
    b->dropped[agent] = true;
}

/* --- owners --- */

static uint32_t hash_owner(enum owner_kind kind, const char *key)
{
    return index_hash_text(key) ^ ((uint32_t)kind * 0x9e3779b9u);
}

uint32_t builder_find_owner(const struct snapshot_builder *b, enum owner_kind kind, const char *key)
{
    uint32_t hash = hash_owner(kind, key);
    for (uint32_t at = hash, i; (i = index_next(&b->by_owner, hash, &at)) != NONE;)
        if (b->owners[i].kind == kind && strcmp(b->owners[i].key, key) == 0)
            return i;
    return NONE;
}

uint32_t builder_owner(struct snapshot_builder *b, enum owner_kind kind, const char *key)
{
    uint32_t i = builder_find_owner(b, kind, key);
    if (i != NONE)
        return i;
    i = b->n_owners++;
    BUILDER_GROW(b, owners, i);
    const char *name = arena_strdup(b->arena, key);
    b->owners[i] =
        (struct owner){.kind = kind, .key = name, .name = name, .max_pending = INT64_MAX};
    builder_add_row(b, &b->limit, i, AMOUNT_INF);
    builder_add_row(b, &b->usage, i, 0);
    builder_add_row(b, &b->group_usage, i, 0);
    builder_add_row(b, &b->pending_limit, i, AMOUNT_INF);
    index_put(&b->by_owner, b->arena, hash_owner(kind, key), i);
    return i;
}

struct owner *builder_owner_at(struct snapshot_builder *b, uint32_t owner)
{
    assert(owner < b->n_owners);
    return &b->owners[owner];
}

struct owner_rows builder_owner_rows(struct snapshot_builder *b, uint32_t owner)
{
    assert(owner < b->n_owners);
    return (struct owner_rows){
        .limit = builder_row_at(b, &b->limit, owner),
        .usage = builder_row_at(b, &b->usage, owner),
        .group_usage = builder_row_at(b, &b->group_usage, owner),
        .pending_limit = builder_row_at(b, &b->pending_limit, owner),
    };
}

/* --- rows that cannot be read --- */

enum { SENTENCE = 512 }; /* longer ones end in '+' */

static bool is_better(const char *sentence, const char *kept)
{
    size_t word = strcspn(sentence, " ") + 1;
    return kept == NULL || (strncmp(sentence, kept, word) == 0 && strcmp(sentence, kept) < 0);
}

static void keep_first(struct snapshot_builder *b, const char **field, const char *fmt, va_list ap)
{
    char whole[SENTENCE + 1];
    char sentence[SENTENCE];
    int len = vsnprintf(whole, sizeof(whole), fmt, ap);
    err_copy(sentence, sizeof(sentence), len >= 0 ? whole : fmt);
    if (is_better(sentence, *field))
        *field = arena_strdup(b->arena, sentence);
}

void builder_bad_session(struct snapshot_builder *b, uint32_t session, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    keep_first(b, &builder_session_at(b, session)->bad_data, fmt, ap);
    va_end(ap);
}

void builder_bad_agent(struct snapshot_builder *b, uint32_t agent, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    keep_first(b, &builder_agent_at(b, agent)->bad_data, fmt, ap);
    va_end(ap);
}

void builder_bad_owner(struct snapshot_builder *b, uint32_t owner, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    keep_first(b, &builder_owner_at(b, owner)->bad_data, fmt, ap);
    va_end(ap);
}
