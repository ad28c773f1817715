/* snapshot_load.c - the group, its slots and cursors; then one loader a table (snapshot_loader.h).
 */
#include "repo/snapshot_load.h"

#include "repo/group_state.h"
#include "repo/scheduler_opts.h"
#include "repo/snapshot_loader.h"

/* --- the group --- */

static const char sql_group[] =
    "SELECT g.id, g.scheduler, g.scheduler_opts, now(), coalesce(s.failure_rounds, 0) "
    "FROM scaling_groups g LEFT JOIN berth.group_state s ON s.scaling_group_id = g.id "
    "WHERE g.name = $1";

int group_load(struct load *l, const char *name, struct err *e)
{
    const struct pg_param p[] = {param_text(name)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(l->t, sql_group, "uttsi", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    if (rows_count(r) != 1)
        return scaling_group_unknown(e, name);
    struct scheduler_opts opts = scheduler_opts_parse(rows_text(r, 0, 2), name, l->a);
    l->group_id = rows_uuid(r, 0, 0);
    l->failure_rounds = rows_int(r, 0, 4);
    const struct snapshot head = {
        .observed_at = rows_time(r, 0, 3),
        .group_id = l->group_id,
        .group_name = name,
        .scheduler = rows_is_null(r, 0, 1) ? "" : rows_text(r, 0, 1),
        .strategy = opts.strategy,
        .pending_timeout = opts.pending_timeout,
        .bad_options = opts.bad,
        .failure_rounds = l->failure_rounds,
    };
    builder_group(l->b, &head);
    for (uint32_t i = 0; i < opts.n_options; i++)
        builder_option(l->b, opts.options[i].key, opts.options[i].value);
    return 0;
}

int slots_load(struct load *l, struct err *e)
{
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(l->t, "SELECT slot_name, slot_type, rank FROM resource_slot_types WHERE enabled",
                 "tti", NULL, 0, &r, e) < 0)
        return -1;
    for (uint32_t i = 0; i < rows_count(r); i++)
        (void)builder_slot(l->b, rows_text(r, i, 0), slot_type_parse(rows_text(r, i, 1), NULL),
                           (int32_t)rows_int(r, i, 2));
    return 0;
}

static const char sql_cursors[] =
    "SELECT c.key, c.value FROM berth.group_state g, jsonb_each_text("
    "CASE WHEN jsonb_typeof(g.rr_cursors) = 'object' THEN g.rr_cursors ELSE '{}' END) c "
    "WHERE g.scaling_group_id = $1 AND c.value IS NOT NULL";

int cursors_load(struct load *l, struct err *e)
{
    const struct pg_param p[] = {param_uuid(&l->group_id)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(l->t, sql_cursors, "tt", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    for (uint32_t i = 0; i < rows_count(r); i++)
        builder_rr_cursor(l->b, rows_text(r, i, 0), rows_text(r, i, 1));
    return 0;
}

/* --- the whole --- */

struct pg_param load_limit(const struct load *l)
{
    struct pg_param p = param_int8(l->taste);
    if (l->taste == 0)
        p.len = -1;
    return p;
}

int load_all(struct load *l, const struct snapshot_query *q, struct snapshot_spec_owners *specs,
             struct err *e)
{
    if (group_load(l, q->scaling_group, e) < 0 || slots_load(l, e) < 0 || cursors_load(l, e) < 0 ||
        agent_load(l, e) < 0 || container_load(l, e) < 0 || session_load(l, e) < 0 ||
        kernel_load(l, e) < 0 || allocation_load(l, e) < 0 || dependency_load(l, e) < 0 ||
        specs_load(l, q, specs, e) < 0)
        return -1;
    return owner_load(l, e) < 0 || owner_usage_load(l, e) < 0 || other_pending_load(l, e) < 0 ? -1
                                                                                              : 0;
}

int snapshot_load(struct txn *t, const struct snapshot_query *q, struct snapshot_builder *b,
                  struct snapshot_spec_owners *ret_specs, struct err *e)
{
    CLEANUP(arena_destroyp) struct arena *scratch = arena_create();
    struct load *l = arena_new(scratch, struct load, 1);
    *l = (struct load){.t = t, .b = b, .a = scratch, .taste = q->taste};
    return load_all(l, q, ret_specs, e);
}
