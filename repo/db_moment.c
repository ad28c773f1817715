/* db_moment.c - see db_moment.h. */
#include "repo/db_moment.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "repo/pg_conn.h"
#include "repo/pg_query.h"

#define SQL_MARK                                                                                   \
    "pg_postmaster_start_time(), pg_stat_get_bgwriter_stat_reset_time(), "                         \
    "(SELECT oid::int8 FROM pg_database WHERE datname = current_database())"

bool db_mark_equal(const struct db_mark *a, const struct db_mark *b)
{
    return a->started == b->started && a->recovered == b->recovered && a->database == b->database;
}

bool db_moment_follows(const struct db_moment *then, const struct db_moment *now)
{
    return db_mark_equal(&then->mark, &now->mark) && now->xmin >= then->xmin &&
           now->xmax - then->xmin <= XIDS_MAX;
}

static struct db_mark mark_of(const struct pg_rows *r)
{
    return (struct db_mark){
        .started = rows_time(r, 0, 0),
        .recovered = rows_time(r, 0, 1),
        .database = rows_int(r, 0, 2),
    };
}

static const char sql_moment[] =
    "SELECT " SQL_MARK ", pg_snapshot_xmin(s)::text::int8, pg_snapshot_xmax(s)::text::int8, "
    "ARRAY(SELECT x::text::int8 FROM pg_snapshot_xip(s) x) FROM pg_current_snapshot() s";

int db_moment_read(struct txn *t, struct arena *a, struct db_moment *ret, struct err *e)
{
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, sql_moment, "ssiiiI", NULL, 0, &r, e) < 0)
        return -1;
    *ret = (struct db_moment){
        .mark = mark_of(r),
        .xmin = (uint64_t)rows_int(r, 0, 3),
        .xmax = (uint64_t)rows_int(r, 0, 4),
    };
    ret->open = rows_int_array(r, 0, 5, a, &ret->n_open);
    return 0;
}

/* --- quiet transactions --- */

static struct {
    pthread_mutex_t lock;
    struct quiet {
        struct db_mark mark;
        uint64_t xid;   /* 0: none */
    } kept[QUIET_KEPT]; /* by id: the later of two takes the place */
} quiet = {.lock = PTHREAD_MUTEX_INITIALIZER};

int quiet_declare(struct txn *t, struct err *e)
{
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, "SELECT " SQL_MARK, "ssi", NULL, 0, &r, e) < 0)
        return -1;
    const struct quiet q = {.mark = mark_of(r), .xid = strtoull(t->xid, NULL, 10)};
    pthread_mutex_lock(&quiet.lock);
    quiet.kept[q.xid & (QUIET_KEPT - 1)] = q;
    pthread_mutex_unlock(&quiet.lock);
    return 0;
}

static bool is_open(const struct db_moment *m, uint64_t xid)
{
    for (uint32_t i = 0; i < m->n_open; i++)
        if ((uint64_t)m->open[i] == xid)
            return true;
    return false;
}

/* An id that is under way cannot be seen; those of its subtransactions are not in the list, and so
 * are unknown. */
bool quiet_since(uint64_t xmin, const struct db_moment *now)
{
    bool all = xmin <= now->xmax && now->xmax - xmin <= QUIET_KEPT;
    pthread_mutex_lock(&quiet.lock);
    for (uint64_t xid = xmin; all && xid < now->xmax; xid++) {
        const struct quiet *q = &quiet.kept[xid & (QUIET_KEPT - 1)];
        all = (q->xid == xid && db_mark_equal(&q->mark, &now->mark)) || is_open(now, xid);
    }
    pthread_mutex_unlock(&quiet.lock);
    return all;
}
