/* test_metrics_text.c - metrics as a text: escaping, the bound on groups, the edges of histograms.
 */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/clock.h"
#include "server/metrics.h"
#include "tests/rpc/scrape.h"

/* Lives until the process of the test ends. */
static const char *print(void)
{
    static char *text;
    size_t n = 0;
    free(text);
    text = NULL;
    FILE *out = open_memstream(&text, &n);
    metrics_print(out);
    ck_assert_int_eq(fclose(out), 0);
    return text;
}

static unsigned count(const char *text, const char *piece)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, piece)) != NULL; at++)
        n++;
    return n;
}

/* --- groups --- */

static const struct {
    const char *what, *name, *shown;
} names[] = {
    {"a plain name", "g1", "g1"},      {"quotes", "a\"b\"", "a\\\"b\\\""},
    {"a backslash", "a\\n", "a\\\\n"}, {"a line feed", "a\nb", "a\\nb"},
    {"an empty name", "", ""},         {"another alphabet", "gruppe-\xc3\xa4", "gruppe-\xc3\xa4"},
};

START_TEST(metrics_escape_names_as_tabled)
{
    char line[128];
    metrics_group_set(names[_i].name, &(struct metrics_group){.pending = 7});
    (void)snprintf(line, sizeof(line), "\nberth_pending_sessions{group=\"%s\"} 7\n",
                   names[_i].shown);
    ck_assert_msg(strstr(print(), line) != NULL, "%s: no line \"%s\"", names[_i].what, line);
}
END_TEST

START_TEST(metrics_show_at_most_1000_groups)
{
    const struct metrics_group g = {
        .pending = 3, .oldest_ns = 1500 * NS_PER_MS, .seen_at_ns = 1700000000 * NS_PER_S};
    char name[16];
    for (int i = 0; i < METRICS_GROUPS + 1; i++) {
        (void)snprintf(name, sizeof(name), "g%d", i);
        metrics_group_set(name, &g);
    }
    ck_assert_uint_eq(count(print(), "\nberth_pending_sessions{"), METRICS_GROUPS);
    ck_assert_msg(scrape_value(print(), "berth_groups_left_out_total") == 1, "not left out once");
    ck_assert_msg(strstr(print(), "\nberth_oldest_pending_seconds{group=\"g7\"} 1.500000000\n") !=
                      NULL,
                  "no age of 1.5 s");
    metrics_group_forget("g7");
    metrics_group_forget("never seen");
    metrics_group_set("g1000", &g);
    ck_assert_uint_eq(count(print(), "\nberth_pending_sessions{"), METRICS_GROUPS);
    ck_assert_msg(strstr(print(), "{group=\"g7\"}") == NULL, "g7 is not forgotten");
    ck_assert_msg(strstr(print(), "{group=\"g1000\"}") != NULL, "its place is not given away");
}
END_TEST

/* --- agents and slots --- */

static const struct {
    const char *what;
    enum slot_type type;
    int64_t amount;
    const char *shown;
} amounts[] = {
    {"nothing", SLOT_COUNT, 0, "0"},
    {"half a unit", SLOT_COUNT, AMOUNT_ONE / 2, "0.5"},
    {"the smallest part", SLOT_COUNT, 1, "0.000001"},
    {"bytes", SLOT_BYTES, INT64_C(1) << 40, "1099511627776"},
    {"more than there can be", SLOT_BYTES, AMOUNT_MAX, "9223372036854775806"},
};

START_TEST(metrics_show_amounts_as_tabled)
{
    const struct slot slot = {.name = "s", .type = amounts[_i].type};
    const int64_t none = 0;
    char line[128];
    metrics_group_set(
        "g1", &(struct metrics_group){
                  .n_slots = 1, .slots = &slot, .capacity = &amounts[_i].amount, .held = &none});
    (void)snprintf(line, sizeof(line), "\nberth_slot_capacity{group=\"g1\",slot=\"s\"} %s\n",
                   amounts[_i].shown);
    ck_assert_msg(strstr(print(), line) != NULL, "%s: no line \"%s\"", amounts[_i].what, line);
    ck_assert_msg(strstr(print(), "\nberth_slot_held{group=\"g1\",slot=\"s\"} 0\n") != NULL,
                  "%s: held is not 0", amounts[_i].what);
}
END_TEST

