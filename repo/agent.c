/* agent.c - agents and agent_resources: read for a snapshot, locked and charged by a commit. */
#include "repo/agent.h"

#include <string.h>

#include "repo/snapshot_loader.h"
#include "repo/status.h"

/* --- loading --- */

#define SQL_AGENTS(more)                                                                           \
    "SELECT id, addr, architecture, status, schedulable FROM agents "                              \
    "WHERE resource_group_id = $1" more " LIMIT $2"
static const char *const sql_agents[] = {SQL_AGENTS(""), SQL_AGENTS(" AND id = ANY($3)")};

static int agent_row(void *ctx, const struct pg_rows *r, struct err *e)
{
    (void)e;
    struct load *l = ctx;
    const char *id = rows_text(r, 0, 0), *addr = rows_text(r, 0, 1), *arch = rows_text(r, 0, 2);
    const char *status = rows_text(r, 0, 3);
    if (id == NULL)
        return 0;
    const struct agent agent = {
        .id = id,
        .addr = addr != NULL ? addr : "",
        .alive = status != NULL && strcmp(status, "ALIVE") == 0,
        .schedulable = rows_bool(r, 0, 4),
    };
    int64_t *capacity, *held;
    uint32_t i = builder_agent(l->b, &agent, arch != NULL ? arch : "", &capacity, &held);
    l->agent_rows =
        arena_grow(l->a, l->agent_rows, &l->cap_agent_rows, (size_t)i + 1, sizeof(*l->agent_rows));
    const char *missing = addr == NULL ? "addr" : arch == NULL ? "architecture" : NULL;
    if (missing == NULL && status == NULL)
        missing = "status";
    if (missing != NULL)
        builder_bad_agent(l->b, i, "agents \"%s\": %s is NULL.", id, missing);
    return 0;
}

#define SQL_RESOURCES(more)                                                                        \
    "SELECT r.agent_id, r.slot_name, r.capacity, r.reserved, r.prereserved, r.used "               \
    "FROM agent_resources r JOIN agents a ON a.id = r.agent_id WHERE a.resource_group_id = "       \
    "$1" more " LIMIT $2"
static const char *const sql_resources[] = {SQL_RESOURCES(""),
                                            SQL_RESOURCES(" AND a.id = ANY($3)")};

static const char *const resource_columns[] = {"capacity", "reserved", "prereserved", "used"};

/* Reads the four amounts of a row of agent_resources; NULL, or the column that cannot be read. */
static const char *resource_amounts(const struct pg_rows *r, uint32_t row, int first_col,
                                    enum slot_type type, int64_t v[4], const char **ret_problem)
{
    for (int i = 0; i < 4; i++) {
        enum amount_error why = rows_amount(r, row, first_col + i, type, &v[i]);
        if (rows_is_null(r, row, first_col + i))
            *ret_problem = "is NULL";
        else if (why != AMOUNT_OK)
            *ret_problem = amount_problem(why);
        else
            continue;
        return resource_columns[i];
    }
    return NULL;
}

static int64_t held_of(const int64_t v[4])
{
    return amount_add(amount_add(v[1], v[2]), v[3]);
}

/* A slot that is unknown or disabled is nothing anybody can ask for: not looked at. */
static int resource_row(void *ctx, const struct pg_rows *r, struct err *e)
{
    (void)e;
    struct load *l = ctx;
    const char *id = rows_text(r, 0, 0), *name = rows_text(r, 0, 1);
    if (id == NULL || name == NULL)
        return 0;
    uint32_t agent = builder_find_agent(l->b, id), slot = builder_find_slot(l->b, name);
    if (agent == NONE)
        return 0;
    l->agent_rows[agent]++;
    if (slot == NONE)
        return 0;
    int64_t v[4];
    const char *problem;
    const char *column = resource_amounts(r, 0, 2, builder_slot_type(l->b, slot), v, &problem);
    if (column != NULL) {
        builder_bad_agent(l->b, agent, "agent_resources (%s, %s): %s %s.", id, name, column,
                          problem);
        return 0;
    }
    int64_t *capacity, *held;
    (void)builder_agent(l->b, builder_agent_at(l->b, agent), "", &capacity, &held); /* its rows */
    capacity[slot] = v[0];
    held[slot] = held_of(v);
    return 0;
}

static const char sql_containers[] =
    "SELECT k.agent, count(*) FROM kernels k JOIN agents a ON a.id = k.agent "
    "WHERE a.resource_group_id = $1 AND k.status IN (" SQL_KERNEL_HOLDING ") GROUP BY k.agent";

static int container_row(void *ctx, const struct pg_rows *r, struct err *e)
{
    (void)e;
    struct load *l = ctx;
    uint32_t agent = builder_find_agent(l->b, rows_text(r, 0, 0));
    int64_t n = rows_int(r, 0, 1);
    if (agent != NONE)
        builder_agent_at(l->b, agent)->containers = n > INT32_MAX ? INT32_MAX : (int32_t)n;
    return 0;
}

int agent_load(struct load *l, struct err *e)
{
    const struct pg_param p[] = {param_uuid(&l->group_id), load_limit(l),
                                 l->only != NULL ? l->only->agents : param_uuid(NULL)};
    if (pg_each(l->t, sql_agents[LOAD_SOME(l)], "ttttb", p, 2 + LOAD_SOME(l), agent_row, l, e) < 0)
        return -1;
    return pg_each(l->t, sql_resources[LOAD_SOME(l)], "ttnnnn", p, 2 + LOAD_SOME(l), resource_row,
                   l, e);
}

