/* test_report.c - answers in words and tables. */
#include <string.h>

#include "server/berthctl/report.h"
#include "tests/unit/unit.h"

#include "tests/berthctl/capture.h"
#include "tests/berthctl/messages.h"

static const struct {
    const char *what;
    char *agents[6];
    const char *want;
} places[] = {
    {"nowhere", {NULL}, ""},
    {"one kernel", {"a1"}, "on a1"},
    {"two kernels on one", {"a1", "a1"}, "on a1 (2 kernels)"},
    {"kernels of one agent apart", {"a1", "a2", "a1"}, "on a1 (2 kernels), a2"},
    {"one agent too many to name", {"a1", "a2", "a3", "a4"}, "on a1, a2, a3 and 1 more agent"},
    {"two too many", {"a1", "a2", "a3", "a4", "a5"}, "on a1, a2, a3 and 2 more agents"},
    {"a hostile name", {"a\x1b[2J"}, "on a\uFFFD[2J"},
};

START_TEST(report_where_reads_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    Berth__V1__KernelAllocation *kernels[6];
    size_t n = 0;
    for (; places[_i].agents[n] != NULL; n++)
        kernels[n] = kernel_on(a, "k", places[_i].agents[n]);
    const char *got = report_where(a, kernels, n);
    ck_assert_msg(strcmp(got, places[_i].want) == 0, "%s: \"%s\"", places[_i].what, got);
}
END_TEST

START_TEST(report_counts_leaves_zeros_out)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    Berth__V1__OutcomeCounts counts = BERTH__V1__OUTCOME_COUNTS__INIT;
    const char *got = report_counts(a, &counts);
    ck_assert_msg(strcmp(got, "nothing pending") == 0, "all zero: \"%s\"", got);
    counts.scheduled = 3;
    counts.conflict = 1;
    got = report_counts(a, &counts);
    ck_assert_msg(strcmp(got, "3 scheduled, 1 lost to another writer") == 0, "\"%s\"", got);
}
END_TEST

static void expect_causes(Berth__V1__Cause *const *causes, size_t n, const char *want)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(capture_finish) struct capture c = {0};
    capture_begin(&c);
    report_causes(c.out, a, causes, n, false);
    capture_end(&c);
    ck_assert_msg(strcmp(c.text, want) == 0, "\n got %s\nwant %s", c.text, want);
}

START_TEST(report_causes_lists_reasons_then_numbers)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    Berth__V1__Cause *causes[] = {
        cause_of(a, BERTH__V1__CAUSE_KIND__CAUSE_KIND_CAPACITY, "a1", "No room.", "mem",
                 "8589934592", "1073741824"),
        cause_of(a, BERTH__V1__CAUSE_KIND__CAUSE_KIND_OWNER_NOT_FOUND, "K", "No key.", NULL, NULL,
                 NULL),
        cause_of(a, BERTH__V1__CAUSE_KIND__CAUSE_KIND_OWNER_NOT_FOUND, "K", "No key.", NULL, NULL,
                 NULL),
    };
    causes[1]->plugin = "concurrency";
    causes[2]->plugin = "keypair_resource_limit";
    causes[1]->retryable = 0;
    expect_causes(causes, ARRAY_SIZE(causes),
                  "\n"
                  "  - capacity: No room.\n"
                  "  - concurrency, keypair_resource_limit: No key. Waiting will not cure this.\n"
                  "\n"
                  "  RULE      ABOUT  SLOT  ASKED   LEFT  LIMIT\n"
                  "  capacity  a1     mem   8 GiB  1 GiB      -\n");
    ck_assert_msg(
        strcmp(report_why(a, causes, ARRAY_SIZE(causes)), "No room. (and 1 more reason)") == 0,
        "in one line: %s", report_why(a, causes, ARRAY_SIZE(causes)));
}
END_TEST

START_TEST(report_causes_leaves_out_a_lone_reason)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    Berth__V1__Cause *cause =
        cause_of(a, BERTH__V1__CAUSE_KIND__CAUSE_KIND_CAPACITY, "a1", "No room.", "cpu", "8", "2");
    expect_causes(&cause, 1,
                  "\n"
                  "  RULE      ABOUT  SLOT  ASKED  LEFT  LIMIT\n"
                  "  capacity  a1     cpu       8     2      -\n");
    cause->n_slots = 0;
    expect_causes(&cause, 1, "");
    expect_causes(&cause, 0, "");
}
END_TEST

