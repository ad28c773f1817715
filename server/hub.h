/* hub.h - hands committed events to the subscribers of WatchEvents.
 *
 * PostgreSQL is the log; the hub holds the newest events of it in a ring, packed once. A subscriber
 * knows, for every group of its subscription, the last sequence it has seen. While the ring has
 * what comes next it is live. When the ring does not (it resumed from far back, or it is slower
 * than the events come) it is behind, and a reader thread with a database connection of its own
 * reads it page by page to where the ring begins. Each event is delivered exactly if its sequence
 * is the last one seen plus one, so that going over from history to live can neither lose nor
 * repeat any.
 *
 * Events come from this replica's commits (hub_publish(), at once) and from PostgreSQL: when
 * another replica says through Redis that it has committed (repo/fanout.h), when a sequence is
 * missing, and once every poll interval, for what nobody told (Redis was away, or a process died
 * between COMMIT and its hint). While nobody subscribes nothing is kept and the database is not
 * asked.
 *
 * Memory is bounded: the ring by events and bytes; a subscriber by the queue of its stream. One
 * whose stream takes nothing for slow_after_ms is ended with RESOURCE_EXHAUSTED, SLOW_READER, and
 * the cursor to resume from.
 *
 * Threads: a dispatcher (deliveries and heartbeats), the reader and the listener (fan-out). One
 * lock; it is never held while waiting for anything, so pollers and executors may come in. */
#ifndef BERTH_SERVER_HUB_H
#define BERTH_SERVER_HUB_H

#include "repo/event.h"
#include "server/cursor.h"
#include "server/stream.h"

struct hub;

struct hub_options {      /* 0: the default */
    const char *database; /* libpq conninfo, for the reader */
    const char *redis;    /* address, for the fan-out; NULL: PostgreSQL alone tells what is new */
    const char *channel;  /* of Redis, for the hints */
    int redis_timeout_ms; /* 1000 */
    uint32_t ring_events; /* 65536 */
    size_t ring_bytes;    /* 64 MiB */
    int poll_ms;          /* 1000: how often PostgreSQL is asked for news */
    int reorder_ms;       /* 20: how long a missing sequence may still come by itself */
    int slow_after_ms;    /* 10000 */
};

int hub_create(const struct hub_options *o, struct hub **ret, struct err *e) MUST_CHECK;
void hub_destroy(struct hub *h); /* NULL is fine; all its streams are over */
DEFINE_CLEANUP(struct hub, hub_destroy)

/* Changes two of the options while it runs: a wait that has begun ends as it would have. */
void hub_tune(struct hub *h, int poll_ms, int slow_after_ms);

/* Committed events of this replica, per group in order. Any thread, never waits. */
void hub_publish(struct hub *h, const struct event *events, uint32_t n);

struct hub_subscription {
    const char *const *groups; /* in byte order, each once; n 0: all, also those made later */
    uint32_t n_groups;
    const struct uuid *sessions; /* in order, each once; n 0: all */
    uint32_t n_sessions;
    uint32_t types; /* bit i: event type i; 0: all */
    int64_t heartbeat_ns;
    const struct cursor_entry *start; /* where it begins; a group not listed: at its first event */
    uint32_t n_start;
    bool after_gap; /* events before the start are missing: the first message says so */
    const struct event_bounds *bounds; /* of the groups subscribed to, as just read */
    uint32_t n_bounds;
};

/* Attaches the stream and delivers to it until it is over. The first message is a heartbeat with
 * the cursor of the start. Everything given is copied. */
void hub_subscribe(struct hub *h, const struct hub_subscription *q, struct stream *s);

struct hub_stats {
    uint32_t subscribers, behind; /* behind: of them, those that read history */
    uint64_t events;              /* in the ring */
    uint64_t delivered;           /* messages pushed, heartbeats included */
    uint64_t slow;                /* subscribers ended as slow, since the start */
};
void hub_stats(struct hub *h, struct hub_stats *ret);

#endif
