/* db_clock.c - the database's clock. */
#include "repo/db_clock.h"

#include "repo/pg_query.h"

int db_clock_read(struct pg *c, int64_t *ret_us, struct err *e)
{
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (txn_begin(c, TXN_READ_SNAPSHOT, &t, e) < 0 ||
        pg_query(t, "SELECT clock_timestamp()", "s", NULL, 0, &r, e) < 0)
        return -1;
    *ret_us = rows_time(r, 0, 0);
    return txn_commit(&t, e);
}
