/* world.h - a small cluster that lives through many rounds: what the stateful targets change. */
#ifndef BERTH_TESTS_FUZZ_WORLD_H
#define BERTH_TESTS_FUZZ_WORLD_H

#include "scheduler/plan.h"
#include "scheduler/policy.h"
#include "tests/fuzz/fuzz.h"

enum { WORLD_SLOTS = 3, WORLD_AGENTS = 8, WORLD_SESSIONS = 20, WORLD_KERNELS = 3, WORLD_KEYS = 3 };

enum session_state { SESSION_ABSENT, SESSION_PENDING, SESSION_RUNNING };

struct world_agent {
    bool there, alive, schedulable, arm;
    int64_t capacity[WORLD_SLOTS];
};

struct world_session {
    enum session_state state;
    uint32_t n_kernels, key, group; /* group NONE: none */
    int64_t request[WORLD_SLOTS];   /* of each kernel */
    int64_t created_at;
    int32_t priority, retries;
    bool multi_node, private, arm;
    uint32_t agent[WORLD_KERNELS]; /* RUNNING: where its kernels are */
};

struct world {
    int64_t now;
    uint32_t scheduler, strategy, queue_policy;
    int64_t pending_timeout, max_containers;
    struct world_agent agents[WORLD_AGENTS];
    struct world_session sessions[WORLD_SESSIONS];
    int64_t limit[WORLD_KEYS][WORLD_SLOTS]; /* of the key; AMOUNT_INF: none */
};

void world_init(struct world *w);
/* One change of those that come from outside. */
void world_change(struct world *w, struct choices *c);
/* The cluster as rows; backwards: they are added in the other order, which must not show. */
const struct snapshot *world_snapshot(const struct world *w, bool backwards, struct arena *a);
/* The plan done: sessions run, end, or have tried in vain. Aborts when a key is above its limit in
 * a slot that a session placed now asked for. */
void world_apply(struct world *w, const struct snapshot *s, const struct plan *p);
/* The world's number of a session. */
uint32_t world_number(const struct session *s);

#endif
