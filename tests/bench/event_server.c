/* event_server.c - the server of event_bench, with its publisher. */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "repo/event_append.h"
#include "repo/group_state.h"
#include "server/app.h"
#include "server/clock.h"
#include "server/hub.h"
#include "server/rpc.h"
#include "tests/bench/event_bench.h"
#include "tests/rpc/service.h"

enum { STREAMS_MAX = 20000, WINDOW = 100 };

int64_t bench_now(void)
{
    return clock_ns();
}

/* --- the floor: WatchEvents without a hub -----------------------------------------------------
 */

static bool is_floor;
static pthread_mutex_t floor_lock = PTHREAD_MUTEX_INITIALIZER;
static struct stream *streams[STREAMS_MAX];
static unsigned n_streams;

static void on_closed(struct stream *s, void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&floor_lock);
    for (unsigned i = 0; i < n_streams; i++)
        if (streams[i] == s)
            streams[i] = streams[--n_streams];
    pthread_mutex_unlock(&floor_lock);
}

int __real_rpc_watch_events(struct rpc_context *c, const void *request, struct stream *s,
                            struct err *e);
int __wrap_rpc_watch_events(struct rpc_context *c, const void *request, struct stream *s,
                            struct err *e);
int __wrap_rpc_watch_events(struct rpc_context *c, const void *request, struct stream *s,
                            struct err *e)
{
    static const struct stream_ops ops = {.closed = on_closed};
    static const uint8_t heartbeat[] = {0x12, 1, 'c', 0x18, 1};
    if (!is_floor)
        return __real_rpc_watch_events(c, request, s, e);
    const struct stream_message m = {.tail = heartbeat, .n_tail = sizeof(heartbeat), .cursor = "c"};
    pthread_mutex_lock(&floor_lock);
    stream_attach(s, &ops, NULL);
    streams[n_streams++] = s;
    pthread_mutex_unlock(&floor_lock);
    (void)stream_push(s, &m);
    return 0;
}

/* --- publishing -------------------------------------------------------------------------------
 */

struct publisher {
    struct bench *b;
    struct app *app;
    struct hub *other; /* the replica that commits; NULL: ours does */
    struct pg *pg;
    struct arena *a;
    struct uuid group_id;
    int64_t last; /* sequence */
};

static const char payload[] = "a reason as long as reasons are, so that an event has a usual size";

static void fill_event(struct event *ev, int64_t sequence)
{
    *ev = (struct event){.scaling_group = "g1",
                         .sequence = sequence,
                         .type = EVENT_SESSION_SCHEDULED,
                         .has_session = true,
                         .creation_id = "creation-id-of-a-session",
                         .from_status = "PENDING",
                         .to_status = "SCHEDULED",
                         .reason = payload};
}

static void push_to_all(struct publisher *p, const struct event *events, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        Berth__V1__Event m = BERTH__V1__EVENT__INIT;
        Berth__V1__WatchEventsResponse r = BERTH__V1__WATCH_EVENTS_RESPONSE__INIT;
        Berth__V1__Event *list[] = {&m};
        m.scaling_group = (char *)"g1";
        m.sequence = events[i].sequence;
        m.type = BERTH__V1__EVENT_TYPE__EVENT_TYPE_SESSION_SCHEDULED;
        m.session_id = (char *)"00000000-0000-0000-0000-000000000000";
        m.creation_id = (char *)events[i].creation_id;
        m.from_status = (char *)events[i].from_status;
        m.to_status = (char *)events[i].to_status;
        m.reason = (char *)payload;
        r.events = list;
        r.n_events = 1;
        r.cursor = (char *)"AQECZzEyYWJjZGVm"; /* as long as a cursor of one group */
        CLEANUP(packet_unrefp) struct packet *body = packet_pack(&r.base);
        const struct stream_message message = {.body = body};
        pthread_mutex_lock(&floor_lock);
        for (unsigned k = 0; k < n_streams; k++)
            (void)stream_push(streams[k], &message);
        pthread_mutex_unlock(&floor_lock);
    }
    (void)p;
}

