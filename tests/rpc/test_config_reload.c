/* test_config_reload.c - settings that change while others read them. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/log.h"
#include "tests/rpc/settings.h"

static struct config *g;

static void setup(void)
{
    struct err e;
    log_setup(LOG_ERROR + 1, LOG_TEXT); /* refusals are meant here */
    settings_write("log_level: info\nexecutors: 4\n");
    ck_assert_msg(settings_read(NULL, &g, &e) == 0, "%s", e.message);
}

static void teardown(void)
{
    config_destroy(g);
    g = NULL;
}

static void reload(const char *text)
{
    struct err e = {.code = ERR_NONE};
    settings_write(text);
    ck_assert_msg(config_reload(g, &e) == 0, "\"%s\": %s", text, e.message);
}

static void reload_fails(const char *text, const char *said)
{
    struct err e = {.code = ERR_NONE};
    settings_write(text);
    ck_assert_msg(config_reload(g, &e) == -1, "\"%s\" was taken", text);
    ck_assert_msg(strcmp(settings_said(&e), said) == 0, "\"%s\", expected \"%s\"",
                  settings_said(&e), said);
}

/* --- a part with a say --- */

struct part {
    struct config_listener listener;
    int checks, applies, drops;
    int made; /* what check() made last; its address is handed on */
    bool refuses;
};

static int part_check(void *ctx, const struct config *next, void **ret_made, struct err *e)
{
    struct part *p = ctx;
    p->checks++;
    if (p->refuses)
        return config_refuse(next, "log_level", e, "this part wants %s", "less noise");
    p->made = next->log_level;
    *ret_made = &p->made;
    return 0;
}

static void part_apply(void *ctx, const struct config *now, void *made)
{
    struct part *p = ctx;
    ck_assert_msg(made == &p->made && p->made == now->log_level, "not what check() made");
    p->applies++;
}

static void part_drop(void *ctx, void *made)
{
    struct part *p = ctx;
    ck_assert_msg(made == &p->made, "not what check() made");
    p->drops++;
}

static void part_listen(struct part *p, const char *name)
{
    *p = (struct part){
        .listener = {
            .name = name, .check = part_check, .apply = part_apply, .drop = part_drop, .ctx = p}};
    config_listen(g, &p->listener);
}

static void part_is(const struct part *p, int checks, int applies, int drops, const char *when)
{
    ck_assert_msg(p->checks == checks && p->applies == applies && p->drops == drops,
                  "%s: %s was asked %d times, told %d, dropped %d; expected %d %d %d", when,
                  p->listener.name, p->checks, p->applies, p->drops, checks, applies, drops);
}

/* --- refused --- */

START_TEST(a_bad_file_changes_nothing)
{
    struct part p;
    part_listen(&p, "one");
    reload_fails("log_level: warn\nexecutors: many\n",
                 "FILE:2: setting executors: \"many\" is not a number from 1 to 256");
    reload_fails("log_level: warn\nlog_level: warn\n",
                 "FILE:2: setting log_level: it stands in line 1 already");
    reload_fails("log_level: \"info\n", "FILE:2: not YAML: found unexpected end of stream");
    ck_assert_int_eq(CONFIG_NOW(g, log_level), LOG_INFO);
    part_is(&p, 0, 0, 0, "files that cannot be read");
    reload("log_level: warn\n");
    ck_assert_int_eq(CONFIG_NOW(g, log_level), LOG_WARN);
    part_is(&p, 1, 1, 0, "a good one");
    config_unlisten(g, &p.listener);
}
END_TEST

START_TEST(one_part_that_refuses_stops_all)
{
    struct part first;
    struct part second;
    struct part third;
    part_listen(&first, "first");
    part_listen(&second, "second");
    part_listen(&third, "third");
    second.refuses = true;
    reload_fails("# a line\nlog_level: debug\n",
                 "FILE:2: setting log_level: this part wants less noise");
    part_is(&first, 1, 0, 1, "after the refusal");
    part_is(&second, 1, 0, 0, "after the refusal");
    part_is(&third, 0, 0, 0, "after the refusal");
    ck_assert_int_eq(CONFIG_NOW(g, log_level), LOG_INFO);
    config_unlisten(g, &second.listener);
    config_unlisten(g, &second.listener); /* twice does no harm */
    reload("log_level: debug\n");
    part_is(&first, 2, 1, 1, "once it has left");
    part_is(&second, 1, 0, 0, "once it has left");
    part_is(&third, 1, 1, 0, "once it has left");
    config_unlisten(g, &first.listener);
    config_unlisten(g, &third.listener);
}
END_TEST

