/* queue.h - steps 4 and 5: which session is tried next, and why the others are not.
 *
 * Bands of priority, highest first; within a band the group's sequencer decides. Sessions that
 * expired or cannot be read are offered to nobody. */
#ifndef BERTH_SCHEDULER_QUEUE_H
#define BERTH_SCHEDULER_QUEUE_H

#include "scheduler/err.h"
#include "scheduler/plugin.h"
#include "scheduler/policy_internal.h"

struct queue;

/* all_bands: forget queue_policy, offer everything. */
struct queue *queue_create(const struct round_view *v, const struct policy *p, bool all_bands,
                           struct arena *a);

/* *ret is the next session, NONE when the pass is over. Fails when the sequencer offers a session
 * twice or one that is not of its band: ERR_INTERNAL naming it. */
int queue_next(struct queue *q, uint32_t *ret, struct err *e) MUST_CHECK;
void queue_placed(struct queue *q, uint32_t session); /* step 8: the session offered last */

enum queue_end { QUEUE_END_NONE, QUEUE_END_WAITING, QUEUE_END_LIMIT };
void queue_end(struct queue *q, enum queue_end why); /* offer nothing more; the first why counts */

/* Sessions of the bands, by (priority desc, created_at, id), and whether each was offered. */
const uint32_t *queue_sessions(const struct queue *q, uint32_t *ret_n);
bool queue_was_offered(const struct queue *q, uint32_t session);
/* Why a session was not offered; shared between sessions. */
const struct cause *queue_skip_cause(struct queue *q, uint32_t session);

#endif
