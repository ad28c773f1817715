/* round_load.h - the snapshot of a round: read whole, or kept from the last one and brought up to
 * date (repo/warm.h). */
#ifndef BERTH_SERVER_ROUND_LOAD_H
#define BERTH_SERVER_ROUND_LOAD_H

#include "repo/pg.h"
#include "repo/warm.h"

struct config;
struct warm_keeper;

struct round_load {
    const char *scaling_group;
    const struct config *config;
    struct warm_keeper *keeper;      /* NULL: nothing is kept; the snapshot lives in the arena */
    struct warm *warm;               /* where the snapshot lives, until the release */
    const struct snapshot *snapshot; /* what round_load() comes to */
};

/* One TXN_READ_SNAPSHOT transaction on pg, two when what was kept cannot be brought up to date.
 * ERR_NOT_FOUND, reason UNKNOWN_SCALING_GROUP. */
int round_load(struct round_load *l, struct pg *pg, struct arena *a, struct err *e) MUST_CHECK;
/* A load from the beginning would meet this failure of a load from what is kept, too. */
bool load_failed_for_good(const struct err *e);
/* Counts a check of what is kept, and logs a difference. */
void load_tell_check(const char *scaling_group, const struct warm_report *r);
/* Nobody reads the snapshot any more; does nothing before a load or the second time. */
void round_load_release(struct round_load *l);

#endif
