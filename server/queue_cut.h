/* queue_cut.h - where the next page of a queue begins, when sessions come, go and change between
 * the pages.
 *
 * A page token keeps the last rows of its page with what their places hang on. The cut is where the
 * group's own sequencer would try such a row now, whether it is still there or not: the row is put
 * into the queue as it was, and the queue is ordered as the next round does. So a session that
 * stays is neither repeated nor left out as long as its place relative to the cut stays, whatever
 * is queued or leaves. */
#ifndef BERTH_SERVER_QUEUE_CUT_H
#define BERTH_SERVER_QUEUE_CUT_H

#include "scheduler/round.h"
#include "server/page_token.h"

/* The key of a row for struct page_token. */
char *queue_cut_key(const struct snapshot *s, uint32_t session, struct arena *a);

/* The first row of the page, in order[]; places is order inverted. Keys that cannot be used (their
 * access key has no session left) are passed over; without any the token's position decides. */
int queue_cut_find(const struct snapshot *s, const struct policy *p, const uint32_t *places,
                   const struct page_token *token, struct arena *a, uint32_t *ret,
                   struct err *e) MUST_CHECK;

#endif
