/* cluster_rows.c - a random cluster as rows of a database. */
#include <inttypes.h>
#include <stdio.h>

#include "tests/preview/cluster_rows_internal.h"

enum { SECONDS = 900 }; /* of the database for one of the cluster */
#define BYTES_MOST INT64_C(100000000000000000)

/* --- words --- */

const char *cluster_amount(const struct rows *w, uint32_t slot, int64_t v)
{
    char text[AMOUNT_TEXT];
    enum slot_type type = w->s->slots[slot].type;
    if (type == SLOT_BYTES && v > BYTES_MOST && v != AMOUNT_INF)
        v = BYTES_MOST;
    return arena_strdup(w->sql.arena, amount_format(v, type, text));
}

static const char *uuid_text(const struct rows *w, const struct uuid *id)
{
    return uuid_format(id, arena_alloc(w->sql.arena, UUID_TEXT, 1));
}

/* An id nobody else has. */
const char *cluster_new_id(struct rows *w)
{
    return arena_printf(w->sql.arena, "eeeeeeee-0000-0000-0000-%012x", ++w->n_ids);
}

/* The key of an owner as its tables have it: users and projects have UUIDs. */
const char *cluster_owner_key(const struct rows *w, uint32_t owner)
{
    const struct owner *o = &w->s->owners[owner];
    if (o->kind == OWNER_USER || o->kind == OWNER_PROJECT)
        return arena_printf(w->sql.arena, "%08x-0000-0000-0000-%012x", (unsigned)o->kind, owner);
    return o->key;
}

/* SQL for a moment of the cluster. */
static const char *moment(const struct rows *w, int64_t at)
{
    return arena_printf(w->sql.arena, "now() - interval '%" PRId64 " seconds'",
                        (w->s->observed_at - at) / 1000000 * SECONDS);
}

/* --- rows of the three large tables, collected --- */

static const char *or_null(const struct rows *w, const char *text)
{
    return text != NULL ? arena_printf(w->sql.arena, "'%s'", text) : "NULL";
}

static const char *or_else(const char *text, const char *other)
{
    return text != NULL ? text : other;
}

const char cluster_nobody[] = "ffffffff-0000-0000-0000-000000000000";

void cluster_add_session(struct rows *w, const struct session_columns *c)
{
    text_addf(&w->sessions,
              "%s('%s', 's%s', '%s', %d, '%s', '%s'::jsonb, %s, %s, '%s', '%s', '%s', '%s', '%s', "
              "%s, %s, %s, '%s', '%s', %s)",
              w->sessions.len > 0 ? ",\n" : "", c->id, c->id, or_else(c->type, "INTERACTIVE"),
              c->priority, or_else(c->mode, "single-node"), or_else(c->options, "{}"),
              or_else(c->designated, "NULL"), or_null(w, c->session_group), c->group,
              or_else(c->domain, "none"), or_else(c->project, cluster_nobody),
              or_else(c->user, cluster_nobody), or_else(c->key, "none"),
              or_else(c->created, "now()"), or_else(c->since, "now()"), or_else(c->starts, "NULL"),
              or_else(c->status, "RUNNING"), or_else(c->result, "UNDEFINED"),
              or_else(c->data, "NULL"));
}

void cluster_add_kernel(struct rows *w, const struct kernel_columns *c)
{
    text_addf(&w->kernels,
              "%s('%s', '%s', '%s', '%s', %d, '%s', '%s', '%s', '%s', '%s', '%s', '%s', %s)",
              w->kernels.len > 0 ? ",\n" : "", c->id, c->session, or_else(c->type, "INTERACTIVE"),
              c->is_main ? "main" : "sub", c->idx, c->group, or_else(c->domain, "none"),
              or_else(c->project, cluster_nobody), or_else(c->user, cluster_nobody),
              or_else(c->key, "none"), or_else(c->status, "RUNNING"), or_else(c->arch, "x86_64"),
              or_null(w, c->agent));
}

void cluster_add_amounts(struct rows *w, const char *kernel, const int64_t *row, bool used)
{
    for (uint32_t i = 0; i < w->s->n_slots; i++) {
        if (row[i] == 0 && rng_chance(w->rng, 50))
            continue; /* no row is the same */
        const char *v = cluster_amount(w, i, row[i]);
        text_addf(&w->amounts, "%s('%s', '%s', %s, %s)", w->amounts.len > 0 ? ",\n" : "", kernel,
                  w->s->slots[i].name, v, used ? v : "NULL");
    }
}

/* --- group, slots, agents --- */

