/* book.h - what is left on every agent, as one line of thought in a round sees it.
 *
 * A round keeps two: the real one, and an empty one that answers "could it ever be placed?". What
 * is held can be given back exactly. A log of touched agents keeps the candidate indexes current.
 */
#ifndef BERTH_SCHEDULER_BOOK_H
#define BERTH_SCHEDULER_BOOK_H

#include "scheduler/members.h"
#include "scheduler/shape.h"

struct closest;
struct fit_index;

enum { BOOK_MAX_INDEXES = 64, BOOK_LOG = 1024 };

struct book {
    struct room room; /* what plugins see: points at the arrays below */
    struct arena *arena;
    int64_t *remaining; /* NULL: nothing was held yet and the room borrows the capacities */
    int64_t *containers;
    struct members members;
    struct closest *closest;                     /* NULL: nobody asked yet */
    struct fit_index *indexes[BOOK_MAX_INDEXES]; /* by track; NULL: not built */
    uint32_t uses[BOOK_MAX_INDEXES];             /* by track: questions so far */
    size_t index_bytes;                          /* that the indexes may still take */
    uint32_t log[BOOK_LOG];                      /* agents touched, oldest first */
    uint32_t n_log;
};

struct book *book_create(const struct snapshot *s, const struct policy *p, bool empty,
                         struct arena *a);
/* The candidate that comes closest to taking r, for want of slots alone: closest_find(). */
uint32_t book_closest(struct book *b, const struct requirement *r);
/* Takes bytes for an index; false: it would be too much, do without. */
bool book_spend(struct book *b, size_t bytes);
/* delta 1: hold the demand on the agent; -1: give it back. */
void book_hold(struct book *b, uint32_t agent, const struct demand *d, int delta);

#endif
