/* explainer.h - many previews of one snapshot, one after the other, for the price of what differs.
 *
 * What round_explain() makes anew for each question stays: what is left on every agent, the
 * candidate indexes, the shapes with why they found no place. The answers are the same. One thread
 * at a time; any number of explainers may share a snapshot and a policy, which they only read. */
#ifndef BERTH_SCHEDULER_EXPLAINER_H
#define BERTH_SCHEDULER_EXPLAINER_H

#include "scheduler/round.h"

struct explainer;
struct guest; /* guest.h */

/* It lives in the arena, and so does what it remembers: about as much as the agents take, and a
 * little for each session asked about. */
struct explainer *explainer_create(const struct snapshot *s, const struct policy *p,
                                   struct arena *a);
/* false: only round_explain() can answer. Questions after the queue leave nothing as it was, and a
 * validator from outside may remember what it was asked. */
bool explainer_suits(const struct policy *p, const struct explain_request *q);
/* As round_explain(). The answer lives in the arena `a`, but for texts that live as long as the
 * explainer. */
int explainer_ask(struct explainer *x, const struct explain_request *q, struct arena *a,
                  struct explanation **ret, struct err *e) MUST_CHECK;
/* The same about a session that is not in the snapshot; only where guest_stays_outside(). The
 * answer's sessions and kernels are those of *ret_view, all else is as in the snapshot; both are
 * good until the next question. q->session and q->is_spec are not looked at. */
int explainer_ask_guest(struct explainer *x, const struct guest *g, const struct explain_request *q,
                        struct arena *a, struct explanation **ret, const struct snapshot **ret_view,
                        struct err *e) MUST_CHECK;

#endif