static void write_group(struct rows *w)
{
    const struct snapshot *s = w->s;
    text_addf(&w->sql,
              "UPDATE scaling_groups SET scheduler = '%s', scheduler_opts = "
              "'{\"pending_timeout\": %" PRId64
              ", \"agent_selection_strategy\": \"%s\", \"config\": {",
              s->scheduler, s->pending_timeout / 1000000 * SECONDS, s->strategy);
    for (uint32_t i = 0; i < s->n_options; i++)
        text_addf(&w->sql, "%s\"%s\": %s", i > 0 ? ", " : "", s->options[i].key,
                  s->options[i].value);
    text_add(&w->sql, "}}' WHERE name = 'g1';\n"
                      "INSERT INTO berth.group_state (scaling_group_id) SELECT id FROM "
                      "scaling_groups ON CONFLICT DO NOTHING;\n"
                      "UPDATE berth.group_state SET rr_cursors = '{");
    for (uint32_t i = 0; i < s->n_rr_cursors; i++)
        text_addf(&w->sql, "%s\"%s\": \"%s\"", i > 0 ? ", " : "", s->archs[s->rr_cursors[i].arch],
                  s->rr_cursors[i].agent_id);
    text_add(&w->sql, "}' WHERE scaling_group_id = t.id('g1');\n"
                      "UPDATE resource_slot_types SET enabled = false;\n");
    for (uint32_t i = 0; i < s->n_slots; i++)
        text_addf(
            &w->sql,
            "INSERT INTO resource_slot_types (slot_name, slot_type, rank) VALUES ('%s', '%s', "
            "%d) ON CONFLICT (slot_name) DO UPDATE SET enabled = true, rank = EXCLUDED.rank, "
            "slot_type = EXCLUDED.slot_type;\n",
            s->slots[i].name, s->slots[i].type == SLOT_BYTES ? "bytes" : "count", s->slots[i].rank);
}

static void write_agents(struct rows *w)
{
    const struct snapshot *s = w->s;
    for (uint32_t i = 0; i < s->n_agents; i++) {
        const struct agent *g = &s->agents[i];
        text_addf(&w->sql,
                  "INSERT INTO agents (id, status, region, scaling_group, resource_group_id, "
                  "schedulable, available_slots, occupied_slots, addr, version, architecture, "
                  "compute_plugins) VALUES ('%s', '%s', 'r', 'g1', t.id('g1'), %s, '{}', '{}', "
                  "'addr', '1', '%s', '{}');\n",
                  g->id, g->alive ? "ALIVE" : "LOST", g->schedulable ? "true" : "false",
                  s->archs[g->arch]);
        for (uint32_t k = 0; k < s->n_slots; k++)
            text_addf(&w->sql,
                      "INSERT INTO agent_resources (agent_id, slot_name, capacity, %s) VALUES "
                      "('%s', '%s', %s, %s);\n",
                      rng_chance(w->rng, 50) ? "used" : "reserved", g->id, s->slots[k].name,
                      g->bad_data != NULL && k == 0
                          ? "-1"
                          : cluster_amount(w, k, snapshot_row(s, s->agent_capacity, i)[k]),
                      cluster_amount(w, k, snapshot_row(s, s->agent_held, i)[k]));
        for (int32_t k = 0; k < g->containers; k++) {
            const struct kernel_columns c = {.id = cluster_new_id(w),
                                             .session = cluster_new_id(w),
                                             .group = "g2",
                                             .agent = g->id};
            cluster_add_kernel(w, &c);
        }
    }
}

/* --- session groups --- */

static void write_session_groups(struct rows *w)
{
    static const char *const directions[] = {"none", "spread", "pack"};
    const struct snapshot *s = w->s;
    for (uint32_t i = 0; i < s->n_session_groups; i++)
        text_addf(&w->sql,
                  "INSERT INTO session_groups (id, domain_id, project_id, owner_user_id, "
                  "placement_direction, placement_enforcement) VALUES ('%s', '%s', '%s', '%s', "
                  "'%s', '%s');\n",
                  uuid_text(w, &s->session_groups[i].id), cluster_nobody, cluster_nobody,
                  cluster_nobody, directions[s->session_groups[i].direction],
                  s->session_groups[i].strict ? "strict" : "preferred");
    for (uint32_t i = 0; i < s->n_group_members; i++)
        for (int32_t k = 0; k < s->group_members[i].count; k++) {
            const struct session_columns c = {
                .id = cluster_new_id(w),
                .group = "g1",
                .session_group = uuid_text(w, &s->session_groups[s->group_members[i].group].id)};
            const struct kernel_columns kernel = {.id = cluster_new_id(w),
                                                  .session = c.id,
                                                  .group = "g1",
                                                  .agent = s->agents[s->group_members[i].agent].id};
            cluster_add_session(w, &c);
            cluster_add_kernel(w, &kernel);
        }
}

