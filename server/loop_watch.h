/* loop_watch.h - one thread that asks the database what scaling groups there are and what changed
 * in them, every loop_hint_interval, and tells the loop. Its connection is its own; with the
 * database away it tries again at the next look. */
#ifndef BERTH_SERVER_LOOP_WATCH_H
#define BERTH_SERVER_LOOP_WATCH_H

#include "scheduler/err.h"

struct loop;
struct loop_watch;

int loop_watch_create(struct loop *l, struct loop_watch **ret, struct err *e) MUST_CHECK;
void loop_watch_destroy(struct loop_watch *w); /* NULL is fine */
/* Look as soon as the last look is not too recent. Any thread; never waits. */
void loop_watch_now(struct loop_watch *w);

#endif
