/* test_config.c - settings: bad values first, then sources, units, lists, secrets. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "server/config.h"
#include "server/config_text.h"
#include "server/log.h"

static int make(const char *const *env, const char *flag, struct config **ret, struct err *e)
{
    char *argv[] = {(char *)flag, NULL};
    *e = (struct err){.code = ERR_NONE};
    return config_create((char *const *)(void *)(uintptr_t)env, flag != NULL ? 1 : 0, argv, ret, e);
}

/* --- refused --- */

static const struct {
    const char *flag, *message;
} bad[] = {
    {"listen", "unexpected argument \"listen\": try --help"},
    {"password=x", "unexpected argument \"password\": try --help"},
    {"--listen", "flag \"--listen\" needs a value"},
    {"--listen=", "setting listen (command line): \"\" is not a text of 1 to 200 bytes"},
    {"--lis=x", "unknown flag \"--lis\": is the setting listen meant? Try --help"},
    {"--listens=x", "unknown flag \"--listens\": is the setting listen meant? Try --help"},
    {"--Grace-Peroid=1s",
     "unknown flag \"--Grace-Peroid\": is the setting grace_period meant? Try --help"},
    {"--zz=x", "unknown flag \"--zz\": try --help"},
    {"--=x", "unknown flag \"--\": try --help"},
    {"--nothing-like-it=x", "unknown flag \"--nothing-like-it\": try --help"},
    {"--a-name-that-is-longer-than-any-name-of-a-setting=x",
     "unknown flag \"--a-name-that-is-longer-than-any-name-of-a-setting\": try --help"},
    {"--executors=", "setting executors (command line): \"\" is not a number from 1 to 256"},
    {"--executors=0", "setting executors (command line): \"0\" is not a number from 1 to 256"},
    {"--executors=257", "setting executors (command line): \"257\" is not a number from 1 to 256"},
    {"--executors=4x", "setting executors (command line): \"4x\" is not a number from 1 to 256"},
    {"--executors= 4", "setting executors (command line): \" 4\" is not a number from 1 to 256"},
    {"--executors=99999999999999999999",
     "setting executors (command line): \"99999999999999999999\" is not a number from 1 to 256"},
    {"--grace-period=10",
     "setting grace_period (command line): \"10\" is not a time from 0ms to 1h "
     "(like 500ms, 10s, 5m or 1h)"},
    {"--grace-period=2h",
     "setting grace_period (command line): \"2h\" is not a time from 0ms to 1h "
     "(like 500ms, 10s, 5m or 1h)"},
    {"--grace-period=9223372036854775807h",
     "setting grace_period (command line): \"9223372036854775807h\" is not a time from 0ms to 1h "
     "(like 500ms, 10s, 5m or 1h)"},
    {"--max-message=4mb",
     "setting max_message (command line): \"4mb\" is not a size from 1k to 64m "
     "(like 64k, 4m or 1g)"},
    {"--log-level=loud",
     "setting log_level (command line): \"loud\" is not one of debug,info,warn,error"},
    {"--slot-priority=",
     "setting slot_priority (command line): \"\" is not 1 to 64 items, none empty"},
    {"--slot-priority=cpu,,mem",
     "setting slot_priority (command line): \"cpu,,mem\" is not 1 to 64 items, none empty"},
    {"--slot-priority=cpu,",
     "setting slot_priority (command line): \"cpu,\" is not 1 to 64 items, none empty"},
};

START_TEST(config_refuses_as_tabled)
{
    struct err e;
    struct config *g = NULL;
    ck_assert_msg(make(NULL, bad[_i].flag, &g, &e) == -1, "%s: was taken", bad[_i].flag);
    ck_assert_int_eq(e.code, ERR_INVALID);
    ck_assert_msg(strcmp(e.message, bad[_i].message) == 0, "%s: %s", bad[_i].flag, e.message);
    ck_assert_ptr_null(g);
}
END_TEST

START_TEST(config_refuses_a_bad_environment_by_name)
{
    struct err e;
    struct config *g = NULL;
    const char *env[] = {"BERTH_EXECUTORS=many", NULL};
    ck_assert_int_eq(make(env, NULL, &g, &e), -1);
    ck_assert_str_eq(e.message,
                     "setting executors (environment): \"many\" is not a number from 1 to 256");
}
END_TEST

START_TEST(config_does_not_repeat_a_connection_string_in_an_error)
{
    struct err e;
    struct config *g = NULL;
    char flag[4200];
    memset(flag, 'p', sizeof(flag));
    memcpy(flag, "--database=sekret", 17);
    flag[sizeof(flag) - 1] = '\0';
    ck_assert_int_eq(make(NULL, flag, &g, &e), -1);
    ck_assert_msg(strstr(e.message, "sekret") == NULL, "%s", e.message);
}
END_TEST

/* --- taken --- */

START_TEST(config_has_defaults)
{
    struct err e;
    CLEANUP(config_destroyp) struct config *g = NULL;
    ck_assert_msg(make(NULL, NULL, &g, &e) == 0, "%s", e.message);
    ck_assert_str_eq(g->listen, "127.0.0.1:50061");
    ck_assert_int_eq(g->max_message, 4 << 20);
    ck_assert_int_eq(g->keepalive_time, 30000);
    ck_assert_uint_eq(g->slot_priority.n, 5);
    ck_assert_str_eq(g->slot_priority.items[4], "mem");
    ck_assert_uint_eq(g->plugins.n, 0);
    ck_assert_int_eq(g->log_level, LOG_INFO);
    ck_assert_msg(*g->replica != '\0', "the replica has no name");
}
END_TEST

