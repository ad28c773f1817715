/* ledger.h - who was given what so far in this round: the numbers behind struct round_view. */
#ifndef BERTH_SCHEDULER_LEDGER_H
#define BERTH_SCHEDULER_LEDGER_H

#include "scheduler/shape.h"

struct ledger {
    struct round_view view; /* points at the arrays below */
    bool *expired;
    int64_t *owner_placed, *owner_placed_sessions, *owner_placed_sftp;
};

/* Step 3: waited for at least the group's pending timeout. */
bool session_is_expired(const struct snapshot *s, const struct session *x);

/* Step 3 included: view.expired is filled. */
void ledger_init(struct ledger *l, const struct snapshot *s, struct arena *a);
void ledger_look(struct ledger *l, uint32_t session); /* step 3 again: it is another one now */
/* Step 8: a session of this shape was placed. */
void ledger_fold(struct ledger *l, uint32_t session, const struct shape *h);
/* The session was the only one placed, and is not any more. */
void ledger_clear(struct ledger *l, uint32_t session);

#endif
