/* values.h - tests of plain values: an arena a test, and errors that must name a field. */
#ifndef BERTH_TESTS_RPC_VALUES_H
#define BERTH_TESTS_RPC_VALUES_H

#include <check.h>

#include "scheduler/arena.h"
#include "scheduler/err.h"

extern struct arena *arena; /* of the running test */

/* Adds the arena to a case; runs a suite of one case: the exit code. */
void values_fixture(TCase *tc);
int values_run(Suite *suite, TCase *tc);

/* Fails unless *e is an ERR_INVALID of that reason about that field. */
void assert_refused(int rc, const struct err *e, const char *reason, const char *field,
                    const char *what);

#endif
