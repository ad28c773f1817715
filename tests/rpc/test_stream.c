/* test_stream.c - server streams: order, bounds, slow readers, endings. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "berth/v1/scheduler.pb-c.h"
#include "server/clock.h"
#include "server/server.h"
#include "tests/rpc/machine.h"
#include "tests/rpc/watching.h"

static struct app *app;
static struct client *client;

static void start(const char *const *settings)
{
    app = machine_start(settings);
    client = client_open(server_address(app->server));
}

static void setup(void)
{
    start(NULL);
}

static void teardown(void)
{
    client_close(client);
    machine_stop();
}

/* --- order --- */

START_TEST(stream_delivers_in_order)
{
    struct call_handle *k = watch_open(client);
    for (unsigned i = 0; i < 100; i++)
        push_number(i, STREAM_PUSHED);
    for (unsigned i = 0; i < 100; i++)
        expect_number(k, i);
    leave(k);
    await_closed(1);
}
END_TEST

START_TEST(stream_delivers_what_was_pushed_before_the_handler_returned)
{
    handlers_push_at_open(3);
    struct call_handle *k = watch_open(client);
    for (int i = 0; i < 3; i++)
        expect_cursor(k, "at-open");
    leave(k);
    await_closed(1);
}
END_TEST

/* --- endings --- */

START_TEST(stream_refused_by_its_handler_ends_with_the_error)
{
    expect_end(watch(client, "refuse"), GRPC_STATUS_NOT_FOUND, "NO_SUCH");
    ck_assert_uint_eq(handlers_seen().closed, 0);
}
END_TEST

START_TEST(stream_finished_before_it_is_open_sends_what_it_has)
{
    handlers_push_at_open(2);
    struct call_handle *k = watch(client, "finish");
    expect_cursor(k, "at-open");
    expect_cursor(k, "at-open");
    expect_end(k, GRPC_STATUS_OK, "");
    await_closed(1);
}
END_TEST

START_TEST(stream_finished_with_ok_sends_what_is_queued_first)
{
    struct call_handle *k = watch_open(client);
    for (unsigned i = 0; i < 10; i++)
        push_number(i, STREAM_PUSHED);
    struct stream *s = stream_ref(handlers_stream());
    stream_finish(s, NULL);
    ck_assert_int_eq(push_cursor(s, "late"), STREAM_OVER);
    for (unsigned i = 0; i < 10; i++)
        expect_number(k, i);
    expect_end(k, GRPC_STATUS_OK, "");
    await_closed(1);
    stream_unref(s);
}
END_TEST

START_TEST(stream_closes_when_the_client_leaves)
{
    struct call_handle *k = watch_open(client);
    struct stream *s = stream_ref(handlers_stream());
    push_number(0, STREAM_PUSHED);
    expect_number(k, 0);
    leave(k);
    await_closed(1);
    ck_assert_int_eq(push_cursor(s, "late"), STREAM_OVER);
    stream_finish(s, NULL);
    stream_unref(s);
    ck_assert_uint_eq(handlers_seen().closed, 1);
}
END_TEST

START_TEST(stream_closes_when_its_deadline_passes)
{
    Berth__V1__WatchEventsRequest q = BERTH__V1__WATCH_EVENTS_REQUEST__INIT;
    struct reply r = {.body = NULL};
    struct call_handle *k = call_begin(client, WATCH_PATH, 200);
    call_send_message(k, &q.base);
    await_opened(1);
    await_closed(1);
    call_end(k, &r);
    ck_assert_code(&r, GRPC_STATUS_DEADLINE_EXCEEDED, "a stream of 200 ms");
    reply_free(&r);
}
END_TEST

START_TEST(stream_ends_with_a_chosen_cursor)
{
    struct err e;
    struct reply r = {.body = NULL};
    char text[8192];
    struct call_handle *k = watch_open(client);
    err_set(&e, ERR_OUT_OF_RANGE, "CURSOR_EXPIRED", "too old");
    stream_finish_at(handlers_stream(), &e, "oldest");
    call_end(k, &r);
    ck_assert_code(&r, GRPC_STATUS_OUT_OF_RANGE, "finish_at");
    ck_assert_str_eq(reply_info(&r, "cursor", text), "oldest");
    reply_free(&r);
}
END_TEST

/* --- slow readers --- */

/* Pushes until the queue is full; the client does not read. Returns how many were taken. */
static unsigned fill(struct call_handle *k)
{
    unsigned n = 0;
    char cursor[16];
    (void)k;
    for (;; n++) {
        (void)snprintf(cursor, sizeof(cursor), "c%u", n);
        if (push_cursor(handlers_stream(), cursor) != STREAM_PUSHED)
            return n;
        ck_assert_msg(n < 1000000, "a queue without end");
    }
}

START_TEST(stream_refuses_when_its_queue_is_full_and_says_when_it_has_room)
{
    start((const char *[]){"--stream-queue=16", NULL});
    struct call_handle *k = watch_open(client);
    unsigned n = fill(k);
    ck_assert_uint_ge(n, 16);
    for (unsigned i = 0; i < n; i++)
        expect_number(k, i);
    await_ready(1);
    push_number(n, STREAM_PUSHED);
    expect_number(k, n);
    leave(k);
    await_closed(1);
}
END_TEST

