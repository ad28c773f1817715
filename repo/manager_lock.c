/* manager_lock.c - advisory lock 230, shared, on a connection of its own. */
#include "repo/manager_lock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/pg_conn.h"

#define KEY "230" /* a Manager's passes over PENDING sessions, in all versions */

enum { CHECK_MS = 2000, GRACE_MS = 500, RETRY_MS = 1000 };

struct manager_lock {
    struct pg *pg;
};

int manager_lock_create(const char *conninfo, struct manager_lock **ret, struct err *e)
{
    struct manager_lock *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    if (pg_create(conninfo, &l->pg, e) < 0) {
        manager_lock_destroy(l);
        return -1;
    }
    *ret = l;
    return 0;
}

void manager_lock_destroy(struct manager_lock *l)
{
    if (l == NULL)
        return;
    pg_close(l->pg);
    free(l);
}

/* Whether this very session of the server holds it: 1, 0, or -1. */
static int is_held(struct manager_lock *l, struct err *e)
{
    CLEANUP(PQclearp) PGresult *res = NULL;
    static const char sql[] =
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = " KEY
        " AND objsubid = 1 AND granted AND pid = pg_backend_pid()"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    if (pg_simple(l->pg, sql, pg_after_ms(CHECK_MS), &res, e) < 0)
        return -1;
    return strcmp(PQgetvalue(res, 0, 0), "0") != 0;
}

static int busy(struct err *e)
{
    err_set(e, ERR_CONFLICT, "MANAGER_BUSY",
            "A manager schedules now, and did not end in time; try again.");
    return err_retry(e, RETRY_MS);
}

static int wait_for_it(struct manager_lock *l, int64_t deadline_ns, struct err *e)
{
    char sql[160];
    const int64_t left = (deadline_ns - pg_now()) / 1000000;
    if (left <= 0)
        return busy(e);
    (void)snprintf(sql, sizeof(sql),
                   "SET lock_timeout = %" PRId64 "; SELECT pg_advisory_lock_shared(" KEY ")", left);
    if (pg_connect(l->pg, deadline_ns, e) < 0)
        return -1;
    if (pg_simple(l->pg, sql, deadline_ns + (int64_t)GRACE_MS * 1000000, NULL, e) == 0)
        return 0;
    return e->code == ERR_CONFLICT ? busy(e) : -1; /* LOCK_TIMEOUT */
}

int manager_lock_take(struct manager_lock *l, int64_t deadline_ns, struct err *e)
{
    if (wait_for_it(l, deadline_ns, e) < 0)
        return -1;
    const int held = is_held(l, e);
    if (held == 1)
        return 0;
    pg_disconnect(l->pg);
    if (held < 0)
        return -1;
    return err_set(e, ERR_PRECONDITION, "MANAGER_LOCK_POOLED",
                   "A lock beside a manager needs a direct connection to the database, not a "
                   "pooler: name one in the setting coexist_database.");
}

int manager_lock_check(struct manager_lock *l, struct err *e)
{
    struct err why = {.code = ERR_NONE};
    if (l == NULL || (l->pg->conn != NULL && is_held(l, &why) == 1))
        return 0;
    err_set(e, ERR_CONFLICT, "MANAGER_LOCK_LOST",
            "The lock that keeps a manager from scheduling was lost; try again.");
    err_detail(e, "%s %s", why.message, why.detail);
    return err_retry(e, RETRY_MS);
}

void manager_lock_release(struct manager_lock *l)
{
    if (l->pg->conn != NULL && pg_simple(l->pg, "SELECT pg_advisory_unlock_shared(" KEY ")",
                                         pg_after_ms(CHECK_MS), NULL, NULL) < 0)
        pg_disconnect(l->pg);
}
