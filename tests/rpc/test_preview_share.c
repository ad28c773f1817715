/* test_preview_share.c - calls that share one snapshot: how old it is, who waits, what is kept. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/pg_query.h"
#include "scheduler/snapshot_file.h"
#include "server/app.h"
#include "server/clock.h"
#include "server/convert.h"
#include "server/snapshot_share.h"
#include "tests/rpc/previewing.h"

enum { BURST = 24 };

static struct db db;
static struct app *app;

static void up(const char *const *settings)
{
    db = world_create();
    world_do(&db, "SELECT t.session('s' || i, i % 5 + 1, 1024, 1 + i % 3, mode => 'multi-node') "
                  "FROM generate_series(1, 12) i; SELECT t.session('other', 1, 1024, grp => 'g2')");
    app = service_up(&db, NULL, settings);
}

static struct snapshot_share_stats stats(void)
{
    struct snapshot_share_stats s;
    snapshot_share_stats(app->snapshots, &s);
    return s;
}

static const char *const for_long[] = {"--snapshot-age=1h", "--snapshot-keep=1h", NULL};

/* --- age --- */

START_TEST(preview_refuses_a_negative_age)
{
    up(NULL);
    preview_request q = preview_of(&db, "s1");
    q.max_snapshot_age = duration_ms(-1);
    call_fails(PREVIEW_PATH, &q.base, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "max_snapshot_age",
               "a negative age");
    Berth__V1__ListPendingSessionsRequest list = BERTH__V1__LIST_PENDING_SESSIONS_REQUEST__INIT;
    list.scaling_group = convert_text("g1");
    list.max_snapshot_age = duration_ms(-1000);
    call_fails(PENDING_PATH, &list.base, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD",
               "max_snapshot_age", "a negative age of a list");
    service_down();
}
END_TEST

START_TEST(preview_shares_one_snapshot_within_its_age)
{
    up(for_long);
    preview_request q = preview_of(&db, "s1");
    preview_answer *first = preview(&q, "the first"), *next;
    ck_assert_int_eq(ms_of(first->snapshot_age), 0);
    for (int i = 1; i <= 12; i++) {
        q = preview_of(&db, arena_printf(test_arena(), "s%d", i));
        next = preview(&q, "one more");
        ck_assert_int_eq(next->snapshot_time->seconds, first->snapshot_time->seconds);
        ck_assert_int_eq(next->snapshot_time->nanos, first->snapshot_time->nanos);
        ck_assert_msg(ms_of(next->snapshot_age) > 0, "it says that it was read for this call");
    }
    Berth__V1__ListPendingSessionsResponse *list = list_pending("g1", NULL, "the list");
    ck_assert_int_eq(list->snapshot_time->nanos, first->snapshot_time->nanos);
    ck_assert_msg(ms_of(list->snapshot_age) > 0, "the list was read anew");
    ck_assert_uint_eq(stats().loads, 1);
    ck_assert_uint_eq(stats().hits, 13);
    service_down();
}
END_TEST

START_TEST(preview_is_never_older_than_the_call_allows)
{
    up(for_long);
    preview_request q = preview_of(&db, "s1");
    preview_answer *old = preview(&q, "as it was");
    db_sql(&db, "UPDATE agents SET schedulable = false");
    assert_verdict(preview(&q, "from memory"), FITS, "from memory");
    q.max_snapshot_age = duration_ms(0);
    preview_answer *now = preview(&q, "read now");
    assert_verdict(now, WAITS, "read now");
    ck_assert_int_eq(ms_of(now->snapshot_age), 0);
    ck_assert_msg(now->snapshot_time->nanos != old->snapshot_time->nanos, "the same snapshot");
    ck_assert_uint_eq(stats().loads, 2);
    /* The age that is told is never above the one allowed, whatever that is. */
    for (int64_t ms = 1; ms < 20; ms++) {
        q.max_snapshot_age = duration_ms(ms);
        ck_assert_msg(ms_of(preview(&q, "some age")->snapshot_age) <= ms, "older than %d ms",
                      (int)ms);
    }
    q.max_snapshot_age = duration_ms(INT64_C(1000) * 3600 * 24 * 365 * 100);
    ck_assert_int_eq(preview(&q, "any age")->verdict, WAITS);
    service_down();
}
END_TEST