START_TEST(stream_of_a_slow_reader_ends_with_where_to_resume)
{
    struct err e;
    struct reply r = {.body = NULL};
    uint8_t *bytes = NULL;
    size_t n_bytes = 0;
    char text[8192];
    char last[64] = "";
    start((const char *[]){"--stream-queue=16", NULL});
    struct call_handle *k = watch_open(client);
    (void)fill(k);
    err_set(&e, ERR_EXHAUSTED, "SLOW_READER", "read faster");
    stream_finish(handlers_stream(), &e);
    while (call_receive(k, &bytes, &n_bytes)) {
        Berth__V1__WatchEventsResponse *m =
            berth__v1__watch_events_response__unpack(NULL, n_bytes, bytes);
        (void)snprintf(last, sizeof(last), "%s", m->cursor);
        berth__v1__watch_events_response__free_unpacked(m, NULL);
        free(bytes);
    }
    call_end(k, &r);
    ck_assert_code(&r, GRPC_STATUS_RESOURCE_EXHAUSTED, "a slow reader");
    ck_assert_str_eq(reply_info(&r, NULL, text), "SLOW_READER");
    ck_assert_msg(strcmp(reply_info(&r, "cursor", text), last) == 0,
                  "resume at \"%s\", but the last message received was \"%s\"", text, last);
    reply_free(&r);
    await_closed(1);
}
END_TEST

START_TEST(stream_of_a_reader_that_never_reads_is_cut)
{
    struct err e;
    struct reply r = {.body = NULL};
    char big[60000];
    start((const char *[]){"--stream-queue=16", "--request-timeout=200ms", NULL});
    struct call_handle *k = watch_open(client);
    memset(big, 0, sizeof(big));
    CLEANUP(packet_unrefp) struct packet *p = packet_copy(big, sizeof(big));
    while (stream_push(handlers_stream(), &(struct stream_message){.body = p}) == STREAM_PUSHED)
        ;
    err_set(&e, ERR_EXHAUSTED, "SLOW_READER", "read faster");
    stream_finish(handlers_stream(), &e);
    await_closed(1); /* though the client has not read a byte */
    call_end(k, &r);
    ck_assert_code(&r, GRPC_STATUS_RESOURCE_EXHAUSTED, "who never reads");
    reply_free(&r);
}
END_TEST

/* --- limits --- */

START_TEST(streams_beyond_the_limit_are_refused)
{
    start((const char *[]){"--max-streams=2", NULL});
    struct call_handle *a = watch_open(client);
    struct call_handle *b = watch_open(client);
    expect_end(watch(client, NULL), GRPC_STATUS_RESOURCE_EXHAUSTED, "OVERLOADED");
    leave(a);
    await_closed(1);
    leave(b);
    await_closed(2);
}
END_TEST

/* --- connections --- */

/* A call that meets the end of its connection is refused with UNAVAILABLE; clients try again. */
static bool peer_told(void *ctx)
{
    struct reply r;
    client_schedule(client, "echo", &r);
    const bool refused = r.code == GRPC_STATUS_UNAVAILABLE;
    if (!refused) {
        ck_assert_code(&r, GRPC_STATUS_OK, "echo");
        Berth__V1__ScheduleScalingGroupResponse *m =
            berth__v1__schedule_scaling_group_response__unpack(NULL, r.n_body, r.body);
        (void)snprintf(ctx, 128, "%s", m->round->round_id);
        berth__v1__schedule_scaling_group_response__free_unpacked(m, NULL);
    }
    reply_free(&r);
    return !refused;
}

static void peer_now(char peer[128])
{
    await_true(peer_told, peer, "a call to be answered");
}

static bool peer_changed(void *ctx)
{
    char peer[128];
    peer_now(peer);
    return strcmp(peer, ctx) != 0;
}

START_TEST(stream_outlives_the_age_of_its_connection)
{
    char peer[128];
    start((const char *[]){"--max-connection-age=100ms", NULL});
    struct call_handle *k = watch_open(client);
    peer_now(peer);
    await_true(peer_changed, peer, "calls to come over a new connection");
    push_number(0, STREAM_PUSHED);
    expect_number(k, 0);
    leave(k);
    await_closed(1);
}
END_TEST

static void add_case(Suite *s, const char *name, bool own_start, const TTest *t)
{
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, own_start ? NULL : setup, teardown);
    tcase_add_test(tc, t);
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("stream");
    add_case(s, "order", false, stream_delivers_in_order);
    add_case(s, "early", false, stream_delivers_what_was_pushed_before_the_handler_returned);
    add_case(s, "refused", false, stream_refused_by_its_handler_ends_with_the_error);
    add_case(s, "early end", false, stream_finished_before_it_is_open_sends_what_it_has);
    add_case(s, "finish", false, stream_finished_with_ok_sends_what_is_queued_first);
    add_case(s, "leave", false, stream_closes_when_the_client_leaves);
    add_case(s, "deadline", false, stream_closes_when_its_deadline_passes);
    add_case(s, "finish at", false, stream_ends_with_a_chosen_cursor);
    add_case(s, "full", true, stream_refuses_when_its_queue_is_full_and_says_when_it_has_room);
    add_case(s, "slow", true, stream_of_a_slow_reader_ends_with_where_to_resume);
    add_case(s, "stuck", true, stream_of_a_reader_that_never_reads_is_cut);
    add_case(s, "limit", true, streams_beyond_the_limit_are_refused);
    add_case(s, "age", true, stream_outlives_the_age_of_its_connection);
    return run_suite(s);
}