static void commit_rows(struct publisher *p, struct event *events, unsigned n)
{
    struct err e = {.code = ERR_NONE};
    struct group_numbers numbers;
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(p->pg, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(group_state_number(t, &p->group_id, n, &numbers, &e), &e, "number");
    for (unsigned i = 0; i < n; i++)
        events[i].time = numbers.now;
    assert_done(event_append(t, &p->group_id, numbers.first, events, n, p->a, &e), &e, "append");
    assert_done(txn_commit(&t, &e), &e, "commit");
}

static void publish(struct publisher *p, unsigned n)
{
    struct event *events = arena_new(p->a, struct event, n);
    for (unsigned i = 0; i < n; i++)
        fill_event(&events[i], p->last + 1 + i);
    if (!is_floor)
        commit_rows(p, events, n);
    for (unsigned i = 0; i < n; i++)
        atomic_store(&p->b->at[++p->last], bench_now());
    if (is_floor)
        push_to_all(p, events, n);
    else
        hub_publish(p->other != NULL ? p->other : p->app->hub, events, n);
    atomic_fetch_add(&p->b->published, n);
    arena_reset(p->a);
}

static void publish_paced(struct publisher *p)
{
    const struct bench_options *o = &p->b->o;
    const int64_t begin = bench_now();
    for (unsigned i = 0; i < o->rate * o->seconds; i++) {
        int64_t wait = begin + i * NS_PER_S / o->rate - bench_now();
        if (wait > 0)
            (void)ppoll(NULL, 0,
                        &(struct timespec){.tv_sec = wait / NS_PER_S, .tv_nsec = wait % NS_PER_S},
                        NULL);
        publish(p, 1);
    }
}

/* Never further ahead of the slowest than the queues hold: nothing is dropped. */
static void publish_flat_out(struct publisher *p)
{
    struct bench *b = p->b;
    const int64_t end = bench_now() + b->o.seconds * NS_PER_S;
    while (bench_now() < end && p->last + GROUP_EVENTS_FLAT < EVENTS_MAX) {
        while ((uint64_t)p->last * b->o.subscribers >
               atomic_load(&b->taken) + (uint64_t)WINDOW * b->o.subscribers)
            (void)poll(NULL, 0, 1);
        publish(p, GROUP_EVENTS_FLAT);
    }
}

/* --- the whole --------------------------------------------------------------------------------
 */

static long cpu_us(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 + r.ru_utime.tv_usec +
           r.ru_stime.tv_usec;
}

static void await_flag(const atomic_bool *flag)
{
    while (!atomic_load(flag))
        (void)poll(NULL, 0, 1);
}

static struct hub *other_replica(const struct bench *b)
{
    struct err e = {.code = ERR_NONE};
    struct hub *h = NULL;
    const struct hub_options o = {
        .database = b->db.conninfo, .redis = b->redis, .channel = "berth.events"};
    assert_done(hub_create(&o, &h, &e), &e, "make the other hub");
    (void)poll(NULL, 0, 500); /* until both have subscribed */
    return h;
}

void bench_server(struct bench *b)
{
    is_floor = b->o.source == SOURCE_FLOOR;
    static const char *const settings[] = {"--executor-queue=20000", NULL}; /* all come at once */
    struct app *app = service_up(&b->db, b->redis, settings);
    struct publisher p = {.b = b,
                          .app = app,
                          .pg = db_open(&b->db),
                          .a = arena_create(),
                          .other = b->o.source == SOURCE_THERE ? other_replica(b) : NULL,
                          .group_id = world_id(&b->db, "g1")};
    const char *address = service_address();
    atomic_store(&b->port, (int)strtol(strrchr(address, ':') + 1, NULL, 10));
    await_flag(&b->go);
    long before_us = cpu_us();
    int64_t begin = bench_now();
    if (b->o.flat_out)
        publish_flat_out(&p);
    else
        publish_paced(&p);
    while (atomic_load(&b->taken) < atomic_load(&b->published) * b->o.subscribers &&
           bench_now() - begin < (b->o.seconds + 20) * NS_PER_S)
        (void)poll(NULL, 0, 1);
    b->took_ns = bench_now() - begin;
    b->server_us = cpu_us() - before_us;
    atomic_store(&b->over, true);
    hub_destroy(p.other);
    pg_close(p.pg);
    arena_destroy(p.a);
    service_down();
}
