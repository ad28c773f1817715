/* shared_text.h - a column of texts many of which are the very same pointer. Private to repo/.
 *
 * Sessions that fail for the same causes record the same text: it is sent and parsed once. In SQL:
 *     FROM unnest($1::uuid[], $2::int4[]) AS u(id, text)
 *     JOIN unnest($3::jsonb[]) WITH ORDINALITY AS d(data, i) ON d.i = u.text */
#ifndef BERTH_REPO_SHARED_TEXT_H
#define BERTH_REPO_SHARED_TEXT_H

#include <stdint.h>

#include "scheduler/arena.h"

struct shared_texts {
    const char **text; /* the different ones */
    uint32_t n;
    int32_t *ord; /* by row: place among them, from 1 */
};

struct shared_texts shared_texts_of(const char *const *v, uint32_t n, struct arena *a);

#endif
