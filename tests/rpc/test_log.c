/* test_log.c - one line an event, whatever is in it. */
#include <check.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/log.h"

static char text[65536];
static int out[2];

static void setup(void)
{
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    ck_assert_int_ge(dup2(out[1], STDERR_FILENO), 0);
}

/* What was written, without its newline; exactly one line. */
static const char *line(void)
{
    ssize_t n = read(out[0], text, sizeof(text) - 1);
    ck_assert_msg(n > 0, "nothing was written");
    text[n] = '\0';
    ck_assert_msg(strchr(text, '\n') == text + n - 1, "not one line: %s", text);
    text[n - 1] = '\0';
    return text;
}

static const struct {
    const char *what;
    const char *value;
    const char *in_json, *in_text;
} values[] = {
    {"plain", "abc", "\"k\":\"abc\"", " k=abc"},
    {"empty", "", "\"k\":\"\"", " k=\"\""},
    {"with a space", "a b", "\"k\":\"a b\"", " k=\"a b\""},
    {"with quotes", "a\"b\\", "\"k\":\"a\\\"b\\\\\"", " k=\"a\\\"b\\\\\""},
    {"with a newline", "a\nb", "\"k\":\"a\\nb\"", " k=\"a\\nb\""},
    {"with an escape sequence", "\x1b[31m", "\"k\":\"\\u001b[31m\"", " k=\"\\u001b[31m\""},
    {"with UTF-8", "\xc3\xa9", "\"k\":\"\xc3\xa9\"", " k=\xc3\xa9"},
};

START_TEST(log_writes_values_as_tabled)
{
    log_setup(LOG_DEBUG, LOG_JSON);
    log_info("it happened", LOG_STR("k", values[_i].value), LOG_NUM("n", -7));
    const char *l = line();
    ck_assert_msg(strncmp(l, "{\"time\":\"2", 10) == 0 && l[strlen(l) - 1] == '}', "%s", l);
    ck_assert_msg(strstr(l, "\"level\":\"info\",\"event\":\"it happened\",") != NULL, "%s", l);
    ck_assert_msg(strstr(l, values[_i].in_json) != NULL, "%s: %s", values[_i].what, l);
    ck_assert_msg(strstr(l, "\"n\":-7") != NULL, "%s", l);
    log_setup(LOG_DEBUG, LOG_TEXT);
    log_info("it happened", LOG_STR("k", values[_i].value), LOG_NUM("n", -7));
    l = line();
    ck_assert_msg(strstr(l, "Z info it happened k=") != NULL, "%s", l);
    ck_assert_msg(strstr(l, values[_i].in_text) != NULL, "%s: %s", values[_i].what, l);
    ck_assert_msg(strcmp(l + strlen(l) - 5, " n=-7") == 0, "%s", l);
}
END_TEST

START_TEST(log_cuts_long_lines_and_says_so)
{
    char large[9000];
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    log_setup(LOG_DEBUG, LOG_JSON);
    log_info("large", LOG_STR("a", "first"), LOG_STR("b", large), LOG_STR("c", "last"));
    const char *l = line();
    ck_assert_uint_lt(strlen(l), 4096);
    ck_assert_msg(strstr(l, "\"a\":\"first\",\"+\":1}") != NULL, "%s", l);
    log_setup(LOG_DEBUG, LOG_TEXT);
    log_info("large", LOG_STR("b", large));
    l = line();
    ck_assert_uint_lt(strlen(l), 4096);
    ck_assert_int_eq(l[strlen(l) - 1], '+');
}
END_TEST

START_TEST(log_leaves_out_what_is_less_important)
{
    log_setup(LOG_WARN, LOG_TEXT);
    log_debug("debug", LOG_NUM("n", 1));
    log_info("info", LOG_NUM("n", 1));
    log_warn("warn", LOG_NUM("n", 1));
    ck_assert_msg(strstr(line(), " warn warn n=1") != NULL, "%s", text);
}
END_TEST

START_TEST(log_err_tells_everything)
{
    struct err e;
    err_set(&e, ERR_CONFLICT, "FENCED", "a newer epoch");
    err_detail(&e, "SQLSTATE 40001");
    err_meta(&e, "group", "gpu");
    log_setup(LOG_DEBUG, LOG_TEXT);
    log_err(LOG_ERROR, "round failed", &e, LOG_FIELDS(LOG_NUM("round", 3)));
    ck_assert_msg(strstr(line(),
                         " error round failed round=3 code=CONFLICT reason=FENCED "
                         "message=\"a newer epoch\" detail=\"SQLSTATE 40001\" group=gpu") != NULL,
                  "%s", text);
}
END_TEST

START_TEST(log_limit_counts_what_it_leaves_out)
{
    struct log_limit l = LOG_LIMIT(3);
    uint64_t left_out = 0;
    int64_t allowed = 0;
    log_setup(LOG_INFO, LOG_TEXT);
    ck_assert_msg(!log_allowed(&l, LOG_DEBUG, &left_out), "below the level");
    for (int i = 0; i < 100; i++)
        allowed += log_allowed(&l, LOG_INFO, &left_out);
    ck_assert_int_le(allowed, 6); /* a second may end between */
    ck_assert_int_ge(allowed, 3);
    atomic_store(&l.second, 0); /* as if it were long ago */
    ck_assert_msg(log_allowed(&l, LOG_INFO, &left_out), "a new second");
    ck_assert_uint_ge(left_out, 94);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log");
    TCase *tc = tcase_create("log");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, log_writes_values_as_tabled, 0, ARRAY_SIZE(values));
    tcase_add_test(tc, log_cuts_long_lines_and_says_so);
    tcase_add_test(tc, log_leaves_out_what_is_less_important);
    tcase_add_test(tc, log_err_tells_everything);
    tcase_add_test(tc, log_limit_counts_what_it_leaves_out);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
