/* warm_internal.h - the inside of what is kept of a group. Private to warm.c, warm_delta.c and
 * warm_extra.c. */
#ifndef BERTH_REPO_WARM_INTERNAL_H
#define BERTH_REPO_WARM_INTERNAL_H

#include "repo/db_moment.h"
#include "repo/snapshot_loader.h"
#include "repo/warm.h"

enum { WARM_TABLES = 16 };

/* What a snapshot does not say of its rows, and the next load must know. */
struct warm_extra {
    uint32_t *ledger_rows; /* by session: live rows of its kernels */
    uint32_t *agent_rows;  /* by agent: rows in agent_resources */
    uint8_t *again;        /* by session: read it anew each time, it is no plain row */
    struct uuid *group_id; /* by session: the group of sessions it names; NULL: none names one */
    uint8_t *has_group;    /* by session; NULL likewise */
    uint32_t n_odd;        /* sessions whose count of failures cannot be counted on */
};

struct warm {
    struct arena *arena;
    struct snapshot_builder *b; /* spent */
    const struct snapshot *s;
    struct warm_extra extra;
    struct db_moment moment;     /* of the transaction it was read in; `open` is not kept */
    int64_t tables[WARM_TABLES]; /* oids */
    int64_t checked_at;          /* by observed_at */
};

struct warm_here { /* the transaction of a load */
    struct db_moment moment;
    int64_t tables[WARM_TABLES];
    bool is_plain; /* tables as they are meant to be: what is seen of a row is the row */
};

/* An empty one of that moment, and a load that fills it. */
struct warm *warm_create(const struct warm_here *h);
/* Finishes its builder and takes over from the load what the snapshot does not say. */
void warm_finish(struct warm *w, struct load *l);

/* warm_delta.c: *ret: the group as it is now, from *old and the rows that changed; NULL: that could
 * not be done, for no fault of anybody. */
int warm_delta(struct txn *t, const char *scaling_group, const struct warm_here *h,
               const struct warm *old, struct warm **ret, struct err *e) MUST_CHECK;

#endif
