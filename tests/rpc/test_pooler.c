/* test_pooler.c - the whole service behind PgBouncer in transaction mode, all its connections
 * taking turns on one server connection. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/repair.h"
#include "server/app.h"
#include "server/convert.h"
#include "tests/rpc/service.h"

enum { SESSIONS = 24, CANCELLED = 6 };

static struct db direct, pooled;

static void setup(void)
{
    static const char *const settings[] = {"--executors=8",          "--probe-interval=20ms",
                                           "--event-poll=20ms",      "--mirror-interval=20ms",
                                           "--repair-at-start=true", NULL};
    direct = world_create();
    world_do(&direct, "SELECT t.session('s' || i, 0.25, 1024, grp => CASE i % 2 WHEN 0 THEN 'g1' "
                      "ELSE 'g2' END, key => CASE i % 3 WHEN 0 THEN 'AK1' ELSE 'AK2' END) "
                      "FROM generate_series(1, 24) i");
    pooled = db_pooled(&direct);
    service_up(&pooled, NULL, settings);
}

static struct call_handle *begin(const char *path, const ProtobufCMessage *m)
{
    struct call_handle *call = call_begin(service_client(), path, 0);
    call_send_message(call, m);
    call_close_send(call);
    return call;
}

static struct call_handle *begin_round(const char *group)
{
    Berth__V1__ScheduleScalingGroupRequest q = BERTH__V1__SCHEDULE_SCALING_GROUP_REQUEST__INIT;
    q.scaling_group = convert_text(group);
    return begin(SCHEDULE_PATH, &q.base);
}

static struct call_handle *begin_cancel(int number)
{
    char name[16];
    Berth__V1__CancelSessionRequest q = BERTH__V1__CANCEL_SESSION_REQUEST__INIT;
    (void)snprintf(name, sizeof(name), "s%d", number);
    q.session_id = id_text(&direct, name);
    return begin(CANCEL_PATH, &q.base);
}

/* A round may find the group taken by another; a cancel never fails. */
static void end(struct call_handle *call, bool may_be_busy, const char *what)
{
    struct reply r = {.body = NULL};
    call_end(call, &r);
    ck_assert_msg(r.code == GRPC_STATUS_OK || (may_be_busy && r.code == GRPC_STATUS_ABORTED),
                  "%s: status %d \"%s\"", what, (int)r.code, r.message);
    reply_free(&r);
}

/* Rounds of both groups and cancels, all under way at once. */
static void rush(void)
{
    struct call_handle *rounds[CANCELLED][2], *cancels[CANCELLED];
    for (int i = 0; i < CANCELLED; i++) {
        rounds[i][0] = begin_round("g1");
        cancels[i] = begin_cancel(i + 1);
        rounds[i][1] = begin_round("g2");
    }
    for (int i = 0; i < CANCELLED; i++) {
        end(rounds[i][0], true, "a round of g1");
        end(cancels[i], false, "a cancel");
        end(rounds[i][1], true, "a round of g2");
    }
    (void)schedule("g1", "what is left of g1");
    (void)schedule("g2", "what is left of g2");
}

/* Reads events of both groups until there are `n`, each group's in order and without a hole. */
static void expect_events(struct call_handle *watch, int64_t n)
{
    int64_t last[2] = {0, 0};
    for (int64_t got = 0; got < n;) {
        uint8_t *bytes;
        size_t size;
        ck_assert_msg(call_receive(watch, &bytes, &size), "the watch ended after %lld of %lld",
                      (long long)got, (long long)n);
        const Berth__V1__WatchEventsResponse *m =
            from_bytes(&berth__v1__watch_events_response__descriptor, bytes, size);
        free(bytes);
        for (size_t i = 0; i < m->n_events; i++, got++) {
            const Berth__V1__Event *v = m->events[i];
            int64_t *before = &last[strcmp(v->scaling_group, "g2") == 0];
            ck_assert_msg(v->sequence == *before + 1, "%s: event %lld after %lld", v->scaling_group,
                          (long long)v->sequence, (long long)*before);
            *before = v->sequence;
        }
    }
}

