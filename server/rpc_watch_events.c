/* rpc_watch_events.c - WatchEvents: from a request to a subscription of the hub. */
#include <stdlib.h>
#include <string.h>

#include <berth/v1/scheduler.pb-c.h>

#include "server/app.h"
#include "server/clock.h"
#include "server/hub.h"
#include "server/rpc.h"

enum { HEARTBEAT_S = 15, HEARTBEAT_LEAST_S = 1, HEARTBEAT_MOST_S = 3600 };

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int compare_uuid(const void *a, const void *b)
{
    return uuid_compare(a, b);
}

/* Those asked for, else those of the caller, be they there yet or not, else all. */
static int read_groups(struct rpc_context *c, const Berth__V1__WatchEventsRequest *q,
                       struct hub_subscription *ret, struct err *e)
{
    const char **names = arena_new(c->arena, const char *, q->n_scaling_groups + 1);
    uint32_t n = 0;
    ret->groups = rpc_groups(c, &ret->n_groups);
    if (q->n_scaling_groups == 0)
        return 0;
    for (size_t i = 0; i < q->n_scaling_groups; i++) {
        if (rpc_require_group(c, q->scaling_groups[i], e) < 0)
            return -1;
    }
    for (size_t i = 0; i < q->n_scaling_groups; i++)
        names[i] = q->scaling_groups[i];
    qsort(names, q->n_scaling_groups, sizeof(*names), compare_text);
    for (size_t i = 0; i < q->n_scaling_groups; i++)
        if (n == 0 || strcmp(names[n - 1], names[i]) != 0)
            names[n++] = names[i];
    ret->groups = names;
    ret->n_groups = n;
    return 0;
}

static int read_sessions(const Berth__V1__WatchEventsRequest *q, struct arena *a,
                         struct hub_subscription *ret, struct err *e)
{
    struct uuid *ids = arena_new(a, struct uuid, q->n_session_ids + 1);
    uint32_t n = 0;
    for (size_t i = 0; i < q->n_session_ids; i++)
        if (!uuid_parse(q->session_ids[i], &ids[i]))
            return err_field(e, "session_ids", "session_ids[%zu] is not a UUID", i);
    qsort(ids, q->n_session_ids, sizeof(*ids), compare_uuid);
    for (size_t i = 0; i < q->n_session_ids; i++)
        if (n == 0 || uuid_compare(&ids[n - 1], &ids[i]) != 0)
            ids[n++] = ids[i];
    ret->sessions = ids;
    ret->n_sessions = n;
    return 0;
}

static int read_types(const Berth__V1__WatchEventsRequest *q, struct arena *a,
                      struct hub_subscription *ret, struct err *e)
{
    for (size_t i = 0; i < q->n_types; i++) {
        unsigned type = q->types[i];
        if (type == EVENT_NONE || type >= N_EVENT_TYPES)
            return err_field(e, arena_printf(a, "types[%zu]", i),
                             "types[%zu] is not a type of event", i);
        ret->types |= 1U << type;
    }
    return 0;
}

static int read_heartbeat(const Berth__V1__WatchEventsRequest *q, struct hub_subscription *ret,
                          struct err *e)
{
    const Google__Protobuf__Duration *d = q->heartbeat_interval;
    ret->heartbeat_ns = HEARTBEAT_S * NS_PER_S;
    if (d == NULL)
        return 0;
    if (d->seconds < HEARTBEAT_LEAST_S || d->seconds > HEARTBEAT_MOST_S || d->nanos < 0 ||
        d->nanos >= NS_PER_S || (d->seconds == HEARTBEAT_MOST_S && d->nanos > 0))
        return err_field(e, "heartbeat_interval", "heartbeat_interval must be from %d s to %d s",
                         HEARTBEAT_LEAST_S, HEARTBEAT_MOST_S);
    ret->heartbeat_ns = d->seconds * NS_PER_S + d->nanos;
    return 0;
}

static int read_start(const Berth__V1__WatchEventsRequest *q, Berth__V1__WatchStart *ret,
                      struct err *e)
{
    bool has_cursor = q->resume_cursor[0] != '\0';
    *ret = q->start;
    if (*ret == BERTH__V1__WATCH_START__WATCH_START_UNSPECIFIED)
        *ret = has_cursor ? BERTH__V1__WATCH_START__WATCH_START_CURSOR
                          : BERTH__V1__WATCH_START__WATCH_START_NOW;
    if (has_cursor != (*ret == BERTH__V1__WATCH_START__WATCH_START_CURSOR))
        return err_field(e, "resume_cursor",
                         has_cursor ? "resume_cursor is set, but start says not to use it"
                                    : "start is CURSOR, but resume_cursor is empty");
    return 0;
}