static const struct {
    const char *what;
    Berth__V1__PreviewVerdict verdict;
    bool after_queue;
    uint32_t position;
    char *causes[3], *agent;
    const char *want;
} verdicts[] = {
    {"a verdict of a newer server",
     (Berth__V1__PreviewVerdict)99,
     false,
     0,
     {NULL},
     NULL,
     "It has no verdict."},
    {"fits",
     BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_FITS,
     false,
     0,
     {NULL},
     "a1",
     "It fits on a1."},
    {"fits later",
     BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_FITS,
     true,
     3,
     {NULL},
     "a1",
     "It fits after the queue ahead of it on a1. It is 3rd in the queue."},
    {"waits for one reason",
     BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_WAITS,
     false,
     1,
     {"No room."},
     NULL,
     "It waits: No room. It is 1st in the queue."},
    {"says the same twice",
     BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_BLOCKED,
     false,
     0,
     {"No key.", "No key."},
     NULL,
     "It is held back: No key."},
    {"a cause that ends without a full stop",
     BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_BLOCKED,
     false,
     0,
     {"Before start time", "b"},
     NULL,
     "It is held back: Before start time. One more reason is below."},
    {"a cause that ends in its numbers",
     BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_INFEASIBLE,
     false,
     0,
     {"Too big. (cpu=4)", "b", "c"},
     NULL,
     "It can never run here: Too big. (cpu=4) 2 more reasons are below."},
};

START_TEST(report_verdict_reads_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    Berth__V1__PreviewAllocationResponse r = BERTH__V1__PREVIEW_ALLOCATION_RESPONSE__INIT;
    Berth__V1__Cause *causes[3];
    Berth__V1__KernelAllocation *kernel = kernel_on(a, "k", verdicts[_i].agent);

    for (; r.n_causes < 3 && verdicts[_i].causes[r.n_causes] != NULL; r.n_causes++)
        causes[r.n_causes] = cause_of(a, BERTH__V1__CAUSE_KIND__CAUSE_KIND_CAPACITY, "",
                                      verdicts[_i].causes[r.n_causes], NULL, NULL, NULL);
    r.verdict = verdicts[_i].verdict;
    r.queue_position = verdicts[_i].position;
    r.causes = causes;
    r.allocations = &kernel;
    r.n_allocations = verdicts[_i].agent == NULL ? 0 : 1;
    const char *got = report_verdict(a, "It", verdicts[_i].after_queue, &r);
    ck_assert_msg(strcmp(got, verdicts[_i].want) == 0, "%s: %s", verdicts[_i].what, got);
}
END_TEST

START_TEST(report_allocations_numbers_kernels_without_id)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(capture_finish) struct capture c = {0};
    Berth__V1__KernelAllocation *kernels[] = {kernel_on(a, "", "a1"), kernel_on(a, "k2", "a2")};
    Berth__V1__SlotAmount *slots[] = {slot_of(a, "cpu", "4"), slot_of(a, "mem", "1073741824")};
    kernels[1]->agent_addr = "tcp://10.0.0.2:6001";
    kernels[1]->slots = slots;
    kernels[1]->n_slots = ARRAY_SIZE(slots);
    capture_begin(&c);
    report_allocations(c.out, a, kernels, ARRAY_SIZE(kernels), false);
    capture_end(&c);
    ck_assert_msg(strcmp(c.text, "  KERNEL  AGENT  ADDRESS              SLOTS\n"
                                 "  1       a1     -                    -\n"
                                 "  k2      a2     tcp://10.0.0.2:6001  cpu 4, mem 1 GiB\n") == 0,
                  "\n%s", c.text);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, report_where_reads_as_tabled, 0, ARRAY_SIZE(places));
    tcase_add_test(tc, report_counts_leaves_zeros_out);
    tcase_add_test(tc, report_causes_lists_reasons_then_numbers);
    tcase_add_test(tc, report_causes_leaves_out_a_lone_reason);
    tcase_add_loop_test(tc, report_verdict_reads_as_tabled, 0, ARRAY_SIZE(verdicts));
    tcase_add_test(tc, report_allocations_numbers_kernels_without_id);
}

int main(void)
{
    return unit_run("berthctl_report", add_tests);
}
