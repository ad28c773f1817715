/* choose.h - the agent for one requirement: by the candidate index where that is possible, else by
 * scan. The answer is the scan's, always. */
#ifndef BERTH_SCHEDULER_CHOOSE_H
#define BERTH_SCHEDULER_CHOOSE_H

#include "scheduler/book.h"
#include "scheduler/scan.h"

struct chooser {
    const struct policy *policy;
    struct arena *arena;
    struct scan scan;
    bool plain_scan;         /* use no index */
    struct rules {           /* of the filters and orders, which apply; bits by their number */
        bool known, by_scan; /* an order applies that only a scan can answer */
        uint64_t filters, orders, mark_filters; /* the last: filters that go by marks */
    } unmarked;       /* for requirements without marks, where all rules are built in */
    uint32_t *marked; /* scratch: agents that are designated or have members */
    size_t marked_cap;
    int64_t *rank, *best_rank, *common_rank; /* scratch, one number an order */
};

void chooser_init(struct chooser *c, const struct snapshot *s, const struct policy *p,
                  bool plain_scan, struct arena *a);

/* The agent, or NONE. r was made from demand i of the shape h. */
uint32_t chooser_choose(struct chooser *c, struct book *b, const struct requirement *r,
                        const struct shape *h, uint32_t i);
/* Whether there is one. */
bool chooser_fits(struct chooser *c, struct book *b, const struct requirement *r,
                  const struct shape *h, uint32_t i);

#endif