START_TEST(a_restart_setting_stays_as_it_was)
{
    struct err e = {.code = ERR_NONE};
    reload("log_level: debug\nexecutors: 9\n");
    CLEANUP(config_releasep) const struct config *now = config_take(g);
    ck_assert_int_eq(now->executors, 4);
    ck_assert_int_eq(now->log_level, LOG_DEBUG);
    ck_assert_int_eq(config_refuse(now, "executors", &e, "no"), -1);
    ck_assert_str_eq(settings_said(&e), "FILE:2: setting executors: no");
}
END_TEST

/* --- taken --- */

START_TEST(what_is_taken_outlives_reloads)
{
    const struct config *old = config_take(g);
    reload("slot_priority: [a, b]\nlog_level: warn\n");
    const struct config *older = config_take(old); /* from any generation: the one in force */
    ck_assert_msg(older != old, "an old generation leads to itself");
    reload("log_level: error\n");
    ck_assert_int_eq(old->log_level, LOG_INFO);
    ck_assert_int_eq(older->log_level, LOG_WARN);
    ck_assert_uint_eq(config_generation(old), 0);
    ck_assert_uint_eq(config_generation(older), 1);
    ck_assert_uint_eq(config_generations_held(g), 3);
    config_release(older);
    ck_assert_uint_eq(config_generations_held(g), 2);
    config_release(old);
}
END_TEST

START_TEST(hundreds_of_reloads_leave_two_generations)
{
    for (int i = 0; i < 150; i++) {
        reload("log_level: debug\n");
        reload("log_level: warn\n");
    }
    ck_assert_uint_eq(config_generations_held(g), 2);
    const struct config *now = config_take(g);
    ck_assert_uint_eq(config_generation(now), 300);
    config_release(now);
}
END_TEST

/* Two settings that belong together: a reader never sees the one of one file with the other of
 * another. */
static atomic_bool done;

static void *read_pairs(void *arg)
{
    atomic_long *reads = arg;
    while (!atomic_load(&done)) {
        CLEANUP(config_releasep) const struct config *now = config_take(g);
        bool together = (now->log_level == LOG_INFO && now->log_format == LOG_AUTO) ||
                        (now->log_level == LOG_WARN && now->log_format == LOG_JSON) ||
                        (now->log_level == LOG_ERROR && now->log_format == LOG_TEXT);
        if (!together)
            return reads; /* not NULL */
        atomic_fetch_add(reads, 1);
    }
    return NULL;
}

START_TEST(readers_never_see_two_generations_mixed)
{
    enum { READERS = 2, RELOADS = 60, READS = 1000 };
    pthread_t readers[READERS];
    atomic_long reads = 0;
    for (int i = 0; i < READERS; i++)
        ck_assert_int_eq(pthread_create(&readers[i], NULL, read_pairs, &reads), 0);
    for (int i = 0; i < RELOADS || atomic_load(&reads) < READS; i++) {
        reload("log_level: warn\nlog_format: json\n");
        reload_fails("log_level: error\nlog_format: xml\n",
                     "FILE:2: setting log_format: \"xml\" is not one of auto,text,json");
        reload("log_level: error\nlog_format: text\n");
    }
    atomic_store(&done, true);
    for (int i = 0; i < READERS; i++) {
        void *wrong = NULL;
        ck_assert_int_eq(pthread_join(readers[i], &wrong), 0);
        ck_assert_msg(wrong == NULL, "two generations were mixed");
    }
    ck_assert_uint_eq(config_generations_held(g), 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("config_reload");
    TCase *tc = tcase_create("config_reload");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_bad_file_changes_nothing);
    tcase_add_test(tc, one_part_that_refuses_stops_all);
    tcase_add_test(tc, a_restart_setting_stays_as_it_was);
    tcase_add_test(tc, what_is_taken_outlives_reloads);
    tcase_add_test(tc, hundreds_of_reloads_leave_two_generations);
    tcase_add_test(tc, readers_never_see_two_generations_mixed);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