START_TEST(preview_finds_a_session_queued_after_the_snapshot)
{
    up(for_long);
    preview_request q = preview_of(&db, "s1");
    (void)preview(&q, "a snapshot");
    world_do(&db, "SELECT t.session('late', 1, 1024)");
    q = preview_of(&db, "late");
    ck_assert_uint_eq(preview(&q, "by its id alone")->queue_position, 13);
    world_do(&db, "SELECT t.session('later', 1, 1024)");
    q = preview_of(&db, "later");
    q.scaling_group = convert_text("g1");
    ck_assert_uint_eq(preview(&q, "by id and group")->queue_position, 14);
    ck_assert_uint_eq(stats().loads, 3);
    q.scaling_group = convert_text("g2");
    call_fails(PREVIEW_PATH, &q.base, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "scaling_group",
               "in memory, but of another group");
    service_down();
}
END_TEST

/* --- what this replica wrote is seen --- */

START_TEST(preview_after_a_round_sees_the_round)
{
    up(for_long);
    preview_request q = preview_of(&db, "s1"), last = preview_of(&db, "other");
    assert_verdict(preview(&q, "before the round"), FITS, "before the round");
    (void)preview(&last, "the other group");
    ck_assert_uint_eq(stats().loads, 2);
    schedule("g1", "a round");
    call_fails(PREVIEW_PATH, &q.base, GRPC_STATUS_FAILED_PRECONDITION, "SESSION_NOT_PENDING", NULL,
               "after the round");
    Berth__V1__ListPendingSessionsResponse *list = list_pending("g1", NULL, "after the round");
    ck_assert_msg(list->total < 12, "the list still has %u", list->total);
    uint64_t loads = stats().loads;
    (void)preview(&last, "the other group again");
    ck_assert_msg(stats().loads == loads, "a round of g1 made g2's snapshot stale");
    service_down();
}
END_TEST

START_TEST(preview_after_a_cancel_sees_the_cancel)
{
    up(for_long);
    Berth__V1__CancelSessionRequest cancel = BERTH__V1__CANCEL_SESSION_REQUEST__INIT;
    preview_request q = preview_of(&db, "s2");
    ck_assert_uint_eq(preview(&q, "before")->queue_position, 2);
    cancel.session_id = id_text(&db, "s1");
    (void)call_ok(CANCEL_PATH, &cancel.base, &berth__v1__cancel_session_response__descriptor,
                  "cancel");
    ck_assert_uint_eq(preview(&q, "after")->queue_position, 1);
    service_down();
}
END_TEST

/* --- many at once --- */

static struct call_handle *begin(const preview_request *q, int64_t deadline_ms)
{
    struct call_handle *k = call_begin(service_client(), PREVIEW_PATH, deadline_ms);
    call_send_message(k, &q->base);
    call_close_send(k);
    return k;
}

/* A transaction that lets nobody read the agents, until the database says it is over. */
static struct pg *hold_agents(struct txn **ret)
{
    struct err e = {.code = ERR_NONE};
    struct pg *c = db_open(&db);
    assert_done(txn_begin(c, TXN_WRITE, ret, &e), &e, "begin");
    assert_done(pg_script(*ret, "LOCK TABLE agents", &e), &e, "lock");
    return c;
}

static const char waits[] = "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = "
                            "current_database() AND wait_event_type = 'Lock'";

