/* redis_command.h - commands on a Redis connection. Private to repo/: nothing above includes it.
 *
 * Arguments are counted bytes, never a format string. A call is one round trip, bounded by the
 * connection's timeout. Any failure of the wire drops the connection (hiredis contexts are dead
 * after an error); the next call connects again. Nothing is retried in here, except that a script
 * the server does not know (NOSCRIPT) is sent in full once. */
#ifndef BERTH_REPO_REDIS_COMMAND_H
#define BERTH_REPO_REDIS_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "repo/redis.h"

struct redis_arg {
    const char *data;
    size_t len;
};
struct redis_arg redis_arg_text(const char *s);

struct redis_reply;
void redis_reply_free(struct redis_reply *r); /* NULL is fine */
DEFINE_CLEANUP(struct redis_reply, redis_reply_free)

enum redis_reply_type { REDIS_NIL, REDIS_TEXT /* bulk or status */, REDIS_INT, REDIS_LIST };
enum redis_reply_type redis_reply_type(const struct redis_reply *r);
/* Of another type they give "", 0 and 0: a reply is never trusted to be what was asked for. */
const char *redis_reply_text(const struct redis_reply *r,
                             size_t *ret_len); /* ret_len: NULL is fine */
int64_t redis_reply_int(const struct redis_reply *r);
size_t redis_reply_count(const struct redis_reply *r);
const struct redis_reply *redis_reply_at(const struct redis_reply *r, size_t i);

/* ERR_UNAVAILABLE, reason REDIS_UNAVAILABLE: away, timed out, loading, read-only replica, out of
 * memory. ERR_INTERNAL, reason REDIS_ERROR: the server refused the command (a key of a wrong type
 * for example); detail holds its words. */
int redis_command(struct redis *r, const struct redis_arg *args, uint32_t n,
                  struct redis_reply **ret, struct err *e) MUST_CHECK;

/* Commands sent at once and answered in order, in one round trip; of many, as many round trips as
 * keep what is under way small. What the server refuses is counted, and the rest goes on; when it
 * is away (-1, as above) some of them may have been done. */
struct redis_request {
    const struct redis_arg *args;
    uint32_t n;
};
struct redis_refusals {
    uint32_t n;
    char words[128]; /* of the first */
};
int redis_pipeline(struct redis *r, const struct redis_request *requests, uint32_t n,
                   struct redis_refusals *ret, struct err *e) MUST_CHECK;

/* A script, by its digest. `args` are the n_keys keys first, then the values. `name` is for
 * messages. */
struct redis_script {
    const char *name;
    const char *text;
};
int redis_script_run(struct redis *r, const struct redis_script *s, uint32_t n_keys,
                     const struct redis_arg *args, uint32_t n, struct redis_reply **ret,
                     struct err *e) MUST_CHECK;

#endif
