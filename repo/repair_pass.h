/* repair_pass.h - one transaction of a repair. Private to repair.c and its steps.
 *
 * A step looks for the next batch of its kind after the place where the last one ended, and mends
 * it unless the run is dry. The transaction may run more than once: what a step finds out counts
 * only after COMMIT. */
#ifndef BERTH_REPO_REPAIR_PASS_H
#define BERTH_REPO_REPAIR_PASS_H

#include "repo/repair.h"

enum { REPAIR_BATCH = 100 }; /* sessions, kernels or agents a transaction */

struct repair_place { /* where a batch ended: all up to it have been looked at */
    struct uuid id;
    const char *text;
};

struct repair_pass {
    const struct repair_input *in;
    struct uuid group_id;
    struct arena *result; /* the caller's */
    struct arena *run;    /* dies with the transaction */
    struct txn *t;
    struct repair_place after;

    /* What the transaction comes to: */
    struct repair_place end;
    bool more; /* the batch was full */
    struct repair_finding *findings;
    size_t cap_findings;
    uint32_t n_findings, n_mended, n_young;
    struct event *events; /* numbers, epoch and time come last */
    uint32_t n_events;
    struct owner_count *owners; /* counted last */
    uint32_t n_owners;
};

typedef int repair_step_f(struct repair_pass *p, struct err *e);
repair_step_f repair_sessions;                          /* repair_session.c */
repair_step_f repair_dead_allocations, repair_counters; /* repair_ledger.c */
repair_step_f repair_reports;                           /* repair_report.c */

/* Notes a finding; the texts are the result arena's. It is mended, or would be in a dry run. */
void repair_mends(struct repair_pass *p, enum repair_kind kind, const char *fact, const char *deed);
void repair_leaves(struct repair_pass *p, enum repair_kind kind, const char *fact,
                   const char *deed);

#endif
