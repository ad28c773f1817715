/* machine.h - a server of the machine in this process.
 *
 * It has the real machine, health and reflection; the handlers of the scheduling service are those
 * of handlers.h and the probe is the one below, both replaced at link time, so that no database is
 * needed. One at a time. */
#ifndef BERTH_TESTS_RPC_MACHINE_H
#define BERTH_TESTS_RPC_MACHINE_H

#include "server/app.h"
#include "tests/rpc/support.h"

/* Settings as flags ("--max-in-flight=1"), NULL-ended; the address is 127.0.0.1:0. */
struct app *machine_start(const char *const *settings);
void machine_drain(int64_t grace_ms); /* in the order of berthd */
void machine_stop(void);              /* drains at once if that was not done; NULL-safe */
/* What the probe says about the database when a handler is about to run: NULL: all is well. */
void machine_database(const struct err *e);

#endif
