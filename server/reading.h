/* reading.h - what PreviewAllocation and ListPendingSessions share: the snapshot they answer from,
 * how old it may be and how old it was. */
#ifndef BERTH_SERVER_READING_H
#define BERTH_SERVER_READING_H

#include <berth/v1/scheduler.pb-c.h>

#include "server/rpc.h"
#include "server/snapshot_share.h"

struct reading {
    struct rpc_context *c;
    int64_t begun_ns;  /* CLOCK_MONOTONIC: of the call */
    int64_t oldest_ns; /* what was read before is too old */
};

/* max_age: the request's max_snapshot_age, NULL: unset. ERR_INVALID about it. */
int reading_begin(struct rpc_context *c, const Google__Protobuf__Duration *max_age,
                  struct reading *ret, struct err *e) MUST_CHECK;
/* anew: read after the call began, however old it may be. As snapshot_share_take(). */
int reading_take(const struct reading *r, const char *scaling_group,
                 const struct snapshot_spec *spec, bool anew, struct shared_snapshot **ret,
                 struct err *e) MUST_CHECK;
/* For shared_order() and shared_plan(). */
struct snapshot_want reading_want(const struct reading *r);
/* For snapshot_age. */
Google__Protobuf__Duration *reading_age(const struct reading *r, const struct shared_snapshot *s);

#endif
