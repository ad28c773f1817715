/* history.c - see history.h. */
#include "tests/repo/history.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_WRITERS = 2, SAVEPOINTS = 8, TOLD = 400 };

struct writer {
    PGconn *conn;
    bool open;
    unsigned savepoints;
};

struct history {
    struct writer writers[N_WRITERS];
    uint64_t random, step;
    char told[TOLD];
};

/* Rows are chosen by random() after setseed(), from a sorted list. */
static const char sql_choices[] =
    "CREATE FUNCTION t.any(text) RETURNS text LANGUAGE plpgsql AS $$ DECLARE r text; BEGIN"
    " EXECUTE $1 || ' ORDER BY random() LIMIT 1' INTO r; RETURN r; END $$;"
    "CREATE FUNCTION t.a_session() RETURNS uuid LANGUAGE sql AS $$ SELECT t.any('SELECT id FROM"
    " (SELECT id FROM sessions ORDER BY id) x')::uuid $$;"
    "CREATE FUNCTION t.a_waiting() RETURNS uuid LANGUAGE sql AS $$ SELECT t.any('SELECT id FROM"
    " (SELECT id FROM sessions WHERE status = ''PENDING'' ORDER BY id) x')::uuid $$;"
    "CREATE FUNCTION t.a_kernel() RETURNS uuid LANGUAGE sql AS $$ SELECT t.any('SELECT id FROM"
    " (SELECT k.id FROM kernels k JOIN sessions s ON s.id = k.session_id WHERE s.status ="
    " ''PENDING'' OR k.id::text < ''3'' ORDER BY k.id) x')::uuid $$;"
    "CREATE FUNCTION t.an_agent() RETURNS text LANGUAGE sql AS $$ SELECT t.any('SELECT id FROM"
    " (SELECT id FROM agents ORDER BY id) x') $$;"
    "CREATE FUNCTION t.one_of(VARIADIC text[]) RETURNS text LANGUAGE sql AS $$"
    " SELECT $1[1 + floor(random() * cardinality($1))::int] $$;"
    "INSERT INTO session_groups (id, placement_direction, placement_enforcement, domain_id,"
    " project_id, owner_user_id) SELECT t.id(n), n, 'strict', t.id('default'), t.id('p1'),"
    " t.id('u1') FROM unnest(ARRAY['spread', 'pack']) n;"
    "UPDATE keypair_resource_policies SET max_pending_session_count = 50;";

#define A_SESSION "(SELECT t.a_session())"
#define A_WAITING "(SELECT t.a_waiting())"
#define A_KERNEL  "(SELECT t.a_kernel())"
#define AN_AGENT  "(SELECT t.an_agent())"
#define A_GROUP   "t.one_of('g1', 'g1', 'g1', 'g2')"

