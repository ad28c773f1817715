/* explain.h - what explain.c lends to those who ask more than one preview (remedy.h). */
#ifndef BERTH_SCHEDULER_EXPLAIN_H
#define BERTH_SCHEDULER_EXPLAIN_H

#include "scheduler/engine.h"

/* A preview without the place in the queue, with an engine just made. Afterwards the engine is as
 * it was when the session's turn came; if it was not placed, nothing of it is held. */
int explain_decide(struct engine *g, const struct explain_request *q, struct explanation *x,
                   struct err *e) MUST_CHECK;
/* The place in the queue. */
int explain_place(struct engine *g, const struct explain_request *q, struct explanation *x,
                  struct err *e) MUST_CHECK;

#endif
