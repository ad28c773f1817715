/* fanout.h - tells the other replicas at once that a group's log has grown, through Redis.
 *
 * A hint is PUBLISHed to a channel that every replica has subscribed to: "group g has events up to
 * sequence n". It carries no event. Who gets one reads the log in PostgreSQL by sequence, so
 * nothing that Redis loses, repeats, delays, mixes up or invents can become part of what a
 * subscriber sees; why it is pub/sub and not a stream is argued in repo/README.md.
 *
 * One thread's, except fanout_wake(). Nothing blocks but fanout_wait(), and that ends at a wake: it
 * connects, subscribes, pings a silent connection and, when Redis is away, tries again after 50 ms
 * doubling to 5 s. */
#ifndef BERTH_REPO_FANOUT_H
#define BERTH_REPO_FANOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "scheduler/err.h"

struct fanout;

/* address: as in redis.h. timeout_ms: longest silence of Redis after something was asked. Connects
 * in fanout_wait(). ERR_INVALID, reason BAD_REDIS_ADDRESS; ERR_EXHAUSTED. */
int fanout_create(const char *address, const char *channel, int timeout_ms, struct fanout **ret,
                  struct err *e) MUST_CHECK;
void fanout_destroy(struct fanout *f); /* NULL is fine */
DEFINE_CLEANUP(struct fanout, fanout_destroy)

/* Any thread, as long as it exists: the fanout_wait() under way, or the next, returns. */
void fanout_wake(struct fanout *f);

/* Queues a hint, sent by the next fanout_wait(). false: it was dropped, because Redis is away or
 * answers too slowly; the others notice by their next look at the log. */
bool fanout_say(struct fanout *f, const char *group, int64_t sequence) MUST_CHECK;

enum { FANOUT_GROUP_MAX = 256 }; /* bytes of a group's name; one that is longer is not told */

enum fanout_news {
    FANOUT_WOKEN,
    FANOUT_UP,     /* subscribed (again): what was said until now has been missed */
    FANOUT_DOWN,   /* the connection is lost; *e says why. Once, until it is up again */
    FANOUT_HINT,   /* of another replica; *ret_group, *ret_sequence */
    FANOUT_GARBAGE /* a message that is no hint */
};
struct fanout_hint {
    char group[FANOUT_GROUP_MAX + 1]; /* whatever somebody sent: any bytes but NUL, not empty */
    int64_t sequence;                 /* > 0 */
};
/* Waits for something to happen. hint: filled for FANOUT_HINT. e: filled for FANOUT_DOWN. */
enum fanout_news fanout_wait(struct fanout *f, struct fanout_hint *hint, struct err *e);

#endif
