/* preview_answer.h - an explanation -> the answer of PreviewAllocation. As convert.h: all of it in
 * the arena, texts are lent. */
#ifndef BERTH_SERVER_PREVIEW_ANSWER_H
#define BERTH_SERVER_PREVIEW_ANSWER_H

#include <berth/v1/scheduler.pb-c.h>

#include "scheduler/remedy.h"
#include "scheduler/round.h"

struct preview_found {
    const struct snapshot *snapshot; /* what was explained is in it */
    const struct explanation *x;
    const struct remedies *remedies; /* NULL: not asked for */
    bool stored;                     /* the session, by id; else described */
    bool agents;                     /* the AGENTS view: a page of them */
    uint32_t from;                   /* the page's first agent */
    uint64_t scope;                  /* of the next page's token */
};

/* All but snapshot_age. */
Berth__V1__PreviewAllocationResponse *preview_answer(const struct preview_found *f,
                                                     struct arena *a);

#endif
