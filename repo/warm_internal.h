/* warm_internal.h - the inside of what is kept of a group. Private to warm*.c. */
#ifndef BERTH_REPO_WARM_INTERNAL_H
#define BERTH_REPO_WARM_INTERNAL_H

#include <stdatomic.h>

#include "repo/db_moment.h"
#include "repo/snapshot_loader.h"
#include "repo/warm.h"

enum { WARM_TABLES = 16 };

/* What a snapshot does not say of its rows, and the next load must know. */
struct warm_extra {
    uint32_t *ledger_rows; /* by session: live rows of its kernels */
    uint32_t *agent_rows;  /* by agent: rows in agent_resources */
    bool *again;           /* by session: read it anew each time, it is no plain row */
    struct uuid *group_id; /* by session: the group of sessions it names; NULL: none names one */
    bool *has_group;       /* by session; NULL likewise */
    uint32_t n_odd;        /* sessions whose count of failures cannot be counted on */
};

struct warm {
    atomic_uint refs;
    struct warm *root; /* whose tables these are, held; NULL: they are its own */
    struct arena *arena;
    struct snapshot_builder *b; /* spent; NULL: the tables are another's */
    const struct snapshot *s;
    struct warm_extra extra;
    struct loaded_spec *specs;
    uint32_t n_specs;
    bool has_guests;             /* owners or groups of sessions are there for a spec alone */
    struct db_moment moment;     /* of the transaction it was read in: mark and xmin alone */
    int64_t tables[WARM_TABLES]; /* oids */
    int64_t checked_at;          /* by observed_at */
};

struct warm_here { /* the transaction of a load */
    struct db_moment moment;
    int64_t tables[WARM_TABLES];
    bool is_plain; /* tables as they are meant to be: what is seen of a row is the row */
};

/* --- warm_extra.c --- */

/* An empty one of that moment, and a load that fills it. */
struct warm *warm_create(const struct warm_here *h);
/* Finishes its builder and takes over from the load what the snapshot does not say. found: by spec
 * of the query, as the load left it. */
void warm_finish(struct warm *w, struct load *l, const struct snapshot_query *q,
                 const struct snapshot_spec_owners *found);
/* One that has the tables of *w; its snapshot is still to be made. */
struct warm *warm_of_tables(struct warm *w);

/* --- warm_spec.c --- */

/* Before the builder is finished, and after. */
struct spec_keys *warm_spec_keys(const struct load *l, const struct snapshot_query *q,
                                 const struct snapshot_spec_owners *found);
void warm_take_specs(struct warm *w, const struct snapshot_query *q, const struct spec_keys *keys);
/* Whether a full load of the query would find just what *w has, if nobody has written. */
bool warm_specs_suit(const struct warm *w, const struct snapshot_query *q);

/* --- warm_renew.c --- */

/* The group's row and cursors, as a snapshot without tables. */
int warm_head(struct txn *t, const char *group, struct arena *a, const struct snapshot **ret,
              struct err *e) MUST_CHECK;
bool warm_head_equal(const struct warm *w, const struct snapshot *head);
/* *w as of now, when nobody has written; only the one who holds it may. false: it cannot be told,
 * and is left half done. */
bool warm_renew(struct warm *w, const struct snapshot *head, const struct warm_here *h) MUST_CHECK;
/* The same beside it, with its tables; NULL: it cannot be told. */
struct warm *warm_renewed(struct warm *w, const struct snapshot *head, const struct warm_here *h);

/* --- warm_delta.c --- */

/* *ret: the group as it is now, from *old and the rows that changed; NULL: that could not be done,
 * for no fault of anybody. */
int warm_delta(struct txn *t, const struct snapshot_query *q, const struct warm_here *h,
               const struct warm *old, struct warm **ret, struct err *e) MUST_CHECK;

#endif
