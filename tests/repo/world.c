/* world.c - a small cluster for tests. */
#include "tests/repo/world.h"

#include <stdio.h>
#include <string.h>

#include "repo/db_moment.h"
#include "repo/pg_query.h"
#include "repo/scaling_group.h"

static const char sql_functions[] =
    "CREATE SCHEMA t;"
    "CREATE FUNCTION t.id(text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT md5($1)::uuid $$;"
    "CREATE FUNCTION t.agent(text, text, numeric, numeric) RETURNS void LANGUAGE sql AS $$"
    " INSERT INTO agents (id, status, region, scaling_group, resource_group_id, available_slots,"
    "  occupied_slots, addr, version, architecture, compute_plugins)"
    "  SELECT $1, 'ALIVE', 'r', g.name, g.id, '{}', '{}', 'tcp://' || $1 || ':6001', '1', 'x86_64',"
    "  '{}' FROM scaling_groups g WHERE g.name = $2;"
    " INSERT INTO agent_resources (agent_id, slot_name, capacity)"
    "  VALUES ($1, 'cpu', $3), ($1, 'mem', $4);"
    "$$;"
    "CREATE FUNCTION t.session(name text, cpu numeric, mem numeric, kernels int DEFAULT 1,"
    " grp text DEFAULT 'g1', key text DEFAULT 'AK1', type text DEFAULT 'INTERACTIVE',"
    " mode text DEFAULT 'single-node', prio int DEFAULT 10) RETURNS void LANGUAGE sql AS $$"
    " INSERT INTO sessions (id, creation_id, name, session_type, priority, cluster_mode,"
    "  cluster_size, options, scaling_group_name, resource_group_id, domain_name, domain_id,"
    "  group_id, user_uuid, access_key, occupying_slots, requested_slots, use_host_network,"
    "  status_history, created_at)"
    "  SELECT t.id($1), 'c-' || $1, $1, $7, $9, $8, $4, '{}', g.name, g.id, 'default',"
    "  t.id('default'), t.id('p1'), t.id(CASE $6 WHEN 'AK2' THEN 'u2' ELSE 'u1' END), $6, '{}',"
    "  '{}', false, '{\"PENDING\": \"2026-01-01T00:00:00+00:00\"}',"
    "  clock_timestamp() FROM scaling_groups g WHERE g.name = $5;"
    " INSERT INTO kernels (id, session_id, session_type, cluster_size, cluster_role, cluster_idx,"
    "  local_rank, cluster_hostname, scaling_group, resource_group_id, domain_name, group_id,"
    "  user_uuid, access_key, architecture, occupied_slots, requested_slots, occupied_shares,"
    "  repl_in_port, repl_out_port, stdin_port, stdout_port, use_host_network)"
    "  SELECT t.id($1 || '/' || i), s.id, s.session_type, $4,"
    "  CASE i WHEN 1 THEN 'main' ELSE 'sub' END, i, i - 1, 'h' || i, s.scaling_group_name,"
    "  s.resource_group_id, s.domain_name, s.group_id, s.user_uuid, s.access_key, 'x86_64', '{}',"
    "  jsonb_build_object('cpu', $2::text, 'mem', $3::text), '{}', 0, 0, 0, 0, false"
    "  FROM sessions s, generate_series(1, $4) i WHERE s.id = t.id($1);"
    " INSERT INTO resource_allocations (kernel_id, slot_name, requested)"
    "  SELECT k.id, a.slot, a.amount FROM kernels k,"
    "  (VALUES ('cpu', $2), ('mem', $3)) a(slot, amount) WHERE k.session_id = t.id($1);"
    "$$;"
    "CREATE FUNCTION t.place(text, text, text) RETURNS void LANGUAGE sql AS $$"
    " UPDATE sessions SET status = $3, agent_ids = ARRAY[$2] WHERE id = t.id($1);"
    " UPDATE kernels SET status = $3, agent = $2, agent_addr = 'tcp://' || $2 || ':6001'"
    "  WHERE session_id = t.id($1);"
    " UPDATE resource_allocations r SET"
    "  reserved = CASE WHEN $3 IN ('RUNNING', 'TERMINATING') THEN 0 ELSE r.requested END,"
    "  used = CASE WHEN $3 IN ('RUNNING', 'TERMINATING') THEN r.requested END,"
    "  reserved_at = now(), used_at = CASE WHEN $3 IN ('RUNNING', 'TERMINATING') THEN now() END"
    "  FROM kernels k WHERE k.id = r.kernel_id AND k.session_id = t.id($1);"
    " UPDATE agent_resources a SET reserved = a.reserved + x.reserved, used = a.used + x.used"
    "  FROM (SELECT k.agent, r.slot_name, sum(r.reserved) AS reserved,"
    "  sum(coalesce(r.used, 0)) AS used FROM kernels k JOIN resource_allocations r"
    "  ON r.kernel_id = k.id WHERE k.session_id = t.id($1) GROUP BY 1, 2) x"
    "  WHERE a.agent_id = x.agent AND a.slot_name = x.slot_name;"
    "$$;"
    "CREATE FUNCTION t.hostile() RETURNS void LANGUAGE plpgsql AS $$"
    " DECLARE r record; BEGIN"
    " FOR r IN SELECT conrelid::regclass AS rel, conname FROM pg_constraint"
    "  WHERE contype IN ('c', 'f') AND connamespace = 'public'::regnamespace LOOP"
    "  EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', r.rel, r.conname); END LOOP;"
    " FOR r IN SELECT a.attrelid::regclass AS rel, a.attname FROM pg_attribute a"
    "  JOIN pg_class c ON c.oid = a.attrelid WHERE c.relkind = 'r' AND a.attnum > 0"
    "  AND a.attnotnull AND c.relnamespace = 'public'::regnamespace AND NOT EXISTS"
    "  (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary"
    "  AND a.attnum = ANY(i.indkey)) LOOP"
    "  EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', r.rel, r.attname); END LOOP;"
    " END $$;";

