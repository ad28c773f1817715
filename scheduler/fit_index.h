/* fit_index.h - finds the agent a scan would choose without looking at every agent.
 *
 * One index a track (architecture, asked slots) and book, for selectors of scope SELECT_BY_SLOTS
 * and SELECT_IN_TURN where no order applies. A question descends a fit_tree only where something
 * may fit and may be better than the best found so far: exact, by the bounds. */
#ifndef BERTH_SCHEDULER_FIT_INDEX_H
#define BERTH_SCHEDULER_FIT_INDEX_H

#include "scheduler/book.h"

struct fit_index;

/* Whether all filters keep this agent. */
struct acceptance {
    bool (*accept)(const void *ctx, uint32_t agent);
    const void *ctx;
};

/* `like` is any requirement of the track; of it only arch and slots matter. NULL: the book has no
 * bytes left for it. */
struct fit_index *fit_index_create(struct book *b, const struct chosen *selector,
                                   const struct requirement *like, struct arena *a);

/* The agent, or NONE. Brings the index up to date with the book first. */
uint32_t fit_index_choose(struct fit_index *x, struct book *b, const struct requirement *r,
                          const struct acceptance *filters);

/* The book's log is about to begin anew. */
void fit_index_restart(struct fit_index *x, const struct book *b);

#endif
