/* test_replay.c - `berthctl replay` over files: whole command lines. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "scheduler/round.h"
#include "scheduler/snapshot_build.h"
#include "scheduler/snapshot_file.h"
#include "server/berthctl/berthctl.h"
#include "server/berthctl/failure.h"
#include "server/dso.h"
#include "tests/reference/cluster.h"
#include "tests/unit/unit.h"

#include "tests/berthctl/capture.h"

enum { MAX_ARGS = 8, CLUSTERS = 100 };

static char folder[64];

static void setup(void)
{
    strncpy(folder, "/tmp/berth-replay-XXXXXX", sizeof(folder) - 1);
    ck_assert_msg(mkdtemp(folder) != NULL, "mkdtemp");
    ck_assert_msg(chdir(folder) == 0, "chdir %s", folder);
}

static void teardown(void)
{
    DIR *d = opendir(".");
    for (struct dirent *f; d != NULL && (f = readdir(d)) != NULL;)
        (void)unlink(f->d_name);
    if (d != NULL)
        closedir(d);
    (void)rmdir(folder);
}

static void put_file(const char *name, const void *bytes, size_t n)
{
    FILE *f = fopen(name, "we");
    ck_assert_msg(f != NULL && fwrite(bytes, 1, n, f) == n && fclose(f) == 0, "%s", name);
}

/* Two agents of 8 cpu; session "one\033" asks for 2 cpu with 2 kernels, "two" for 99, "three"
 * for 1.
 */
static const struct snapshot *small_group(const char *scheduler, struct arena *a)
{
    static const int64_t cpu[] = {1, 99, 1};
    static const unsigned kernels[] = {2, 1, 1};
    static const char *const names[] = {"one\033", "two", "three"};
    struct snapshot_builder *b = builder_create(a);
    const struct snapshot head = {.observed_at = INT64_C(1769868309123456),
                                  .group_name = "gpu",
                                  .scheduler = scheduler,
                                  .strategy = "concentrated"};
    int64_t *capacity, *held, *request;
    uint32_t owners[N_OWNER_KINDS];
    builder_slot(b, "cpu", SLOT_COUNT, 0);
    builder_group(b, &head);
    for (int i = 0; i < 2; i++) {
        struct agent agent = {.id = i == 0 ? "a1" : "a2", .alive = true, .schedulable = true};
        builder_agent(b, &agent, "x86_64", &capacity, &held);
        capacity[0] = 8 * AMOUNT_ONE;
    }
    for (int k = 0; k < N_OWNER_KINDS; k++)
        owners[k] = builder_owner(b, (enum owner_kind)k, "owner");
    builder_owner_at(b, owners[OWNER_KEYPAIR])->max_pending = INT64_MAX;
    for (uint32_t i = 0; i < ARRAY_SIZE(cpu); i++) {
        struct session w = {.id = {.b = {(uint8_t)(i + 1)}},
                            .name = names[i],
                            .created_at = i,
                            .starts_at = TIME_NONE,
                            .group = NONE};
        memcpy(w.owner, owners, sizeof(owners));
        uint32_t session = builder_session(b, &w);
        for (unsigned k = 0; k < kernels[i]; k++) {
            struct kernel x = {.id = {.b = {(uint8_t)i, (uint8_t)k}}, .is_main = k == 0};
            x.cluster_idx = (int32_t)k + 1;
            builder_kernel(b, session, &x, "x86_64", &request);
            request[0] = cpu[i] * AMOUNT_ONE;
        }
    }
    return builder_finish(b);
}

/* Decides the round and writes NAME.snapshot and NAME.plan. */
static struct plan *record(const char *name, const struct snapshot *s,
                           const struct policy_config *config, const struct registry *registry,
                           const struct round_limits *limits, struct arena *a)
{
    struct policy *policy = NULL;
    struct plan *plan = NULL;
    struct err e = {.code = ERR_NONE};
    uint8_t *bytes = NULL;
    size_t n = 0;
    ck_assert_msg(policy_resolve(registry, config, s, a, &policy, &e) == 0 &&
                      round_run(s, policy, limits, NULL, a, &plan, NULL, &e) == 0,
                  "%s: %s", name, e.message);
    snapshot_write(s, config, a, &bytes, &n);
    put_file(arena_printf(a, "%s.snapshot", name), bytes, n);
    plan_write(plan, a, &bytes, &n);
    put_file(arena_printf(a, "%s.plan", name), bytes, n);
    return plan;
}

