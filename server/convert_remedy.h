/* convert_remedy.h - remedies of the core -> messages of the contract. As convert.h: all of it
 * lives in the arena, texts are lent. */
#ifndef BERTH_SERVER_CONVERT_REMEDY_H
#define BERTH_SERVER_CONVERT_REMEDY_H

#include "scheduler/remedy.h"
#include "server/convert.h"

/* Fills remedies, later_causes and remedies_suffice of an answer. */
void convert_remedies(const struct snapshot *s, const struct remedies *r, struct arena *a,
                      Berth__V1__PreviewAllocationResponse *ret);

#endif
