/* concurrency.c - rule 3: the access key's live sessions stay below its limit; private sessions
 * have a limit and a count of their own. A limit <= 0 is none. */
#include <inttypes.h>

#include "scheduler/limits.h"

static enum check_result check(const struct check *c, struct cause_list *causes)
{
    if (owner_is_unusable(c, OWNER_KEYPAIR, false, causes))
        return CHECK_REJECTED;
    bool sftp = session_is_private(check_session(c));
    uint32_t key = check_owner(c, OWNER_KEYPAIR);
    const struct owner *o = &c->round->snapshot->owners[key];
    int64_t limit = sftp ? o->max_sftp_sessions : o->max_sessions;
    int64_t live = sftp ? o->live_sftp_sessions : o->live_sessions;
    int64_t placed = sftp ? c->round->owner_placed_sftp[key] : c->round->owner_placed_sessions[key];
    if (limit <= 0 || amount_add(live, placed) < limit)
        return CHECK_PASSED;
    (void)cause_addf(causes, CAUSE_CONCURRENCY, o->key,
                     "You cannot run more than %" PRId64 " %s sessions", limit,
                     sftp ? "SFTP" : "concurrent");
    return CHECK_REJECTED;
}

VALIDATOR(concurrency, "concurrency", "the access key stays within its number of live sessions",
          NULL, .check = check);
