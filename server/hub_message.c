/* hub_message.c - what a subscriber is sent: bytes, its cursor, and its end. */
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/hub_internal.h"
#include "server/metrics.h"

static struct cursor_entry *cursor_entries(struct subscriber *s, uint32_t *ret_n)
{
    struct hub *h = s->hub;
    struct cursor_entry *entries = arena_new(h->scratch, struct cursor_entry, h->n_groups + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < h->n_groups; i++) {
        uint32_t group = h->by_name[i];
        int64_t at = *subscriber_at(s, group);
        if (at > 0) /* a group that is not in a cursor begins at its first event */
            entries[n++] = (struct cursor_entry){.group = h->groups[group].name, .sequence = at};
    }
    *ret_n = n;
    return entries;
}

char *subscriber_cursor(struct subscriber *s)
{
    uint32_t n;
    const struct cursor_entry *entries = cursor_entries(s, &n);
    return cursor_encode(entries, n, s->hub->scratch);
}

char *subscriber_cursor_after_gap(struct subscriber *s)
{
    uint32_t n;
    const struct cursor_entry *entries = cursor_entries(s, &n);
    return cursor_encode_after_gap(entries, n, s->hub->scratch);
}

void subscriber_end(struct subscriber *s, const struct err *e, const char *cursor)
{
    if (s->state == SUBSCRIBER_ENDED)
        return;
    s->state = SUBSCRIBER_ENDED;
    if (cursor != NULL)
        stream_finish_at(s->stream, e, cursor);
    else
        stream_finish(s->stream, e);
}

/* Fields 2 (cursor), 3 (heartbeat) and 4 (gap) of a WatchEventsResponse, serialized. */
static void *message_tail(struct hub *h, const char *cursor, bool heartbeat, bool gap,
                          size_t *ret_n)
{
    size_t len = strlen(cursor);
    uint8_t *tail = arena_alloc(h->scratch, len + 16, 1);
    uint8_t *end = hub_put_field(tail, 2, cursor, len);
    if (heartbeat) {
        *end++ = 3 << 3 | 0;
        *end++ = 1;
    }
    if (gap) {
        *end++ = 4 << 3 | 0;
        *end++ = 1;
    }
    *ret_n = (size_t)(end - tail);
    return tail;
}

enum stream_push subscriber_push(struct subscriber *s, struct packet *body, unsigned n_events,
                                 const char *cursor)
{
    struct stream_message m = {.body = body, .cursor = cursor};
    m.tail = message_tail(s->hub, cursor, body == NULL, s->after_gap && !s->greeted, &m.n_tail);
    enum stream_push result = stream_push(s->stream, &m);
    if (result == STREAM_PUSHED) {
        s->greeted = true;
        s->beat_ns = clock_ns() + s->interval_ns;
        s->hub->n_delivered++;
        metric_add(METRIC_events_delivered_total, 0, n_events);
    } else if (result == STREAM_FULL) {
        s->full = true;
        s->full_ns = clock_ns();
    } else {
        s->state = SUBSCRIBER_ENDED; /* closed() comes */
    }
    return result;
}

void subscriber_send_body(struct subscriber *s, struct packet *body, unsigned n_events)
{
    const char *cursor = subscriber_cursor(s);
    if (subscriber_push(s, body, n_events, cursor) != STREAM_FULL)
        return;
    s->held = packet_ref(body);
    s->held_events = n_events;
    s->held_cursor = strdup(cursor);
    if (s->held_cursor == NULL)
        abort(); /* out of memory */
}

void subscriber_send_held(struct subscriber *s)
{
    if (subscriber_push(s, s->held, s->held_events, s->held_cursor) == STREAM_FULL)
        return;
    packet_unref(TAKE(s->held));
    free(TAKE(s->held_cursor));
}

void subscriber_send(struct subscriber *s, const uint8_t *frames, size_t n, unsigned n_events)
{
    CLEANUP(packet_unrefp) struct packet *body = n > 0 ? packet_copy(frames, n) : NULL;
    if (body != NULL)
        subscriber_send_body(s, body, n_events);
}
