/* hub_internal.h - what the files of the hub share: hub.c (life, publish), hub_log.c (groups and
 * the ring), hub_filter.c, hub_subscriber.c (deliveries), hub_message.c, hub_reader.c (PostgreSQL),
 * hub_fanout.c (Redis). Everything is under hub.lock unless it says otherwise. */
#ifndef BERTH_SERVER_HUB_INTERNAL_H
#define BERTH_SERVER_HUB_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "repo/fanout.h"
#include "repo/pg.h"
#include "server/hub.h"

enum {
    BATCH_EVENTS = 128,      /* events in one message */
    BATCH_BYTES = 64 * 1024, /* and their bytes, unless a single event has more */
    STASH_EVENTS = 1024,     /* that wait for a missing predecessor, per group */
    HINT_REST_MS = 20,       /* after a hint that was not true */
};

/* --- the log in memory (hub_log.c) --- */

struct hub_entry {
    uint32_t group; /* index into hub.groups */
    int64_t sequence;
    enum event_type type;
    bool has_session;
    struct uuid session;
    int64_t time;   /* microseconds, the database's clock */
    uint8_t *frame; /* field `events` of a WatchEventsResponse, serialized; malloc'd, owned */
    size_t n_frame;
};

struct hub_group {
    char *name;
    int64_t head;            /* last sequence that went into the ring, or was skipped by it */
    int64_t last;            /* greatest sequence the database is known to have */
    int64_t asked;           /* head when the database was asked last */
    int64_t hint;            /* greatest sequence that another replica spoke of; 0: none */
    int64_t rest_ns;         /* hints are not followed before: the last one was not true */
    int64_t tell;            /* last sequence to be told to the others; 0: nothing */
    int64_t gap_ns;          /* when the first of the stash came */
    struct hub_entry *stash; /* by sequence, all > head + 1 */
    uint32_t n_stash;
};

struct hub_ring {
    struct hub_entry *entries; /* index i stands at i % cap */
    uint64_t tail, head;       /* oldest kept, next to come; they only grow */
    uint32_t cap;
    size_t bytes, cap_bytes;
};

/* --- subscribers (hub_filter.c, hub_subscriber.c) --- */

struct hub_filter { /* equal filters are one object */
    unsigned refs;
    uint64_t hash;
    char **groups;
    uint32_t n_groups; /* 0: all */
    struct uuid *sessions;
    uint32_t n_sessions; /* 0: all */
    uint32_t types;      /* bits */
    struct hub_filter *next;
    /* The message body made last: entries from..to of the ring, none of them skipped. */
    uint64_t body_from, body_to;
    struct packet *body;
};

enum subscriber_state {
    SUBSCRIBER_LIVE,   /* the ring has what comes next */
    SUBSCRIBER_BEHIND, /* the reader has to read it */
    SUBSCRIBER_ENDED   /* its status is given or it was closed */
};

struct subscriber {
    struct hub *hub;
    struct stream *stream; /* good until closed() */
    struct hub_filter *filter;
    unsigned refs; /* the list, the two queues, the reader */
    enum subscriber_state state;
    bool greeted;   /* has got its first message */
    bool after_gap; /* which tells of a gap */
    bool verify;    /* once at the ring's head, see whether the ring skipped something */
    bool full;      /* the stream refused a message; ready() comes */
    int64_t full_ns;
    struct packet *held; /* the message refused, with its cursor (malloc'd) */
    char *held_cursor;
    unsigned held_events; /* in it */
    int64_t *at;          /* by group: last sequence seen; -1: not subscribed to */
    uint32_t n_at;
    uint64_t position; /* LIVE: next entry of the ring */
    int64_t interval_ns, beat_ns;
    struct subscriber *previous, *next; /* all subscribers */
    bool in_work, in_behind;
    struct subscriber *next_work, *next_behind;
};

struct subscriber_queue {
    struct subscriber *first, *last;
};

struct hub_history { /* the page of a log that was read last: many want the same one */
    struct arena *arena;
    uint32_t group;
    unsigned restarts; /* of the hub, when it was read */
    int64_t read_ns;
    struct event *events;
    uint32_t n;
};

struct hub {
    struct hub_options options;
    pthread_mutex_t lock;
    atomic_uint waiting; /* threads that want the lock, so that the dispatcher makes way */
    pthread_cond_t work_cond, reader_cond;

    struct hub_group *groups;
    uint32_t n_groups, cap_groups;
    uint32_t *by_name; /* indexes of groups in byte order of their names */
    struct hub_ring ring;

    struct hub_filter *filters;
    struct subscriber *subscribers;
    uint32_t n_subscribers;
    struct subscriber_queue work, behind;
    uint64_t dispatched; /* ring.head when the live subscribers were last woken */
    int64_t next_beat_ns;
    uint64_t n_delivered, n_slow;
    struct arena *scratch; /* reset by each delivery */

