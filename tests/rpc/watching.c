/* watching.c - see watching.h. */
#include "tests/rpc/watching.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "berth/v1/scheduler.pb-c.h"

struct call_handle *watch(struct client *client, const char *group)
{
    Berth__V1__WatchEventsRequest q = BERTH__V1__WATCH_EVENTS_REQUEST__INIT;
    char *groups[] = {(char *)group};
    q.scaling_groups = groups;
    q.n_scaling_groups = group != NULL ? 1 : 0;
    struct call_handle *k = call_begin(client, WATCH_PATH, 0);
    call_send_message(k, &q.base);
    call_close_send(k);
    return k;
}

struct call_handle *watch_open(struct client *client)
{
    unsigned n = handlers_seen().opened;
    struct call_handle *k = watch(client, NULL);
    await_opened(n + 1);
    return k;
}

void expect_cursor(struct call_handle *k, const char *want)
{
    uint8_t *bytes = NULL;
    size_t n = 0;
    ck_assert_msg(call_receive(k, &bytes, &n), "the stream is over, \"%s\" did not come", want);
    Berth__V1__WatchEventsResponse *m = berth__v1__watch_events_response__unpack(NULL, n, bytes);
    ck_assert_msg(m != NULL, "a message cannot be read");
    ck_assert_str_eq(m->cursor, want);
    ck_assert_uint_eq(m->n_events, 1);
    ck_assert_str_eq(m->events[0]->reason, "body");
    berth__v1__watch_events_response__free_unpacked(m, NULL);
    free(bytes);
}

void push_number(unsigned i, enum stream_push want)
{
    char cursor[16];
    (void)snprintf(cursor, sizeof(cursor), "c%u", i);
    ck_assert_msg(push_cursor(handlers_stream(), cursor) == want, "push of %s", cursor);
}

void expect_number(struct call_handle *k, unsigned i)
{
    char cursor[16];
    (void)snprintf(cursor, sizeof(cursor), "c%u", i);
    expect_cursor(k, cursor);
}

void expect_end(struct call_handle *k, grpc_status_code code, const char *reason)
{
    struct reply r = {.body = NULL};
    char text[8192];
    call_end(k, &r);
    ck_assert_code(&r, code, "end of the stream");
    ck_assert_str_eq(reply_info(&r, NULL, text), reason);
    reply_free(&r);
}

void leave(struct call_handle *k)
{
    struct reply r = {.body = NULL};
    call_cancel_now(k);
    call_end(k, &r);
    reply_free(&r);
}
