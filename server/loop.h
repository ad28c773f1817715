/* loop.h - the loop: schedules every scaling group by itself.
 *
 * A group's round begins when it was hinted (at most once in loop_hint_interval) and else every
 * loop_interval since its last round, by whichever replica that was. Hints come from loop_hint()
 * and from the watch (loop_watch.h), which asks the database what changed. Rounds run on a few
 * threads of the loop's own (loop_rounds), so neither the executors nor another group waits for a
 * slow one.
 *
 * A group whose lease another replica holds is left to it. A group whose round failed is tried
 * again after a pause that grows (loop_backoff at most). One thread turns timers and hints into
 * rounds and never waits for anything else. */
#ifndef BERTH_SERVER_LOOP_H
#define BERTH_SERVER_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "scheduler/arena.h"
#include "scheduler/err.h"

struct config;
struct hub;
struct loop;
struct round_service;

/* All are lent and must outlive it. Starts its threads; needs no database yet. */
int loop_create(const struct config *c, struct round_service *rounds, struct hub *hub,
                struct loop **ret, struct err *e) MUST_CHECK;
/* No new rounds from now on; those that run go on, until `until_ns` (CLOCK_MONOTONIC) at the
 * latest. Never waits. NULL is fine. */
void loop_drain(struct loop *l, int64_t until_ns);
/* Waits for the rounds of a drained loop until its time is over, then cancels and awaits them. NULL
 * is fine. */
void loop_destroy(struct loop *l);
DEFINE_CLEANUP(struct loop, loop_destroy)

/* Something happened that a round of this group should see: schedule it soon. Any thread; never
 * waits for I/O; hints of one group are one until its next round begins. An unknown name makes the
 * watch look for new groups. NULL loop: nothing happens. */
void loop_hint(struct loop *l, const char *group);

/* Why this replica's rounds of the group fail, a sentence in the arena, once they failed too often
 * in a row to be chance and no other replica's round went well meanwhile; NULL: they do not. What a
 * policy said is told in the same words as when the policy is looked at, so that a policy mended
 * while such a round runs is no other news. Any thread. NULL loop: NULL. */
const char *loop_failure(struct loop *l, const char *group, struct arena *a);

#endif
