/* db_moment.h - which database this is, and what its transactions have come to.
 *
 * A moment is that of a TXN_READ_SNAPSHOT transaction: every id below xmin had ended, none from
 * xmax on had begun, and those in `open` were under way and cannot be seen. What a later moment
 * sees and an earlier one does not was written by ids from the earlier xmin up to the later xmax.
 *
 * Ids mean nothing elsewhere: a mark tells one run of one server, and one database in it, from
 * every other. It changes with a restart, a failover, a restored copy, and with a recovery from a
 * crash of a server process, after which ids can come a second time. */
#ifndef BERTH_REPO_DB_MOMENT_H
#define BERTH_REPO_DB_MOMENT_H

#include <stdbool.h>

#include "repo/txn.h"
#include "scheduler/arena.h"

struct db_mark {
    int64_t started;   /* when the server was, microseconds */
    int64_t recovered; /* when its counters began, which they do anew after a crash */
    int64_t database;  /* oid */
};

struct db_moment {
    struct db_mark mark;
    uint64_t xmin, xmax; /* with the epoch: they never wrap */
    const int64_t *open; /* ids between, under way */
    uint32_t n_open;
};

bool db_mark_equal(const struct db_mark *a, const struct db_mark *b);

/* Ids are compared modulo 2^32 where they are those of rows. */
#define XIDS_MAX UINT64_C(100000000)

/* Whether what was read at `then` (mark and xmin) says anything at `now`: the same run of the same
 * server, not before it, and not more than XIDS_MAX ids after. */
bool db_moment_follows(const struct db_moment *then, const struct db_moment *now);

int db_moment_read(struct txn *t, struct arena *a, struct db_moment *ret, struct err *e) MUST_CHECK;

/* For a TXN_WRITE transaction that from its begin to its end writes no row that a snapshot is made
 * of, except what every load reads anew (berth.group_state): its id is remembered. A promise of the
 * code, not a finding. The process remembers the last QUIET_KEPT of them. Any thread. */
enum { QUIET_KEPT = 4096 }; /* a power of two */
int quiet_declare(struct txn *t, struct err *e) MUST_CHECK;

/* Whether all that `now` sees and a moment with the same mark and that xmin did not is known to be
 * quiet. */
bool quiet_since(uint64_t xmin, const struct db_moment *now);

#endif