static const char sql_cluster[] =
    "INSERT INTO user_resource_policies (name, max_vfolder_count, max_quota_scope_size,"
    " max_session_count_per_model_session, max_customized_image_count) VALUES ('up', 0, 0, 0, 0);"
    "INSERT INTO project_resource_policies (name, max_vfolder_count, max_quota_scope_size,"
    " max_network_count) VALUES ('pp', 0, 0, 0);"
    "INSERT INTO keypair_resource_policies (name, default_for_unspecified, total_resource_slots,"
    " max_concurrent_sessions, max_concurrent_sftp_sessions, max_containers_per_session,"
    " idle_timeout, allowed_vfolder_hosts) VALUES ('policy', 'UNLIMITED', '{}', 0, 0, 100, 0, "
    "'{}');"
    "INSERT INTO domains (name, id, is_active, total_resource_slots, allowed_vfolder_hosts,"
    " allowed_docker_registries, dotfiles) VALUES ('default', t.id('default'), true, '{}', '{}',"
    " '{}', '\\x90');"
    "INSERT INTO groups (id, name, domain_name, total_resource_slots, allowed_vfolder_hosts,"
    " dotfiles, resource_policy, type) VALUES (t.id('p1'), 'p1', 'default', '{}', '{}', '\\x90',"
    " 'pp', 'general');"
    "INSERT INTO users (uuid, email, status, resource_policy, sudo_session_enabled, domain_name)"
    " SELECT t.id(u), u, 'active', 'up', false, 'default' FROM unnest(ARRAY['u1', 'u2']) u;"
    "INSERT INTO keypairs (access_key, \"user\", resource_policy, dotfiles, bootstrap_script)"
    " VALUES ('AK1', t.id('u1'), 'policy', '\\x90', ''), ('AK2', t.id('u2'), 'policy', '\\x90', "
    "'');"
    "UPDATE users SET main_access_key = CASE uuid WHEN t.id('u1') THEN 'AK1' ELSE 'AK2' END;"
    "INSERT INTO scaling_groups (name, id, is_active, driver, driver_opts, scheduler,"
    " use_host_network, scheduler_opts, default_session_options, default_deployment_options)"
    " SELECT g, t.id(g), true, 'static', '{}', 'fifo', false, '{}', '{}', '{}'"
    " FROM unnest(ARRAY['g1', 'g2']) g;"
    "SELECT t.agent('a1', 'g1', 8, 17179869184), t.agent('a2', 'g1', 8, 17179869184),"
    " t.agent('b1', 'g2', 8, 17179869184);";

struct db world_create(void)
{
    struct db d = db_create(DB_MIGRATED);
    db_sql(&d, sql_functions);
    db_sql(&d, sql_cluster);
    return d;
}

void world_do(const struct db *d, const char *sql)
{
    if (sql != NULL && sql[0] != '\0')
        db_sql(d, sql);
}