/* --- pending sessions --- */

static const char *designated_text(const struct rows *w, const struct session *x)
{
    struct text t = {.arena = w->sql.arena};
    if (x->rare->n_designated == 0)
        return NULL;
    for (uint32_t i = 0; i < x->rare->n_designated; i++)
        text_addf(&t, "%s'%s'", i > 0 ? ", " : "ARRAY[",
                  w->s->designated[x->rare->first_designated + i]);
    text_add(&t, "]::varchar[]");
    return text_end(&t);
}

static void write_dependencies(struct rows *w, const struct session *x)
{
    for (uint32_t i = 0; i < x->rare->n_dependencies; i++) {
        const struct dependency *d = &w->s->dependencies[x->rare->first_dependency + i];
        const char *id = uuid_text(w, &d->id);
        const struct session_columns c = {
            .id = id,
            .group = "g2",
            .status = d->state == DEPENDENCY_WAITING
                          ? "RUNNING"
                          : (d->state == DEPENDENCY_DONE || rng_chance(w->rng, 50) ? "TERMINATED"
                                                                                   : "ERROR"),
            .result = d->state == DEPENDENCY_DONE ? "SUCCESS" : "FAILURE"};
        if (d->state != DEPENDENCY_FAILED || rng_chance(w->rng, 70)) /* else it is gone */
            cluster_add_session(w, &c);
        text_addf(
            &w->sql,
            "INSERT INTO session_dependencies (session_id, depends_on) VALUES ('%s', '%s');\n",
            uuid_text(w, &x->id), id);
    }
}

static void write_kernels(struct rows *w, const struct session *x, const struct session_columns *c)
{
    const struct snapshot *s = w->s;
    for (uint32_t i = x->first_kernel; i < x->first_kernel + x->n_kernels; i++) {
        const struct kernel *k = &s->kernels[i];
        const struct kernel_columns columns = {
            .id = uuid_text(w, &k->id),
            .session = c->id,
            .group = "g1",
            .key = c->key,
            .user = c->user,
            .project = c->project,
            .domain = c->domain,
            .type = c->type,
            .status = "PENDING",
            .arch = s->archs[k->arch],
            .is_main = k->is_main,
            .idx = k->cluster_idx,
        };
        cluster_add_kernel(w, &columns);
        cluster_add_amounts(w, columns.id, snapshot_request(s, i), false);
    }
}

static void write_pending(struct rows *w, const struct session *x)
{
    static const char *const types[] = {"INTERACTIVE", "BATCH", "INFERENCE", "SYSTEM"};
    const struct snapshot *s = w->s;
    struct arena *a = w->sql.arena;
    const struct session_columns c = {
        .id = uuid_text(w, &x->id),
        .key = cluster_owner_key(w, x->owner[OWNER_KEYPAIR]),
        .user = cluster_owner_key(w, x->owner[OWNER_USER]),
        .project = cluster_owner_key(w, x->owner[OWNER_PROJECT]),
        .domain = cluster_owner_key(w, x->owner[OWNER_DOMAIN]),
        .group = "g1",
        .type = x->bad_data != NULL ? "ODD" : types[x->type],
        .mode = x->mode == CLUSTER_MULTI_NODE ? "multi-node" : "single-node",
        .status = "PENDING",
        .session_group = x->group != NONE ? uuid_text(w, &s->session_groups[x->group].id) : NULL,
        .designated = designated_text(w, x),
        .options = x->designated_strict ? "{\"agent_selection_policy\": \"strict\"}" : "{}",
        .created = moment(w, x->created_at),
        .since = moment(w, x->pending_since),
        .starts = x->starts_at != TIME_NONE ? moment(w, x->starts_at) : NULL,
        .data = arena_printf(a, "'{\"scheduler\": {\"retries\": %d}}'", x->retries),
        .priority = x->priority,
    };
    cluster_add_session(w, &c);
    write_dependencies(w, x);
    write_kernels(w, x, &c);
}

