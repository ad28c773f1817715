/* test_metrics_lease.c - what becomes of leases while their rounds run, as the metrics tell it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/base.h"
#include "server/lease_keeper.h"
#include "server/log.h"
#include "server/metrics.h"
#include "tests/rpc/scrape.h"
#include "tests/rpc/service.h"

enum { TTL_MS = 300 };

static double value(const char *series)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    metrics_print(out);
    ck_assert_int_eq(fclose(out), 0);
    double found = scrape_value(text, series);
    free(text);
    return found;
}

static double leases(const char *event)
{
    char series[64];
    (void)snprintf(series, sizeof(series), "berth_lease_total{event=\"%s\"}", event);
    return value(series);
}

static bool is_counted(void *event)
{
    return leases(event) >= 1;
}

enum { TAKE_AWAY, STOP_REDIS };

static const struct {
    const char *what;
    int hurt;
    const char *event, *other; /* counted; and not counted */
} losses[] = {
    {"somebody else's lease", TAKE_AWAY, "lost", "renew_failed"},
    {"no answer of Redis", STOP_REDIS, "renew_failed", "lost"},
};

START_TEST(metrics_tell_a_lost_lease_from_a_silent_redis)
{
    struct err e = {.code = ERR_NONE};
    struct kept_lease kept = {.next = NULL};
    struct lease other;
    CLEANUP(redis_destroyp) struct redis *redis = redis_open();
    CLEANUP(lease_keeper_destroyp) struct lease_keeper *k = NULL;
    log_setup(LOG_ERROR, LOG_TEXT); /* what is lost is warned of */
    assert_done(lease_keeper_create(redis_address(), 1000, TTL_MS, &k, &e), &e, "make a keeper");
    assert_done(lease_acquire(redis, "g1", "me", 60000, &kept.lease, &e), &e, "take the lease");
    lease_keeper_keep(k, &kept);
    ck_assert_msg(value("berth_leases_held") == 1, "the lease is not held");
    if (losses[_i].hurt == TAKE_AWAY) {
        assert_done(lease_release(redis, &kept.lease, &e), &e, "release it");
        assert_done(lease_acquire(redis, "g1", "you", 60000, &other, &e), &e, "take it away");
    } else {
        redis_server_stop();
    }
    await_true(is_counted, (char *)(uintptr_t)losses[_i].event, losses[_i].what);
    ck_assert_msg(leases(losses[_i].other) == 0, "%s: counted as %s", losses[_i].what,
                  losses[_i].other);
    lease_keeper_drop(k, &kept);
    ck_assert_msg(value("berth_leases_held") == 0, "the lease is still held");
    if (losses[_i].hurt == TAKE_AWAY)
        assert_done(lease_release(redis, &other, &e), &e, "release the other");
    else
        redis_server_start();
}
END_TEST

START_TEST(metrics_count_rounds_without_redis)
{
    struct db db = world_create();
    service_up(&db, "unix:/nowhere", (const char *const[]){"--redis-timeout=50ms", NULL});
    schedule("g1", "without Redis");
    ck_assert_msg(leases("without_redis") == 1, "not counted");
    ck_assert_msg(leases("acquired") == 0 && leases("contended") == 0, "there was a lease");
    ck_assert_msg(value("berth_rounds_total{outcome=\"ok\"}") == 1, "the round is not counted");
    service_down();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics_lease");
    TCase *tc = tcase_create("lease");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, metrics_tell_a_lost_lease_from_a_silent_redis, 0, ARRAY_SIZE(losses));
    tcase_add_test(tc, metrics_count_rounds_without_redis);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