/* %u is the number of the step: names are new. */
static const struct {
    unsigned weight;
    const char *what, *sql;
} writes[] = {
    {12, "a session is enqueued",
     "SELECT t.session('s%u', (1 + floor(random() * 3))::numeric, 1024, 1 + floor(random() * "
     "3)::int, " A_GROUP
     ", t.one_of('AK1', 'AK2', 'AK9'), t.one_of('INTERACTIVE', 'BATCH', 'SYSTEM'),"
     " t.one_of('single-node', 'multi-node'), floor(random() * 20)::int)"},
    {8, "a priority changes",
     "UPDATE sessions SET priority = floor(random() * 50) WHERE id = " A_WAITING},
    {4, "a session is renamed", "UPDATE sessions SET name = 'n%u' WHERE id = " A_WAITING},
    {3, "a failure is recorded",
     "UPDATE sessions SET status_data = jsonb_build_object('scheduler', jsonb_build_object("
     "'retries', floor(random() * 9), 'digest', '00000000000000ab', 'counted', "
     "left(resource_group_id::text, 8) || ':' || floor(random() * 4) || ':00000000000000cd'))"
     " WHERE id = " A_WAITING},
    {2, "the group counts a round of failures",
     "INSERT INTO berth.group_state (scaling_group_id, failure_rounds) VALUES (t.id('g1'), 1)"
     " ON CONFLICT (scaling_group_id) DO UPDATE SET failure_rounds = group_state.failure_rounds + "
     "1"},
    {4, "a session is cancelled", "UPDATE sessions SET status = 'CANCELLED' WHERE id = " A_WAITING},
    {3, "a session is placed",
     "SELECT t.place(name, agent, t.one_of('SCHEDULED', 'RUNNING')) FROM (SELECT name,"
     " t.an_agent() AS agent FROM sessions WHERE id = " A_WAITING " AND id = t.id(name)) x"},
    {2, "a session ends",
     "WITH s AS (UPDATE sessions SET status = 'TERMINATED', result = 'SUCCESS' WHERE id "
     "= " A_SESSION
     " RETURNING id) UPDATE kernels SET status = 'TERMINATED' FROM s WHERE session_id = s.id"},
    {2, "a session waits again",
     "WITH s AS (UPDATE sessions SET status = 'PENDING' WHERE id = " A_SESSION
     " RETURNING id) UPDATE kernels SET status = 'PENDING' FROM s WHERE session_id = s.id"},
    {2, "a session alone waits again",
     "UPDATE sessions SET status = 'PENDING' WHERE id = " A_SESSION},
    {3, "a session changes its group",
     "WITH s AS (UPDATE sessions SET resource_group_id = t.id(" A_GROUP ") WHERE id = " A_SESSION
     " RETURNING id, resource_group_id) UPDATE kernels SET resource_group_id = s.resource_group_id"
     " FROM s WHERE session_id = s.id"},
    {1, "a session alone changes its group",
     "UPDATE sessions SET resource_group_id = t.id(" A_GROUP ") WHERE id = " A_SESSION},
    {2, "a session is deleted",
     "WITH s AS (SELECT t.a_session() AS id), k AS (DELETE FROM kernels USING s WHERE session_id ="
     " s.id) DELETE FROM sessions USING s WHERE sessions.id = s.id"},
    {2, "a session alone is deleted", "DELETE FROM sessions WHERE id = " A_SESSION},
    {3, "a session's row is written as it is",
     "UPDATE sessions SET name = name WHERE id = " A_SESSION},
    {2, "a session joins a group of sessions",
     "UPDATE sessions SET session_group_id = t.id(t.one_of('spread', 'pack', 'none', 'odd'))"
     " WHERE id = " A_SESSION},
    {1, "a group of sessions changes",
     "UPDATE session_groups SET placement_direction = t.one_of('spread', 'pack', 'none'),"
     " placement_enforcement = t.one_of('strict', 'preferred', 'odd'),"
     " deleted_at = CASE WHEN random() < 0.3 THEN now() END"},
    {2, "agents are designated",
     "UPDATE sessions SET designated_agent_ids = CASE WHEN random() < 0.7 THEN ARRAY[t.an_agent(),"
     " 'a9']::varchar[] END WHERE id = " A_WAITING},
    {2, "a dependency",
     "INSERT INTO session_dependencies SELECT t.a_waiting(), t.a_session() ON CONFLICT DO NOTHING"},
    {1, "dependencies go", "DELETE FROM session_dependencies WHERE session_id = " A_WAITING},
    {1, "a session cannot be read",
     "UPDATE sessions SET cluster_mode = t.one_of('multi-node', 'SINGLE_NODE', 'odd') WHERE id "
     "= " A_WAITING},
    {1, "a kernel changes its status",
     "UPDATE kernels SET status = t.one_of('PENDING', 'RUNNING', 'SCHEDULED', 'CANCELLED')"
     " WHERE id = " A_KERNEL},
    {1, "a kernel changes its group",
     "UPDATE kernels SET resource_group_id = t.id(" A_GROUP ") WHERE id = " A_KERNEL},
    {4, "a kernel changes its architecture",
     "UPDATE kernels SET architecture = t.one_of('x86_64', 'aarch64') WHERE id = " A_KERNEL},
    {1, "a kernel changes its session",
     "UPDATE kernels SET session_id = t.a_session() WHERE id = " A_KERNEL},
    {2, "a kernel is deleted", "DELETE FROM kernels WHERE id = " A_KERNEL},
    {3, "kernels are mended",
     "UPDATE kernels k SET status = 'PENDING', resource_group_id = s.resource_group_id FROM "
     "sessions"
     " s WHERE s.id = k.session_id AND s.status = 'PENDING' AND (k.status <> 'PENDING' OR"
     " k.resource_group_id <> s.resource_group_id)"},
    {1, "sessions are mended",
     "UPDATE sessions SET cluster_mode = 'multi-node', access_key = 'AK1' WHERE cluster_mode = "
     "'odd'"
     " OR access_key IS NULL"},
    {1, "a kernel more",
     "INSERT INTO kernels (id, session_id, cluster_size, cluster_role, cluster_idx, local_rank,"
     " cluster_hostname, scaling_group, resource_group_id, domain_name, group_id, user_uuid,"
     " access_key, architecture, occupied_slots, requested_slots, occupied_shares, repl_in_port,"
     " repl_out_port, stdin_port, stdout_port, use_host_network) SELECT t.id('k%u'), id, 1, 'sub', "
     "9,"
     " 8, 'h', scaling_group_name, resource_group_id, domain_name, group_id, user_uuid, access_key,"
     " 'x86_64', '{}', t.one_of('{}', '{\"cpu\": \"2\"}')::jsonb, '{}', 0, 0, 0, 0, false"
     " FROM sessions WHERE id = " A_WAITING},
    {6, "a request changes",
     "UPDATE resource_allocations SET requested = floor(random() * 4) WHERE kernel_id = " A_KERNEL
     " AND slot_name = 'cpu'"},
    {2, "a ledger row goes",
     "DELETE FROM resource_allocations WHERE kernel_id = " A_KERNEL " AND slot_name = 'mem'"},
    {2, "a ledger row is freed",
     "UPDATE resource_allocations SET free_at = now() WHERE kernel_id = " A_KERNEL
     " AND slot_name = 'cpu'"},
    {2, "a ledger row more",
     "INSERT INTO resource_allocations (kernel_id, slot_name, requested) SELECT t.a_kernel(),"
     " t.one_of('cuda.shares', 'tpu.device'), floor(random() * 2) ON CONFLICT DO NOTHING"},
    {1, "a ledger row is taken",
     "UPDATE resource_allocations SET reserved_at = CASE WHEN random() < 0.5 THEN now() END"
     " WHERE kernel_id = " A_KERNEL " AND slot_name = 'mem'"},
    {3, "capacity changes",
     "UPDATE agent_resources SET capacity = floor(random() * 16) WHERE agent_id = " AN_AGENT
     " AND slot_name = 'cpu'"},
    {2, "what is held changes",
     "UPDATE agent_resources SET used = floor(random() * 3), reserved = floor(random() * 3)"
     " WHERE agent_id = " AN_AGENT},
    {1, "an agent's slot goes",
     "DELETE FROM agent_resources WHERE agent_id = " AN_AGENT " AND slot_name = 'mem'"},
    {1, "an agent's slot more",
     "INSERT INTO agent_resources (agent_id, slot_name, capacity) SELECT t.an_agent(),"
     " t.one_of('cuda.shares', 'mem', 'tpu.device'), 4 ON CONFLICT DO NOTHING"},
    {1, "an agent's slot cannot be read",
     "UPDATE agent_resources SET capacity = 'NaN' WHERE agent_id = " AN_AGENT
     " AND slot_name = 'mem'"},
    {2, "an agent comes or goes",
     "UPDATE agents SET status = t.one_of('ALIVE', 'ALIVE', 'LOST')::agentstatus,"
     " schedulable = random() < 0.8 WHERE id = " AN_AGENT},
    {1, "an agent changes its group",
     "UPDATE agents SET resource_group_id = t.id(" A_GROUP ") WHERE id = " AN_AGENT},
    {1, "an agent more", "SELECT t.agent('x%u', " A_GROUP ", 4, 4096)"},
    {1, "an agent is deleted",
     "WITH a AS (SELECT t.an_agent() AS id), r AS (DELETE FROM agent_resources USING a WHERE"
     " agent_id = a.id) DELETE FROM agents USING a WHERE agents.id = a.id"},
    {1, "a slot is switched",
     "UPDATE resource_slot_types SET enabled = NOT enabled WHERE slot_name = t.one_of('tpu.device',"
     " 'cuda.shares')"},
    {1, "a slot's rank changes",
     "UPDATE resource_slot_types SET rank = floor(random() * 900) WHERE slot_name = 'mem'"},
    {1, "the group's options change",
     "UPDATE scaling_groups SET scheduler_opts = jsonb_build_object('pending_timeout',"
     " floor(random() * 9)::text), scheduler = t.one_of('fifo', 'lifo') WHERE name = 'g1'"},
    {1, "the cursors move",
     "INSERT INTO berth.group_state (scaling_group_id, rr_cursors) VALUES (t.id('g1'), '{}')"
     " ON CONFLICT (scaling_group_id) DO UPDATE SET rr_cursors ="
     " jsonb_build_object(t.one_of('x86_64', 'riscv'), t.an_agent())"},
    {1, "the group's state goes",
     "DELETE FROM berth.group_state WHERE scaling_group_id = t.id('g1')"},
    {1, "a limit changes",
     "UPDATE keypair_resource_policies SET total_resource_slots = jsonb_build_object('cpu',"
     " floor(random() * 99)::text), max_pending_session_count = CASE WHEN random() < 0.5 THEN 3 "
     "END"},
    {1, "an owner moves on",
     "INSERT INTO berth.owner_versions AS v (owner_kind, owner_id, version) VALUES (0, 'AK1', 1)"
     " ON CONFLICT (owner_kind, owner_id) DO UPDATE SET version = v.version + 1"},
    {1, "a key changes hands",
     "UPDATE sessions SET access_key = t.one_of('AK1', 'AK2', NULL) WHERE id = " A_WAITING},
    {2, "something that is not looked at", "UPDATE domains SET description = 'd%u'"},
};

