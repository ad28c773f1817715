/* engine.h - one pass in the making: steps 6 to 8 for one session after the other. What round.c and
 * explain.c share, so that a preview is the round and not a second opinion. */
#ifndef BERTH_SCHEDULER_ENGINE_H
#define BERTH_SCHEDULER_ENGINE_H

#include "scheduler/ledger.h"
#include "scheduler/place.h"
#include "scheduler/round.h"

struct engine {
    const struct snapshot *snapshot;
    const struct policy *policy;
    struct arena *arena;
    struct ledger ledger;
    struct placer placer;
    void **validator_states;
    uint64_t ignored;                  /* bit i: validator i does not run */
    const struct cause *timeout_cause; /* made when first needed */
    struct cause_list causes;          /* scratch of the session at hand */
    const struct round_hooks *hooks;
    int64_t *phase_ns; /* NULL: not measured */
    int64_t last_ns;
};

/* Step 3 is part of it. Everything lives in the arena. */
void engine_init(struct engine *g, const struct snapshot *s, const struct policy *p,
                 bool plain_scan, struct arena *a);

/* The validators begin anew: the snapshot's sessions are others now. Part of engine_init(). */
void engine_begin(struct engine *g, struct arena *a);

/* Decides on sessions that are offered to nobody: expired ones, then unreadable ones. false: this
 * one is neither. */
bool engine_exclude(struct engine *g, uint32_t session, struct decision *ret);

/* Steps 6 to 8. ret_placements has room for the session's kernels; when it comes out SCHEDULED they
 * are filled (first_placement is left to the caller). */
void engine_decide(struct engine *g, uint32_t session, struct decision *ret,
                   struct placement *ret_placements);

/* What engine_decide() does when it comes out SCHEDULED on these agents, without asking anybody. */
void engine_place(struct engine *g, uint32_t session, const struct placement *placements);
/* Takes back the last engine_decide() that came out SCHEDULED; nothing else is placed. */
void engine_take_back(struct engine *g, uint32_t session);

/* Time spent since the last call goes to this phase. */
void engine_lap(struct engine *g, enum round_phase phase);

#endif
