/* probe.h - looks at the database and at Redis from time to time and tells the health service.
 *
 * A thread with a connection of its own to each (setting probe_interval). It also knows whether the
 * database has the schema of this build, so that a request need not ask. */
#ifndef BERTH_SERVER_PROBE_H
#define BERTH_SERVER_PROBE_H

#include "repo/pg.h"
#include "scheduler/err.h"

struct config;
struct health;
struct probe;

/* Looks once before it returns, so that health is true from the start; away is no failure. */
int probe_create(const struct config *g, struct health *h, struct probe **ret,
                 struct err *e) MUST_CHECK;
void probe_destroy(struct probe *p); /* NULL is fine */
DEFINE_CLEANUP(struct probe, probe_destroy)

/* For an executor, before it uses the database: free when the last look was good, else looks again
 * on the executor's own connection. ERR_UNAVAILABLE; ERR_PRECONDITION saying what to run. */
int probe_require(struct probe *p, struct pg *pg, struct err *e) MUST_CHECK;

#endif
