/* snapshot_format.h - what the writers and readers of the two kinds of files agree on.
 *
 * Changing anything here, or the order of the pieces, is a new version of the file. */
#ifndef BERTH_SCHEDULER_SNAPSHOT_FORMAT_H
#define BERTH_SCHEDULER_SNAPSHOT_FORMAT_H

#include "scheduler/snapshot_bytes.h"

#define SNAPSHOT_MAGIC "BERTHSNP"
#define PLAN_MAGIC     "BERTHPLN"

enum { AGENT_ALIVE = 1, AGENT_SCHEDULABLE = 2 };
enum { OWNER_PENDING_LIMIT = 1 };
enum { GROUP_STRICT = 1 };
enum { KERNEL_MAIN = 1 };
enum {
    SESSION_MULTI_NODE = 1,
    SESSION_STRICT = 2,
    SESSION_STARTS = 4,  /* starts_at follows */
    SESSION_GROUPED = 8, /* group follows */
    SESSION_DIGEST = 16  /* cause_digest follows */
};
enum { CAUSE_RETRYABLE = 1 };

/* The fewest bytes a row can have, without its amounts (a byte each at least). */
enum {
    LEAST_TEXT = 1,
    LEAST_OPTION = 2,
    LEAST_SLOT = 3,
    LEAST_AGENT = 6,
    LEAST_OWNER = 12,
    LEAST_GROUP = 18,
    LEAST_MEMBERS = 3,
    LEAST_SESSION = 32,
    LEAST_KERNEL = 19,
    LEAST_DEPENDENCY = 18,
    LEAST_OTHER = 18,
    LEAST_CURSOR = 2,
    LEAST_CAUSE_LIST = 1,
    LEAST_CAUSE = 6,
    LEAST_SHORTAGE = 4,
    LEAST_DECISION = 5,
    LEAST_PLACEMENT = 2
};

#endif
