/* adopt.h - living in a Manager's database. Used by migrate.c.
 *
 * What Berth needs of the Manager's tables is listed in adopt.def, one line a column. */
#ifndef BERTH_REPO_ADOPT_H
#define BERTH_REPO_ADOPT_H

#include "repo/migrate.h"
#include "repo/txn.h"

/* Compares the database with adopt.def and reports each difference. ERR_PRECONDITION, reason
 * ADOPT_MISMATCH: the error names as many as fit. Changes nothing. */
int adopt_verify(struct txn *t, const struct migrate_options *o, struct err *e) MUST_CHECK;

/* Builds the extra indexes that are not there yet, one after the other, without blocking writers
 * (CREATE INDEX CONCURRENTLY, so outside a transaction and not through a pooler in transaction
 * mode). An index that an interrupted run left INVALID is dropped and built again. */
int adopt_create_indexes(struct pg *c, const struct migrate_options *o, struct err *e) MUST_CHECK;

#endif