int container_load(struct load *l, struct err *e)
{
    const struct pg_param p[] = {param_uuid(&l->group_id)};
    return pg_each(l->t, sql_containers, "ti", p, ARRAY_SIZE(p), container_row, l, e);
}

/* --- the commit's guard --- */

/* In the order of the ids, which is that of the parameter. NO KEY: rows that refer to an agent can
 * be written meanwhile. */
static const char sql_lock[] =
    "SELECT u.ord, a.addr, a.status, a.schedulable AND a.resource_group_id = $2 FROM agents a "
    "JOIN unnest($1::text[]) WITH ORDINALITY AS u(id, ord) ON u.id = a.id "
    "ORDER BY u.ord FOR NO KEY UPDATE OF a";

static const char sql_lock_resources[] =
    "SELECT u.ord, r.slot_name, r.capacity, r.reserved, r.prereserved, r.used "
    "FROM agent_resources r "
    "JOIN unnest($1::text[]) WITH ORDINALITY AS u(id, ord) ON u.id = r.agent_id "
    "ORDER BY u.ord, r.slot_name COLLATE \"C\" FOR UPDATE OF r";

static void lock_status(const struct pg_rows *r, uint32_t row, const char *id, struct arena *a,
                        struct agent_lock *ret)
{
    const char *status = rows_text(r, row, 2);
    ret->addr = arena_strdup(a, rows_text(r, row, 1));
    ret->problem = NULL;
    if (status == NULL || strcmp(status, "ALIVE") != 0)
        ret->problem = arena_printf(a, "agent \"%s\" is %s now", id, status ? status : "unknown");
    else if (!rows_bool(r, row, 3))
        ret->problem = arena_printf(a, "agent \"%s\" is not schedulable now", id);
}

static void lock_resource(const struct snapshot *s, const struct pg_rows *r, uint32_t row,
                          struct arena *a, struct agent_lock *ret)
{
    const char *name = rows_text(r, row, 1), *problem = NULL;
    uint32_t slot = snapshot_find_slot(s, name);
    if (slot == NONE)
        return;
    int64_t v[4];
    const char *column = resource_amounts(r, row, 2, s->slots[slot].type, v, &problem);
    if (column != NULL) { /* and nothing remains */
        if (ret->problem == NULL)
            ret->problem =
                arena_printf(a, "agent_resources.%s of slot %s %s", column, name, problem);
        return;
    }
    const int64_t left = amount_sub(v[0], held_of(v));
    ret->remaining[slot] = left > 0 ? left : 0;
}

int agent_lock(struct txn *t, const struct snapshot *s, const uint32_t *agents, uint32_t n,
               struct arena *a, struct agent_lock *ret, struct err *e)
{
    const char **ids = arena_new(a, const char *, n);
    for (uint32_t i = 0; i < n; i++) {
        ids[i] = s->agents[agents[i]].id;
        ret[i] = (struct agent_lock){
            .problem = arena_printf(a, "agent \"%s\" is gone", ids[i]),
            .remaining = arena_new(a, int64_t, s->n_slots),
        };
    }
    const struct pg_param p[] = {param_array_text(a, ids, n), param_uuid(&s->group_id)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, sql_lock, "ittb", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    for (uint32_t i = 0; i < rows_count(r); i++) {
        uint32_t at = (uint32_t)rows_int(r, i, 0) - 1;
        lock_status(r, i, ids[at], a, &ret[at]);
    }
    CLEANUP(rows_freep) struct pg_rows *amounts = NULL;
    if (pg_query(t, sql_lock_resources, "itnnnn", p, 1, &amounts, e) < 0)
        return -1;
    for (uint32_t i = 0; i < rows_count(amounts); i++)
        lock_resource(s, amounts, i, a, &ret[rows_int(amounts, i, 0) - 1]);
    return 0;
}

static const char sql_reserve[] =
    "UPDATE agent_resources r SET reserved = r.reserved + u.amount, updated_at = now() "
    "FROM unnest($1::text[], $2::text[], $3::numeric[]) AS u(agent_id, slot_name, amount) "
    "WHERE r.agent_id = u.agent_id AND r.slot_name = u.slot_name "
    "AND r.reserved + r.prereserved + r.used + u.amount <= r.capacity";

int agent_reserve(struct txn *t, const struct snapshot *s, const struct agent_charge *v, uint32_t n,
                  struct arena *a, struct err *e)
{
    const char **ids = arena_new(a, const char *, n), **slots = arena_new(a, const char *, n);
    int64_t *amounts = arena_new(a, int64_t, n);
    enum slot_type *types = arena_new(a, enum slot_type, n);
    for (uint32_t i = 0; i < n; i++) {
        ids[i] = s->agents[v[i].agent].id;
        slots[i] = s->slots[v[i].slot].name;
        types[i] = s->slots[v[i].slot].type;
        amounts[i] = v[i].amount;
    }
    const struct pg_param p[] = {
        param_array_text(a, ids, n),
        param_array_text(a, slots, n),
        param_array_amount(a, amounts, types, n),
    };
    int64_t changed = 0;
    if (n > 0 && pg_exec(t, sql_reserve, p, ARRAY_SIZE(p), &changed, e) < 0)
        return -1;
    if (changed == n)
        return 0;
    err_set(e, ERR_INTERNAL, "RESERVATION_REFUSED", "A checked reservation was refused.");
    return err_detail(e, "agent_resources: %lld of %u rows took it", (long long)changed, n);
}