static const struct policy_config no_config;

static struct plan *record_small(const char *name, const char *scheduler, uint32_t max_sessions,
                                 struct arena *a)
{
    CLEANUP(registry_destroyp) struct registry *registry = registry_create();
    const struct round_limits limits = {.max_sessions = max_sessions};
    return record(name, small_group(scheduler, a), &no_config, registry, &limits, a);
}

/* Runs one line; out and err are to be finished by the caller. */
static int run(const char *const *args, struct capture *out, struct capture *err)
{
    char *argv[MAX_ARGS + 3] = {(char *)(uintptr_t) "berthctl", (char *)(uintptr_t) "replay"};
    int argc = 2;
    for (int i = 0; i < MAX_ARGS && args[i] != NULL; i++)
        argv[argc++] = (char *)(uintptr_t)args[i];
    capture_begin(out);
    capture_begin(err);
    int rc = berthctl_run(argc, argv, out->out, err->out);
    capture_end(out);
    capture_end(err);
    return rc;
}

static void expect_line(const char *what, const char *const *args, int code, const char *out_part,
                        const char *err_part)
{
    CLEANUP(capture_finish) struct capture out = {0};
    CLEANUP(capture_finish) struct capture err = {0};
    int rc = run(args, &out, &err);
    ck_assert_msg(rc == code, "%s: exit code %d\n%s%s", what, rc, out.text, err.text);
    ck_assert_msg(strstr(out.text, out_part) != NULL, "%s: printed\n%s", what, out.text);
    ck_assert_msg(strstr(err.text, err_part) != NULL, "%s: complained\n%s", what, err.text);
    ck_assert_msg(err_part[0] != '\0' || err.text[0] == '\0', "%s: complained\n%s", what, err.text);
    ck_assert_msg(out_part[0] != '\0' || out.text[0] == '\0', "%s: printed\n%s", what, out.text);
}

/* --- what is refused ---------------------------------------------------------------------------
 */

/* "good" is decided by fifo, "other" by lifo: their plans differ in the order only, and both belong
 * to either snapshot. "lonely" has no plan, "plugin" none and a scheduler from a plugin. */
static void write_files(struct arena *a)
{
    uint8_t *bytes = NULL;
    size_t n = 0;
    record_small("good", "fifo", 0, a);
    record_small("other", "lifo", 0, a);
    record_small("lonely", "fifo", 0, a);
    (void)unlink("lonely.plan");
    snapshot_write(small_group("fifo", a), &no_config, a, &bytes, &n);
    put_file("cut.snapshot", bytes, n / 2);
    put_file("cutplan.snapshot", bytes, n);
    put_file("cutplan.plan", bytes, n / 3);
    put_file("empty.snapshot", "", 0);
    snapshot_write(small_group("small-first", a), &no_config, a, &bytes, &n);
    put_file("plugin.snapshot", bytes, n);
}

