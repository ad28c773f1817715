/* warm.h - the last snapshot of a scaling group, kept in memory and brought up to date by what
 * changed (repo/README.md tells why that is the same as loading it).
 *
 * A struct warm is held by references. warm_load() is for who holds the only one: it changes it.
 * warm_load_beside() is for who shares it: it is only read, by any number of threads, and what
 * comes of it is a new one that does not need the old one. Its snapshot dies with the last
 * reference. */
#ifndef BERTH_REPO_WARM_H
#define BERTH_REPO_WARM_H

#include "repo/snapshot_load.h"

struct warm;

void warm_destroy(struct warm *w); /* gives a reference back; NULL is fine */
DEFINE_CLEANUP(struct warm, warm_destroy)
size_t warm_bytes(const struct warm *w); /* all that lives because of it */
const struct snapshot *warm_snapshot(const struct warm *w);
/* What the query's specs came to, in some order. */
const struct loaded_spec *warm_specs(const struct warm *w, uint32_t *ret_n);

enum load_kind {
    LOAD_FULL,      /* read whole */
    LOAD_DELTA,     /* the rows that changed were read */
    LOAD_UNCHANGED, /* nobody had written: only what every load reads anew was */
    N_LOAD_KINDS
};

struct warm_options {
    int64_t check_us; /* a full load is compared with what is kept when the last one is this old */
};

struct warm_report {
    enum load_kind kind;
    bool checked;           /* it was compared with a full load of the same transaction */
    const char *difference; /* they differed, which is a bug: where; the full load was taken */
};

/* The group as it is in the transaction t (TXN_READ_SNAPSHOT). *w: what is kept of it, or NULL;
 * afterwards what is to be kept. -1: *w is destroyed and NULL, whatever the error was; a load
 * without it may go well. `scratch` outlives *ret. */
int warm_load(struct txn *t, const char *scaling_group, const struct warm_options *o,
              struct arena *scratch, struct warm **w, struct warm_report *ret,
              struct err *e) MUST_CHECK;
/* The same for who shares `base` (NULL: nothing is kept), and with the owners of specs. *ret is as
 * a full load of the query would be. -1: a load without the base may go well. `scratch` outlives
 * *report. */
int warm_load_beside(struct txn *t, const struct snapshot_query *q, const struct warm_options *o,
                     struct arena *scratch, struct warm *base, struct warm **ret,
                     struct warm_report *report, struct err *e) MUST_CHECK;

#endif
