/* warm_world.c - loads for tests of warm rounds. */
#include "tests/repo/warm_world.h"

struct warm_report warm_world_load(struct pg *c, struct warm **w, int64_t check_us, struct arena *a,
                                   const char *what)
{
    const struct warm_options o = {.check_us = check_us};
    struct warm_report report;
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(c, TXN_READ_SNAPSHOT, &t, &e), &e, what);
    assert_done(warm_load(t, "g1", &o, a, w, &report, &e), &e, what);
    assert_done(txn_commit(&t, &e), &e, what);
    return report;
}

struct warm *warm_world_load_beside(struct pg *c, struct warm *base, const struct snapshot_query *q,
                                    int64_t check_us, struct arena *a, struct warm_report *ret,
                                    const char *what)
{
    const struct warm_options o = {.check_us = check_us};
    struct err e = {.code = ERR_NONE};
    struct warm *w = NULL;
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(c, TXN_READ_SNAPSHOT, &t, &e), &e, what);
    assert_done(warm_load_beside(t, q, &o, a, base, &w, ret, &e), &e, what);
    assert_done(txn_commit(&t, &e), &e, what);
    return w;
}
