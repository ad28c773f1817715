/* test_watch.c - WatchEvents over loopback, on a real PostgreSQL and Redis. What the hub does with
 * order, gaps and queues is in test_hub.c; here is what a client sees. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/session.h"
#include "server/answer.h"
#include "server/app.h"
#include "server/convert.h"
#include "server/cursor.h"
#include "server/hub.h"
#include "tests/rpc/service.h"

typedef Berth__V1__WatchEventsRequest request;
typedef Berth__V1__WatchEventsResponse message;

#define NOW       BERTH__V1__WATCH_START__WATCH_START_NOW
#define BEGINNING BERTH__V1__WATCH_START__WATCH_START_BEGINNING
#define CURSOR    BERTH__V1__WATCH_START__WATCH_START_CURSOR

static struct db db;

static void setup(void)
{
    db = world_create();
    service_up(&db, NULL, NULL);
}

static request from(Berth__V1__WatchStart start, const char *cursor)
{
    request q = BERTH__V1__WATCH_EVENTS_REQUEST__INIT;
    q.start = start;
    q.resume_cursor = convert_text(cursor);
    return q;
}

/* --- a watching client -------------------------------------------------------------------------
 */

struct watch {
    struct call_handle *call;
    char *cursor; /* of the last message */
    bool gap;     /* the first message told of one */
};

/* The next message; NULL: the stream is over. */
static message *take(struct watch *w)
{
    uint8_t *bytes;
    size_t n;
    if (!call_receive(w->call, &bytes, &n))
        return NULL;
    message *m = from_bytes(&berth__v1__watch_events_response__descriptor, bytes, n);
    ck_assert_msg(m->cursor[0] != '\0', "a message without a cursor");
    w->cursor = m->cursor;
    free(bytes);
    return m;
}

static struct watch watch_open(const request *q, const char *what)
{
    struct watch w = {.call = call_begin(service_client(), WATCH_PATH, 0)};
    call_send_message(w.call, &q->base);
    call_close_send(w.call);
    message *m = take(&w);
    ck_assert_msg(m != NULL && m->heartbeat && m->n_events == 0,
                  "%s: the first message is no heartbeat", what);
    w.gap = m->gap;
    return w;
}

static void watch_close(struct watch *w)
{
    struct reply r = {.body = NULL};
    call_cancel_now(w->call);
    call_end(w->call, &r);
    reply_free(&r);
}

/* Takes messages until n events came; heartbeats between them are fine. */
static Berth__V1__Event **take_events(struct watch *w, size_t n, const char *what)
{
    Berth__V1__Event **events = arena_new(test_arena(), Berth__V1__Event *, n + 1);
    for (size_t got = 0; got < n;) {
        message *m = take(w);
        ck_assert_msg(m != NULL, "%s: the stream ended after %zu of %zu events", what, got, n);
        ck_assert_msg(!m->gap, "%s: a gap in the middle of a stream", what);
        ck_assert_msg(got + m->n_events <= n, "%s: more than %zu events came", what, n);
        for (size_t i = 0; i < m->n_events; i++)
            events[got++] = m->events[i];
    }
    return events;
}

/* The end of the stream: its code, reason and cursor (in the test's arena). */
static char *expect_end(struct watch *w, grpc_status_code code, const char *reason)
{
    struct reply r = {.body = NULL};
    char text[8192];
    while (take(w) != NULL)
        ;
    call_end(w->call, &r);
    ck_assert_code(&r, code, reason);
    ck_assert_str_eq(reply_info(&r, NULL, text), reason);
    char *cursor = arena_strdup(test_arena(), reply_info(&r, "cursor", text));
    reply_free(&r);
    return cursor;
}

/* --- what is refused ---------------------------------------------------------------------------
 */

static char *names[101];

