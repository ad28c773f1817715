/* test_preview_warm.c - snapshots of previews that are made of the one before and of what changed:
 * what is written is seen as soon as the call asks for it, and the answers are those of a snapshot
 * that is read whole. */
#include <stdlib.h>
#include <string.h>

#include "repo/db_moment.h"
#include "repo/pg_query.h"
#include "server/app.h"
#include "server/convert.h"
#include "server/metrics.h"
#include "server/snapshot_share.h"
#include "tests/repo/history.h"
#include "tests/rpc/previewing.h"
#include "tests/rpc/read_whole.h"
#include "tests/rpc/scrape.h"

static struct db db;
static struct app *app;
static double before[3]; /* loads by kind */

enum { FULL, DELTA, UNCHANGED };

static double counted(const char *series)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    ck_assert_ptr_nonnull(out);
    metrics_print(out);
    (void)fclose(out);
    double v = scrape_value(text, series);
    free(text);
    return v;
}

static double loads(int kind)
{
    static const char *const series[] = {"berth_snapshots_loaded_total{kind=\"full\"}",
                                         "berth_snapshots_loaded_total{kind=\"delta\"}",
                                         "berth_snapshots_loaded_total{kind=\"unchanged\"}"};
    return counted(series[kind]);
}

static void mark(void)
{
    for (int i = FULL; i <= UNCHANGED; i++)
        before[i] = loads(i);
}

static void assert_loads(int full, int delta, int unchanged, const char *what)
{
    const int wanted[] = {full, delta, unchanged};
    for (int i = FULL; i <= UNCHANGED; i++)
        ck_assert_msg((int)(loads(i) - before[i]) == wanted[i], "%s: %d loads of kind %d, not %d",
                      what, (int)(loads(i) - before[i]), i, wanted[i]);
}

static void up(const char *const *settings)
{
    db = world_create();
    world_do(&db, "SELECT t.session('s' || i, i % 5 + 1, 1024) FROM generate_series(1, 12) i;"
                  "SELECT t.session('big', 99, 1024)");
    app = service_up(&db, NULL, settings);
}

static const char *const checked[] = {"--snapshot-age=1h", "--snapshot-keep=1h",
                                      "--warm-check-interval=0ms", NULL};
static const char *const trusted[] = {"--snapshot-age=1h", "--snapshot-keep=1h",
                                      "--warm-check-interval=1h", NULL};

static preview_request now_of(const char *session)
{
    preview_request q = preview_of(&db, session);
    q.scaling_group = convert_text("g1");
    q.max_snapshot_age = duration_ms(0);
    return q;
}

/* --- what others write --- */

START_TEST(preview_sees_what_others_wrote)
{
    up(checked);
    preview_request q = now_of("s5"), old = preview_of(&db, "s5");
    old.scaling_group = convert_text("g1");
    ck_assert_uint_eq(preview(&q, "at first")->queue_position, 5);
    mark();
    world_do(&db, "UPDATE sessions SET status = 'CANCELLED' WHERE name = 's2'");
    ck_assert_uint_eq(preview(&old, "an old one will do")->queue_position, 5);
    assert_loads(0, 0, 0, "an old one will do");
    preview_answer *m = preview(&q, "one has left");
    ck_assert_uint_eq(m->queue_position, 4);
    ck_assert_int_eq(ms_of(m->snapshot_age), 0);
    world_do(&db, "SELECT t.session('first', 1, 1024); UPDATE sessions SET created_at = "
                  "'2000-01-01' WHERE name = 'first'");
    ck_assert_uint_eq(preview(&q, "one has come")->queue_position, 5);
    world_do(&db, "UPDATE agents SET schedulable = false");
    assert_verdict(preview(&q, "no agent takes work"), WAITS, "no agent takes work");
    world_do(&db, "UPDATE agents SET schedulable = true");
    assert_verdict(preview(&q, "they do again"), FITS, "they do again");
    assert_loads(0, 4, 0, "four writes of others");
    ck_assert_msg(counted("berth_warm_checks_total") >= 4, "nothing was checked");
    ck_assert_msg(counted("berth_warm_differences_total") == 0, "what was kept was wrong");
    service_down();
}
END_TEST

