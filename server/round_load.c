/* round_load.c - see round_load.h. */
#include "server/round_load.h"

#include <string.h>

#include "server/config.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/warm_keeper.h"

static int load_cold(struct round_load *l, struct pg *pg, struct arena *a, struct err *e)
{
    const struct snapshot_query q = {.scaling_group = l->scaling_group};
    struct snapshot_builder *b = builder_create(a);
    struct snapshot_spec_owners unused;
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    if (txn_begin(pg, TXN_READ_SNAPSHOT, &t, e) < 0 || snapshot_load(t, &q, b, &unused, e) < 0 ||
        txn_commit(&t, e) < 0)
        return -1;
    l->snapshot = builder_finish(b);
    return 0;
}

static int load_once(struct round_load *l, struct pg *pg, struct arena *a, struct warm_report *ret,
                     struct err *e)
{
    const struct warm_options o = {.check_us = CONFIG_NOW(l->config, warm_check_interval) * 1000};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    if (txn_begin(pg, TXN_READ_SNAPSHOT, &t, e) < 0 ||
        warm_load(t, l->scaling_group, &o, a, &l->warm, ret, e) < 0)
        return -1;
    return txn_commit(&t, e);
}

bool load_failed_for_good(const struct err *e)
{
    return e->code == ERR_UNAVAILABLE || e->code == ERR_TIMEOUT || e->code == ERR_CANCELLED ||
           e->code == ERR_NOT_FOUND || e->code == ERR_EXHAUSTED;
}

void load_tell_check(const char *scaling_group, const struct warm_report *r)
{
    metric_add(METRIC_warm_checks_total, 0, r->checked);
    if (r->difference == NULL)
        return;
    metric_add(METRIC_warm_differences_total, 0, 1);
    log_error("what was kept of a scaling group was not what the database holds; it was read anew",
              LOG_STR("group", scaling_group), LOG_STR("kept_and_read", r->difference));
}

int round_load(struct round_load *l, struct pg *pg, struct arena *a, struct err *e)
{
    struct warm_report report = {.kind = LOAD_FULL};
    if (l->keeper == NULL || !CONFIG_NOW(l->config, warm_rounds)) {
        metric_add(METRIC_round_loads_total, LOAD_FULL, 1);
        return load_cold(l, pg, a, e);
    }
    l->warm = warm_keeper_take(l->keeper, l->scaling_group);
    const bool was_kept = l->warm != NULL;
    int rc = load_once(l, pg, a, &report, e);
    if (rc < 0 && was_kept && !load_failed_for_good(e)) {
        log_err(LOG_WARN, "what a round had kept could not be brought up to date; it is read anew",
                e, LOG_FIELDS(LOG_STR("group", l->scaling_group)));
        warm_destroy(TAKE(l->warm));
        rc = load_once(l, pg, a, &report, e);
    }
    if (rc < 0)
        return -1;
    metric_add(METRIC_round_loads_total, report.kind, 1);
    load_tell_check(l->scaling_group, &report);
    l->snapshot = warm_snapshot(l->warm);
    return 0;
}

void round_load_release(struct round_load *l)
{
    if (l->warm == NULL)
        return;
    warm_keeper_put(l->keeper, l->scaling_group, TAKE(l->warm), CONFIG_NOW(l->config, warm_memory),
                    CONFIG_NOW(l->config, warm_keep));
}
