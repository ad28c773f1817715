/* retention.h - removes what is too old, or too much, of what only Berth keeps: events, rounds,
 * stored answers.
 *
 * A little at a time, in transactions of their own: a step removes at most `batch` rows of one kind
 * and locks nothing but these rows, which no commit writes. An advisory lock, the transaction's,
 * lets one replica at a time do it.
 *
 * Events of a group are removed from the oldest on and without a gap, so what is kept is always
 * oldest, ..., last (event_bounds_list()), also when nothing is kept. The newest round of a group
 * stays, whatever its age: it is shown as the last one. A request id whose answer was removed is a
 * new one. */
#ifndef BERTH_REPO_RETENTION_H
#define BERTH_REPO_RETENTION_H

#include <stdbool.h>

#include "repo/pg.h"

enum retention_kind { RETENTION_EVENTS, RETENTION_ROUNDS, RETENTION_REQUESTS, N_RETENTION_KINDS };

struct retention_policy {
    int64_t event_age_ms, event_count;    /* count: of each group; 0: does not bound */
    int64_t round_age_ms, request_age_ms; /* 0: does not bound */
    uint32_t batch;                       /* at least 1 */
};

/* *ret_removed 0: nothing of the kind is left to remove, unless *ret_busy: another replica is at it
 * and nothing was done. Ages are by the database's clock. */
int retention_step(struct pg *c, const struct retention_policy *p, enum retention_kind kind,
                   uint32_t *ret_removed, bool *ret_busy, struct err *e) MUST_CHECK;

const char *retention_kind_name(enum retention_kind k); /* the table's name in schema berth */

#endif