static void unknown_group(request *q)
{
    names[0] = (char *)"g1";
    names[1] = (char *)"nowhere";
    q->scaling_groups = names;
    q->n_scaling_groups = 2;
}
static void too_many_groups(request *q)
{
    for (int i = 0; i < 101; i++)
        names[i] = (char *)"g1";
    q->scaling_groups = names;
    q->n_scaling_groups = 101;
}
static void bad_session(request *q)
{
    names[0] = (char *)"s1";
    q->session_ids = names;
    q->n_session_ids = 1;
}
static void set_type(request *q, unsigned type)
{
    static Berth__V1__EventType types[2] = {1};
    types[1] = (Berth__V1__EventType)type;
    q->types = types;
    q->n_types = 2;
}
static void no_type(request *q)
{
    set_type(q, 0);
}
static void unknown_type(request *q)
{
    set_type(q, 77);
}
static void set_heartbeat(request *q, int64_t seconds, int32_t nanos)
{
    static Google__Protobuf__Duration d;
    google__protobuf__duration__init(&d);
    d.seconds = seconds;
    d.nanos = nanos;
    q->heartbeat_interval = &d;
}
static void quick_heartbeat(request *q)
{
    set_heartbeat(q, 0, 999999999);
}
static void slow_heartbeat(request *q)
{
    set_heartbeat(q, 3600, 1);
}
static void negative_heartbeat(request *q)
{
    set_heartbeat(q, 5, -1);
}
static void no_cursor(request *q)
{
    q->start = CURSOR;
}
static void useless_cursor(request *q)
{
    q->start = BEGINNING;
    q->resume_cursor = convert_text("x");
}
static void bad_cursor(request *q)
{
    q->resume_cursor = convert_text("x");
}
static void cursor_of_another_log(request *q)
{
    static const struct cursor_entry ahead = {.group = "g1", .sequence = 7};
    q->resume_cursor = cursor_encode(&ahead, 1, test_arena());
}

static const struct {
    const char *what;
    void (*spoil)(request *q);
    grpc_status_code code;
    const char *reason, *field;
} bad[] = {
    {"an unknown group", unknown_group, GRPC_STATUS_NOT_FOUND, "UNKNOWN_SCALING_GROUP", NULL},
    {"101 groups", too_many_groups, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "scaling_groups"},
    {"a session by name", bad_session, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "session_ids[0]"},
    {"no type", no_type, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "types[1]"},
    {"an unknown type", unknown_type, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "types[1]"},
    {"a heartbeat of less than 1 s", quick_heartbeat, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD",
     "heartbeat_interval"},
    {"a heartbeat of more than 1 h", slow_heartbeat, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD",
     "heartbeat_interval"},
    {"a heartbeat that goes back", negative_heartbeat, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD",
     "heartbeat_interval"},
    {"CURSOR without a cursor", no_cursor, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD",
     "resume_cursor"},
    {"BEGINNING with a cursor", useless_cursor, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD",
     "resume_cursor"},
    {"a cursor of nobody", bad_cursor, GRPC_STATUS_INVALID_ARGUMENT, "BAD_CURSOR", "resume_cursor"},
    {"a cursor of another log", cursor_of_another_log, GRPC_STATUS_INVALID_ARGUMENT, "CURSOR_AHEAD",
     "resume_cursor"},
};

START_TEST(watch_refuses_what_it_cannot_follow)
{
    request q = BERTH__V1__WATCH_EVENTS_REQUEST__INIT;
    schedule("g1", "so that there is a log");
    bad[_i].spoil(&q);
    call_fails(WATCH_PATH, &q.base, bad[_i].code, bad[_i].reason, bad[_i].field, bad[_i].what);
    service_down();
}
END_TEST

/* --- what comes --------------------------------------------------------------------------------
 */

static const char queue[] = "SELECT t.session('fits', 2, 1073741824);"
                            "SELECT t.session('never', 99, 1024);";

static void cancel(const char *name)
{
    Berth__V1__CancelSessionRequest q = BERTH__V1__CANCEL_SESSION_REQUEST__INIT;
    q.session_id = id_text(&db, name);
    call_ok(CANCEL_PATH, &q.base, &berth__v1__cancel_session_response__descriptor, name);
}

