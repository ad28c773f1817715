/* startup.h - whether the daemon can do its work at all, looked at once when it starts.
 *
 * What the configuration alone decides is checked before it listens (startup_check_options). What
 * others decide is waited for while it listens and says NOT_SERVING: the database and its schema,
 * Redis where it is needed, and that a snapshot of a scaling group can be loaded (a few rows of
 * each table are), or there is no group. When all is well HEALTH_START is. When it is not within
 * startup_timeout, or a wait cannot help (the database is ahead), the daemon ends with an exit code
 * and a sentence that say why.
 *
 * The thread tells that it came to an end by STARTUP_SIGNAL to the process. */
#ifndef BERTH_SERVER_STARTUP_H
#define BERTH_SERVER_STARTUP_H

#include <signal.h>
#include <stdbool.h>

#include "server/app.h"

#define STARTUP_SIGNAL SIGUSR1

struct startup;

/* Every option of plugin_options in `next` is one that a plugin has, with a value it takes.
 * ERR_INVALID, naming it. */
int startup_check_options(const struct app *app, const struct config *next,
                          struct err *e) MUST_CHECK;

int startup_create(struct app *app, struct startup **ret, struct err *e) MUST_CHECK;
void startup_destroy(struct startup *s); /* NULL is fine; ends it wherever it is */

enum startup_state { STARTUP_WAITS, STARTUP_DONE, STARTUP_FAILED };
/* FAILED: *e and *ret_exit (an exit code) say why. WAITS: *e is what it waits for. One thread only:
 * that of the checks is joined when they are done. */
enum startup_state startup_look(struct startup *s, struct err *e, int *ret_exit);

#endif
