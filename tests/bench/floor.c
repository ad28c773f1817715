/* floor.c - what PostgreSQL itself charges for a round: reading its rows and writing its rows, with
 * nothing decided, checked or parsed.
 *
 *   floor CONNINFO read    the columns of a snapshot, binary, row by row
 *   floor CONNINFO write   every pending session of group "bench" becomes SCHEDULED: the rows of a
 *                          commit, by set-based statements from arrays in memory, 5000 sessions a
 *                          transaction
 *   floor CONNINFO cancel CONNECTIONS   every pending session becomes CANCELLED, one a transaction
 * Prints the seconds. The database must be a copy: write and cancel leave it changed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

#include "repo/pg_query.h"
#include "tests/bench/floor.h"

enum { CHUNK = 5000 };

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "floor: %s: %s\n", what, why);
    exit(1);
}

/* --- read --- */

#define OF_GROUP "resource_group_id = (SELECT id FROM scaling_groups WHERE name = 'bench')"

static const char *const reads[] = {
    "SELECT id, addr, architecture, status, schedulable FROM agents WHERE " OF_GROUP,
    "SELECT r.agent_id, r.slot_name, r.capacity, r.reserved, r.prereserved, r.used "
    "FROM agent_resources r JOIN agents a ON a.id = r.agent_id WHERE a." OF_GROUP,
    "SELECT id, name, creation_id, created_at, status_history->>'PENDING', requested_starts_at, "
    "priority, session_type, cluster_mode, options->>'agent_selection_policy', session_group_id, "
    "access_key, user_uuid, group_id, domain_name, designated_agent_ids, "
    "status_data->'scheduler'->>'retries', status_data->'scheduler'->>'digest' "
    "FROM sessions WHERE status = 'PENDING' AND " OF_GROUP,
    "SELECT k.id, k.session_id, k.status, k.architecture, k.cluster_role, k.cluster_idx "
    "FROM kernels k WHERE k.status = 'PENDING' AND k." OF_GROUP,
    "SELECT r.kernel_id, r.slot_name, r.requested FROM resource_allocations r "
    "JOIN kernels k ON k.id = r.kernel_id "
    "WHERE k.status = 'PENDING' AND r.free_at IS NULL AND k." OF_GROUP,
};

static long read_rows(PGconn *c, const char *sql)
{
    long n = 0;
    PGresult *r;
    if (PQsendQueryParams(c, sql, 0, NULL, NULL, NULL, NULL, 1) != 1 || PQsetSingleRowMode(c) != 1)
        fail("read", PQerrorMessage(c));
    while ((r = PQgetResult(c)) != NULL) {
        if (PQresultStatus(r) == PGRES_FATAL_ERROR)
            fail("read", PQerrorMessage(c));
        n += PQntuples(r);
        PQclear(r);
    }
    return n;
}

