/* cluster_rows_internal.h - what the writers of rows share: for cluster_rows*.c only. */
#ifndef BERTH_TESTS_CLUSTER_ROWS_INTERNAL_H
#define BERTH_TESTS_CLUSTER_ROWS_INTERNAL_H

#include "scheduler/cause.h"
#include "tests/preview/cluster_rows.h"

struct rows {
    const struct snapshot *s;
    struct rng *rng;
    struct text sql;
    struct text sessions, kernels, amounts; /* VALUES lists */
    uint32_t n_ids;                         /* made up so far */
    bool loose; /* hardly a limit binds: what the drawn ones hide comes to light */
};

extern const char cluster_nobody[]; /* the UUID of an owner that is none of the cluster's */

const char *cluster_amount(const struct rows *w, uint32_t slot, int64_t v);
const char *cluster_new_id(struct rows *w); /* an id nobody else has */
/* The key of an owner as its tables have it: users and projects have UUIDs. */
const char *cluster_owner_key(const struct rows *w, uint32_t owner);

/* --- rows of the three large tables, collected --- */

struct session_columns {
    const char *id, *key, *user, *project, *domain; /* NULL: nobody of the cluster */
    const char *group;                              /* scaling group */
    const char *type, *mode, *status, *result, *session_group, *designated, *options, *created,
        *since, *starts, *data;
    int32_t priority;
};

struct kernel_columns {
    const char *id, *session, *group, *key, *user, *project, *domain, *type, *status, *agent, *arch;
    bool is_main;
    int32_t idx;
};

void cluster_add_session(struct rows *w, const struct session_columns *c);
void cluster_add_kernel(struct rows *w, const struct kernel_columns *c);
void cluster_add_amounts(struct rows *w, const char *kernel, const int64_t *row, bool used);

void cluster_write_owners(struct rows *w);

#endif