/* The clock of the snapshot goes on, whatever else stays. */
START_TEST(preview_of_an_unchanged_group_is_as_of_now)
{
    up(checked);
    preview_request q = now_of("s5");
    (void)schedule("g1", "so that nothing but failures is left");
    Berth__V1__ListPendingSessionsResponse *list =
        list_pending("g1", duration_ms(0), "after a round");
    ck_assert_uint_eq(list->total, 1 + 12 - 6);
    q.session_id = list->sessions[0]->session_id;
    preview_answer *first = preview(&q, "the first");
    const uint32_t retries = list->sessions[0]->retries;
    mark();
    for (uint32_t i = 1; i <= 3; i++) {
        (void)schedule("g1", "an idle round");
        list = list_pending("g1", duration_ms(0), "after an idle round");
        ck_assert_uint_eq(list->sessions[0]->retries, retries + i);
        preview_answer *m = preview(&q, "one more");
        ck_assert_int_eq((int)m->verdict, (int)first->verdict);
        ck_assert_int_eq(ms_of(m->snapshot_age), 0);
        ck_assert_msg(m->snapshot_time->seconds > first->snapshot_time->seconds ||
                          (m->snapshot_time->seconds == first->snapshot_time->seconds &&
                           m->snapshot_time->nanos > first->snapshot_time->nanos),
                      "the time of the snapshot stands still");
        first = m;
    }
    ck_assert_msg(loads(UNCHANGED) - before[UNCHANGED] >= 3, "nothing was taken over");
    ck_assert_msg(loads(FULL) == before[FULL], "idle rounds made previews read all");
    ck_assert_msg(counted("berth_warm_differences_total") == 0, "what was kept was wrong");
    service_down();
}
END_TEST

START_TEST(preview_of_a_group_that_went_and_came)
{
    up(trusted);
    Berth__V1__SessionSpec *spec = spec_of(&db, 1, "1");
    preview_request q = preview_of_spec(spec);
    q.max_snapshot_age = duration_ms(0);
    assert_verdict(preview(&q, "at first"), FITS, "at first");
    world_do(&db, "SELECT t.hostile(); UPDATE scaling_groups SET name = 'was' WHERE name = 'g1'");
    call_fails(PREVIEW_PATH, &q.base, GRPC_STATUS_NOT_FOUND, "UNKNOWN_SCALING_GROUP", NULL,
               "the group is gone");
    world_do(&db, "UPDATE scaling_groups SET name = 'g1' WHERE name = 'g2'");
    preview_answer *m = preview(&q, "another of that name");
    assert_verdict(m, FITS, "another of that name");
    ck_assert_str_eq(m->allocations[0]->agent_id, "b1");
    service_down();
}
END_TEST

START_TEST(preview_reads_all_when_it_is_told_to)
{
    up((const char *[]){"--snapshot-age=1h", "--warm-previews=false", NULL});
    preview_request q = now_of("s5");
    mark();
    for (int i = 0; i < 3; i++)
        (void)preview(&q, "read whole");
    assert_loads(3, 0, 0, "nothing is to be taken over");
    service_down();
}
END_TEST

/* --- is it noticed? --- */

static void quiet_write(const char *sql)
{
    struct err e = {.code = ERR_NONE};
    struct pg *c = db_open(&db);
    struct txn *t = NULL;
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(quiet_declare(t, &e), &e, "declare it quiet");
    assert_done(pg_exec(t, sql, NULL, 0, NULL, &e), &e, sql);
    assert_done(txn_commit(&t, &e), &e, "commit");
    pg_close(c);
}

/* The service itself writes a little after its start. */
static void settle(const preview_request *q)
{
    enum { TRIES = 200 };
    mark();
    for (int i = 0; i < TRIES && loads(UNCHANGED) == before[UNCHANGED]; i++)
        (void)preview(q, "until nobody writes");
    ck_assert_msg(loads(UNCHANGED) > before[UNCHANGED], "somebody writes all the time");
}

static const struct {
    const char *const *settings;
    bool notices;
} plants[] = {{checked, true}, {trusted, false}};

START_TEST(preview_notices_that_what_was_kept_is_wrong)
{
    const bool notices = plants[_i].notices;
    up(plants[_i].settings);
    preview_request q = now_of("s5");
    settle(&q);
    mark();
    double differences = counted("berth_warm_differences_total");
    quiet_write("UPDATE sessions SET priority = 77 WHERE name = 's5'");
    preview_answer *m = preview(&q, "after a quiet write that was none");
    ck_assert_uint_eq(m->queue_position, notices ? 1 : 5);
    assert_loads(0, 0, 1, "a quiet write");
    ck_assert_msg(counted("berth_warm_differences_total") == differences + notices,
                  "the difference was%s counted", notices ? " not" : "");
    service_down();
}
END_TEST