START_TEST(pooler_serves_rounds_cancels_and_watches_at_once)
{
    Berth__V1__WatchEventsRequest q = BERTH__V1__WATCH_EVENTS_REQUEST__INIT;
    q.start = BERTH__V1__WATCH_START__WATCH_START_BEGINNING;
    struct call_handle *watch = begin(WATCH_PATH, &q.base);
    struct reply r = {.body = NULL};
    rush();
    ck_assert_int_eq(db_int(&direct, "SELECT count(*) FROM sessions WHERE status = 'CANCELLED'"),
                     CANCELLED);
    ck_assert_int_eq(db_int(&direct, "SELECT count(*) FROM sessions WHERE status = 'SCHEDULED'"),
                     SESSIONS - CANCELLED);
    world_check(&direct, "after the rush");
    expect_events(watch, db_int(&direct, "SELECT count(*) FROM berth.events"));
    call_cancel_now(watch);
    call_end(watch, &r);
    reply_free(&r);
    db_await(
        &direct,
        "SELECT count(*) <= 1 FROM pg_stat_activity WHERE datname = current_database() AND "
        "pid <> pg_backend_pid()",
        "no more than one server connection to be left"); /* the test's own end a little later */
    service_down();
    ck_assert_int_eq(db_int(&direct, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"),
                     0);
}
END_TEST

START_TEST(pooler_reads_while_rounds_run)
{
    Berth__V1__ListPendingSessionsRequest q = BERTH__V1__LIST_PENDING_SESSIONS_REQUEST__INIT;
    Berth__V1__ListScalingGroupsRequest groups = BERTH__V1__LIST_SCALING_GROUPS_REQUEST__INIT;
    Berth__V1__PreviewAllocationRequest p = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__INIT;
    struct call_handle *calls[4];
    q.scaling_group = convert_text("g1");
    p.target_case = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__TARGET_SESSION_ID;
    p.session_id = id_text(&direct, "s24");
    for (int i = 0; i < 5; i++) {
        calls[0] = begin(PENDING_PATH, &q.base);
        calls[1] = begin(GROUPS_PATH, &groups.base);
        calls[2] = begin(PREVIEW_PATH, &p.base);
        calls[3] = begin_round("g2");
        end(calls[0], false, "ListPendingSessions");
        end(calls[1], false, "ListScalingGroups");
        end(calls[2], false, "PreviewAllocation");
        end(calls[3], false, "a round of g2");
    }
    service_down();
}
END_TEST

START_TEST(pooler_lets_the_loop_see_changes)
{
    static const char *const settings[] = {"--loop=true", "--loop-interval=1h",
                                           "--loop-hint-interval=50ms", NULL};
    service_down();
    service_up(&pooled, NULL, settings);
    db_await(&direct, "SELECT count(*) = 24 FROM sessions WHERE status = 'SCHEDULED'",
             "the first round of both groups");
    world_do(&direct, "SELECT t.session('more', 0.25, 1024)");
    db_await(&direct, "SELECT status = 'SCHEDULED' FROM sessions WHERE name = 'more'",
             "a round after a session came");
    service_down();
}
END_TEST

START_TEST(pooler_repairs)
{
    struct err e = {.code = ERR_NONE};
    struct repair_result r;
    const struct repair_input in = {.scaling_group = "g1"};
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(pg_closep) struct pg *c = db_open(&pooled);
    world_do(&direct, "SELECT t.session('h', 1, 1), t.place('h', 'a1', 'SCHEDULED');"
                      "UPDATE sessions SET status = 'PENDING' WHERE name = 'h'");
    assert_done(repair_run(c, &in, a, &r, &e), &e, "repair");
    ck_assert_int_eq(r.mended, 1);
    assert_status(&direct, "h", "SCHEDULED", "half scheduled");
    service_down();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pooler");
    TCase *tc = tcase_create("pooler");
    tcase_add_checked_fixture(tc, setup, service_down);
    tcase_add_test(tc, pooler_serves_rounds_cancels_and_watches_at_once);
    tcase_add_test(tc, pooler_reads_while_rounds_run);
    tcase_add_test(tc, pooler_repairs);
    tcase_add_test(tc, pooler_lets_the_loop_see_changes);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_ROUNDS | SUPPORT_POOLER);
}