struct uuid world_id(const struct db *d, const char *name)
{
    char sql[200], text[UUID_TEXT];
    struct uuid id;
    (void)snprintf(sql, sizeof(sql), "SELECT t.id('%s')", name);
    db_text(d, sql, text, sizeof(text));
    ck_assert_msg(uuid_parse(text, &id), "t.id('%s') gave \"%s\"", name, text);
    return id;
}

void world_expect(const struct db *d, const char *sql, const char *wanted, const char *what)
{
    char got[800];
    db_text(d, sql, got, sizeof(got));
    ck_assert_msg(strcmp(got, wanted) == 0, "%s: expected %s, got %s", what, wanted, got);
}

/* --- snapshots and plans --- */

const struct snapshot *world_load(struct pg *c, const char *name, struct arena *a)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    const struct snapshot_query q = {.scaling_group = name};
    struct snapshot_builder *b = builder_create(a);
    assert_done(txn_begin(c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin a snapshot");
    assert_done(snapshot_load(t, &q, b, NULL, &e), &e, "load a snapshot");
    assert_done(txn_commit(&t, &e), &e, "end a snapshot");
    return builder_finish(b);
}

struct world world_open(const char *sql)
{
    struct world w = {.d = world_create(), .a = arena_create()};
    w.c = db_open(&w.d);
    world_do(&w.d, sql);
    w.s = world_load(w.c, "g1", w.a);
    return w;
}

void world_close(struct world *w)
{
    pg_close(w->c);
    arena_destroy(w->a);
}

int64_t world_amount(const struct snapshot *s, const int64_t *matrix, uint32_t row,
                     const char *slot)
{
    return snapshot_row(s, matrix, row)[snapshot_find_slot(s, slot)];
}

uint32_t world_session(const struct snapshot *s, const char *name)
{
    for (uint32_t i = 0; i < s->n_sessions; i++)
        if (s->sessions[i].name != NULL && strcmp(s->sessions[i].name, name) == 0)
            return i;
    ck_abort_msg("session %s is not in the snapshot of %u sessions", name, s->n_sessions);
    return NONE;
}

const struct owner *world_owner(const struct snapshot *s, const char *session, enum owner_kind kind)
{
    return &s->owners[s->sessions[world_session(s, session)].owner[kind]];
}

const struct agent *world_agent(const struct snapshot *s, const char *id)
{
    uint32_t i = snapshot_find_agent(s, id);
    ck_assert_msg(i != NONE, "agent %s is not in the snapshot", id);
    return &s->agents[i];
}

struct plan *world_plan(const struct snapshot *s, struct arena *a)
{
    static const char *const validators[] = {"reserved_batch", "concurrency"};
    struct plan *p = arena_new(a, struct plan, 1);
    *p = (struct plan){
        .decisions = arena_new(a, struct decision, (size_t)s->n_sessions + 1),
        .placements = arena_new(a, struct placement, (size_t)s->n_kernels + 1),
        .validators = validators,
        .n_validators = ARRAY_SIZE(validators),
        .hash = 0x1234,
    };
    return p;
}

static struct decision *add_decision(struct plan *p, uint32_t session, enum outcome outcome)
{
    struct decision *d = &p->decisions[p->n_decisions++];
    *d = (struct decision){.session = session, .outcome = outcome};
    p->counts[outcome]++;
    return d;
}

void plan_place(struct plan *p, const struct snapshot *s, const char *name, const char *agents)
{
    uint32_t session = world_session(s, name);
    const struct session *row = &s->sessions[session];
    struct decision *d = add_decision(p, session, OUTCOME_SCHEDULED);
    d->passed = 3;
    d->first_placement = p->n_placements;
    d->n_placements = row->n_kernels;
    const char *next = agents;
    for (uint32_t i = 0; i < row->n_kernels; i++) {
        char id[64];
        size_t n = strcspn(next, ",");
        (void)snprintf(id, sizeof(id), "%.*s", (int)n, next);
        uint32_t agent = snapshot_find_agent(s, id);
        ck_assert_msg(agent != NONE, "agent %s is not in the snapshot", id);
        p->placements[p->n_placements++] =
            (struct placement){.kernel = row->first_kernel + i, .agent = agent};
        if (next[n] == ',')
            next += n + 1;
    }
}

void plan_say(struct plan *p, const struct snapshot *s, struct arena *a, const char *name,
              enum outcome outcome, enum cause_kind kind, const char *message)
{
    struct cause *cause = arena_new(a, struct cause, 1);
    *cause = (struct cause){.kind = kind,
                            .plugin = kind == CAUSE_CONCURRENCY ? "concurrency" : "resources",
                            .subject = "x",
                            .message = message,
                            .retryable = true};
    struct decision *d = add_decision(p, world_session(s, name), outcome);
    d->causes = cause;
    d->n_causes = 1;
    d->passed = 1;
}

struct commit_input world_commit(struct pg *c, const struct snapshot *s, struct plan *p)
{
    static uint8_t n_rounds;
    struct err e = {.code = ERR_NONE};
    struct commit_input in = {.snapshot = s, .plan = p, .replica = "test"};
    in.round_id.b[0] = 7;
    in.round_id.b[15] = ++n_rounds;
    assert_done(scaling_group_take_epoch(c, s->group_name, &in.round_id, &in.epoch, &e), &e,
                "take an epoch");
    return in;
}

const struct decision *plan_decision(const struct plan *p, const struct snapshot *s,
                                     const char *name)
{
    uint32_t session = world_session(s, name);
    for (uint32_t i = 0; i < p->n_decisions; i++)
        if (p->decisions[i].session == session)
            return &p->decisions[i];
    ck_abort_msg("session %s has no decision", name);
    return NULL;
}

/* --- invariants --- */

static const struct {
    const char *what, *sql; /* counts what contradicts it */
} invariants[] = {
    {"each counter of an agent is the sum of that bucket over its live ledger rows",
     "SELECT count(*) FROM agent_resources a LEFT JOIN (SELECT k.agent, r.slot_name, "
     "sum(r.reserved) AS reserved, sum(r.prereserved) AS prereserved, "
     "sum(coalesce(r.used, 0)) AS used FROM kernels k JOIN resource_allocations r "
     "ON r.kernel_id = k.id WHERE r.free_at IS NULL AND k.agent IS NOT NULL GROUP BY 1, 2) x "
     "ON x.agent = a.agent_id AND x.slot_name = a.slot_name "
     "WHERE a.reserved <> coalesce(x.reserved, 0) OR a.used <> coalesce(x.used, 0) "
     "OR a.prereserved <> coalesce(x.prereserved, 0)"},
    {"no agent holds more than its capacity",
     "SELECT count(*) FROM agent_resources WHERE reserved + prereserved + used > capacity"},
    {"the kernels of a session leave PENDING together",
     "SELECT count(*) FROM (SELECT session_id FROM kernels GROUP BY 1 "
     "HAVING count(*) FILTER (WHERE status = 'PENDING') NOT IN (0, count(*))) x"},
    {"a SCHEDULED session has an agent for each kernel and a stamped ledger",
     "SELECT count(*) FROM sessions s JOIN kernels k ON k.session_id = s.id "
     "WHERE s.status = 'SCHEDULED' AND (k.agent IS NULL OR k.status <> 'SCHEDULED' OR EXISTS "
     "(SELECT 1 FROM resource_allocations r WHERE r.kernel_id = k.id AND r.reserved_at IS NULL))"},
    {"events are numbered 1, 2, 3, ... in each group",
     "SELECT count(*) FROM berth.group_state g WHERE g.last_sequence <> (SELECT count(*) "
     "FROM berth.events e WHERE e.scaling_group_id = g.scaling_group_id) OR g.last_sequence <> "
     "coalesce((SELECT max(sequence) FROM berth.events e "
     "WHERE e.scaling_group_id = g.scaling_group_id), 0)"},
    {"no event has a smaller epoch than one before it",
     "SELECT count(*) FROM (SELECT epoch < lag(epoch) OVER (PARTITION BY scaling_group_id "
     "ORDER BY sequence) AS back FROM berth.events) x WHERE back"},
};

void world_check(const struct db *d, const char *what)
{
    for (size_t i = 0; i < ARRAY_SIZE(invariants); i++)
        ck_assert_msg(db_int(d, invariants[i].sql) == 0, "%s: it does not hold that %s", what,
                      invariants[i].what);
}

void world_write_quietly(struct pg *c, const char *sql)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(quiet_declare(t, &e), &e, "declare it quiet");
    assert_done(pg_exec(t, sql, NULL, 0, NULL, &e), &e, sql);
    assert_done(txn_commit(&t, &e), &e, "commit");
}
