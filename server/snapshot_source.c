/* snapshot_source.c - the newest snapshot of a scaling group, from the database. */
#include "server/snapshot_source.h"

#include "server/config.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/round_load.h"
#include "server/round_service.h"

static int load_once(const struct snapshot_source *x, const struct snapshot_query *q,
                     struct warm *base, struct arena *a, struct warm **ret,
                     struct warm_report *report, struct err *e)
{
    const struct warm_options o = {.check_us = CONFIG_NOW(x->config, warm_check_interval) * 1000};
    CLEANUP(warm_destroyp) struct warm *w = NULL;
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    if (txn_begin(x->pg, TXN_READ_SNAPSHOT, &t, e) < 0 ||
        warm_load_beside(t, q, &o, a, base, &w, report, e) < 0 || txn_commit(&t, e) < 0)
        return -1;
    *ret = TAKE(w);
    return 0;
}

static int load(const struct snapshot_source *x, const struct snapshot_query *q, struct arena *a,
                struct warm **ret, struct err *e)
{
    struct warm *base = CONFIG_NOW(x->config, warm_previews) ? x->base : NULL;
    struct warm_report report = {.kind = LOAD_FULL};
    int rc = load_once(x, q, base, a, ret, &report, e);
    if (rc < 0 && base != NULL && !load_failed_for_good(e)) {
        log_err(LOG_WARN,
                "what was kept for previews could not be brought up to date; it is read anew", e,
                LOG_FIELDS(LOG_STR("group", q->scaling_group)));
        rc = load_once(x, q, NULL, a, ret, &report, e);
    }
    if (rc < 0)
        return -1;
    metric_add(METRIC_snapshots_loaded_total, report.kind, 1);
    load_tell_check(q->scaling_group, &report);
    return 0;
}

int snapshot_newest(const struct snapshot_source *x, const struct snapshot_query *q,
                    struct arena *a, struct newest_snapshot *ret, struct err *e)
{
    struct newest_snapshot n = {.policy = NULL};
    struct policy *policy = NULL;
    if (load(x, q, a, &n.warm, e) < 0)
        return -1;
    n.snapshot = warm_snapshot(n.warm);
    n.specs = warm_specs(n.warm, &n.n_specs);
    if (round_service_policy(x->rounds, n.snapshot, a, &policy, &n.policy_err) == 0)
        n.policy = policy;
    *ret = n;
    return 0;
}