START_TEST(preview_loads_a_group_once_at_a_time)
{
    static struct call_handle *calls[BURST];
    struct txn *t = NULL;
    up((const char *[]){"--snapshot-age=1h", "--executors=8", NULL});
    struct pg *holder = hold_agents(&t);
    for (int i = 0; i < BURST; i++) {
        preview_request q = preview_of(&db, "s1");
        q.scaling_group = convert_text("g1");
        calls[i] = begin(&q, 0);
    }
    db_await(&db, waits, "that one call waits for the table");
    ck_assert_uint_eq(stats().loads, 1);
    preview_request late = preview_of(&db, "s1");
    struct reply r = {.body = NULL};
    late.scaling_group = convert_text("g1");
    call_end(begin(&late, 300), &r); /* it waits for the others' load, or for an executor */
    ck_assert_code(&r, GRPC_STATUS_DEADLINE_EXCEEDED, "a call with little time");
    reply_free(&r);
    txn_rollback(t);
    pg_close(holder);
    for (int i = 0; i < BURST; i++) {
        call_end(calls[i], &r);
        ck_assert_code(&r, GRPC_STATUS_OK, "one of the burst");
        reply_free(&r);
    }
    ck_assert_uint_eq(stats().loads, 1);
    service_down();
}
END_TEST

/* The loader's own end is not that of those who wait for its load. */
START_TEST(preview_goes_on_when_the_loader_gives_up)
{
    struct txn *t = NULL;
    up((const char *[]){"--snapshot-age=1h", "--executors=8", NULL});
    struct pg *holder = hold_agents(&t);
    preview_request q = preview_of(&db, "s1");
    q.scaling_group = convert_text("g1");
    struct call_handle *loader = begin(&q, 1000);
    db_await(&db, waits, "that the loader waits for the table");
    struct call_handle *others[3];
    for (int i = 0; i < 3; i++)
        others[i] = begin(&q, 0);
    struct reply r = {.body = NULL};
    call_end(loader, &r);
    ck_assert_code(&r, GRPC_STATUS_DEADLINE_EXCEEDED, "the loader");
    reply_free(&r);
    txn_rollback(t);
    pg_close(holder);
    for (int i = 0; i < 3; i++) {
        call_end(others[i], &r);
        ck_assert_code(&r, GRPC_STATUS_OK, "who waited for the loader");
        reply_free(&r);
    }
    service_down();
}
END_TEST

START_TEST(preview_fails_for_all_who_wait_when_there_is_no_such_group)
{
    struct call_handle *calls[8];
    up(for_long);
    Berth__V1__SessionSpec *spec = spec_of(&db, 1, "1");
    preview_request q = preview_of_spec(spec);
    q.scaling_group = convert_text("nowhere");
    for (int i = 0; i < 8; i++)
        calls[i] = begin(&q, 0);
    for (int i = 0; i < 8; i++) {
        struct reply r = {.body = NULL};
        call_end(calls[i], &r);
        ck_assert_code(&r, GRPC_STATUS_NOT_FOUND, "an unknown group");
        reply_free(&r);
    }
    ck_assert_uint_eq(stats().kept, 0);
    service_down();
}
END_TEST

/* --- described sessions --- */

START_TEST(preview_of_described_sessions_shares_too)
{
    up(for_long);
    Berth__V1__SessionSpec *mine = spec_of(&db, 1, "1"), *yours = spec_of(&db, 2, "2");
    yours->access_key = convert_text("AK2");
    preview_request a = preview_of_spec(mine), b = preview_of_spec(yours);
    preview_request s = preview_of(&db, "s3");
    assert_verdict(preview(&a, "mine"), FITS, "mine");
    assert_verdict(preview(&b, "yours"), FITS, "yours"); /* AK2 was not read: one more load */
    ck_assert_uint_eq(stats().loads, 2);
    for (int i = 0; i < 6; i++) {
        assert_verdict(preview(i % 2 == 0 ? &a : &b, "in turn"), FITS, "in turn");
        (void)preview(&s, "a stored one");
    }
    ck_assert_msg(stats().loads == 2,
                  "%d loads: owners that are asked for in turn are read in turn",
                  (int)stats().loads);
    service_down();
}
END_TEST

