/* history.h - random writes to a world, as a cluster manager, an operator and Berth make them.
 *
 * Two writers, each a connection that may have a transaction open, with savepoints in it; what one
 * writes the others see when it commits, which may be many steps later. A statement that would have
 * to wait for another writer's lock fails soon, and its transaction is rolled back. The same seed
 * gives the same history, but for what depends on the time. */
#ifndef BERTH_TESTS_REPO_HISTORY_H
#define BERTH_TESTS_REPO_HISTORY_H

#include "tests/repo/world.h"

struct history;

struct history *history_create(const struct db *d, uint64_t seed);
void history_destroy(struct history *h); /* ends open transactions */
DEFINE_CLEANUP(struct history, history_destroy)

/* One step. What was done, for the message of a test; good until the next step. */
const char *history_step(struct history *h);
uint64_t history_random(struct history *h, uint64_t below);
bool history_is_quiet(const struct history *h); /* no writer has a transaction open */

#endif
