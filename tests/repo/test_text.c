/* test_text.c - the texts the repository reads and writes: times, durations, JSON, sets of
 * statuses. No server is needed. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/json_text.h"
#include "repo/scheduler_opts.h"
#include "repo/shared_text.h"
#include "repo/status.h"
#include "repo/time_text.h"
#include "tests/repo/support.h"

/* --- times --- */

#define REFUSED INT64_MIN

static const struct {
    const char *text;
    int64_t us;
} times[] = {
    {"", REFUSED},
    {"yesterday", REFUSED},
    {"2026-08-23", REFUSED},
    {"2026-08-23T", REFUSED},
    {"2026-8-23T00:00:00", REFUSED},
    {"2026-13-01T00:00:00", REFUSED},
    {"2026-00-01T00:00:00", REFUSED},
    {"2026-02-29T00:00:00", REFUSED},
    {"2100-02-29T00:00:00", REFUSED},
    {"2026-04-31T00:00:00", REFUSED},
    {"2026-08-23T24:00:00", REFUSED},
    {"2026-08-23T00:60:00", REFUSED},
    {"2026-08-23T00:00:61", REFUSED},
    {"2026-08-23T00:00:00.", REFUSED},
    {"2026-08-23T00:00:00x", REFUSED},
    {"2026-08-23T00:00:00Zz", REFUSED},
    {"2026-08-23T00:00:00+", REFUSED},
    {"2026-08-23T00:00:00+9", REFUSED},
    {"2026-08-23T00:00:00+24:00", REFUSED},
    {"2026-08-23T00:00:00+09:60", REFUSED},
    {"2026-08-23T00:00:00+09:000", REFUSED},
    {"1970-01-01T00:00:00Z", 0},
    {"1970-01-01 00:00:00", 0},
    {"1969-12-31T23:59:59.999999Z", -1},
    {"1970-01-01T09:00:00+09:00", 0},
    {"1970-01-01T09:00:00+0900", 0},
    {"1969-12-31T19:00:00-05", 0},
    {"1970-01-01T05:30:00+05:30", 0},
    {"1970-01-01T00:00:00.1Z", 100000},
    {"1970-01-01T00:00:00,0000019Z", 1},
    {"2000-02-29T12:00:00Z", INT64_C(951825600000000)},
    {"2026-08-23T13:05:06.123456+09:00", INT64_C(1787457906123456)},
    {"2016-12-31T23:59:60Z", INT64_C(1483228800000000)},
    {"9999-12-31T23:59:59Z", INT64_C(253402300799000000)},
    {"0000-03-01T00:00:00Z", INT64_C(-62162035200000000)},
};

START_TEST(times_are_read_exactly)
{
    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        int64_t us = REFUSED;
        bool ok = time_parse(times[i].text, &us);
        ck_assert_msg(us == times[i].us && ok == (us != REFUSED), "\"%s\": expected %lld, got %lld",
                      times[i].text, (long long)times[i].us, (long long)us);
    }
}
END_TEST

START_TEST(times_are_written_as_they_are_read)
{
    static const struct {
        int64_t us;
        const char *text;
    } written[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {INT64_C(1787457906123456), "2026-08-23T04:05:06.123456Z"},
        {INT64_C(951825600000000), "2000-02-29T12:00:00.000000Z"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(written); i++) {
        char text[TIME_TEXT];
        int64_t us = 7;
        ck_assert_str_eq(time_format(written[i].us, text), written[i].text);
        ck_assert_msg(time_parse(text, &us) && us == written[i].us, "%s is read otherwise", text);
    }
}
END_TEST

/* --- durations --- */

static const struct {
    const char *text;
    int64_t us;
} durations[] = {
    {"", REFUSED},
    {"soon", REFUSED},
    {"h", REFUSED},
    {"1x", REFUSED},
    {"1mo", REFUSED},
    {"1y", REFUSED},
    {"1h2", REFUSED},
    {"1h1h", REFUSED},
    {"1s1h", REFUSED},
    {"1..5h", REFUSED},
    {"nan", REFUSED},
    {"inf", REFUSED},
    {"0x10", REFUSED},
    {"1e3", REFUSED},
    {"P", REFUSED},
    {"PT", REFUSED},
    {"P1Y", REFUSED},
    {"P1M", REFUSED},
    {"P1H", REFUSED},
    {"PT1D", REFUSED},
    {"P1DT", REFUSED},
    {"PT1H1H", REFUSED},
    {"1h ", REFUSED},
    {"0", 0},
    {"-5", -5000000},
    {" 90", 90000000},
    {"1.5", 1500000},
    {"0.0000005", 1},
    {"1s", 1000000},
    {"90m", INT64_C(5400000000)},
    {"1.5H", INT64_C(5400000000)},
    {"1d12h", INT64_C(129600000000)},
    {"1w2d3h4m5.5s", INT64_C(788645500000)},
    {"P1W", INT64_C(604800000000)},
    {"P1DT12H", INT64_C(129600000000)},
    {"pt1h30m", INT64_C(5400000000)},
    {"-PT1H", INT64_C(-3600000000)},
    {"PT0.5S", 500000},
    {"99999999999999999999w", INT64_MAX},
};

START_TEST(durations_are_read_with_their_units)
{
    for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
        int64_t us = REFUSED;
        bool ok = duration_parse(durations[i].text, &us);
        ck_assert_msg(us == durations[i].us && ok == (us != REFUSED),
                      "\"%s\": expected %lld, got %lld", durations[i].text,
                      (long long)durations[i].us, (long long)us);
    }
}
END_TEST

