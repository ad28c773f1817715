/* reference.h - the scheduler again, in the simplest possible code: plain loops over everything, no
 * shapes, no indexes, no plugins. Written from the rules alone, to be compared with scheduler/. */
#ifndef BERTH_TESTS_REFERENCE_H
#define BERTH_TESTS_REFERENCE_H

#include "scheduler/plan.h"
#include "scheduler/policy.h"

enum { REF_MAX_SLOTS = 16 };

struct ref_cause {
    enum cause_kind kind;
    const char *plugin, *subject;
    bool retryable;
    uint32_t n_slots;
    struct shortage slots[REF_MAX_SLOTS];
};

struct ref_decision {
    uint32_t session;
    enum outcome outcome;
    uint32_t n_causes;
    struct ref_cause *causes;
    uint32_t *agents; /* one per kernel of the session when SCHEDULED, else NULL */
    uint64_t passed;
};

struct ref_plan {
    uint32_t n_decisions;
    struct ref_decision *decisions;
    const char **cursors; /* per architecture: id of the agent chosen last, or NULL */
};

struct ref_plan *reference_run(const struct snapshot *s, const struct policy_config *c,
                               uint32_t max_sessions, struct arena *a);

#endif
