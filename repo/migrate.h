/* migrate.h - brings a database to the schema this build needs.
 *
 * The migrations are repo/migrations/NNNN_name.sql, compiled into the program. Each is applied
 * once, in order, each in its own transaction, under one advisory lock, and recorded with a
 * checksum in berth.schema_migrations. A second run does nothing; an applied migration whose text
 * differs from this build's is refused (ERR_PRECONDITION). */
#ifndef BERTH_REPO_MIGRATE_H
#define BERTH_REPO_MIGRATE_H

#include <stdbool.h>

#include "repo/pg.h"

struct migrate_options {
    bool adopt; /* the database has the Manager's tables: verify them, create only schema berth */
    bool with_indexes; /* adopt: also the safe extra indexes, CONCURRENTLY */
    void (*report)(void *ctx, const char *line); /* one line per step, for a person; NULL: silent */
    void *ctx;
};

int migrate_run(struct pg *c, const struct migrate_options *o, struct err *e) MUST_CHECK;
/* ERR_PRECONDITION, reason SCHEMA_OUTDATED, naming the first migration missing, or SCHEMA_NEWER,
 * naming the first one this program does not know and cannot work beside. Migrations it does not
 * know but can work beside (EXPAND, migrations.def) are no reason. */
int migrate_check(struct pg *c, struct err *e) MUST_CHECK;

#endif
