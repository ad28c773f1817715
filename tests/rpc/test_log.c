/* test_log.c - one line an event, whatever is in it. */
#include <check.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/log.h"
#include "server/trace.h"

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

/* The last line as JSON; it must be one object without a key twice. */
static json_t *parsed(const char *l)
{
    json_error_t why;
    json_t *o = json_loads(l, JSON_REJECT_DUPLICATES, &why);
    ck_assert_msg(o != NULL, "not JSON: %s at %d: %s", why.text, why.position, l);
    ck_assert_msg(json_is_object(o), "no object: %s", l);
    return o;
}

static void field_is(const json_t *o, const char *key, const char *value)
{
    const char *is = json_string_value(json_object_get(o, key));
    ck_assert_msg((is == NULL) == (value == NULL) && (is == NULL || strcmp(is, value) == 0),
                  "field %s is \"%s\", expected \"%s\"", key, is != NULL ? is : "(not there)",
                  value != NULL ? value : "(not there)");
}

/* --- whatever a text holds --- */

static const struct {
    const char *what;
    const char *value;
    const char *in_json, *in_text;
} values[] = {
    {"a lone continuation byte", "a\x80z", "\"k\":\"a\\ufffdz\"", " k=\"a\\ufffdz\""},
    {"a byte that is never UTF-8", "\xff", "\"k\":\"\\ufffd\"", " k=\"\\ufffd\""},
    {"a character cut short", "\xe2\x82", "\"k\":\"\\ufffd\\ufffd\"", " k=\"\\ufffd\\ufffd\""},
    {"a long way to write a slash", "\xc0\xaf", "\"k\":\"\\ufffd\\ufffd\"",
     " k=\"\\ufffd\\ufffd\""},
    {"half a surrogate pair", "\xed\xa0\x80", "\"k\":\"\\ufffd\\ufffd\\ufffd\"",
     " k=\"\\ufffd\\ufffd\\ufffd\""},
    {"a code beyond the last", "\xf4\x90\x80\x80", "\"k\":\"\\ufffd\\ufffd\\ufffd\\ufffd\"",
     " k=\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
    {"a control character of the upper set", "\xc2\x9b", "\"k\":\"\\u009b\"", " k=\"\\u009b\""},
    {"an escape sequence", "\x1b[31m", "\"k\":\"\\u001b[31m\"", " k=\"\\u001b[31m\""},
    {"a delete", "\x7f", "\"k\":\"\\u007f\"", " k=\"\\u007f\""},
    {"plain", "abc", "\"k\":\"abc\"", " k=abc"},
    {"empty", "", "\"k\":\"\"", " k=\"\""},
    {"with a space", "a b", "\"k\":\"a b\"", " k=\"a b\""},
    {"with quotes", "a\"b\\", "\"k\":\"a\\\"b\\\\\"", " k=\"a\\\"b\\\\\""},
    {"with a newline", "a\nb", "\"k\":\"a\\nb\"", " k=\"a\\nb\""},
    {"with UTF-8 of two bytes", "\xc3\xa9", "\"k\":\"\xc3\xa9\"", " k=\"\xc3\xa9\""},
    {"with UTF-8 of four bytes", "\xf0\x9f\x9a\xa2", "\"k\":\"\xf0\x9f\x9a\xa2\"",
     " k=\"\xf0\x9f\x9a\xa2\""},
};

START_TEST(log_writes_values_as_tabled)
{
    log_setup(LOG_DEBUG, LOG_JSON);
    log_info("it happened", LOG_STR("k", values[_i].value), LOG_NUM("n", -7));
    const char *l = line();
    json_decref(parsed(l));
    ck_assert_msg(strncmp(l, "{\"time\":\"2", 10) == 0 && l[strlen(l) - 1] == '}', "%s", l);
    ck_assert_msg(strstr(l, "\"level\":\"info\",\"event\":\"it happened\",\"area\":\"test\",") !=
                      NULL,
                  "%s", l);
    ck_assert_msg(strstr(l, values[_i].in_json) != NULL, "%s: %s", values[_i].what, l);
    ck_assert_msg(strstr(l, "\"n\":-7") != NULL, "%s", l);
    log_setup(LOG_DEBUG, LOG_TEXT);
    log_info("it happened", LOG_STR("k", values[_i].value), LOG_NUM("n", -7));
    l = line();
    ck_assert_msg(strstr(l, "Z info test: it happened k=") != NULL, "%s", l);
    ck_assert_msg(strstr(l, values[_i].in_text) != NULL, "%s: %s", values[_i].what, l);
    ck_assert_msg(strcmp(l + strlen(l) - 5, " n=-7") == 0, "%s", l);
}
END_TEST

/* Any bytes at all, by a generator of the test's own so that a failure comes again. */
START_TEST(log_writes_json_whatever_the_bytes)
{
    uint64_t seed = 88172645463325252;
    char bytes[6000];
    log_setup(LOG_DEBUG, LOG_JSON);
    for (int round = 0; round < 400; round++) {
        size_t n = 0;
        for (size_t want = (size_t)(round * 15); n < want; n++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            bytes[n] = (char)((seed & 0xff) == 0 ? 1 : seed & 0xff);
        }
        bytes[n] = '\0';
        log_rarely(1000, LOG_INFO, "any bytes",
                   LOG_FIELDS(LOG_STR("k", bytes), LOG_STR("again", bytes + n / 2),
                              LOG_NUM("round", round)));
        const char *l = line();
        ck_assert_msg(strlen(l) < 4096, "round %d: %zu bytes", round, strlen(l));
        json_decref(parsed(l));
    }
}
END_TEST

/* --- bounds --- */

START_TEST(log_cuts_a_long_text_between_characters)
{
    char large[3000];
    for (size_t i = 0; i + 2 < sizeof(large); i += 3)
        memcpy(large + i, "\xe2\x82\xac", 3);
    large[sizeof(large) - 1] = '\0';
    large[sizeof(large) - 2] = '\0';
    large[sizeof(large) - 3] = '\0';
    log_setup(LOG_DEBUG, LOG_JSON);
    log_info("large", LOG_STR("a", large), LOG_STR("b", "after"));
    json_t *o = parsed(line());
    const char *a = json_string_value(json_object_get(o, "a"));
    ck_assert_uint_eq(strlen(a), 1024); /* 341 characters of three bytes, and the mark */
    ck_assert_str_eq(a + 1020, "\xe2\x82\xac+");
    field_is(o, "b", "after");
    json_decref(o);
}
END_TEST

START_TEST(log_cuts_long_lines_and_says_so)
{
    char large[1001];
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    log_setup(LOG_DEBUG, LOG_JSON);
    log_info("large", LOG_STR("a", large), LOG_STR("b", large), LOG_STR("c", large),
             LOG_STR("d", large), LOG_STR("e", "short"));
    json_t *o = parsed(line());
    ck_assert_msg(json_object_get(o, "c") != NULL && json_object_get(o, "d") == NULL,
                  "not the field that is too much: %s", text);
    field_is(o, "e", "short");
    ck_assert_msg(json_integer_value(json_object_get(o, "+")) == 1, "no mark: %s", text);
    json_decref(o);
    log_setup(LOG_DEBUG, LOG_TEXT);
    log_info("large", LOG_STR("a", large), LOG_STR("b", large), LOG_STR("c", large),
             LOG_STR("d", large), LOG_STR("e", large));
    const char *l = line();
    ck_assert_uint_lt(strlen(l), 4096);
    ck_assert_int_eq(l[strlen(l) - 1], '+');
}
END_TEST

/* --- levels --- */

START_TEST(log_leaves_out_what_is_less_important)
{
    log_setup(LOG_WARN, LOG_TEXT);
    log_debug("debug", LOG_NUM("n", 1));
    log_info("info", LOG_NUM("n", 1));
    log_warn("warn", LOG_NUM("n", 1));
    ck_assert_msg(strstr(line(), " warn test: warn n=1") != NULL, "%s", text);
}
END_TEST

static const struct {
    const char *item;
    bool good;
} levels[] = {
    {"", false},
    {"=", false},
    {"hub", false},
    {"hub=", false},
    {"=debug", false},
    {"hub=loud", false},
    {"hub=debug ", false},
    {"hub =debug", false},
    {"Hub=debug", false},
    {"hu=debug", false},
    {"hub_reader=debug", false},
    {"test=debug", false},
    {"hub=debug", true},
    {"round=error", true},
};

START_TEST(log_takes_levels_as_tabled)
{
    enum log_area area = N_LOG_AREAS;
    enum log_level level = LOG_INFO;
    ck_assert_msg(log_parse_level(levels[_i].item, &area, &level) == levels[_i].good, "\"%s\"",
                  levels[_i].item);
    ck_assert_msg((area != N_LOG_AREAS) == levels[_i].good, "\"%s\": area %d", levels[_i].item,
                  (int)area);
}
END_TEST

static void write_as(const char *file, enum log_level level, const char *event)
{
    struct log_site site = {.file = file, .per_second = 100};
    log_write_at(&site, level, event, LOG_FIELDS(LOG_NUM("n", 1)));
}

START_TEST(log_has_levels_of_its_own_for_an_area)
{
    static const char *const items[] = {"hub=debug", "loop=error"};
    log_setup_areas(LOG_WARN, LOG_TEXT, items, 2);
    write_as("loop_round.c", LOG_WARN, "not this");
    write_as("round_service.c", LOG_INFO, "nor this");
    write_as("hub_reader.c", LOG_DEBUG, "but this");
    ck_assert_msg(strstr(line(), " debug hub: but this n=1") != NULL, "%s", text);
    write_as("hub.c", LOG_DEBUG, "and this");
    ck_assert_msg(strstr(line(), " debug hub: and this n=1") != NULL, "%s", text);
    write_as("loop.c", LOG_ERROR, "of the loop");
    ck_assert_msg(strstr(line(), " error loop: of the loop") != NULL, "%s", text);
    log_setup(LOG_WARN, LOG_TEXT); /* without them again */
    write_as("hub.c", LOG_INFO, "not this");
    write_as("loop.c", LOG_WARN, "this");
    ck_assert_msg(strstr(line(), " warn loop: this") != NULL, "%s", text);
}
END_TEST

/* --- errors and scopes --- */

START_TEST(log_err_tells_everything)
{
    struct err e;
    err_set(&e, ERR_CONFLICT, "FENCED", "a newer epoch");
    err_detail(&e, "SQLSTATE 40001");
    err_meta(&e, "group", "gpu");
    log_setup(LOG_DEBUG, LOG_TEXT);
    log_err(LOG_ERROR, "round failed", &e, LOG_FIELDS(LOG_NUM("round", 3)));
    ck_assert_msg(strstr(line(),
                         " error test: round failed round=3 code=CONFLICT reason=FENCED "
                         "message=\"a newer epoch\" detail=\"SQLSTATE 40001\" group=gpu") != NULL,
                  "%s", text);
}
END_TEST

static void work_within(void)
{
    LOG_SCOPE(inner, LOG_STR("group", "inner"), LOG_STR("round_id", "r1"), LOG_STR("none", NULL));
    log_info("in both", LOG_STR("k", "v"));
    json_t *o = parsed(line());
    field_is(o, "k", "v");
    field_is(o, "group", "inner");
    field_is(o, "round_id", "r1");
    field_is(o, "method", "M");
    field_is(o, "none", NULL);
    json_decref(o);
    log_info("the line's own", LOG_STR("round_id", "r2"), LOG_STR("group", "own"));
    o = parsed(line());
    field_is(o, "group", "own");
    field_is(o, "round_id", "r2");
    json_decref(o);
}

START_TEST(log_tells_what_the_work_is_about)
{
    log_setup(LOG_DEBUG, LOG_JSON);
    {
        LOG_SCOPE(outer, LOG_STR("group", "outer"), LOG_STR("method", "M"), LOG_NUM("n", 4));
        work_within();
        log_info("in one", LOG_STR("k", "v"));
        json_t *o = parsed(line());
        field_is(o, "group", "outer");
        field_is(o, "round_id", NULL);
        ck_assert_int_eq(json_integer_value(json_object_get(o, "n")), 4);
        json_decref(o);
    }
    log_info("in none", LOG_STR("k", "v"));
    json_t *o = parsed(line());
    field_is(o, "group", NULL);
    field_is(o, "method", NULL);
    json_decref(o);
}
END_TEST

/* --- repeats --- */

static unsigned count_lines(void)
{
    unsigned n = 0;
    ssize_t got = read(out[0], text, sizeof(text) - 1);
    text[got > 0 ? got : 0] = '\0';
    for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
        n++;
    return n;
}

START_TEST(log_counts_the_repeats_it_leaves_out)
{
    struct log_site site = {.file = "hub.c", .per_second = 3};
    log_setup(LOG_INFO, LOG_TEXT);
    for (int i = 0; i < 100; i++)
        log_write_at(&site, LOG_INFO, "again", LOG_FIELDS(LOG_NUM("i", i)));
    unsigned n = count_lines();
    ck_assert_msg(n >= 3 && n <= 6, "%u lines of 100", n); /* a second may end between */
    atomic_store(&site.second, 0);                         /* as if it were long ago */
    log_write_at(&site, LOG_INFO, "again", LOG_FIELDS(LOG_NUM("i", 100)));
    const char *left_out = strstr(line(), " left_out=");
    ck_assert_msg(left_out != NULL, "%s", text);
    ck_assert_int_ge(strtol(left_out + 10, NULL, 10), 94);
    log_write_at(&site, LOG_INFO, "again", LOG_FIELDS(LOG_NUM("i", 101)));
    ck_assert_msg(strstr(line(), "left_out") == NULL, "counted twice: %s", text);
}
END_TEST

/* --- traces --- */

static const struct {
    const char *text;
    bool good;
} traces[] = {
    {"", false},
    {"00", false},
    {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", false},
    {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-", false},
    {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1", false},
    {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", false},
    {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011", false},
    {"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false},
    {"00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01", false},
    {"00-0af7651916cd43dd8448eb211c80319cc-b7ad6b7169203331-01", false},
    {"00-00000000000000000000000000000000-b7ad6b7169203331-01", false},
    {"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false},
    {"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false},
    {" 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false},
    {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n", false},
    {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true},
    {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", true},
    {"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true},
    {"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", true},
};

START_TEST(traces_are_known_as_tabled)
{
    ck_assert_msg(trace_is_parent(traces[_i].text) == traces[_i].good, "\"%s\"", traces[_i].text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log");
    TCase *tc = tcase_create("log");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, log_writes_values_as_tabled, 0, ARRAY_SIZE(values));
    tcase_add_test(tc, log_writes_json_whatever_the_bytes);
    tcase_add_test(tc, log_cuts_a_long_text_between_characters);
    tcase_add_test(tc, log_cuts_long_lines_and_says_so);
    tcase_add_test(tc, log_leaves_out_what_is_less_important);
    tcase_add_test(tc, log_err_tells_everything);
    tcase_add_loop_test(tc, log_takes_levels_as_tabled, 0, ARRAY_SIZE(levels));
    tcase_add_test(tc, log_has_levels_of_its_own_for_an_area);
    tcase_add_test(tc, log_tells_what_the_work_is_about);
    tcase_add_test(tc, log_counts_the_repeats_it_leaves_out);
    tcase_add_loop_test(tc, traces_are_known_as_tabled, 0, ARRAY_SIZE(traces));
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
