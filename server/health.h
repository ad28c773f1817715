/* health.h - grpc.health.v1: may this replica be sent work?
 *
 * SERVING while every part is well. Answers for "" and "berth.v1.SchedulerService" alike. "live"
 * asks less, whether the process still answers: SERVING until it ends, so that who restarts what is
 * not live (a kubelet) leaves it alone while its database is away. Another name is NOT_FOUND
 * (Check) or SERVICE_UNKNOWN on a stream that stays open (Watch). */
#ifndef BERTH_SERVER_HEALTH_H
#define BERTH_SERVER_HEALTH_H

#include <stdbool.h>

#include "scheduler/err.h"

struct health;

enum health_part {
    HEALTH_START,    /* the start-up checks are not done (startup.h) */
    HEALTH_DRAIN,    /* the server drains; final */
    HEALTH_DATABASE, /* reachable and migrated (probe.c) */
    HEALTH_REDIS,    /* reachable, or not needed (probe.c) */
    HEALTH_ROUNDS,   /* for the round service: rounds cannot run at all */
    N_HEALTH_PARTS
};

struct health *health_create(void); /* START is not well, all others are */
void health_destroy(struct health *h);
DEFINE_CLEANUP(struct health, health_destroy)

/* Any thread. why: one sentence for the log and for people; copied; ignored when well. A change is
 * logged once and told to all watchers. */
void health_set(struct health *h, enum health_part part, bool well, const char *why);
/* true: SERVING. Else ret_why (NULL is fine) gets the first part's sentence, cut to n. */
bool health_get(struct health *h, char *ret_why, size_t n);

#endif
