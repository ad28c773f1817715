/* scan.h - the plain way to choose an agent: filters, then orders, then the selector, over lists.
 *
 * This is the reference: the candidate index must choose the same agent always. It is also the way
 * when orders apply, and the one that finds out why nothing is left. */
#ifndef BERTH_SCHEDULER_SCAN_H
#define BERTH_SCHEDULER_SCAN_H

#include "scheduler/book.h"

struct scan {
    const struct policy *policy;
    const uint32_t *candidates; /* ascending */
    uint32_t n_candidates;
    uint32_t *list, *other; /* scratch, n_candidates each */
    int64_t *key, *best;    /* scratch, n_slots + 2 each */
};

struct scan_failure { /* which filter left nobody, and who had come so far; good until the next scan
                       */
    uint32_t filter;
    const uint32_t *entrants;
    uint32_t n;
};

void scan_init(struct scan *x, const struct snapshot *s, const struct policy *p, struct arena *a);

/* The agent, or NONE and *ret_failure (NULL is fine). */
uint32_t scan_choose(struct scan *x, const struct room *m, const struct requirement *r,
                     struct scan_failure *ret_failure);

/* The one of these agents with the best key; NONE of none. */
uint32_t scan_select(struct scan *x, const struct room *m, const struct requirement *r,
                     const uint32_t *list, uint32_t n);

bool filter_applies(const struct chosen *f, const struct room *m, const struct requirement *r);
bool order_applies(const struct chosen *o, const struct room *m, const struct requirement *r);

#endif
