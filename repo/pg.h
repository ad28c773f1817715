/* pg.h - one PostgreSQL connection, one thread's.
 *
 * A connection that broke, or that the server closed while it was idle, is opened again by the next
 * txn_begin(); nothing is retried in here. Every wait is bounded: by the deadline set with
 * pg_deadline(), or by the default of 30 s a transaction. The deadline also reaches the server as
 * statement_timeout (SET LOCAL, so that PgBouncer in transaction mode works). SQLSTATEs are mapped
 * to err codes in one array in pg_error.c. Host names are resolved by libpq, which blocks. */
#ifndef BERTH_REPO_PG_H
#define BERTH_REPO_PG_H

#include <stdint.h>

#include "scheduler/err.h"

struct pg;

/* conninfo: libpq's keyword/value or URI form. Connects at once; ERR_UNAVAILABLE when it cannot. */
int pg_open(const char *conninfo, struct pg **ret, struct err *e) MUST_CHECK;
/* The same, but connects at first use: for a daemon that starts before its database. */
int pg_create(const char *conninfo, struct pg **ret, struct err *e) MUST_CHECK;
void pg_close(struct pg *c); /* NULL is fine */
DEFINE_CLEANUP(struct pg, pg_close)

/* Starts a piece of work: forgets a pg_cancel() of the one before, and sets the CLOCK_MONOTONIC
 * nanoseconds after which every wait ends with ERR_TIMEOUT; 0: the default. */
void pg_deadline(struct pg *c, int64_t monotonic_ns);
/* May be called from any thread while the connection exists, and never blocks: what runs now, and
 * all until the next pg_deadline(), ends with ERR_CANCELLED (a client that left). The connection is
 * dropped and the server stops the statement within a quarter of a second. A COMMIT under way is
 * not cancelled. The caller makes sure that the piece of work it means is still the current one. */
void pg_cancel(struct pg *c);

struct pg_retries { /* how often txn_run() ran a transaction again, and after what */
    unsigned serialization_failure, deadlock;
};
/* Those since it was asked last. */
struct pg_retries pg_take_retries(struct pg *c);

#endif