/* --- JSON --- */

static const struct {
    const char *what, *in, *out; /* out: what a reader gets; NULL: the same */
} strings[] = {
    {"nothing", "", NULL},
    {"a quote and a backslash", "a\"b\\c", NULL},
    {"control characters", "\x01\b\t\n\r\x1f\x7f", NULL},
    {"two, three and four bytes", "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", NULL},
    {"a lone continuation byte", "a\x80z", "a?z"},
    {"a cut sequence at the end", "a\xe2\x82", "a??"},
    {"a cut sequence before a quote", "\xf0\x9f\"", "??\""},
    {"an overlong slash", "\xc0\xaf", "??"},
    {"an overlong three byte form", "\xe0\x80\xaf", "???"},
    {"a surrogate", "\xed\xa0\x80", "???"},
    {"beyond the last code point", "\xf4\x90\x80\x80", "????"},
    {"bytes that are never used", "\xfe\xff", "??"},
};

START_TEST(json_strings_are_valid_whatever_the_bytes)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
        struct json_text j = {.arena = a};
        const char *wanted = strings[i].out != NULL ? strings[i].out : strings[i].in;
        json_text_string(&j, strings[i].in);
        json_error_t why;
        json_t *v = json_loads(j.text, JSON_DECODE_ANY, &why);
        ck_assert_msg(v != NULL, "%s: %s: %s", strings[i].what, j.text, why.text);
        ck_assert_msg(strcmp(json_string_value(v), wanted) == 0, "%s: got %s", strings[i].what,
                      j.text);
        json_decref(v);
        const char *clean = text_utf8(a, strings[i].in);
        ck_assert_msg(strcmp(clean, wanted) == 0, "%s: cleaned to \"%s\"", strings[i].what, clean);
        ck_assert_msg((clean == strings[i].in) == (strings[i].out == NULL), "%s: copied in vain",
                      strings[i].what);
    }
}
END_TEST

START_TEST(json_text_is_built_piece_by_piece)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct json_text j = {.arena = a};
    json_text_raw(&j, "");
    ck_assert_str_eq(j.text, "");
    json_text_field(&j, "{\"a\":", "x");
    json_text_field(&j, ",\"b\":", NULL);
    json_text_raw(&j, ",\"c\":");
    json_text_integer(&j, INT64_MIN);
    json_text_raw(&j, "}");
    ck_assert_str_eq(j.text, "{\"a\":\"x\",\"b\":null,\"c\":-9223372036854775808}");
    ck_assert_uint_eq(j.len, strlen(j.text));
}
END_TEST

START_TEST(shared_texts_are_told_apart_by_address)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    char one[] = "x", other[] = "x";
    const char *v[] = {one, other, one, one, other};
    const int32_t ord[] = {1, 2, 1, 1, 2};
    struct shared_texts t = shared_texts_of(v, ARRAY_SIZE(v), a);
    ck_assert_uint_eq(t.n, 2);
    for (size_t i = 0; i < ARRAY_SIZE(v); i++)
        ck_assert_int_eq(t.ord[i], ord[i]);
    ck_assert_uint_eq(shared_texts_of(v, 0, a).n, 0);
}
END_TEST

