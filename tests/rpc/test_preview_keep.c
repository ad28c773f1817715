/* test_preview_keep.c - which shared snapshots are kept, and for how long. */
#include "server/app.h"
#include "server/snapshot_share.h"
#include "tests/rpc/previewing.h"

static struct db db;
static struct app *app;

static void up(const char *const *settings)
{
    db = world_create();
    world_do(&db, "SELECT t.session('s1', 1, 1024), t.session('other', 1, 1024, grp => 'g2')");
    app = service_up(&db, NULL, settings);
}

static struct snapshot_share_stats stats(void)
{
    struct snapshot_share_stats s;
    snapshot_share_stats(app->snapshots, &s);
    return s;
}

static const struct {
    const char *what, *settings[3];
    uint32_t kept;  /* after both groups were asked for */
    uint64_t loads; /* after both were asked for again */
} bounds[] = {
    {"none is kept", {"--snapshot-age=1h", "--snapshot-groups=0", NULL}, 0, 4},
    {"one is kept", {"--snapshot-age=1h", "--snapshot-groups=1", NULL}, 1, 4},
    {"both are kept", {"--snapshot-age=1h", "--snapshot-groups=2", NULL}, 2, 2},
    {"no memory", {"--snapshot-age=1h", "--snapshot-memory=0", NULL}, 0, 4},
    {"enough memory", {"--snapshot-age=1h", "--snapshot-memory=64m", NULL}, 2, 2},
};

START_TEST(snapshots_are_kept_within_bounds)
{
    up(bounds[_i].settings);
    (void)list_pending("g1", NULL, "g1");
    (void)list_pending("g2", NULL, "g2");
    ck_assert_msg(stats().kept == bounds[_i].kept, "%s: %u are kept", bounds[_i].what,
                  stats().kept);
    ck_assert_msg((stats().bytes > 0) == (bounds[_i].kept > 0), "%s: %zu bytes", bounds[_i].what,
                  stats().bytes);
    (void)list_pending("g1", NULL, "g1 again");
    (void)list_pending("g2", NULL, "g2 again");
    ck_assert_msg(stats().loads == bounds[_i].loads, "%s: %d loads", bounds[_i].what,
                  (int)stats().loads);
    service_down();
}
END_TEST

static bool none_is_kept(void *ctx)
{
    (void)ctx;
    return stats().kept == 0;
}

START_TEST(snapshots_go_when_nobody_uses_them)
{
    up((const char *[]){"--snapshot-age=1h", "--snapshot-keep=50ms", NULL});
    (void)list_pending("g1", NULL, "g1");
    await_true(none_is_kept, NULL, "the snapshot to be freed");
    (void)list_pending("g1", NULL, "g1 again");
    ck_assert_uint_eq(stats().loads, 2);
    service_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("preview_keep");
    TCase *tc = tcase_create("preview_keep");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, snapshots_are_kept_within_bounds, 0, ARRAY_SIZE(bounds));
    tcase_add_test(tc, snapshots_go_when_nobody_uses_them);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
