/* round.h - one scheduling pass and its little sister, the preview: snapshot + policy -> answer.
 *
 * Pure: no I/O, no clock, no randomness, no threads, no state between calls. The steps carry the
 * step numbers of scheduler/README.md (3 expire, 4 prioritize, 5 pick, 6 validate, 7 place, 8
 * update). */
#ifndef BERTH_SCHEDULER_ROUND_H
#define BERTH_SCHEDULER_ROUND_H

#include "scheduler/plan.h"
#include "scheduler/policy.h"

enum round_phase { PHASE_EXPIRE, PHASE_ORDER, PHASE_VALIDATE, PHASE_PLACE, N_ROUND_PHASES };

/* What the caller lends to a round; every member is optional. */
struct round_hooks {
    void *ctx;
    bool (*stop)(void *ctx);     /* asked once before each offer; true: time is up, sessions not
                                    tried are SKIPPED, ROUND_LIMIT */
    int64_t (*clock)(void *ctx); /* nanoseconds, to fill phase_ns; never decides anything */
};

struct round_limits {
    uint32_t max_sessions; /* offer at most that many; 0: all */
    bool plain_scan; /* look at every agent for every session, remember nothing: the yardstick of
                        tests and benches; the plan is the same */
};

/* Runs steps 3 to 8. Returns -1 only when a plugin misbehaves (offers a session twice, unknown
 * index): ERR_INTERNAL naming the plugin. *ret and all it points to live in the arena. */
int round_run(const struct snapshot *s, const struct policy *p, const struct round_limits *limits,
              const struct round_hooks *hooks, struct arena *a, struct plan **ret,
              int64_t phase_ns[N_ROUND_PHASES], struct err *e) MUST_CHECK;

/* The round again, under the budget that stopped `then` (NULL: under none): the same snapshot and
 * policy give the same plan. */
int round_replay(const struct snapshot *s, const struct policy *p, const struct plan *then,
                 struct arena *a, struct plan **ret, struct err *e) MUST_CHECK;

/* The order in which the next round would try the sessions if none of them changed anything:
 * bands, then the sequencer with no placements folded in. For ListPendingSessions. Expired sessions
 * come first. ret has n_sessions indexes. */
int round_order(const struct snapshot *s, const struct policy *p, struct arena *a, uint32_t **ret,
                struct err *e) MUST_CHECK;

/* --- preview --- */

enum verdict {
    VERDICT_NONE,
    VERDICT_FITS,
    VERDICT_WAITS,
    VERDICT_BLOCKED,
    VERDICT_INFEASIBLE,
    VERDICT_INVALID,
    VERDICT_EXPIRED
};

/* What was found out about a snapshot and a policy before; every member is optional and spares
 * work, never changes an answer. */
struct known {
    const struct plan *plan;     /* of round_run() without limits: after_queue need not run it */
    const uint32_t *decision_of; /* with plan: by session, index of its decision */
    const uint32_t *places;      /* by session: its place in round_order() */
};

struct explain_request {
    uint32_t session; /* index in the snapshot (a spec was added as one) */
    bool is_spec;     /* it was: it stands in no queue */
    bool after_queue; /* false: now, alone; true: after everything ahead of it was placed */
    bool agents;      /* fill the rows for every agent */
    const char *const *ignore_validators; /* for this session, not for those ahead of it; an unknown
                                             name is ERR_INVALID, field "ignore_validators" */
    uint32_t n_ignore_validators;
    uint32_t first_row,
        n_rows; /* the rows wanted of those for agents; n_rows 0: all from the first */
    struct known known;
};

struct agent_row { /* of an agent of the snapshot; rows are by id */
    uint32_t agent;
    bool fits;                  /* passes every filter for the first requirement not placed, or the
                                   first requirement when all were placed */
    const struct cause *causes; /* every filter it fails */
    uint32_t n_causes;
    const int64_t *remaining; /* n_slots amounts, at the moment of the decision */
};

struct explanation {
    enum verdict verdict;
    struct decision decision; /* placements index into `placements` */
    struct placement *placements;
    uint32_t queue_position;  /* 0-based, in round_order; NONE for a spec or an expired session */
    struct agent_row *agents; /* those wanted */
    uint32_t n_agents;
    uint32_t by_cause[N_CAUSE_KINDS]; /* how many agents of all fail for that kind */
    const char *const *validators;
    uint32_t n_validators;
};

int round_explain(const struct snapshot *s, const struct policy *p, const struct explain_request *q,
                  struct arena *a, struct explanation **ret, struct err *e) MUST_CHECK;

#endif