START_TEST(watch_tells_what_rounds_and_cancels_did)
{
    world_do(&db, queue);
    request q = from(NOW, "");
    struct watch w = watch_open(&q, "from now on");
    Berth__V1__ScheduleScalingGroupResponse *round = schedule("g1", "a round");
    cancel("never");
    Berth__V1__Event **events = take_events(&w, 4, "a round and a cancel");
    static const int types[] = {EVENT_SESSION_SCHEDULED, EVENT_SESSION_WAITING,
                                EVENT_ROUND_FINISHED, EVENT_SESSION_CANCELLED};
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(events[i]->sequence, i + 1);
        ck_assert_str_eq(events[i]->scaling_group, "g1");
        ck_assert_int_eq(events[i]->type, types[i]);
        ck_assert_int_eq(events[i]->epoch, 1);
        ck_assert_msg(events[i]->time->seconds > 1700000000, "event %d has no time", i);
        ck_assert_str_eq(events[i]->round_id, i < 3 ? round->round->round_id : "");
    }
    ck_assert_str_eq(events[0]->session_id, id_text(&db, "fits"));
    ck_assert_str_eq(events[0]->creation_id, "c-fits");
    ck_assert_str_eq(events[0]->from_status, "PENDING");
    ck_assert_str_eq(events[0]->to_status, "SCHEDULED");
    ck_assert_uint_eq(events[0]->n_allocations, 1);
    ck_assert_str_eq(events[0]->allocations[0]->kernel_id, id_text(&db, "fits/1"));
    ck_assert_str_eq(events[0]->allocations[0]->slots[0]->amount, "2");
    ck_assert_uint_eq(events[1]->n_causes, 1);
    ck_assert_int_eq(events[1]->causes[0]->kind, BERTH__V1__CAUSE_KIND__CAUSE_KIND_INFEASIBLE);
    ck_assert_str_eq(events[2]->session_id, "");
    ck_assert_str_eq(events[3]->to_status, "CANCELLED");
    ck_assert_str_eq(events[3]->reason, "user-requested");
    watch_close(&w);
    service_down();
}
END_TEST

START_TEST(watch_tells_history_in_the_words_in_which_it_was_told_live)
{
    request q = from(NOW, "");
    struct watch live = watch_open(&q, "live");
    world_do(&db, queue);
    world_do(&db, "SELECT t.session('pair', 3, 1024, 2, mode => 'multi-node')");
    schedule("g1", "a round");
    cancel("pair");
    cancel("never");
    Berth__V1__Event **told = take_events(&live, 6, "live");
    q = from(BEGINNING, "");
    struct watch late = watch_open(&q, "history");
    Berth__V1__Event **read = take_events(&late, 6, "history");
    for (int i = 0; i < 6; i++) {
        uint8_t *a, *b;
        size_t n_a, n_b;
        answer_pack(&told[i]->base, test_arena(), &a, &n_a);
        answer_pack(&read[i]->base, test_arena(), &b, &n_b);
        ck_assert_msg(n_a == n_b && memcmp(a, b, n_a) == 0,
                      "event %lld (type %d) was stored otherwise than told",
                      (long long)told[i]->sequence, (int)told[i]->type);
    }
    ck_assert_str_eq(live.cursor, late.cursor);
    watch_close(&live);
    watch_close(&late);
    service_down();
}
END_TEST

START_TEST(watch_passes_only_what_was_asked_for)
{
    world_do(&db, queue);
    char *ids[] = {id_text(&db, "fits")};
    Berth__V1__EventType types[] = {BERTH__V1__EVENT_TYPE__EVENT_TYPE_ROUND_FINISHED};
    char *groups[] = {(char *)"g2"};
    request by_session = from(NOW, ""), by_type = from(NOW, ""), by_group = from(NOW, "");
    by_session.session_ids = ids;
    by_session.n_session_ids = 1;
    by_type.types = types;
    by_type.n_types = 1;
    by_group.scaling_groups = groups;
    by_group.n_scaling_groups = 1;
    struct watch session = watch_open(&by_session, "one session");
    struct watch type = watch_open(&by_type, "one type");
    struct watch group = watch_open(&by_group, "one group");
    schedule("g1", "a round");
    schedule("g2", "a round of another group");
    cancel("fits");
    Berth__V1__Event **events = take_events(&session, 2, "one session");
    ck_assert_int_eq(events[1]->type, BERTH__V1__EVENT_TYPE__EVENT_TYPE_SESSION_CANCELLED);
    events = take_events(&type, 2, "one type");
    ck_assert_str_eq(events[0]->scaling_group, "g1");
    ck_assert_str_eq(events[1]->scaling_group, "g2");
    events = take_events(&group, 1, "one group");
    ck_assert_str_eq(events[0]->scaling_group, "g2");
    watch_close(&session);
    watch_close(&type);
    watch_close(&group);
    service_down();
}
END_TEST