    struct pg *pg;              /* the reader's */
    struct hub_history history; /* the reader's */
    struct fanout *fanout;      /* NULL: none; fanout_wake() is for all, the rest for its thread */
    int64_t next_poll_ns;       /* when the reader looks for news unasked */
    int64_t polled_ns;          /* when it did last */
    int64_t clock_us;           /* the database's clock less CLOCK_MONOTONIC; 0: not known yet */
    pthread_t dispatcher, reader, listener;
    unsigned restarts;  /* logs that have begun anew */
    uint32_t filled;    /* group the ring was filled for last */
    bool tells;         /* a group has something to tell the others */
    bool database_away; /* the reader's: said already */
    bool has_dispatcher, has_reader, has_listener;
    bool stop;
};

void hub_lock(struct hub *h);
void hub_unlock(struct hub *h);

/* --- hub_log.c --- */

void hub_log_init(struct hub *h);
void hub_log_finish(struct hub *h);
/* Its index; NONE: it is not known. */
uint32_t hub_group_find(const struct hub *h, const char *name);
/* The group's index; a new one starts with head and last as given. */
uint32_t hub_group_index(struct hub *h, const char *name, int64_t head);
/* Takes an event in: into the ring when it is next, into the stash when one before it is missing.
 * The frame is the hub's from now on. Known ones are dropped. */
void hub_accept(struct hub *h, struct hub_entry entry);
/* The ring skips to sequence `to`: what lies between has to be read by who wants it. */
void hub_group_skip(struct hub *h, uint32_t group, int64_t to);
/* What the database says about the groups; afterwards hub_group_due() may be true. */
void hub_learn(struct hub *h, const struct event_bounds *bounds, uint32_t n);
/* Groups whose log is shorter than it was before the database was asked (hub_group.asked): ends
 * those who have seen more. */
void hub_find_restarts(struct hub *h, const struct event_bounds *bounds, uint32_t n);
/* Whether the ring lacks events that the database has; *ret_ns: when to look again. */
bool hub_group_due(const struct hub *h, const struct hub_group *g, int64_t now_ns, int64_t *ret_ns);

static inline const struct hub_entry *hub_ring_at(const struct hub_ring *r, uint64_t i)
{
    return &r->entries[i % r->cap];
}

/* frame is copied. Needs no lock. */
struct hub_entry hub_entry_make(uint32_t group, const struct event *ev, const uint8_t *frame,
                                size_t n);
/* Writes a length-delimited field to `to` (at most n + 11 bytes); returns the byte after it. */
uint8_t *hub_put_field(uint8_t *to, unsigned field, const void *bytes, size_t n);
/* The frame of an event, in the arena. Needs no lock. */
uint8_t *hub_frame(const struct event *ev, struct arena *a, size_t *ret_n);

/* --- hub_filter.c --- */

/* The hub's filter that says the same; a reference is the caller's. */
struct hub_filter *hub_filter_get(struct hub *h, const struct hub_subscription *q);
void hub_filter_put(struct hub *h, struct hub_filter *f);
bool hub_filter_has_group(const struct hub_filter *f, const char *name);
/* By type and session; the group is subscriber.at's. Needs no lock. */
bool hub_filter_passes(const struct hub_filter *f, enum event_type type,
                       const struct uuid *session);

/* --- hub_subscriber.c --- */

void *hub_dispatch(void *hub); /* the dispatcher thread */
int64_t *subscriber_at(struct subscriber *s, uint32_t group);
void subscriber_unref(struct subscriber *s);
void hub_queues_clear(struct hub *h);
void subscriber_queue_work(struct subscriber *s);
void subscriber_queue_behind(struct subscriber *s);
/* The next one that waits for the reader, with a reference; NULL: none. */
struct subscriber *hub_next_behind(struct hub *h);
/* One message: body (the caller's; NULL: a heartbeat) and cursor. Full: it was not taken. */
enum stream_push subscriber_push(struct subscriber *s, struct packet *body, unsigned n_events,
                                 const char *cursor);
/* The same with the cursor as it is now; what a full stream refuses is held until ready(). */
void subscriber_send_body(struct subscriber *s, struct packet *body, unsigned n_events);
void subscriber_send_held(struct subscriber *s);
/* Sends the frames of so many events with the cursor as it is now; none: nothing. Afterwards full
 * may be set. */
void subscriber_send(struct subscriber *s, const uint8_t *frames, size_t n, unsigned n_events);
/* Its group with events after the last seen one that the ring may lack; NONE: there is none. */
uint32_t subscriber_behind_in(struct subscriber *s);
void subscriber_go_live(struct subscriber *s);
/* Its cursor, in h->scratch; the second when what comes next in the log is gone. */
char *subscriber_cursor(struct subscriber *s);
char *subscriber_cursor_after_gap(struct subscriber *s);
void subscriber_end(struct subscriber *s, const struct err *e, const char *cursor);

/* --- hub_fanout.c --- */

void *hub_listen(void *hub); /* the listener thread */
/* The group has events up to this sequence: the other replicas are told. */
void hub_tell(struct hub *h, uint32_t group, int64_t sequence);
/* Somebody says that a group has events up to this sequence. Nothing of it is believed: the reader
 * looks, sooner than it would have. */
void hub_hint(struct hub *h, const char *group, int64_t sequence);

/* --- hub_reader.c --- */

void *hub_read(void *hub); /* the reader thread */

#endif
