/* failure_record.h - failures that stand in the rows already and need not be written again.
 * Private to repo/.
 *
 * Each failure counts a retry. Writing that count for every waiting session in every round would
 * cost what waits instead of what changed, so a failure that says what the session's row says
 * already is only counted: group_state.failure_rounds grows by one for all of them together. A
 * record in status_data.scheduler holds, as "counted", the value that count had when the record was
 * written and a fingerprint of what it says:
 *
 *     "<8 digits of the group's id>:<failure_rounds>:<16 digits: record_digest>"
 *
 *     retries of a session = scheduler.retries + group_state.failure_rounds - that value
 *
 * session_load() adds that up, so everybody above sees the true number. A record is written anew
 * when it says something else, in a round that left sessions out (their retries must not grow), and
 * after 64 to 127 rounds, so that who reads the column is not far behind. A lost race counts as a
 * failure for a session that has a record. */
#ifndef BERTH_REPO_FAILURE_RECORD_H
#define BERTH_REPO_FAILURE_RECORD_H

#include "scheduler/arena.h"
#include "scheduler/plan.h"

/* Of outcome, validators passed, and the causes with their messages and numbers; never 0. */
uint64_t failure_digest(const struct decision *d);

/* The rows say just this already, and may go on saying so. */
bool failure_is_recorded(const struct snapshot *s, const struct decision *d);

/* The text for "counted". */
const char *failure_counted(const struct uuid *group_id, int64_t failure_rounds, uint64_t digest,
                            struct arena *a);
/* Sets record_digest and carried of *rare and adds the latter to s->retries; a text of another
 * group or that cannot be read (NULL too) leaves them as they are. */
void failure_counted_read(const char *text, const struct uuid *group_id, int64_t failure_rounds,
                          struct session *s, struct session_rare *rare);
/* What failure_counted_read() would have made of the same text with failure_rounds greater by
 * `more`, of a session it has read; false: that cannot be told. */
bool failure_recount(struct session *s, struct session_rare *rare, int64_t more) MUST_CHECK;

#endif
