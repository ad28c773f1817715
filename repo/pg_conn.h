/* pg_conn.h - the inside of a connection. Private to pg.c, txn.c and pg_query.c.
 *
 * libpq in non-blocking mode; every wait is a poll() on the socket and on the wake descriptor that
 * pg_cancel() writes to. A wait that ends by deadline or cancel leaves an answer under way, so the
 * connection is dropped; the server notices within client_connection_check_interval. */
#ifndef BERTH_REPO_PG_CONN_H
#define BERTH_REPO_PG_CONN_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "repo/pool.h"
#include "repo/txn.h"

struct txn {
    struct pg *pg; /* NULL: not open */
    enum txn_mode mode;
    char xid[24];     /* TXN_WRITE: pg_current_xact_id() in text */
    int64_t deadline; /* CLOCK_MONOTONIC nanoseconds */
    int64_t timeout;  /* when the first statement's statement_timeout is due */
};

struct pg {
    char *conninfo;
    PGconn *conn;       /* NULL: not connected */
    bool was_open;      /* pool.h */
    int wake_fd;        /* eventfd: readable from pg_cancel() to the next pg_deadline() */
    bool uncancellable; /* a COMMIT is under way: its answer is waited for */
    int64_t deadline;   /* as given to pg_deadline(), 0: none */
    uint64_t random;    /* xorshift state, for jitter */
    struct pg_retries retries;
    struct txn txn; /* the one transaction a connection can have */
};

enum {
    PG_DEFAULT_MS = 30000, /* deadline of a transaction without one */
    PG_CONNECT_MS = 5000,  /* at most, for one connect */
    PG_GRACE_MS = 1000,    /* for ROLLBACK beyond the deadline */
    PG_RESOLVE_MS = 10000  /* for the answer to COMMIT, or to what became of it, beyond it */
};

/* CLOCK_MONOTONIC, nanoseconds. */
int64_t pg_now(void);
int64_t pg_after_ms(int64_t ms);
/* A number below n, for jitter. */
uint64_t pg_random(struct pg *c, uint64_t n);

/* Connected and idle after this: opens the connection if it is closed or was found broken. */
int pg_connect(struct pg *c, int64_t deadline, struct err *e) MUST_CHECK;
void pg_disconnect(struct pg *c);

/* Sends what libpq has buffered and waits until a result can be had without blocking. */
int pg_flush(struct pg *c, int64_t deadline, struct err *e) MUST_CHECK;
/* *ret is NULL at the end of the answer. A failed result is returned like any other. */
int pg_next_result(struct pg *c, int64_t deadline, PGresult **ret, struct err *e) MUST_CHECK;
/* Reads the rest of an answer; drops the connection when that fails. */
void pg_drain(struct pg *c, int64_t deadline);
/* Text without parameters, one or more statements; *ret (NULL is fine) is the last result, which
 * had no error. */
int pg_simple(struct pg *c, const char *sql, int64_t deadline, PGresult **ret,
              struct err *e) MUST_CHECK;

/* Fills *e from a failed result or, NULL, from the connection, and drops a connection that ended.
 * Returns -1. */
int pg_fail(struct pg *c, const PGresult *res, struct err *e);
/* The same for a connection that could not be made (libpq has only a text for that). */
int pg_fail_connect(const PGconn *conn, struct err *e);

DEFINE_CLEANUP(PGresult, PQclear)

#endif
