/* policy.h - which plugins decide a round and with which options.
 *
 * A registry holds the plugins: the built-ins of plugins.def, then what berthd loaded from .so
 * files. policy_resolve() looks up the names a group asks for and reads its options; what it cannot
 * accept is ERR_PRECONDITION with a sentence that names the offending name or key. */
#ifndef BERTH_SCHEDULER_POLICY_H
#define BERTH_SCHEDULER_POLICY_H

#include "scheduler/arena.h"
#include "scheduler/err.h"
#include "scheduler/snapshot.h"

struct plugin; /* plugin.h */
struct registry;

struct registry *registry_create(void); /* with the built-ins; aborts if one of them is malformed */
void registry_destroy(struct registry *r);
/* Refuses a wrong ABI, a missing callback, a bad or taken name. `origin` is for the sentence (the
 * file's path). The plugin must outlive the registry. */
int registry_add(struct registry *r, const struct plugin *p, const char *origin,
                 struct err *e) MUST_CHECK;
uint32_t registry_count(const struct registry *r);
const struct plugin *registry_at(const struct registry *r, uint32_t i, const char **ret_origin);
DEFINE_CLEANUP(struct registry, registry_destroy)

enum queue_policy { QUEUE_TRY_ALL, QUEUE_TOP_PRIORITY, QUEUE_STOP_AT_FIRST };

/* What the server's configuration says, for every group alike. Zero-initialised means defaults. */
struct policy_config {
    int64_t max_containers_per_agent; /* <= 0: no limit */
    const char *const *slot_priority; /* NULL: cuda, rocm, tpu, cpu, mem */
    uint32_t n_slot_priority;
    const struct option *options; /* server-wide option defaults; key "<plugin>.<key>" */
    uint32_t n_options;
};

struct policy; /* resolved for one snapshot; lives in the arena */

int policy_resolve(const struct registry *r, const struct policy_config *c,
                   const struct snapshot *s, struct arena *a, struct policy **ret,
                   struct err *e) MUST_CHECK;
/* Unknown option keys seen while resolving: kept, to be logged once. NULL-ended. */
const char *const *policy_unknown_options(const struct policy *p);

#endif