static const struct {
    const char *what;
    const char *args[MAX_ARGS];
    int code;
    const char *complaint;
} bad[] = {
    {"no file", {NULL}, EXIT_USAGE, "berthctl: replay needs FILE.snapshot\n"},
    {"two files", {"good.snapshot", "x"}, EXIT_USAGE, "\"x\" is too much"},
    {"text within JSON", {"good.snapshot", "--print", "--json"}, EXIT_USAGE, "--print is for"},
    {"a file that is not there",
     {"nowhere.snapshot"},
     EXIT_OTHER,
     "berthctl: cannot read nowhere.snapshot: No such file or directory [BAD_FILE]\n"},
    {"a folder", {"."}, EXIT_OTHER, "cannot read .: it is no file"},
    {"an endless file", {"/dev/zero"}, EXIT_OTHER, "cannot read /dev/zero: it is no file"},
    {"an empty file", {"empty.snapshot"}, EXIT_OTHER, "empty.snapshot: byte 0 (head): "},
    {"half a snapshot", {"cut.snapshot"}, EXIT_OTHER, "cut.snapshot: byte "},
    {"a plan for a snapshot", {"good.plan"}, EXIT_OTHER, "good.plan: byte 0 (head): it is another"},
    {"a plan that is damaged", {"cutplan.snapshot"}, EXIT_OTHER, "cutplan.plan: byte "},
    {"a plan that is not there",
     {"good.snapshot", "--plan", "nowhere.plan"},
     EXIT_OTHER,
     "cannot read nowhere.plan: No such file"},
    {"another group's scheduler",
     {"plugin.snapshot"},
     EXIT_OTHER,
     "There is no scheduler \"small-first\"; known are: drf, fifo, lifo. [UNKNOWN_SCHEDULER]"},
    {"a plugin that is not there",
     {"good.snapshot", "--plugin", "./nowhere.so"},
     EXIT_OTHER,
     "cannot load the plugin ./nowhere.so"},
    {"a plugin that crashes",
     {"good.snapshot", "--plugin", PLUGIN_DIR "/crash_at_load.so"},
     EXIT_OTHER,
     "crashes while it is loaded"},
    {"failure as JSON",
     {"cut.snapshot", "--json"},
     EXIT_OTHER,
     "{\"error\":{\"code\":\"FAILED_PRECONDITION\",\"message\":\"cut.snapshot: byte "},
};

START_TEST(replay_refuses_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    write_files(a);
    expect_line(bad[_i].what, bad[_i].args, bad[_i].code, "", bad[_i].complaint);
}
END_TEST

START_TEST(replay_refuses_a_file_cut_anywhere)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    uint8_t *bytes = NULL;
    size_t len = 0;
    write_files(a);
    snapshot_write(small_group("fifo", a), &no_config, a, &bytes, &len);
    for (size_t n = 0; n < len; n += 7) {
        const char *const args[] = {"cut.snapshot", NULL};
        put_file("cut.snapshot", bytes, n);
        expect_line("a snapshot cut short", args, EXIT_OTHER, "", "cut.snapshot: byte ");
    }
    plan_write(record_small("good", "fifo", 0, a), a, &bytes, &len);
    for (size_t n = 0; n < len; n += 7) {
        const char *const args[] = {"good.snapshot", NULL};
        put_file("good.plan", bytes, n);
        expect_line("a plan cut short", args, EXIT_OTHER, "", "good.plan: byte ");
    }
}
END_TEST

/* --- what is said ------------------------------------------------------------------------------
 */

static const struct {
    const char *what;
    const char *args[MAX_ARGS];
    int code;
    const char *answer; /* a part of it */
} good[] = {
    {"as recorded", {"good.snapshot"}, EXIT_OK, ", as recorded.\n"},
    {"the plan is named", {"lonely.snapshot", "--plan", "good.plan"}, EXIT_OK, ", as recorded.\n"},
    {"no plan", {"lonely.snapshot"}, EXIT_OK, "; there is no recorded one to compare with.\n"},
    {"the counts", {"good.snapshot"}, EXIT_OK, "3 pending sessions: 2 scheduled, 1 infeasible.\n"},
    {"the group",
     {"good.snapshot"},
     EXIT_OK,
     ", scheduler fifo, strategy concentrated, 2 agents.\n"},
    {"another order",
     {"good.snapshot", "--plan", "other.plan"},
     EXIT_NO,
     " was recorded. It first differs here:\n  Decision 1: then about session "
     "03000000-0000-0000-0000-000000000000 (three); now about session "
     "01000000-0000-0000-0000-000000000000 (one\xEF\xBF\xBD)\n"},
    {"a plugin that changes nothing",
     {"good.snapshot", "--plugin", PLUGIN_DIR "/kernel_cap.so"},
     EXIT_OK,
     ", as recorded.\n"},
    {"a scheduler from a plugin",
     {"plugin.snapshot", "--plugin", PLUGIN_DIR "/small_first.so"},
     EXIT_OK,
     "scheduler small-first"},
    {"the snapshot in full", {"good.snapshot", "--print"}, EXIT_OK, "group \"gpu\" "},
    {"the plan in full, names cleaned",
     {"good.snapshot", "--print"},
     EXIT_OK,
     "01000000-0000-0000-0000-000000000000 SCHEDULED passed 1ff name \"one\\x1B\"\n"
     "  00000000-0000-0000-0000-000000000000 main1 on \"a1\"\n"},
    {"JSON",
     {"good.snapshot", "--json"},
     EXIT_OK,
     "{\"snapshot\":\"good.snapshot\",\"scalingGroup\":\"gpu\",\"observedAt\":"
     "\"2026-01-31T14:05:09.123456Z\",\"agents\":2,\"counts\":{\"pending\":3,\"scheduled\":2,"},
    {"JSON, the same",
     {"good.snapshot", "--json"},
     EXIT_OK,
     "\"recordedPlan\":\"good.plan\",\"recordedPlanHash\":\""},
    {"JSON, nothing to compare with",
     {"lonely.snapshot", "--json"},
     EXIT_OK,
     "\"recordedPlan\":\"\",\"recordedPlanHash\":\"\",\"verdict\":\"NOT_COMPARED\","
     "\"difference\":\"\"}\n"},
    {"JSON, different",
     {"good.snapshot", "--plan", "other.plan", "--json"},
     EXIT_NO,
     "\"verdict\":\"DIFFERENT\",\"difference\":\"Decision 1: then about session "},
};