/* named: the groups were asked for by name, and must be there. */
static int read_bounds(struct rpc_context *c, bool named, struct hub_subscription *q, struct err *e)
{
    struct event_bounds *bounds;
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    if (txn_begin(c->pg, TXN_READ_SNAPSHOT, &t, e) < 0 ||
        event_bounds_list(t, q->n_groups > 0 ? q->groups : NULL, q->n_groups, c->arena, &bounds,
                          &q->n_bounds, e) < 0 ||
        txn_commit(&t, e) < 0)
        return -1;
    q->bounds = bounds;
    /* Both in byte order: the first name that differs is unknown. */
    for (uint32_t i = 0; named && i < q->n_groups; i++) {
        if (i < q->n_bounds && strcmp(q->groups[i], bounds[i].scaling_group) == 0)
            continue;
        err_set(e, ERR_NOT_FOUND, "UNKNOWN_SCALING_GROUP", "there is no scaling group \"%s\"",
                q->groups[i]);
        return err_meta(e, "scaling_group", "%s", q->groups[i]);
    }
    return 0;
}

/* The log went back behind the cursor: it is of another database, or of a group made anew. */
static int refuse_ahead(const struct event_bounds *b, struct err *e)
{
    err_set(e, ERR_INVALID, "CURSOR_AHEAD",
            "resume_cursor is ahead of the event log of scaling group \"%s\": it is not a cursor "
            "of this log; watch from the beginning",
            b->scaling_group);
    err_meta(e, "field", "resume_cursor");
    return err_meta(e, "scaling_group", "%s", b->scaling_group);
}

/* Where each group begins. *ret_expired: the first whose events after the cursor are gone; its
 * start is then the oldest possible. */
static int find_start(struct rpc_context *c, const Berth__V1__WatchEventsRequest *request,
                      Berth__V1__WatchStart start, struct hub_subscription *q,
                      const struct event_bounds **ret_expired, struct err *e)
{
    struct cursor_entry *cursor = NULL;
    uint32_t n_cursor = 0;
    struct cursor_entry *entries = arena_new(c->arena, struct cursor_entry, q->n_bounds + 1);
    bool resumes = start == BERTH__V1__WATCH_START__WATCH_START_CURSOR;
    if (resumes &&
        cursor_decode("resume_cursor", request->resume_cursor, c->arena, &cursor, &n_cursor, e) < 0)
        return -1;
    *ret_expired = NULL;
    for (uint32_t i = 0; i < q->n_bounds; i++) {
        const struct event_bounds *b = &q->bounds[i];
        int64_t at = start == BERTH__V1__WATCH_START__WATCH_START_NOW ? b->last : b->oldest - 1;
        if (resumes) {
            int64_t seen = cursor_find(cursor, n_cursor, b->scaling_group);
            if (seen > b->last)
                return refuse_ahead(b, e);
            if (*ret_expired == NULL && (seen < 0 ? 0 : seen) < b->oldest - 1)
                *ret_expired = b;
            at = seen > at ? seen : at;
        }
        entries[i] = (struct cursor_entry){.group = b->scaling_group, .sequence = at};
    }
    q->after_gap = resumes && cursor_is_after_gap(request->resume_cursor, c->arena);
    q->start = entries;
    q->n_start = q->n_bounds;
    return 0;
}

static void on_closed(struct stream *s, void *ctx)
{
    (void)s;
    (void)ctx;
}

/* A cursor can be longer than the metadata of an err, so the stream itself carries it. */
static void end_expired(struct rpc_context *c, struct stream *s, const struct hub_subscription *q,
                        const struct event_bounds *b)
{
    static const struct stream_ops ops = {.closed = on_closed};
    struct err e = {.code = ERR_NONE};
    err_set(&e, ERR_OUT_OF_RANGE, "CURSOR_EXPIRED",
            "events of scaling group \"%s\" before %lld are no longer kept, and resume_cursor is "
            "older; metadata has the oldest cursor",
            b->scaling_group, (long long)b->oldest);
    err_meta(&e, "scaling_group", "%s", b->scaling_group);
    err_meta(&e, "oldest_sequence", "%lld", (long long)b->oldest);
    stream_attach(s, &ops, NULL);
    stream_finish_at(s, &e, cursor_encode_after_gap(q->start, q->n_start, c->arena));
}

int rpc_watch_events(struct rpc_context *c, const void *request, struct stream *s, struct err *e)
{
    const Berth__V1__WatchEventsRequest *q = request;
    struct hub_subscription subscription = {.n_groups = 0};
    Berth__V1__WatchStart start;
    const struct event_bounds *expired;
    if (read_groups(c, q, &subscription, e) < 0 ||
        read_sessions(q, c->arena, &subscription, e) < 0 ||
        read_types(q, c->arena, &subscription, e) < 0 || read_heartbeat(q, &subscription, e) < 0 ||
        read_start(q, &start, e) < 0 ||
        read_bounds(c, q->n_scaling_groups > 0, &subscription, e) < 0 ||
        find_start(c, q, start, &subscription, &expired, e) < 0)
        return -1;
    if (expired != NULL)
        end_expired(c, s, &subscription, expired);
    else
        hub_subscribe(c->app->hub, &subscription, s);
    return 0;
}