static uint64_t next(struct history *h)
{
    h->random += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    uint64_t z = h->random;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t history_random(struct history *h, uint64_t below)
{
    return next(h) % below;
}

bool history_is_quiet(const struct history *h)
{
    for (unsigned i = 0; i < N_WRITERS; i++)
        if (h->writers[i].open)
            return false;
    return true;
}

struct history *history_create(const struct db *d, uint64_t seed)
{
    struct history *h = calloc(1, sizeof(*h));
    ck_assert_msg(h != NULL, "out of memory");
    h->random = seed;
    db_sql(d, sql_choices);
    for (unsigned i = 0; i < N_WRITERS; i++) {
        h->writers[i].conn = PQconnectdb(d->conninfo);
        ck_assert_msg(PQstatus(h->writers[i].conn) == CONNECTION_OK, "a writer: %s",
                      PQerrorMessage(h->writers[i].conn));
        PQclear(PQexec(h->writers[i].conn, "SET lock_timeout = '30ms'"));
    }
    return h;
}

void history_destroy(struct history *h)
{
    if (h == NULL)
        return;
    for (unsigned i = 0; i < N_WRITERS; i++)
        PQfinish(h->writers[i].conn);
    free(h);
}

static void tell(struct history *h, unsigned writer, const char *what, const char *how)
{
    (void)snprintf(h->told, sizeof(h->told), "writer %u: %s%s%.250s", writer, what,
                   how[0] != '\0' ? ": " : "", how);
}

/* A lock that is waited for and a key that is there already are no failures of the test; anything
 * else is a bug in a statement. */
static void run(struct history *h, unsigned i, const char *what, const char *sql)
{
    struct writer *w = &h->writers[i];
    PGresult *r = PQexec(w->conn, sql);
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const bool failed = state != NULL;
    tell(h, i, what, failed ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : "");
    ck_assert_msg(!failed || strcmp(state, "55P03") == 0 || strcmp(state, "40P01") == 0 ||
                      strncmp(state, "23", 2) == 0,
                  "%s: %s", h->told, sql);
    PQclear(r);
    if (failed && w->open) {
        PQclear(PQexec(w->conn, "ROLLBACK"));
        w->open = false;
    }
}

static void write_something(struct history *h, unsigned i)
{
    unsigned total = 0, at = 0;
    for (size_t k = 0; k < ARRAY_SIZE(writes); k++)
        total += writes[k].weight;
    unsigned chosen = (unsigned)history_random(h, total);
    while (chosen >= writes[at].weight)
        chosen -= writes[at++].weight;
    char sql[1600], seed[80];
    (void)snprintf(seed, sizeof(seed), "SELECT setseed(%.6f)",
                   (double)history_random(h, 1000000) / 1e6);
    PQclear(PQexec(h->writers[i].conn, seed));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(sql, sizeof(sql), writes[at].sql, (unsigned)h->step);
#pragma GCC diagnostic pop
    run(h, i, writes[at].what, sql);
}

static void open_or_savepoint(struct history *h, unsigned i)
{
    struct writer *w = &h->writers[i];
    char sql[40];
    if (!w->open) {
        run(h, i, "begins", "BEGIN");
        w->open = true;
        w->savepoints = 0;
    } else if (w->savepoints < SAVEPOINTS) {
        (void)snprintf(sql, sizeof(sql), "SAVEPOINT p%u", w->savepoints++);
        run(h, i, "sets a savepoint", sql);
    }
}

static void end_or_go_back(struct history *h, unsigned i)
{
    struct writer *w = &h->writers[i];
    char sql[40];
    if (w->open && w->savepoints > 0 && history_random(h, 3) == 0) {
        w->savepoints = 1 + (unsigned)history_random(h, w->savepoints); /* later ones are gone */
        (void)snprintf(sql, sizeof(sql), "ROLLBACK TO p%u", w->savepoints - 1);
        run(h, i, "goes back to a savepoint", sql);
        return;
    }
    if (!w->open)
        return;
    w->open = false;
    if (history_random(h, 4) == 0)
        run(h, i, "rolls back", "ROLLBACK");
    else
        run(h, i, "commits", "COMMIT");
}

const char *history_step(struct history *h)
{
    unsigned i = (unsigned)history_random(h, N_WRITERS);
    h->step++;
    tell(h, i, "nothing", "");
    switch (history_random(h, 10)) {
    case 0:
    case 1:
        open_or_savepoint(h, i);
        break;
    case 2:
        end_or_go_back(h, i);
        break;
    default:
        write_something(h, i);
    }
    return h->told;
}