START_TEST(replay_answers_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    write_files(a);
    expect_line(good[_i].what, good[_i].args, good[_i].code, good[_i].answer, "");
}
END_TEST

START_TEST(replay_stops_where_the_round_stopped)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char *const args[] = {"short.snapshot", NULL};
    record_small("short", "fifo", 1, a);
    expect_line("a round of one session", args, EXIT_OK, "Stopped after 1 session, as the round",
                "");
    expect_line("a round of one session", args, EXIT_OK, "1 scheduled, 2 skipped.\n", "");
    expect_line("a round of one session", args, EXIT_OK, ", as recorded.\n", "");
}
END_TEST

START_TEST(replay_names_the_validator_that_is_missing)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(registry_destroyp) struct registry *registry = registry_create();
    const struct policy_config config = {
        .options = (const struct option[]){{"kernel_cap.max_kernels", "1"}}, .n_options = 1};
    struct err e = {.code = ERR_NONE};
    const char *const without[] = {"capped.snapshot", NULL};
    const char *const with[] = {"capped.snapshot", "--plugin", PLUGIN_DIR "/kernel_cap.so", NULL};
    ck_assert_msg(dso_load(registry, PLUGIN_DIR "/kernel_cap.so", &e) == 0, "%s", e.message);
    record("capped", small_group("fifo", a), &config, registry, NULL, a);
    expect_line("with the plugin", with, EXIT_OK, ", as recorded.\n", "");
    expect_line("without the plugin", without, EXIT_NO,
                "  Session 01000000-0000-0000-0000-000000000000 (one\xEF\xBF\xBD): then BLOCKED, "
                "PLUGIN by kernel_cap: A session may have at most 1 kernels here; this one has 2.; "
                "now SCHEDULED on a1\n"
                "The validator kernel_cap took part then: --plugin loads its file.\n",
                "");
}
END_TEST

START_TEST(replay_of_a_random_round_is_the_same)
{
    CLEANUP(registry_destroyp) struct registry *registry = registry_create();
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    for (uint64_t seed = 1; seed <= CLUSTERS; seed++) {
        const char *const args[] = {"random.snapshot", NULL};
        struct cluster cluster;
        arena_reset(a);
        cluster_create(seed, 0, a, &cluster);
        const struct round_limits limits = {.max_sessions = cluster.max_sessions};
        const struct plan *p =
            record("random", cluster.snapshot, &cluster.config, registry, &limits, a);
        char want[64];
        snprintf(want, sizeof(want), "Plan %016llx, as recorded.\n", (unsigned long long)p->hash);
        expect_line("a random round", args, EXIT_OK, want, "");
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, replay_refuses_as_tabled, 0, ARRAY_SIZE(bad));
    tcase_add_test(tc, replay_refuses_a_file_cut_anywhere);
    tcase_add_loop_test(tc, replay_answers_as_tabled, 0, ARRAY_SIZE(good));
    tcase_add_test(tc, replay_stops_where_the_round_stopped);
    tcase_add_test(tc, replay_names_the_validator_that_is_missing);
    tcase_add_test(tc, replay_of_a_random_round_is_the_same);
}

int main(void)
{
    return unit_run("berthctl_replay", add_tests);
}
