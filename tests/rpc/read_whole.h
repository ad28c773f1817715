/* read_whole.h - what a preview would answer from a snapshot that is read whole for it. */
#ifndef BERTH_TESTS_RPC_READ_WHOLE_H
#define BERTH_TESTS_RPC_READ_WHOLE_H

#include <berth/v1/scheduler.pb-c.h>

#include "repo/pg.h"
#include "scheduler/arena.h"

struct app;

/* q: of a session of g1 by its id, in the AGENTS view with a page_size for all of them. In the
 * arena. */
Berth__V1__PreviewAllocationResponse *
answer_read_whole(const struct app *app, struct pg *c, const Berth__V1__PreviewAllocationRequest *q,
                  struct arena *a, const char *what);

struct bytes {
    uint8_t *bytes;
    size_t n;
};
/* Packed, but for the clock, which is taken out of it. */
struct bytes answer_bytes(Berth__V1__PreviewAllocationResponse *m, struct arena *a);

#endif