/* --- statuses --- */

/* Whether 'name' is an item of an SQL list. */
static bool in_sql(const char *list, const char *name)
{
    char item[64];
    (void)snprintf(item, sizeof(item), "'%s'", name);
    return strstr(list, item) != NULL;
}

static const char *const session_names[] = {
    "PENDING",  "DEPRIORITIZING", "RESERVED",   "SCHEDULED",   "PREPARING", "PULLING",
    "PREPARED", "CREATING",       "RUNNING",    "RESTARTING",  "PREEMPTED", "RUNNING_DEGRADED",
    "ERROR",    "RESCHEDULING",   "TERMINATED", "TERMINATING", "CANCELLED", "UNKNOWN"};
static const char *const kernel_names[] = {
    "PENDING",   "RESERVED", "SCHEDULED", "PREPARING",  "BUILDING",   "PULLING",
    "PREPARED",  "CREATING", "RUNNING",   "RESTARTING", "RESIZING",   "SUSPENDED",
    "CANCELLED", "ERROR",    "UNKNOWN",   "TERMINATED", "TERMINATING"};

START_TEST(status_sets_are_the_same_in_c_and_sql)
{
    for (size_t i = 0; i < ARRAY_SIZE(session_names); i++) {
        const char *s = session_names[i];
        ck_assert_msg(session_status_is_occupying(s) == in_sql(SQL_SESSION_OCCUPYING, s), "%s", s);
        ck_assert_msg(session_status_is_terminal(s) == in_sql(SQL_SESSION_TERMINAL, s), "%s", s);
    }
    for (size_t i = 0; i < ARRAY_SIZE(kernel_names); i++) {
        const char *s = kernel_names[i];
        ck_assert_msg(kernel_status_is_holding(s) == in_sql(SQL_KERNEL_HOLDING, s), "%s", s);
        ck_assert_msg(kernel_status_is_started(s) == in_sql(SQL_KERNEL_STARTED, s), "%s", s);
        ck_assert_msg(kernel_status_is_terminal(s) == in_sql(SQL_KERNEL_TERMINAL, s), "%s", s);
    }
}
END_TEST

START_TEST(status_sets_have_their_members)
{
    static const struct {
        const char *set, *wanted;
    } sets[] = {
        {SQL_SESSION_TERMINAL, "'','TERMINATED','ERROR','CANCELLED'"},
        {SQL_SESSION_OCCUPYING, "'','RESERVED','SCHEDULED','PREPARING','PULLING','PREPARED',"
                                "'CREATING','RUNNING','RESTARTING','RUNNING_DEGRADED',"
                                "'TERMINATING'"},
        {SQL_KERNEL_TERMINAL, "'','TERMINATED','ERROR','CANCELLED'"},
        {SQL_KERNEL_HOLDING, "'','RESERVED','SCHEDULED','PREPARING','PULLING','PREPARED',"
                             "'CREATING','RUNNING','TERMINATING'"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
        ck_assert_str_eq(sets[i].set, sets[i].wanted);
    ck_assert_int_eq(session_status_on_cancel(NULL), CANCEL_TERMINATE);
    ck_assert_int_eq(session_status_on_cancel("PENDING"), CANCEL_AT_ONCE);
    ck_assert_int_eq(session_status_on_cancel("SCHEDULED"), CANCEL_RELEASE);
    ck_assert_int_eq(session_status_on_cancel("TERMINATING"), CANCEL_UNDER_WAY);
    ck_assert_int_eq(session_status_on_cancel("ERROR"), CANCEL_OVER);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("text");
    TCase *tc = tcase_create("text");
    tcase_add_test(tc, times_are_read_exactly);
    tcase_add_test(tc, times_are_written_as_they_are_read);
    tcase_add_test(tc, durations_are_read_with_their_units);
    tcase_add_test(tc, json_strings_are_valid_whatever_the_bytes);
    tcase_add_test(tc, json_text_is_built_piece_by_piece);
    tcase_add_test(tc, shared_texts_are_told_apart_by_address);
    tcase_add_test(tc, status_sets_are_the_same_in_c_and_sql);
    tcase_add_test(tc, status_sets_have_their_members);
    suite_add_tcase(s, tc);
    return support_run(s, 0);
}