/* --- the same answers --- */

static struct arena *scratch;

static void compare(struct pg *c, const preview_request *q, const char *what)
{
    struct bytes kept = answer_bytes(preview(q, what), scratch);
    struct bytes whole = answer_bytes(answer_read_whole(app, c, q, scratch, what), scratch);
    ck_assert_msg(kept.n == whole.n && memcmp(kept.bytes, whole.bytes, kept.n) == 0,
                  "%s: the answer is not that of a snapshot read whole", what);
}

/* One session of the queue, asked about in both ways. */
static void step_checked(struct pg *c, struct history *h, const char *what)
{
    Berth__V1__ListPendingSessionsResponse *list = list_pending("g1", duration_ms(0), what);
    if (list->n_sessions == 0)
        return;
    preview_request q = now_of("s1");
    q.session_id = list->sessions[history_random(h, list->n_sessions)]->session_id;
    q.view = BERTH__V1__PREVIEW_VIEW__PREVIEW_VIEW_AGENTS;
    q.page_size = 100;
    compare(c, &q, what);
    q.after_queue = true;
    compare(c, &q, what);
}

START_TEST(preview_answers_as_from_a_full_read_after_every_step)
{
    enum { STEPS = 60, SEED = 20260301 };
    db = world_create();
    world_do(&db, "SELECT t.hostile()");
    struct history *h = history_create(&db, SEED);
    app = service_up(&db, NULL, trusted);
    struct pg *c = db_open(&db);
    scratch = arena_create();
    mark();
    for (int step = 1; step <= STEPS; step++) {
        step_checked(c, h, arena_printf(scratch, "step %d, %s", step, history_step(h)));
        arena_reset(scratch);
    }
    ck_assert_msg(loads(DELTA) - before[DELTA] > STEPS / 2.0, "hardly anything was taken over");
    arena_destroy(scratch);
    pg_close(c);
    history_destroy(h);
    service_down();
}
END_TEST

/* Many who read, some of them anew, beside rounds and writers. */
START_TEST(previews_share_and_renew_at_once)
{
    enum { CALLS = 24, TURNS = 12 };
    up((const char *[]){"--snapshot-age=20ms", "--executors=8", "--warm-check-interval=0ms", NULL});
    for (int turn = 0; turn < TURNS; turn++) {
        struct call_handle *calls[CALLS];
        for (int i = 0; i < CALLS; i++) {
            preview_request q = preview_of(&db, "big");
            q.scaling_group = convert_text("g1");
            q.after_queue = i % 3 == 0;
            if (i % 4 == 0)
                q.max_snapshot_age = duration_ms(0);
            calls[i] = call_begin(service_client(), PREVIEW_PATH, 0);
            call_send_message(calls[i], &q.base);
            call_close_send(calls[i]);
        }
        (void)schedule("g1", "a round beside them");
        if (turn % 3 == 0)
            world_do(&db, "UPDATE agents SET schedulable = NOT schedulable WHERE id = 'a2'");
        for (int i = 0; i < CALLS; i++) {
            struct reply r = {.body = NULL};
            call_end(calls[i], &r);
            ck_assert_code(&r, GRPC_STATUS_OK, "one of many");
            reply_free(&r);
        }
    }
    ck_assert_msg(counted("berth_warm_differences_total") == 0, "what was kept was wrong");
    service_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("preview_warm");
    TCase *tc = tcase_create("preview_warm");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, preview_sees_what_others_wrote);
    tcase_add_test(tc, preview_of_an_unchanged_group_is_as_of_now);
    tcase_add_test(tc, preview_of_a_group_that_went_and_came);
    tcase_add_test(tc, preview_reads_all_when_it_is_told_to);
    tcase_add_loop_test(tc, preview_notices_that_what_was_kept_is_wrong, 0, ARRAY_SIZE(plants));
    tcase_add_test(tc, preview_answers_as_from_a_full_read_after_every_step);
    tcase_add_test(tc, previews_share_and_renew_at_once);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
