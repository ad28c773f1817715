/* dso.h - loads plugins from shared objects into the registry. */
#ifndef BERTH_SERVER_DSO_H
#define BERTH_SERVER_DSO_H

#include "scheduler/err.h"
#include "scheduler/policy.h"

/* Each file exports the data symbol `berth_plugin`. ERR_INVALID or what registry_add() says, naming
 * the file; a plugin that crashes or hangs while it is loaded is refused, too. Call it before
 * grpc_init(): it forks. A loaded object stays until exit: the registry points into it. */
int dso_load(struct registry *r, const char *path, struct err *e) MUST_CHECK;

#endif
