/* txn.h - no transaction, no access.
 *
 * Every repository function takes a struct txn; its signature says what runs inside what. Leaving
 * early rolls back: CLEANUP(txn_rollbackp). txn_run() is the retry wrapper. */
#ifndef BERTH_REPO_TXN_H
#define BERTH_REPO_TXN_H

#include "repo/pg.h"

struct txn;

enum txn_mode {
    TXN_READ_SNAPSHOT, /* REPEATABLE READ, READ ONLY: one consistent snapshot */
    TXN_WRITE          /* READ COMMITTED, read-write */
};

int txn_begin(struct pg *c, enum txn_mode mode, struct txn **ret, struct err *e) MUST_CHECK;
/* *t is NULL after, either way. A COMMIT that answers ROLLBACK is an error. When the connection is
 * lost at COMMIT, pg_xact_status tells what became of it: 0 when it was stored, ERR_UNAVAILABLE
 * when it was rolled back; reason COMMIT_UNKNOWN only when nobody could be asked for 10 s. Those 10
 * s may lie beyond the deadline; a commit begun after the deadline is a rollback and ERR_TIMEOUT.
 */
int txn_commit(struct txn **t, struct err *e) MUST_CHECK;
void txn_rollback(struct txn *t); /* NULL is fine */
DEFINE_CLEANUP(struct txn, txn_rollback)

/* Runs body in a transaction and commits. 40001 and 40P01 are tried again: 20 attempts, 20 ms
 * doubling to 5 s with full jitter, never beyond the connection's deadline; then the last failure
 * is the answer. The body can run more than once, so it must not have side effects outside the
 * database. */
typedef int txn_body_f(struct txn *t, void *ctx, struct err *e);
int txn_run(struct pg *c, enum txn_mode mode, txn_body_f *body, void *ctx,
            struct err *e) MUST_CHECK;

#endif