START_TEST(metrics_show_at_most_16_slots)
{
    char slot_names[METRICS_SLOTS + 1][8];
    struct slot slots[METRICS_SLOTS + 1];
    int64_t row[METRICS_SLOTS + 1];
    struct metrics_group g = {
        .n_slots = METRICS_SLOTS + 1, .slots = slots, .capacity = row, .held = row};
    for (int i = 0; i < METRICS_SLOTS + 1; i++) {
        (void)snprintf(slot_names[i], sizeof(slot_names[i]), "s%d", i);
        slots[i] = (struct slot){.name = slot_names[i], .type = SLOT_COUNT};
        row[i] = (i + 1) * AMOUNT_ONE;
    }
    metrics_group_set("g1", &g);
    ck_assert_uint_eq(count(print(), "\nberth_slot_held{"), METRICS_SLOTS);
    ck_assert_msg(scrape_value(print(), "berth_slots_left_out_total") == 1, "not left out once");
    g.n_slots = 1;
    metrics_group_set("g1", &g);
    ck_assert_msg(scrape_value(print(), "berth_slot_held{group=\"g1\",slot=\"s0\"}") == 1,
                  "s0 is not 1");
    ck_assert_msg(scrape_value(print(), "berth_slot_held{group=\"g1\",slot=\"s1\"}") == 0,
                  "a slot that is no more keeps its amount");
}
END_TEST

/* --- histograms --- */

static const struct {
    int64_t ns;
    const char *below, *in; /* the bucket before, which stays empty, and its own; NULL: none */
} times[] = {
    {0, NULL, "0.0001"},
    {100000, NULL, "0.0001"},
    {100001, "0.0001", "0.00025"},
    {NS_PER_S, "0.5", "1"},
    {60 * NS_PER_S, "30", "60"},
    {60 * NS_PER_S + 1, "60", "+Inf"},
    {86400 * NS_PER_S, "60", "+Inf"},
};

START_TEST(metrics_put_times_into_buckets_as_tabled)
{
    static const char bucket[] = "berth_round_phase_seconds_bucket{phase=\"load\",le=\"%s\"}";
    char series[128];
    metric_observe(METRIC_round_phase_seconds, REPORT_LOAD, times[_i].ns);
    (void)snprintf(series, sizeof(series), bucket, times[_i].in);
    ck_assert_msg(scrape_value(print(), series) == 1, "%lld ns: not in %s", (long long)times[_i].ns,
                  times[_i].in);
    (void)snprintf(series, sizeof(series), bucket, times[_i].below != NULL ? times[_i].below : "");
    ck_assert_msg(times[_i].below == NULL || scrape_value(print(), series) == 0,
                  "%lld ns: in %s too", (long long)times[_i].ns, times[_i].below);
    ck_assert_msg(
        scrape_value(print(), "berth_round_phase_seconds_bucket{phase=\"load\",le=\"+Inf\"}") == 1,
        "%lld ns: not in the last bucket", (long long)times[_i].ns);
    ck_assert_msg(scrape_value(print(), "berth_round_phase_seconds_count{phase=\"load\"}") == 1,
                  "%lld ns: not counted", (long long)times[_i].ns);
    (void)snprintf(series, sizeof(series), "{phase=\"load\"} %lld.%09lld\n",
                   (long long)(times[_i].ns / NS_PER_S), (long long)(times[_i].ns % NS_PER_S));
    ck_assert_msg(strstr(print(), series) != NULL, "%lld ns: not the sum", (long long)times[_i].ns);
    ck_assert_msg(scrape_value(print(), "berth_round_phase_seconds_count{phase=\"lock\"}") == 0,
                  "%lld ns: counted for another phase", (long long)times[_i].ns);
}
END_TEST

static const struct {
    int64_t ns;
    const char *below, *in;
} wait_times[] = {
    {0, NULL, "0.1"},
    {61 * NS_PER_S, "60", "120"},
    {7 * 86400 * NS_PER_S, "259200", "604800"},
    {30 * 86400 * NS_PER_S, "604800", "+Inf"},
};

START_TEST(metrics_put_waits_into_buckets_as_tabled)
{
    char series[128];
    metric_observe(METRIC_scheduled_wait_seconds, 0, wait_times[_i].ns);
    (void)snprintf(series, sizeof(series), "berth_scheduled_wait_seconds_bucket{le=\"%s\"}",
                   wait_times[_i].in);
    ck_assert_msg(scrape_value(print(), series) == 1, "%lld ns: not in %s",
                  (long long)wait_times[_i].ns, wait_times[_i].in);
    if (wait_times[_i].below == NULL)
        return;
    (void)snprintf(series, sizeof(series), "berth_scheduled_wait_seconds_bucket{le=\"%s\"}",
                   wait_times[_i].below);
    ck_assert_msg(scrape_value(print(), series) == 0, "%lld ns: in %s too",
                  (long long)wait_times[_i].ns, wait_times[_i].below);
}
END_TEST

/* --- series --- */