/* Everything a preview can ask for, at once and on several threads: the snapshot stays as it is. */
START_TEST(preview_never_writes_to_the_shared_snapshot)
{
    enum { KINDS = 8, ROUNDS = 6 };
    up((const char *[]){"--snapshot-age=1h", "--executors=8", NULL});
    static char *without[] = {(char *)"a1"}, *ignore[] = {(char *)"concurrency"};
    Berth__V1__AgentSpec *more =
        message_new(test_arena(), Berth__V1__AgentSpec, berth__v1__agent_spec);
    Berth__V1__SlotAmount *capacity[] = {slot_amount("cpu", "64"),
                                         slot_amount("mem", "68719476736")};
    *more = (Berth__V1__AgentSpec){.base = more->base,
                                   .agent_id = (char *)"a0",
                                   .architecture = convert_text(""),
                                   .capacity = capacity,
                                   .n_capacity = 2};
    preview_request kinds[KINDS];
    for (int i = 0; i < KINDS; i++) {
        kinds[i] = i == 7 ? preview_of_spec(spec_of(&db, 3, "2"))
                          : preview_of(&db, arena_printf(test_arena(), "s%d", i + 5));
        kinds[i].after_queue = i % 2 == 1;
        kinds[i].view = i % 3 == 0 ? BERTH__V1__PREVIEW_VIEW__PREVIEW_VIEW_AGENTS
                                   : BERTH__V1__PREVIEW_VIEW__PREVIEW_VIEW_VERDICT;
    }
    kinds[2].without_agents = without;
    kinds[2].n_without_agents = 1;
    kinds[3].extra_agents = &more;
    kinds[3].n_extra_agents = 1;
    kinds[4].ignore_validators = ignore;
    kinds[4].n_ignore_validators = 1;
    kinds[5].ignore_validators = ignore;
    kinds[5].n_ignore_validators = 1;
    (void)preview(&kinds[7], "a snapshot");
    struct uuid id = world_id(&db, "s5");
    struct shared_snapshot *held = snapshot_share_find(app->snapshots, &id, INT64_MIN);
    const struct policy_config none = {.n_options = 0};
    uint8_t *before, *after;
    size_t n_before, n_after;
    snapshot_write(shared_snapshot(held), &none, test_arena(), &before, &n_before);
    struct call_handle *calls[KINDS * ROUNDS];
    for (int i = 0; i < KINDS * ROUNDS; i++)
        calls[i] = begin(&kinds[i % KINDS], 0);
    struct reply first[KINDS];
    for (int i = 0; i < KINDS * ROUNDS; i++) {
        struct reply r = {.body = NULL};
        call_end(calls[i], &r);
        ck_assert_code(&r, GRPC_STATUS_OK, "one of many");
        preview_answer *m =
            from_bytes(&berth__v1__preview_allocation_response__descriptor, r.body, r.n_body);
        m->snapshot_age = NULL; /* all else is the same each time */
        uint8_t *bytes = arena_alloc(test_arena(), r.n_body + 1, 1);
        struct reply same = {.body = bytes, .n_body = protobuf_c_message_pack(&m->base, bytes)};
        if (i < KINDS)
            first[i] = same;
        ck_assert_msg(same.n_body == first[i % KINDS].n_body &&
                          memcmp(same.body, first[i % KINDS].body, same.n_body) == 0,
                      "preview %d answers otherwise the next time", i % KINDS);
        reply_free(&r);
    }
    snapshot_write(shared_snapshot(held), &none, test_arena(), &after, &n_after);
    ck_assert_msg(n_before == n_after && memcmp(before, after, n_before) == 0,
                  "the shared snapshot has changed");
    shared_release(held);
    ck_assert_uint_eq(stats().loads, 1);
    service_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("preview_share");
    TCase *tc = tcase_create("preview_share");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, preview_refuses_a_negative_age);
    tcase_add_test(tc, preview_shares_one_snapshot_within_its_age);
    tcase_add_test(tc, preview_is_never_older_than_the_call_allows);
    tcase_add_test(tc, preview_finds_a_session_queued_after_the_snapshot);
    tcase_add_test(tc, preview_after_a_round_sees_the_round);
    tcase_add_test(tc, preview_after_a_cancel_sees_the_cancel);
    tcase_add_test(tc, preview_loads_a_group_once_at_a_time);
    tcase_add_test(tc, preview_goes_on_when_the_loader_gives_up);
    tcase_add_test(tc, preview_fails_for_all_who_wait_when_there_is_no_such_group);
    tcase_add_test(tc, preview_of_described_sessions_shares_too);
    tcase_add_test(tc, preview_never_writes_to_the_shared_snapshot);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
