/* db_clock.h - what time it is for the database: the only clock that decides anything. */
#ifndef BERTH_REPO_DB_CLOCK_H
#define BERTH_REPO_DB_CLOCK_H

#include "repo/pg.h"

/* Microseconds since the Unix epoch, when the server answered. Own transaction inside. */
int db_clock_read(struct pg *c, int64_t *ret_us, struct err *e) MUST_CHECK;

#endif
