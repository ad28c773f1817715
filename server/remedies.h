/* remedies.h - what would help, for PreviewAllocation: the search within a call's time, and its
 * result as messages of the contract (as convert.h: all of it in the arena, texts are lent). */
#ifndef BERTH_SERVER_REMEDIES_H
#define BERTH_SERVER_REMEDIES_H

#include "scheduler/remedy.h"
#include "server/convert.h"
#include "server/rpc.h"

/* remedy_find() that ends after half of the time the call has left, with what it has by then. */
int remedies_search(struct rpc_context *c, const struct snapshot *s, const struct policy *p,
                    const struct explain_request *q, struct remedies **ret,
                    struct err *e) MUST_CHECK;

/* Fills remedies, later_causes and remedies_suffice of an answer. */
void remedies_convert(const struct snapshot *s, const struct remedies *r, struct arena *a,
                      Berth__V1__PreviewAllocationResponse *ret);

#endif
