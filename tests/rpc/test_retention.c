/* test_retention.c - the service removes what is too old while it serves; a watch that comes back
 * too late is told so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/convert.h"
#include "tests/rpc/service.h"

typedef Berth__V1__WatchEventsRequest request;
typedef Berth__V1__WatchEventsResponse message;

static struct db db;

#define OFTEN "--probe-interval=20ms", "--retention-interval=20ms"

static void setup(void)
{
    db = world_create();
    world_do(&db, "CREATE FUNCTION t.log(first int, last int) RETURNS void LANGUAGE sql AS $$ "
                  "INSERT INTO berth.group_state AS g (scaling_group_id, last_sequence) VALUES "
                  "(t.id('g1'), last) ON CONFLICT (scaling_group_id) DO UPDATE SET last_sequence = "
                  "last; INSERT INTO berth.events (scaling_group_id, sequence, type, epoch, "
                  "created_at) SELECT t.id('g1'), n, 5, 1, now() FROM generate_series(first, last) "
                  "n $$");
}

/* --- a watch --- */

static struct call_handle *watch(const char *cursor)
{
    request q = BERTH__V1__WATCH_EVENTS_REQUEST__INIT;
    q.resume_cursor = convert_text(cursor);
    q.start = *cursor != '\0' ? BERTH__V1__WATCH_START__WATCH_START_CURSOR
                              : BERTH__V1__WATCH_START__WATCH_START_BEGINNING;
    struct call_handle *k = call_begin(service_client(), WATCH_PATH, 0);
    call_send_message(k, &q.base);
    call_close_send(k);
    return k;
}

static message *take(struct call_handle *k, const char *what)
{
    uint8_t *bytes;
    size_t n;
    ck_assert_msg(call_receive(k, &bytes, &n), "%s: the stream ended", what);
    message *m = from_bytes(&berth__v1__watch_events_response__descriptor, bytes, n);
    free(bytes);
    return m;
}

static char *leave(struct call_handle *k, message *last)
{
    struct reply r = {.body = NULL};
    call_cancel_now(k);
    call_end(k, &r);
    reply_free(&r);
    return last->cursor;
}

/* Waits for events until the last is `sequence`. */
static message *take_until(struct call_handle *k, int64_t sequence, const char *what)
{
    message *m = NULL;
    do
        m = take(k, what);
    while (m->n_events == 0 || m->events[m->n_events - 1]->sequence < sequence);
    return m;
}

START_TEST(watch_that_comes_back_too_late_gets_the_oldest_cursor)
{
    struct reply r = {.body = NULL};
    char text[8192];
    service_up(&db, NULL, (const char *[]){OFTEN, "--event-retention-count=3", NULL});
    world_do(&db, "SELECT t.log(1, 2)");
    struct call_handle *k = watch("");
    char *cursor = leave(k, take_until(k, 2, "the first two"));
    world_do(&db, "SELECT t.log(3, 5)");
    db_await(&db, "SELECT min(sequence) = 3 FROM berth.events", "the first two are removed");
    k = watch(cursor); /* the very last moment: 3 is the next */
    cursor = leave(k, take_until(k, 5, "just in time"));
    world_do(&db, "SELECT t.log(6, 1500)");
    db_await(&db, "SELECT min(sequence) = 1498 FROM berth.events", "all but three are removed");
    k = watch(cursor);
    call_end(k, &r);
    ck_assert_code(&r, GRPC_STATUS_OUT_OF_RANGE, "too late");
    ck_assert_str_eq(reply_info(&r, NULL, text), "CURSOR_EXPIRED");
    ck_assert_str_eq(reply_info(&r, "oldest_sequence", text), "1498");
    cursor = arena_strdup(test_arena(), reply_info(&r, "cursor", text));
    reply_free(&r);
    k = watch(cursor);
    message *m = take_until(k, 1498, "from the oldest cursor");
    ck_assert_int_eq(m->events[0]->sequence, 1498);
    (void)leave(k, m);
    service_down();
}
END_TEST

START_TEST(watch_goes_on_when_everything_was_removed)
{
    service_up(&db, NULL, (const char *[]){OFTEN, "--event-retention-age=10ms", NULL});
    struct call_handle *k = watch("");
    message *m = take(k, "the first heartbeat");
    world_do(&db, "SELECT t.log(1, 9)");
    db_await(&db, "SELECT count(*) = 0 FROM berth.events", "all are removed");
    (void)leave(k, m);
    k = watch("");
    (void)take(k, "from the beginning of an empty log");
    world_do(&db, "SELECT t.log(10, 10); UPDATE berth.events SET created_at = now() + '1 h'");
    m = take_until(k, 10, "the next event");
    ck_assert_int_eq(m->events[0]->sequence, 10);
    (void)leave(k, m);
    service_down();
}
END_TEST

START_TEST(rounds_and_answers_are_removed_too)
{
    world_do(&db, "INSERT INTO berth.requests VALUES ('old', 'M', sha256(''), '', now() - '2 h'"
                  "::interval), ('new', 'M', sha256(''), '', now());"
                  "INSERT INTO berth.group_state (scaling_group_id) VALUES (t.id('g1'));"
                  "INSERT INTO berth.rounds (round_id, scaling_group_id, epoch, snapshot_at, "
                  "started_at, counts) SELECT gen_random_uuid(), t.id('g1'), n, now(), now() - "
                  "'2 h'::interval, '{}' FROM generate_series(1, 5) n");
    service_up(&db, NULL,
               (const char *[]){OFTEN, "--round-retention=1h", "--request-retention=1h",
                                "--retention-batch=2", NULL});
    db_await(&db, "SELECT array_agg(epoch) = '{5}' FROM berth.rounds", "the last round stays");
    db_await(&db, "SELECT array_agg(request_id) = '{new}' FROM berth.requests",
             "the new answer stays");
    service_down();
}
END_TEST

START_TEST(other_rows_are_removed_where_events_cannot_be)
{
    world_do(&db, "SELECT t.log(1, 5); INSERT INTO berth.requests VALUES ('old', 'M', sha256(''), "
                  "'', now() - '2 h'::interval), ('new', 'M', sha256(''), '', now());"
                  "CREATE FUNCTION t.no() RETURNS trigger LANGUAGE plpgsql AS "
                  "$$ BEGIN RAISE 'not these'; END $$;"
                  "CREATE TRIGGER no BEFORE DELETE ON berth.events EXECUTE FUNCTION t.no()");
    service_up(
        &db, NULL,
        (const char *[]){OFTEN, "--event-retention-count=3", "--request-retention=1h", NULL});
    db_await(&db, "SELECT array_agg(request_id) = '{new}' FROM berth.requests",
             "the new answer stays");
    ck_assert_int_eq(db_int(&db, "SELECT count(*) FROM berth.events"), 5);
    service_down();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("retention");
    TCase *tc = tcase_create("retention");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, watch_that_comes_back_too_late_gets_the_oldest_cursor);
    tcase_add_test(tc, watch_goes_on_when_everything_was_removed);
    tcase_add_test(tc, rounds_and_answers_are_removed_too);
    tcase_add_test(tc, other_rows_are_removed_where_events_cannot_be);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_ROUNDS);
}