START_TEST(config_takes_the_flag_over_the_environment)
{
    struct err e;
    CLEANUP(config_destroyp) struct config *g = NULL;
    const char *env[] = {"PATH=/bin",
                         "BERTH_REPLICA=env",
                         "BERTH_EXECUTORS=9",
                         "BERTH_PORT_50061_TCP=tcp://10.0.0.1:50061",
                         "BERTH_",
                         NULL};
    ck_assert_msg(make(env, "--replica=flag", &g, &e) == 0, "%s", e.message);
    ck_assert_str_eq(g->replica, "flag");
    ck_assert_int_eq(g->executors, 9);
}
END_TEST

START_TEST(config_reads_a_value_that_stands_apart)
{
    struct err e;
    CLEANUP(config_destroyp) struct config *g = NULL;
    const char *argv[] = {"--max_message", "1M",        "--log-format",
                          "json",          "--plugins", "/a.so , /b.so"};
    ck_assert_msg(config_create(NULL, 6, (char *const *)(void *)argv, &g, &e) == 0, "%s",
                  e.message);
    ck_assert_int_eq(g->max_message, 1 << 20);
    ck_assert_int_eq(g->log_format, LOG_JSON);
    ck_assert_uint_eq(g->plugins.n, 2);
    ck_assert_str_eq(g->plugins.items[0], "/a.so");
    ck_assert_str_eq(g->plugins.items[1], "/b.so");
}
END_TEST

/* --print-config fed back as flags gives the same settings. */
START_TEST(config_prints_what_it_reads)
{
    struct err e;
    CLEANUP(config_destroyp) struct config *g = NULL;
    char *text = NULL;
    size_t n = 0;
    ck_assert_msg(make(NULL, "--grace-period=90s", &g, &e) == 0, "%s", e.message);
    FILE *out = open_memstream(&text, &n);
    config_print(g, out);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_msg(strstr(text, "grace_period             = 90s ") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "# command line\n") != NULL, "%s", text);
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char name[64];
        char value[256] = "";
        char flag[400];
        struct config *again = NULL;
        ck_assert_int_ge(sscanf(line, "%63s = %255[^#]", name, value), 1);
        for (char *end = value + strlen(value); end > value && end[-1] == ' ';)
            *--end = '\0';
        (void)snprintf(flag, sizeof(flag), "--%s=%s", name, value);
        ck_assert_msg(make(NULL, flag, &again, &e) == 0, "%s: %s", flag, e.message);
        config_destroy(again);
    }
    free(text);
}
END_TEST

/* --- units --- */

static const struct {
    const char *text;
    int64_t ms;
    const char *back;
} times[] = {
    {"1ms", 1, "1ms"},
    {"0s", 0, "0ms"},
    {"1500ms", 1500, "1500ms"},
    {"60s", 60000, "1m"},
    {"1h", 3600000, "1h"},
    {"90M", 5400000, "90m"},
    {"", -1, NULL},
    {"10", -1, NULL},
    {"s", -1, NULL},
    {"1 s", -1, NULL},
    {"1.5s", -1, NULL},
    {"7d", 604800000, "7d"},
    {"0x1s", -1, NULL},
    {"24h", 86400000, "1d"},
    {"36h", 129600000, "36h"},
    {"1w", -1, NULL},
    {"106751991168d", -1, NULL},
};

START_TEST(config_times_are_read_as_tabled)
{
    int64_t ms = -1;
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    bool ok = config_parse_ms(times[_i].text, &ms);
    ck_assert_msg(ok == (times[_i].back != NULL), "\"%s\"", times[_i].text);
    ck_assert_int_eq(ms, times[_i].ms);
    if (ok)
        ck_assert_str_eq(config_format_ms(ms, a), times[_i].back);
}
END_TEST

/* --- secrets --- */

static const struct {
    const char *conninfo, *shown;
} secrets[] = {
    {"", ""},
    {"host=h dbname=d", "host=h dbname=d"},
    {"host=h password=sekret dbname=d", "host=h password=*** dbname=d"},
    {"password = 'a b\\' c' host=h", "password=*** host=h"},
    {"sslpassword=x PASSWORD=y", "sslpassword=*** PASSWORD=***"},
    {"password=", "password=***"},
    {"password='sek", "password=***"},
    {"sekret", "*** (unreadable)"},
    {"host=h sekret", "*** (unreadable)"},
    {"postgresql://h/d", "postgresql://h/d"},
    {"postgresql://u@h/d", "postgresql://u@h/d"},
    {"postgres://u:sek:r@et@h:5432/d?x=1", "postgres://u:***@h:5432/d?x=1"},
    {"postgresql://h/d?password=sek&sslmode=on", "postgresql://h/d?password=***&sslmode=on"},
    {"postgresql://h/d?sslmode=on&sslpassword=sek", "postgresql://h/d?sslmode=on&sslpassword=***"},
    {"postgresql://h/d?user=u:p@x", "postgresql://h/d?user=u:p@x"},
};

START_TEST(config_redacts_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    ck_assert_str_eq(config_redact(secrets[_i].conninfo, a), secrets[_i].shown);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("config");
    TCase *tc = tcase_create("config");
    tcase_add_loop_test(tc, config_refuses_as_tabled, 0, ARRAY_SIZE(bad));
    tcase_add_test(tc, config_refuses_a_bad_environment_by_name);
    tcase_add_test(tc, config_does_not_repeat_a_connection_string_in_an_error);
    tcase_add_test(tc, config_has_defaults);
    tcase_add_test(tc, config_takes_the_flag_over_the_environment);
    tcase_add_test(tc, config_reads_a_value_that_stands_apart);
    tcase_add_test(tc, config_prints_what_it_reads);
    tcase_add_loop_test(tc, config_times_are_read_as_tabled, 0, ARRAY_SIZE(times));
    tcase_add_loop_test(tc, config_redacts_as_tabled, 0, ARRAY_SIZE(secrets));
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