static double read_all(const char *conninfo)
{
    PGconn *c = PQconnectdb(conninfo);
    long n = 0;
    if (PQstatus(c) != CONNECTION_OK)
        fail("connect", PQerrorMessage(c));
    double begin = seconds();
    PQclear(PQexec(c, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
    for (size_t i = 0; i < ARRAY_SIZE(reads); i++)
        n += read_rows(c, reads[i]);
    PQclear(PQexec(c, "COMMIT"));
    double took = seconds() - begin;
    PQfinish(c);
    if (n == 0)
        fail("read", "no rows");
    return took;
}

/* --- write --- */

struct rows { /* of all pending sessions, as they are to be written */
    struct uuid *session, *kernel;
    const char **agent;
    int64_t *cpu, *mem;
    enum slot_type *count, *bytes;
    uint32_t n;
};

/* Each statement takes the arrays: 1 sessions, 2 kernels, 3 agents, 4 cpu, 5 mem. */
static const char *const writes[] = {
    "UPDATE kernels k SET status = 'SCHEDULED', status_info = 'scheduled', status_data = '{}', "
    "status_changed = now(), agent = u.agent, agent_addr = 'tcp://10.0.0.1:6001', "
    "status_history = k.status_history || jsonb_build_object('SCHEDULED', now()) "
    "FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::numeric[], $5::numeric[]) "
    "AS u(session, kernel, agent, cpu, mem) WHERE k.id = u.kernel",
    "UPDATE resource_allocations r SET reserved = r.requested, reserved_at = now() "
    "FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::numeric[], $5::numeric[]) "
    "AS u(session, kernel, agent, cpu, mem) WHERE r.kernel_id = u.kernel",
    "UPDATE agent_resources r SET reserved = r.reserved + s.amount, updated_at = now() FROM ("
    "SELECT agent, 'cpu' AS slot, sum(cpu) AS amount FROM u GROUP BY agent UNION ALL "
    "SELECT agent, 'mem', sum(mem) FROM u GROUP BY agent) s "
    "WHERE r.agent_id = s.agent AND r.slot_name = s.slot",
    "UPDATE sessions s SET status = 'SCHEDULED', status_info = 'scheduled', "
    "agent_ids = ARRAY[u.agent], status_data = '{\"scheduler\": {}}', "
    "status_history = s.status_history || jsonb_build_object('SCHEDULED', now()) "
    "FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::numeric[], $5::numeric[]) "
    "AS u(session, kernel, agent, cpu, mem) WHERE s.id = u.session",
    "INSERT INTO session_scheduling_history (id, session_id, phase, from_status, to_status, "
    "result, "
    "message, sub_steps, attempts, created_at, updated_at) "
    "SELECT gen_random_uuid(), session, 'schedule-sessions', 'PENDING', 'SCHEDULED', 'SUCCESS', "
    "'schedule-sessions success', '[]', 1, now(), now() "
    "FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::numeric[], $5::numeric[]) "
    "AS u(session, kernel, agent, cpu, mem)",
    "INSERT INTO berth.events (scaling_group_id, sequence, type, epoch, session_id, created_at, "
    "from_status, to_status, reason, allocations) "
    "SELECT g.id, coalesce((SELECT max(sequence) FROM berth.events), 0) + u.ord, 1, 1, session, "
    "now(), 'PENDING', 'SCHEDULED', 'scheduled', "
    "jsonb_build_array(jsonb_build_object('kernel_id', kernel, 'agent_id', agent, 'cpu', cpu, "
    "'mem', mem)) FROM scaling_groups g, "
    "unnest($1::uuid[], $2::uuid[], $3::text[], $4::numeric[], $5::numeric[]) WITH ORDINALITY "
    "AS u(session, kernel, agent, cpu, mem, ord) WHERE g.name = 'bench'",
};

static void check(int rc, const struct err *e)
{
    if (rc < 0)
        fail("write", e->message);
}

static struct rows read_targets(struct txn *t, struct arena *a)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    check(pg_query(t,
                   "SELECT s.id, k.id, 'agent' || lpad((1 + (row_number() OVER (ORDER BY "
                   "s.created_at, s.id) - 1) / 60 % (SELECT count(*) FROM agents))::text, 6, '0'), "
                   "c.requested::int8, m.requested::int8 FROM sessions s "
                   "JOIN kernels k ON k.session_id = s.id "
                   "JOIN resource_allocations c ON c.kernel_id = k.id AND c.slot_name = 'cpu' "
                   "JOIN resource_allocations m ON m.kernel_id = k.id AND m.slot_name = 'mem' "
                   "WHERE s.status = 'PENDING' ORDER BY s.created_at, s.id",
                   "uutii", NULL, 0, &r, &e),
          &e);
    struct rows v = {.n = rows_count(r)};
    v.session = arena_new(a, struct uuid, v.n + 1);
    v.kernel = arena_new(a, struct uuid, v.n + 1);
    v.agent = arena_new(a, const char *, v.n + 1);
    v.cpu = arena_new(a, int64_t, v.n + 1);
    v.mem = arena_new(a, int64_t, v.n + 1);
    v.count = arena_new(a, enum slot_type, v.n + 1);
    v.bytes = arena_new(a, enum slot_type, v.n + 1);
    for (uint32_t i = 0; i < v.n; i++) {
        v.session[i] = rows_uuid(r, i, 0);
        v.kernel[i] = rows_uuid(r, i, 1);
        v.agent[i] = arena_strdup(a, rows_text(r, i, 2));
        v.cpu[i] = rows_int(r, i, 3) * AMOUNT_ONE;
        v.mem[i] = rows_int(r, i, 4);
        v.count[i] = SLOT_COUNT;
        v.bytes[i] = SLOT_BYTES;
    }
    return v;
}

static void write_chunk(struct pg *pg, const struct rows *v, uint32_t from, uint32_t n)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct txn *t = NULL;
    const struct pg_param p[] = {
        param_array_uuid(a, v->session + from, n),
        param_array_uuid(a, v->kernel + from, n),
        param_array_text(a, v->agent + from, n),
        param_array_amount(a, v->cpu + from, v->count, n),
        param_array_amount(a, v->mem + from, v->bytes, n),
    };
    check(txn_begin(pg, TXN_WRITE, &t, &e), &e);
    for (size_t i = 0; i < ARRAY_SIZE(writes); i++) {
        const char *sql = writes[i];
        if (strstr(sql, "FROM u GROUP BY") != NULL)
            sql = arena_printf(
                a,
                "WITH u AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], "
                "$4::numeric[], $5::numeric[]) AS u(session, kernel, agent, cpu, mem)) %s",
                sql);
        check(pg_exec(t, sql, p, ARRAY_SIZE(p), NULL, &e), &e);
    }
    check(txn_commit(&t, &e), &e);
}

static double write_all(const char *conninfo)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(pg_closep) struct pg *pg = NULL;
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct txn *t = NULL;
    check(pg_open(conninfo, &pg, &e), &e);
    check(txn_begin(pg, TXN_READ_SNAPSHOT, &t, &e), &e);
    struct rows v = read_targets(t, a);
    check(txn_commit(&t, &e), &e);
    if (v.n == 0)
        fail("write", "no pending session");
    double begin = seconds();
    for (uint32_t from = 0; from < v.n; from += CHUNK)
        write_chunk(pg, &v, from, v.n - from < CHUNK ? v.n - from : CHUNK);
    return seconds() - begin;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[2], "read") == 0)
        printf("%.6f\n", read_all(argv[1]));
    else if (argc == 3 && strcmp(argv[2], "write") == 0)
        printf("%.6f\n", write_all(argv[1]));
    else if (argc == 4 && strcmp(argv[2], "cancel") == 0)
        printf("%.6f\n", floor_cancel(argv[1], (unsigned)strtoul(argv[3], NULL, 10)));
    else
        fail("usage", "floor CONNINFO read|write|cancel CONNECTIONS");
    return 0;
}
