/* cluster_rows.h - a random cluster (tests/reference/cluster.h) as rows of a database. */
#ifndef BERTH_TESTS_CLUSTER_ROWS_H
#define BERTH_TESTS_CLUSTER_ROWS_H

#include "tests/reference/cluster.h"

/* SQL that leaves nothing but this cluster in the world of tests/repo/world.h, as group g1; what
 * other groups hold is g2's. Keys, foreign keys and checks must have been taken away (t.hostile()).
 * Not every number of the snapshot can be a row: amounts of bytes end at 10^17, and what a member
 * of a session group holds counts for its owners, too. In most clusters hardly a quota binds.
 * Seconds are made quarters of an hour, so that no time rule changes its mind while the rows are
 * looked at. */
char *cluster_rows(const struct cluster *c, struct rng *r, struct arena *a);

#endif
