/* test_loop.c - the loop of one server: hints, intervals, groups that come and go. */
#include <signal.h>

#include "server/app.h"
#include "server/loop.h"
#include "tests/rpc/service.h"

#define SCHEDULED(name) "SELECT status = 'SCHEDULED' FROM sessions WHERE id = t.id('" name "')"

static struct db d;
static struct app *app;

/* settings: besides --loop=true; NULL-ended. */
static void start(const char *const *settings)
{
    const char *all[16] = {"--loop=true"};
    for (int i = 0; settings[i] != NULL; i++)
        all[i + 1] = settings[i];
    app = service_up(&d, NULL, all);
}

static void setup(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    d = world_create();
}

static void teardown(void)
{
    service_down();
}

START_TEST(loop_schedules_every_group_when_it_starts)
{
    world_do(&d, "SELECT t.session('s1', 1, 1, 1); SELECT t.session('s2', 1, 1, 1, grp => 'g2')");
    start((const char *[]){NULL});
    db_await(&d, SCHEDULED("s1"), "a round of g1");
    db_await(&d, SCHEDULED("s2"), "a round of g2");
}
END_TEST

START_TEST(loop_schedules_a_group_soon_when_it_is_hinted)
{
    start((const char *[]){"--loop-interval=1h", "--loop-hint-interval=100ms", NULL});
    db_await(&d, "SELECT count(*) = 2 FROM berth.rounds", "the first round of both groups");
    world_do(&d, "SELECT t.session('s1', 1, 1, 1)");
    loop_hint(app->loop, "g1");
    db_await(&d, SCHEDULED("s1"), "a round of g1 after the hint");
    world_expect(&d,
                 "SELECT count(*) FROM berth.rounds r JOIN scaling_groups g ON g.id = "
                 "r.scaling_group_id WHERE g.name = 'g2'",
                 "1", "rounds of the group that was not hinted");
}
END_TEST

static void add_case(Suite *s, const char *name, const TTest *t)
{
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, t);
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("loop");
    add_case(s, "start", loop_schedules_every_group_when_it_starts);
    add_case(s, "hint", loop_schedules_a_group_soon_when_it_is_hinted);
    return support_run(s, SUPPORT_PG | SUPPORT_REDIS);
}