START_TEST(watch_resumes_where_the_client_left)
{
    request q = from(NOW, "");
    struct watch w = watch_open(&q, "the first time");
    char *at_start = w.cursor;
    world_do(&db, queue);
    schedule("g1", "round 1");
    take_events(&w, 3, "the first time");
    watch_close(&w);
    schedule("g1", "round 2, unseen");
    schedule("g2", "another group, unseen");
    q = from(0, w.cursor); /* CURSOR is implied */
    w = watch_open(&q, "the second time");
    schedule("g1", "round 3, live");
    Berth__V1__Event **events = take_events(&w, 3, "the second time");
    int64_t last = 3;
    for (int i = 0; i < 3; i++)
        if (strcmp(events[i]->scaling_group, "g1") == 0)
            ck_assert_int_eq(events[i]->sequence, ++last);
    ck_assert_int_eq(last, 5);
    watch_close(&w);
    q = from(CURSOR, at_start);
    w = watch_open(&q, "from the very first cursor");
    take_events(&w, 6, "from the very first cursor");
    watch_close(&w);
    service_down();
}
END_TEST

START_TEST(watch_sees_what_another_replica_committed)
{
    service_down();
    service_up(&db, NULL, (const char *const[]){"--event-poll=20ms", NULL});
    request q = from(NOW, "");
    struct watch w = watch_open(&q, "all groups");
    world_do(&db, "SELECT t.session('s', 1, 1024, grp => 'g2')");
    struct err e = {.code = ERR_NONE};
    struct cancel_result done;
    CLEANUP(pg_closep) struct pg *c = db_open(&db);
    const struct cancel_input in = {.session_id = world_id(&db, "s"), .reason = "elsewhere"};
    assert_done(session_cancel(c, &in, test_arena(), &done, &e), &e, "cancel elsewhere");
    Berth__V1__Event **events = take_events(&w, 1, "a group that had no log");
    ck_assert_str_eq(events[0]->scaling_group, "g2");
    ck_assert_str_eq(events[0]->reason, "elsewhere");
    watch_close(&w);
    service_down();
}
END_TEST

START_TEST(watch_beats)
{
    request q = from(NOW, "");
    set_heartbeat(&q, 1, 0);
    schedule("g1", "so that the cursor is not empty");
    struct watch w = watch_open(&q, "with a heartbeat");
    char *first = w.cursor;
    for (int i = 0; i < 2; i++) {
        message *m = take(&w);
        ck_assert_msg(m != NULL && m->heartbeat && m->n_events == 0, "beat %d is missing", i);
        ck_assert_str_eq(m->cursor, first);
    }
    watch_close(&w);
    service_down();
}
END_TEST

/* --- ends --------------------------------------------------------------------------------------
 */

/* n events in the log of g1 with a reason of so many characters. */
static void append(int n, int length)
{
    char sql[1000];
    (void)snprintf(
        sql, sizeof(sql),
        "INSERT INTO berth.group_state (scaling_group_id) VALUES (t.id('g1')) ON "
        "CONFLICT DO NOTHING; INSERT INTO berth.events (scaling_group_id, sequence, "
        "type, epoch, created_at, reason) SELECT t.id('g1'), s.last_sequence + i, 1, 1, "
        "now(), repeat('x', %d) FROM berth.group_state s, generate_series(1, %d) i WHERE "
        "s.scaling_group_id = t.id('g1'); UPDATE berth.group_state SET last_sequence = "
        "last_sequence + %d WHERE scaling_group_id = t.id('g1')",
        length, n, n);
    db_sql(&db, sql);
}

static bool one_was_slow(void *app)
{
    struct hub_stats stats;
    hub_stats(((struct app *)app)->hub, &stats);
    return stats.slow == 1;
}

START_TEST(watch_ends_for_a_reader_that_does_not_read)
{
    enum { EVENTS = 3000 };
    service_down();
    struct app *app = service_up(&db, NULL,
                                 (const char *const[]){"--event-poll=20ms", "--slow-reader=200ms",
                                                       "--stream-queue=4", NULL});
    request q = from(NOW, "");
    struct watch w = watch_open(&q, "a reader that does not read");
    append(EVENTS, 8000); /* 24 MB: more than what lies in buffers on the way */
    await_true(one_was_slow, app, "the reader counts as slow");
    int64_t last = 0;
    message *m;
    while ((m = take(&w)) != NULL)
        for (size_t i = 0; i < m->n_events; i++)
            ck_assert_int_eq(m->events[i]->sequence, ++last);
    char *cursor = expect_end(&w, GRPC_STATUS_RESOURCE_EXHAUSTED, "SLOW_READER");
    ck_assert_msg(last < EVENTS, "all events came: nothing was slow");
    ck_assert_str_eq(cursor, w.cursor);
    q = from(CURSOR, cursor);
    w = watch_open(&q, "resumed");
    Berth__V1__Event **events = take_events(&w, (size_t)(EVENTS - last), "resumed");
    for (int64_t i = last; i < EVENTS; i++)
        ck_assert_int_eq(events[i - last]->sequence, i + 1);
    watch_close(&w);
    service_down();
}
END_TEST

