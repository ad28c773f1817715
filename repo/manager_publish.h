/* manager_publish.h - tells a Manager 25 what happened, where it listens. Private to repo/.
 *
 * event                      for one Manager (stream `events`)   for all (channel `events_all`)
 * -------------------------  ----------------------------------  ----------------------------------
 * SESSION_SCHEDULED          session_scheduled, and one          session_scheduled, scheduling
 *                            do_check_precond for all of them
 * SESSION_CANCELLED          session_cancelled                   session_cancelled, scheduling
 * SESSION_TERMINATING        session_terminating                 session_terminating
 * all others                 -                                   -
 *
 * `scheduling` is what a 25.13 with the new scheduler listens to, the others an older one; its last
 * message of each session is also kept for a minute as session_scheduler.<session id>. */
#ifndef BERTH_REPO_MANAGER_PUBLISH_H
#define BERTH_REPO_MANAGER_PUBLISH_H

#include "repo/event.h"
#include "repo/redis_command.h"

enum { MANAGER_LIVE_DATABASE = 2, MANAGER_STREAM_DATABASE = 4 };

/* Whether events of that type are told at all. */
bool manager_hears_of(enum event_type type);

/* In order, in one pipeline. stream: a connection to MANAGER_STREAM_DATABASE. Of the events only
 * type, session_id, creation_id and reason are read. -1: Redis is away, and any number of them may
 * have been told; ret: what it refused (a key of a wrong type), and all else was told. */
int manager_publish(struct redis *stream, const struct event *events, uint32_t n, struct arena *a,
                    struct redis_refusals *ret, struct err *e) MUST_CHECK;

#endif