static void write_others(struct rows *w)
{
    const struct snapshot *s = w->s;
    for (uint32_t i = 0; i < s->n_other_pending; i++) {
        const struct other_pending *o = &s->other_pending[i];
        const struct session_columns c = {.id = uuid_text(w, &o->id),
                                          .key = cluster_owner_key(w, o->keypair),
                                          .group = "g2",
                                          .status = "PENDING",
                                          .created = moment(w, o->created_at)};
        const struct kernel_columns k = {.id = cluster_new_id(w),
                                         .session = c.id,
                                         .group = "g2",
                                         .key = c.key,
                                         .status = "PENDING"};
        cluster_add_session(w, &c);
        cluster_add_kernel(w, &k);
        cluster_add_amounts(w, k.id, snapshot_row(s, s->other_request, i), false);
    }
}

/* --- the whole --- */

static const char sql_empty[] =
    "BEGIN;"
    "DELETE FROM resource_allocations; DELETE FROM kernels; DELETE FROM session_dependencies;"
    "DELETE FROM session_scheduling_history; DELETE FROM sessions; DELETE FROM session_groups;"
    "DELETE FROM agent_resources; DELETE FROM agents; DELETE FROM keypairs; DELETE FROM users;"
    "DELETE FROM groups; DELETE FROM domains; DELETE FROM keypair_resource_policies;"
    "DELETE FROM berth.owner_versions;\n";

static void write_collected(struct rows *w)
{
    if (w->sessions.len > 0)
        text_addf(&w->sql,
                  "INSERT INTO sessions (id, name, session_type, priority, cluster_mode, "
                  "cluster_size, options, designated_agent_ids, session_group_id, "
                  "scaling_group_name, resource_group_id, domain_name, domain_id, group_id, "
                  "user_uuid, access_key, created_at, status_history, requested_starts_at, status, "
                  "result, status_data, occupying_slots, requested_slots, use_host_network) "
                  "SELECT v.id::uuid, v.name, v.type, v.priority, v.mode, 1, v.options, "
                  "v.designated::varchar[], v.session_group::uuid, v.grp, t.id(v.grp), v.domain, "
                  "'%s', v.project::uuid, v.usr::uuid, v.key, v.created, "
                  "jsonb_build_object('PENDING', v.since), v.starts::timestamptz, v.status, "
                  "v.result, v.data::jsonb, '{}', '{}', false FROM (VALUES\n%s) v(id, name, type, "
                  "priority, mode, options, designated, session_group, grp, domain, project, usr, "
                  "key, created, since, starts, status, result, data);\n",
                  cluster_nobody, text_end(&w->sessions));
    if (w->kernels.len > 0)
        text_addf(&w->sql,
                  "INSERT INTO kernels (id, session_id, session_type, cluster_size, cluster_role, "
                  "cluster_idx, local_rank, cluster_hostname, scaling_group, resource_group_id, "
                  "domain_name, group_id, user_uuid, access_key, status, architecture, agent, "
                  "occupied_slots, requested_slots, occupied_shares, repl_in_port, repl_out_port, "
                  "stdin_port, stdout_port, use_host_network) SELECT v.id::uuid, v.session::uuid, "
                  "v.type, 1, v.role, v.idx, 0, 'h', v.grp, t.id(v.grp), v.domain, "
                  "v.project::uuid, v.usr::uuid, v.key, v.status, v.arch, v.agent, '{}', '{}', "
                  "'{}', 0, 0, 0, 0, false FROM (VALUES\n%s) v(id, session, type, role, idx, grp, "
                  "domain, project, usr, key, status, arch, agent);\n",
                  text_end(&w->kernels));
    if (w->amounts.len > 0)
        text_addf(&w->sql,
                  "INSERT INTO resource_allocations (kernel_id, slot_name, requested, used) SELECT "
                  "v.kernel::uuid, v.slot, v.requested::numeric, v.used::numeric FROM (VALUES\n%s) "
                  "v(kernel, slot, requested, used);\n",
                  text_end(&w->amounts));
}

char *cluster_rows(const struct cluster *c, struct rng *r, struct arena *a)
{
    struct rows w = {.s = c->snapshot,
                     .rng = r,
                     .loose = rng_chance(r, 60),
                     .sql.arena = a,
                     .sessions.arena = a,
                     .kernels.arena = a,
                     .amounts.arena = a};
    text_add(&w.sql, sql_empty);
    write_group(&w);
    write_agents(&w);
    cluster_write_owners(&w);
    write_session_groups(&w);
    for (uint32_t i = 0; i < c->snapshot->n_sessions; i++)
        write_pending(&w, &c->snapshot->sessions[i]);
    write_others(&w);
    write_collected(&w);
    text_add(&w.sql, "COMMIT");
    return text_end(&w.sql);
}