START_TEST(watch_tells_the_oldest_cursor_when_history_is_gone)
{
    request q = from(NOW, "");
    struct watch w = watch_open(&q, "before anything");
    append(10, 1);
    watch_close(&w);
    db_sql(&db, "DELETE FROM berth.events WHERE sequence <= 6");
    q = from(CURSOR, w.cursor);
    w = (struct watch){.call = call_begin(service_client(), WATCH_PATH, 0)};
    call_send_message(w.call, &q.base);
    call_close_send(w.call);
    char *oldest = expect_end(&w, GRPC_STATUS_OUT_OF_RANGE, "CURSOR_EXPIRED");
    q = from(CURSOR, oldest);
    for (int i = 0; i < 2; i++) { /* asked again, it is told again */
        w = watch_open(&q, "from the oldest cursor");
        ck_assert_msg(w.gap, "the gap is not told");
        ck_assert_int_eq(take_events(&w, 4, "from the oldest cursor")[0]->sequence, 7);
        watch_close(&w);
    }
    q = from(CURSOR, w.cursor);
    w = watch_open(&q, "after the gap");
    ck_assert_msg(!w.gap, "the gap is told again to who has gone on");
    watch_close(&w);
    q = from(BEGINNING, "");
    w = watch_open(&q, "from the beginning");
    ck_assert_int_eq(take_events(&w, 4, "from the beginning")[0]->sequence, 7);
    watch_close(&w);
    service_down();
}
END_TEST

START_TEST(watch_hands_out_a_cursor_when_the_server_drains)
{
    request q = from(BEGINNING, "");
    world_do(&db, queue);
    schedule("g1", "a round");
    struct watch w = watch_open(&q, "until the drain");
    take_events(&w, 3, "until the drain");
    char *last = w.cursor;
    service_stop_serving();
    char *cursor = expect_end(&w, GRPC_STATUS_UNAVAILABLE, "DRAINING");
    ck_assert_str_eq(cursor, last);
    service_down();
}
END_TEST

START_TEST(watch_says_that_the_database_is_away)
{
    struct db nowhere = {.conninfo = "host=/nowhere dbname=none"};
    request q = from(NOW, "");
    service_down();
    service_up(&nowhere, NULL, NULL);
    call_fails(WATCH_PATH, &q.base, GRPC_STATUS_UNAVAILABLE, "DATABASE_UNAVAILABLE", NULL,
               "no database");
    service_down();
}
END_TEST

START_TEST(watch_outlives_a_database_that_goes_and_comes)
{
    service_down();
    service_up(&db, NULL, (const char *const[]){"--event-poll=20ms", NULL});
    request q = from(NOW, "");
    set_heartbeat(&q, 1, 0);
    struct watch w = watch_open(&q, "before");
    append(1, 1);
    take_events(&w, 1, "before");
    pg_server_stop(true);
    message *m = take(&w);
    ck_assert_msg(m != NULL && m->heartbeat, "no heartbeat without a database");
    pg_server_start();
    append(2, 1);
    Berth__V1__Event **events = take_events(&w, 2, "after");
    ck_assert_int_eq(events[0]->sequence, 2);
    ck_assert_int_eq(events[1]->sequence, 3);
    watch_close(&w);
    service_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("watch");
    TCase *tc = tcase_create("watch");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, watch_refuses_what_it_cannot_follow, 0, ARRAY_SIZE(bad));
    tcase_add_test(tc, watch_tells_what_rounds_and_cancels_did);
    tcase_add_test(tc, watch_tells_history_in_the_words_in_which_it_was_told_live);
    tcase_add_test(tc, watch_passes_only_what_was_asked_for);
    tcase_add_test(tc, watch_resumes_where_the_client_left);
    tcase_add_test(tc, watch_sees_what_another_replica_committed);
    tcase_add_test(tc, watch_beats);
    tcase_add_test(tc, watch_ends_for_a_reader_that_does_not_read);
    tcase_add_test(tc, watch_tells_the_oldest_cursor_when_history_is_gone);
    tcase_add_test(tc, watch_hands_out_a_cursor_when_the_server_drains);
    tcase_add_test(tc, watch_says_that_the_database_is_away);
    tcase_add_test(tc, watch_outlives_a_database_that_goes_and_comes);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
