/* test_human.c - numbers, times and words for a person. */
#include <string.h>
#include <time.h>

#include "server/berthctl/human.h"
#include "tests/unit/unit.h"

static const struct {
    const char *what, *slot, *amount, *want;
} amounts[] = {
    {"no amount is a dash", "cpu", "", "-"},
    {"what is no amount is shown as it came", "cpu", "abc", "abc"},
    {"and cleaned", "cpu", "\x1b[m", "\uFFFD[m"},
    {"fractional bytes are shown as they came", "mem", "0.5", "0.5"},
    {"infinity is no limit", "cpu", "Infinity", "no limit"},
    {"infinity of bytes too", "mem", "Infinity", "no limit"},
    {"a count is plain", "cpu", "16", "16"},
    {"a share keeps its decimals", "cuda.shares", "0.5", "0.5"},
    {"zero bytes are a bare zero", "mem", "0", "0"},
    {"few bytes are B", "mem", "1023", "1023 B"},
    {"a round GiB", "mem", "8589934592", "8 GiB"},
    {"two decimals at most", "mem", "1234567", "1.18 MiB"},
    {"TiB", "mem", "1649267441664", "1.5 TiB"},
    {"memory of a device counts bytes", "cuda.mem", "1024", "1 KiB"},
    {"another slot of a device does not", "cuda.members", "1024", "1024"},
};

START_TEST(human_amount_reads_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char *got = human_amount(a, amounts[_i].slot, amounts[_i].amount);
    ck_assert_msg(strcmp(got, amounts[_i].want) == 0, "%s: \"%s\"", amounts[_i].what, got);
}
END_TEST

static const struct {
    const char *what;
    int64_t us;
    const char *want;
} durations[] = {
    {"nothing", 0, "0.00 ms"},
    {"microseconds", 350, "0.35 ms"},
    {"milliseconds", 12345, "12.3 ms"},
    {"no decimals from a tenth of a second on", 350999, "350 ms"},
    {"seconds with a tenth", 4200000, "4.2 s"},
    {"whole seconds from ten on", 59999999, "59 s"},
    {"a minute", 60000000, "1m 0s"},
    {"hours", INT64_C(7500) * 1000000, "2h 5m"},
    {"days", INT64_C(273600) * 1000000, "3d 4h"},
};

START_TEST(human_duration_reads_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char *got = human_duration(a, durations[_i].us);
    ck_assert_msg(strcmp(got, durations[_i].want) == 0, "%s: \"%s\"", durations[_i].what, got);
}
END_TEST

static const struct {
    const char *what;
    bool never;
    int64_t seconds, now_us;
    const char *want;
} agos[] = {
    {"unset is never", true, 0, 0, "never"},
    {"ahead of our clock is just now", false, 100, 99000000, "just now"},
    {"less than a second", false, 100, 100900000, "just now"},
    {"no tenths", false, 100, 104200000, "4 s ago"},
    {"a minute less a moment", false, 100, 159999999, "59 s ago"},
    {"minutes", false, 100, 300000000, "3m 20s ago"},
    {"a time no calendar has", false, INT64_MAX, 1, "just now"},
    {"a time before any", false, INT64_MIN, 1, "just now"},
};

START_TEST(human_ago_reads_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    Google__Protobuf__Timestamp then = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    then.seconds = agos[_i].seconds;
    const char *got = human_ago(a, agos[_i].never ? NULL : &then, agos[_i].now_us);
    ck_assert_msg(strcmp(got, agos[_i].want) == 0, "%s: \"%s\"", agos[_i].what, got);
}
END_TEST

START_TEST(human_time_is_local)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    Google__Protobuf__Timestamp t = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    t.seconds = 1769868309;
    setenv("TZ", "XYZ-9", 1);
    tzset();
    const char *got = human_time(a, &t);
    ck_assert_msg(strcmp(got, "2026-01-31 23:05:09") == 0, "nine hours east: \"%s\"", got);
    ck_assert_msg(strcmp(human_time(a, NULL), "-") == 0, "unset is a dash");
}
END_TEST

static const struct {
    const char *what;
    const ProtobufCEnumDescriptor *type;
    int value;
    const char *want;
} enums[] = {
    {"a kind", &berth__v1__cause_kind__descriptor, BERTH__V1__CAUSE_KIND__CAUSE_KIND_KEYPAIR_QUOTA,
     "keypair-quota"},
    {"an event type", &berth__v1__event_type__descriptor,
     BERTH__V1__EVENT_TYPE__EVENT_TYPE_ROUND_FINISHED, "round-finished"},
    {"a value of a newer server", &berth__v1__cause_kind__descriptor, 999, "999"},
    {"a negative value", &berth__v1__cause_kind__descriptor, -1, "-1"},
};

START_TEST(human_enum_reads_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char *got = human_enum(a, enums[_i].type, enums[_i].value);
    ck_assert_msg(strcmp(got, enums[_i].want) == 0, "%s: \"%s\"", enums[_i].what, got);
}
END_TEST

static const struct {
    uint64_t n;
    const char *want;
} ordinals[] = {
    {1, "1st"},   {2, "2nd"},   {3, "3rd"},   {4, "4th"},     {11, "11th"},
    {12, "12th"}, {13, "13th"}, {21, "21st"}, {102, "102nd"}, {111, "111th"},
};

START_TEST(human_ordinal_reads_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char *got = human_ordinal(a, ordinals[_i].n);
    ck_assert_msg(strcmp(got, ordinals[_i].want) == 0, "not %s: %s", ordinals[_i].want, got);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, human_amount_reads_as_tabled, 0, ARRAY_SIZE(amounts));
    tcase_add_loop_test(tc, human_duration_reads_as_tabled, 0, ARRAY_SIZE(durations));
    tcase_add_loop_test(tc, human_ago_reads_as_tabled, 0, ARRAY_SIZE(agos));
    tcase_add_test(tc, human_time_is_local);
    tcase_add_loop_test(tc, human_enum_reads_as_tabled, 0, ARRAY_SIZE(enums));
    tcase_add_loop_test(tc, human_ordinal_reads_as_tabled, 0, ARRAY_SIZE(ordinals));
}

int main(void)
{
    return unit_run("berthctl_human", add_tests);
}
