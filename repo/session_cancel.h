/* session_cancel.h - the parts of a cancel. Private to repo/. */
#ifndef BERTH_REPO_SESSION_CANCEL_H
#define BERTH_REPO_SESSION_CANCEL_H

#include "repo/owner_usage.h"
#include "repo/session.h"
#include "repo/txn.h"

enum cancel_step { STEP_NONE, STEP_CANCELLED, STEP_TERMINATING };

struct cancel_item { /* one session, as it is locked */
    const struct cancel_input *in;
    struct cancel_result *ret;
    const char *reason, *status, *creation_id, *group_name;
    struct uuid group_id;
    struct owner_key owners[N_OWNER_KINDS];
    enum cancel_step step;
    bool placed; /* a kernel has an agent */
    bool counts; /* its owners have a session, or amounts, less */
};

struct cancel {
    struct cancel_item *items;
    uint32_t n;
    struct arena *a;
    struct txn *t;
    struct owner_count *owners; /* of all items */
    uint32_t n_owners;
};

/* Of the items with a step, in the transaction that changed them: their history rows; their events,
 * numbered by the rows of their groups. */
int cancel_record_history(struct cancel *c, struct err *e) MUST_CHECK;
int cancel_record_events(struct cancel *c, struct err *e) MUST_CHECK;

#endif
