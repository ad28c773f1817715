/* floor_cancel.c - what PostgreSQL itself charges for cancels: a session and its kernel, each by
 * one guarded update, in a transaction of their own, from several connections at a time. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

#include "tests/bench/floor.h"

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

__attribute__((noreturn)) static void fail(const char *what, const char *why)
{
    (void)fprintf(stderr, "floor: %s: %s\n", what, why);
    exit(1);
}

static const char sql_ids[] = "SELECT id::text FROM sessions WHERE status = 'PENDING' "
                              "ORDER BY created_at, id";

/* The same columns as CancelSession writes, and nothing else that it writes. */
static const char *const updates[] = {
    "UPDATE kernels SET status = 'CANCELLED', status_info = 'user-requested', "
    "status_changed = now(), terminated_at = now(), "
    "status_history = status_history || jsonb_build_object('CANCELLED', now()) "
    "WHERE session_id = $1::uuid AND status = 'PENDING'",
    "UPDATE sessions SET status = 'CANCELLED', status_info = 'user-requested', "
    "terminated_at = now(), "
    "status_history = status_history || jsonb_build_object('CANCELLED', now()) "
    "WHERE id = $1::uuid AND status = 'PENDING'",
};

enum { N_UPDATES = sizeof(updates) / sizeof(updates[0]) };

struct storm {
    const char *conninfo;
    PGresult *ids;
    int n;
    atomic_int next;
    pthread_barrier_t *begin;
};

static void check(PGconn *c, PGresult *r, ExecStatusType want)
{
    if (PQresultStatus(r) != want)
        fail("cancel", PQerrorMessage(c));
    PQclear(r);
}

static PGconn *connect_prepared(const char *conninfo)
{
    static const char *const names[N_UPDATES] = {"u0", "u1"};
    PGconn *c = PQconnectdb(conninfo);
    if (PQstatus(c) != CONNECTION_OK)
        fail("connect", PQerrorMessage(c));
    for (int i = 0; i < N_UPDATES; i++)
        check(c, PQprepare(c, names[i], updates[i], 1, NULL), PGRES_COMMAND_OK);
    return c;
}

static void update(PGconn *c, const char *name, const char *id)
{
    const char *const values[] = {id};
    PGresult *r = PQexecPrepared(c, name, 1, values, NULL, NULL, 0);
    if (PQresultStatus(r) != PGRES_COMMAND_OK || strcmp(PQcmdTuples(r), "1") != 0)
        fail("cancel", "a guarded update did not change one row");
    PQclear(r);
}

static void *work(void *arg)
{
    struct storm *s = arg;
    PGconn *c = connect_prepared(s->conninfo);
    pthread_barrier_wait(s->begin);
    for (int i = atomic_fetch_add(&s->next, 1); i < s->n; i = atomic_fetch_add(&s->next, 1)) {
        const char *id = PQgetvalue(s->ids, i, 0);
        check(c, PQexec(c, "BEGIN"), PGRES_COMMAND_OK);
        update(c, "u0", id);
        update(c, "u1", id);
        check(c, PQexec(c, "COMMIT"), PGRES_COMMAND_OK);
    }
    PQfinish(c);
    return NULL;
}

double floor_cancel(const char *conninfo, unsigned connections)
{
    pthread_barrier_t begin;
    pthread_t threads[FLOOR_CONNECTIONS];
    PGconn *c = PQconnectdb(conninfo);
    struct storm s = {.conninfo = conninfo, .ids = PQexec(c, sql_ids), .begin = &begin};
    s.n = PQntuples(s.ids);
    if (s.n == 0 || connections == 0 || connections > FLOOR_CONNECTIONS)
        fail("cancel", "no pending session, or more connections than there may be");
    (void)pthread_barrier_init(&begin, NULL, connections + 1);
    for (unsigned i = 0; i < connections; i++) {
        if (pthread_create(&threads[i], NULL, work, &s) != 0)
            fail("cancel", "no thread");
    }
    pthread_barrier_wait(&begin);
    const double from = seconds();
    for (unsigned i = 0; i < connections; i++)
        pthread_join(threads[i], NULL);
    const double took = seconds() - from;
    (void)pthread_barrier_destroy(&begin);
    PQclear(s.ids);
    PQfinish(c);
    return took;
}
