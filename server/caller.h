/* caller.h - who calls, and what is known of them.
 *
 * A struct caller is one line of the callers file: a name, a role, scaling groups. It is immutable
 * but for `revoked` and lives as long as somebody holds a reference: the table of auth.c, and each
 * call in progress. Its account, one a name, counts what all calls of that name do at the moment;
 * it stays until the end, so that a reload of the file shakes no limit off. */
#ifndef BERTH_SERVER_CALLER_H
#define BERTH_SERVER_CALLER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "scheduler/err.h"
#include "server/executor.h"
#include "server/role.h"

/* Most of what one name may have at a time; 0: no limit but the server's own. */
struct caller_limits {
    unsigned in_flight; /* setting caller_in_flight */
    unsigned streams;   /* setting caller_streams */
    unsigned reading;   /* calls whose request is on its way */
};

struct caller_account {
    struct caller_account *next; /* the owner's */
    char *name;
    struct caller_limits limits;
    atomic_uint in_flight, streams, reading;
    struct executor_lane lane; /* its jobs take turns with those of others */
};

struct caller {
    const char *name; /* for the log; "" when nobody is asked */
    enum role role;
    const char *const *groups; /* in byte order, each once; NULL: all */
    uint32_t n_groups;
    int64_t expires_s; /* Unix time; 0: never */
    bool known;        /* of the callers file: what it does is worth a line in the log */
    struct caller_account *account; /* NULL: no limits of its own */
    atomic_bool revoked;            /* no longer in the file */
    atomic_uint refs;
    void *memory; /* what the texts are in; freed with the caller */
};

/* Everybody, when nobody is asked who they are: role admin. Never freed; refs are not counted. */
struct caller *caller_anyone(void);

struct caller *caller_ref(struct caller *c); /* returns c */
void caller_unref(struct caller *c);         /* NULL is fine */
DEFINE_CLEANUP(struct caller, caller_unref)

/* Is the caller not to be served any more? now_s: Unix time. ERR_UNKNOWN_CALLER. */
int caller_check(const struct caller *c, int64_t now_s, struct err *e) MUST_CHECK;

bool caller_has_group(const struct caller *c, const char *group);

/* Counts one more call (or stream) of this name; caller_leave() must follow. room: how many more
 * the server would let in after this one. A caller may have no more than that: one that floods the
 * server gets half of what there is, two get a third each, and there is room for others always.
 * ERR_EXHAUSTED, reason CALLER_LIMIT with meta "limit" naming the setting, and RetryInfo. */
int caller_enter(struct caller *c, bool stream, unsigned room, struct err *e) MUST_CHECK;
void caller_leave(struct caller *c, bool stream);

/* Of callers nobody knows: gRPC keeps what has come of a request, before it is whole and counted.
 * As many as fit into max_requests_memory as it is now, each as large as gRPC lets it become. */
unsigned caller_most_reading(const struct config *g);
/* Counts one more request that is waited for; caller_read_end() must follow. Errors as above. */
int caller_read_begin(struct caller *c, struct err *e) MUST_CHECK;
void caller_read_end(struct caller *c);

#endif
