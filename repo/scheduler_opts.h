/* scheduler_opts.h - scaling_groups.scheduler_opts, read leniently. Private to repo/.
 *
 * NULL, JSON null and {} mean all defaults; unknown keys are not looked at. pending_timeout is a
 * number of seconds, or text: a number, numbers with units (w d h m s, as in "1d12h"), or an ISO
 * 8601 duration ("PT1H30M"). Months and years have no fixed length and are refused. */
#ifndef BERTH_REPO_SCHEDULER_OPTS_H
#define BERTH_REPO_SCHEDULER_OPTS_H

#include <stdbool.h>

#include "scheduler/arena.h"
#include "scheduler/snapshot.h"

struct scheduler_opts {
    const char *strategy;    /* default "dispersed" */
    int64_t pending_timeout; /* microseconds, <= 0: none */
    struct option *options;  /* the keys of config */
    uint32_t n_options;
    const char *bad; /* a sentence naming the group and the key; NULL: all could be read */
};

/* Never fails: what cannot be read keeps its default and sets `bad` (the first one). */
struct scheduler_opts scheduler_opts_parse(const char *json, const char *group_name,
                                           struct arena *a);

/* Microseconds of such a text; false: it is none. Saturates. */
bool duration_parse(const char *text, int64_t *ret_us);

#endif