START_TEST(metrics_show_a_sparse_series_when_it_first_counts)
{
    static const char cause[] = "\nberth_causes_total{";
    static const char call[] = "\nberth_rpc_seconds_count{";
    ck_assert_uint_eq(count(print(), cause), 0);
    ck_assert_uint_eq(count(print(), call), 0);
    metric_add2(METRIC_causes_total, OUTCOME_WAITING, CAUSE_CAPACITY, 0);
    ck_assert_msg(count(print(), cause) == 0, "a count of nothing makes a series");
    metric_add2(METRIC_causes_total, OUTCOME_WAITING, CAUSE_CAPACITY, 2);
    metrics_rpc(metrics_method("CancelSession"), GRPC_STATUS_NOT_FOUND, 1);
    ck_assert_msg(
        scrape_value(print(), "berth_causes_total{outcome=\"WAITING\",kind=\"CAPACITY\"}") == 2,
        "not counted");
    ck_assert_msg(
        scrape_value(print(),
                     "berth_rpc_seconds_count{method=\"CancelSession\",code=\"NOT_FOUND\"}") == 1,
        "not counted");
    ck_assert_uint_eq(count(print(), cause), 1);
    ck_assert_uint_eq(count(print(), call), 1);
}
END_TEST

/* One, or more where a sanitizer has its own. */
static double count_threads(void)
{
    double n = 0;
    DIR *tasks = opendir("/proc/self/task");
    ck_assert_ptr_nonnull(tasks);
    for (const struct dirent *d; (d = readdir(tasks)) != NULL;)
        n += d->d_name[0] != '.';
    (void)closedir(tasks);
    return n;
}

START_TEST(metrics_show_what_the_process_takes)
{
    const char *text = print();
    ck_assert_msg(scrape_value(text, "process_resident_memory_bytes") > 100000, "no memory");
    ck_assert_msg(scrape_value(text, "process_virtual_memory_bytes") > 100000, "no addresses");
    ck_assert_msg(scrape_value(text, "process_cpu_seconds_total") >= 0, "no time");
    ck_assert_msg(scrape_value(text, "process_threads") == count_threads(), "wrong threads");
    double open = scrape_value(text, "process_open_fds");
    ck_assert_msg(open >= 3 && open < scrape_value(text, "process_max_fds"), "%f are open", open);
    FILE *more = fopen("/dev/null", "r");
    ck_assert_msg(scrape_value(print(), "process_open_fds") == open + 1, "one more is not seen");
    (void)fclose(more);
    double now = (double)time(NULL), at = scrape_value(print(), "process_start_time_seconds");
    ck_assert_msg(at > now - 600 && at < now + 5, "started at %f, now is %f", at, now);
}
END_TEST

START_TEST(metrics_have_each_series_once)
{
    metrics_group_set("g1", &(struct metrics_group){.pending = 1});
    char *text = strdup(print());
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char start[512];
        if (*line == '#')
            continue;
        (void)snprintf(start, sizeof(start), "\n%.*s", (int)(strrchr(line, ' ') + 1 - line), line);
        ck_assert_msg(count(print(), start) == 1, "there are two of %s", line);
    }
    free(text);
}
END_TEST

START_TEST(metrics_have_a_series_for_each_code_of_a_method)
{
    metrics_rpc(metrics_method("CancelSession"), GRPC_STATUS_NOT_FOUND, 1);
    metrics_rpc(metrics_method("no such method"), GRPC_STATUS_DATA_LOSS, 1);
    ck_assert_uint_eq(metrics_method("no such method"), METRICS_UNKNOWN_METHOD);
    const char *text = print();
    ck_assert_uint_eq(count(text, "\nberth_rpc_total{method=\"CancelSession\","), N_ERR_CODES);
    ck_assert_msg(
        scrape_value(text, "berth_rpc_total{method=\"CancelSession\",code=\"NOT_FOUND\"}") == 1,
        "not counted");
    /* A code that this server never answers with counts as what it would be: a bug. */
    ck_assert_msg(scrape_value(text, "berth_rpc_total{method=\"unknown\",code=\"INTERNAL\"}") == 1,
                  "not counted");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics_text");
    TCase *tc = tcase_create("text");
    tcase_add_loop_test(tc, metrics_escape_names_as_tabled, 0, ARRAY_SIZE(names));
    tcase_add_test(tc, metrics_show_at_most_1000_groups);
    tcase_add_loop_test(tc, metrics_put_times_into_buckets_as_tabled, 0, ARRAY_SIZE(times));
    tcase_add_loop_test(tc, metrics_show_amounts_as_tabled, 0, ARRAY_SIZE(amounts));
    tcase_add_test(tc, metrics_show_at_most_16_slots);
    tcase_add_loop_test(tc, metrics_put_waits_into_buckets_as_tabled, 0, ARRAY_SIZE(wait_times));
    tcase_add_test(tc, metrics_show_a_sparse_series_when_it_first_counts);
    tcase_add_test(tc, metrics_show_what_the_process_takes);
    tcase_add_test(tc, metrics_have_each_series_once);
    tcase_add_test(tc, metrics_have_a_series_for_each_code_of_a_method);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
