/* group_watch.h - all scaling groups, for who schedules them by itself. */
#ifndef BERTH_REPO_GROUP_WATCH_H
#define BERTH_REPO_GROUP_WATCH_H

#include "repo/txn.h"
#include "scheduler/arena.h"

struct watched_group {
    const char *name;
    int64_t round_age_us; /* since the last finished round began; INT64_MAX: there was none */
};

/* By name in byte order, at most max. In the arena. */
int group_watch_list(struct txn *t, uint32_t max, struct arena *a, struct watched_group **ret,
                     uint32_t *ret_n, struct err *e) MUST_CHECK;

#endif
