/* handlers.c - see handlers.h. */
#include "tests/rpc/handlers.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "berth/v1/scheduler.pb-c.h"
#include "server/app.h"
#include "server/clock.h"
#include "server/rpc.h"
#include "tests/rpc/support.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct handlers_seen seen;
static bool released;
static struct stream *stream;
static unsigned push_at_open;

struct handlers_seen handlers_seen(void)
{
    pthread_mutex_lock(&lock);
    struct handlers_seen s = seen;
    pthread_mutex_unlock(&lock);
    return s;
}

static void count(unsigned *n)
{
    pthread_mutex_lock(&lock);
    (*n)++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

void handlers_release(void)
{
    pthread_mutex_lock(&lock);
    released = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void await_count(const unsigned *counter, unsigned n, const char *what)
{
    int64_t until = clock_ns() + AWAIT_MS * NS_PER_MS;
    pthread_mutex_lock(&lock);
    while (*counter < n && clock_ns() < until) {
        pthread_mutex_unlock(&lock);
        (void)poll(NULL, 0, 1);
        pthread_mutex_lock(&lock);
    }
    unsigned have = *counter;
    pthread_mutex_unlock(&lock);
    ck_assert_msg(have >= n, "waited in vain for %u %s, there are %u", n, what, have);
}

void await_begun(unsigned n)
{
    await_count(&seen.begun, n, "handlers to begin");
}

void await_stopped(unsigned n)
{
    await_count(&seen.stopped, n, "handlers to be stopped");
}

void await_opened(unsigned n)
{
    await_count(&seen.opened, n, "streams to open");
}

void await_closed(unsigned n)
{
    await_count(&seen.closed, n, "streams to be closed");
}

void await_ready(unsigned n)
{
    await_count(&seen.ready, n, "calls of ready()");
}

struct stream *handlers_stream(void)
{
    pthread_mutex_lock(&lock);
    struct stream *s = stream;
    pthread_mutex_unlock(&lock);
    return s;
}

void handlers_push_at_open(unsigned n)
{
    pthread_mutex_lock(&lock);
    push_at_open = n;
    pthread_mutex_unlock(&lock);
}

/* --- ScheduleScalingGroup --- */

static void hold(void)
{
    count(&seen.begun);
    pthread_mutex_lock(&lock);
    while (!released)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static int obey(const struct rpc_context *c, struct err *e)
{
    count(&seen.begun);
    while (!rpc_stopped(c))
        (void)poll(NULL, 0, 1);
    count(&seen.stopped);
    return err_set(e, ERR_CANCELLED, "STOPPED", "it was told to stop");
}

static int fail_as_told(struct err *e)
{
    err_set(e, ERR_NOT_FOUND, "NO_SUCH", "there is no such thing");
    err_detail(e, "for the log only");
    err_meta(e, "name", "value");
    return err_retry(e, 1500);
}

static Berth__V1__ScheduleScalingGroupResponse *answer_with(struct arena *a, const char *group,
                                                            const char *text)
{
    Berth__V1__ScheduleScalingGroupResponse *m =
        arena_new(a, Berth__V1__ScheduleScalingGroupResponse, 1);
    berth__v1__schedule_scaling_group_response__init(m);
    m->round = arena_new(a, Berth__V1__Round, 1);
    berth__v1__round__init(m->round);
    m->round->scaling_group = arena_strdup(a, group);
    m->round->round_id = arena_strdup(a, text);
    return m;
}

static void pack_self(struct rpc_context *c, const char *group)
{
    Berth__V1__ScheduleScalingGroupResponse *m = answer_with(c->arena, group, "packed");
    c->n_packed = berth__v1__schedule_scaling_group_response__get_packed_size(m);
    uint8_t *bytes = arena_alloc(c->arena, c->n_packed, 1);
    berth__v1__schedule_scaling_group_response__pack(m, bytes);
    c->packed = bytes;
}

static char *big_text(struct arena *a)
{
    char *text = arena_alloc(a, (1U << 20) + 1, 1);
    memset(text, 'x', 1U << 20);
    return text;
}

int rpc_schedule_scaling_group(struct rpc_context *c, const void *request, void **response,
                               struct err *e)
{
    const char *group = ((const Berth__V1__ScheduleScalingGroupRequest *)request)->scaling_group;
    if (strcmp(group, "fail") == 0)
        return fail_as_told(e);
    if (strcmp(group, "obey") == 0)
        return obey(c, e);
    if (strcmp(group, "hold") == 0)
        hold();
    const char *text = c->peer;
    if (strcmp(group, "metadata") == 0)
        text = rpc_metadata(c, "x-test");
    if (strcmp(group, "big") == 0)
        text = big_text(c->arena);
    if (strcmp(group, "packed") == 0)
        pack_self(c, group);
    else
        *response = answer_with(c->arena, group, text != NULL ? text : "");
    return 0;
}

/* --- the other unary ones --- */

int rpc_cancel_session(struct rpc_context *c, const void *request, void **response, struct err *e)
{
    Berth__V1__CancelSessionResponse *m = arena_new(c->arena, Berth__V1__CancelSessionResponse, 1);
    (void)e;
    berth__v1__cancel_session_response__init(m);
    m->session_id = ((const Berth__V1__CancelSessionRequest *)request)->session_id;
    *response = m;
    return 0;
}

void rpc_cancel_sessions(struct rpc_one *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        v[i].rc = rpc_cancel_session(v[i].context, v[i].request, &v[i].response, &v[i].err);
}

#define REFUSE(function)                                                                           \
    int function(struct rpc_context *c, const void *request, void **response, struct err *e)       \
    {                                                                                              \
        (void)c;                                                                                   \
        (void)request;                                                                             \
        (void)response;                                                                            \
        return err_set(e, ERR_UNIMPLEMENTED, "NOT_IN_TESTS", "not in tests");                      \
    }
REFUSE(rpc_preview_allocation)
REFUSE(rpc_list_pending_sessions)
REFUSE(rpc_list_scaling_groups)

/* --- WatchEvents --- */

static void on_ready(struct stream *s, void *ctx)
{
    (void)s;
    (void)ctx;
    count(&seen.ready);
}

static void on_closed(struct stream *s, void *ctx)
{
    (void)s;
    (void)ctx;
    count(&seen.closed);
}

enum stream_push push_cursor(struct stream *s, const char *cursor)
{
    Berth__V1__Event event = BERTH__V1__EVENT__INIT;
    Berth__V1__Event *events[] = {&event};
    Berth__V1__WatchEventsResponse body = BERTH__V1__WATCH_EVENTS_RESPONSE__INIT;
    Berth__V1__WatchEventsResponse tail = BERTH__V1__WATCH_EVENTS_RESPONSE__INIT;
    uint8_t bytes[512];
    event.reason = (char *)"body";
    body.events = events;
    body.n_events = 1;
    tail.cursor = (char *)cursor;
    CLEANUP(packet_unrefp) struct packet *p = packet_pack(&body.base);
    size_t n = berth__v1__watch_events_response__pack(&tail, bytes);
    return stream_push(
        s, &(struct stream_message){.body = p, .tail = bytes, .n_tail = n, .cursor = cursor});
}

int rpc_watch_events(struct rpc_context *c, const void *request, struct stream *s, struct err *e)
{
    static const struct stream_ops ops = {.ready = on_ready, .closed = on_closed};
    const Berth__V1__WatchEventsRequest *q = request;
    const char *what = q->n_scaling_groups > 0 ? q->scaling_groups[0] : "";
    (void)c;
    if (strcmp(what, "refuse") == 0)
        return err_set(e, ERR_NOT_FOUND, "NO_SUCH", "there is no such thing");
    stream_attach(s, &ops, NULL);
    pthread_mutex_lock(&lock);
    unsigned n = push_at_open;
    pthread_mutex_unlock(&lock);
    for (unsigned i = 0; i < n; i++)
        ck_assert_int_eq(push_cursor(s, "at-open"), STREAM_PUSHED);
    if (strcmp(what, "finish") == 0)
        stream_finish(s, NULL);
    pthread_mutex_lock(&lock);
    stream = s;
    pthread_mutex_unlock(&lock);
    count(&seen.opened);
    return 0;
}
