/* test_dso.c - plugins from shared objects: good ones decide a round, broken ones are refused with
 * a sentence and leave the process and the registry as they were. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/plugin.h"
#include "scheduler/round.h"
#include "scheduler/snapshot_build.h"
#include "server/dso.h"

static const char *const good[] = {"small_first", "kernel_cap", "last_agent"};

static int load(struct registry *r, const char *name, struct err *e)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s.so", PLUGIN_DIR, name);
    return dso_load(r, path, e);
}

static bool known(const struct registry *r, const char *name)
{
    for (uint32_t i = 0; i < registry_count(r); i++)
        if (strcmp(registry_at(r, i, NULL)->name, name) == 0)
            return true;
    return false;
}

static const struct {
    const char *what, *file, *sentence; /* a part of it */
} refused[] = {
    {"a file that is not there", "nowhere", "nowhere.so"},
    {"another ABI", "bad_abi", "ABI 4711"},
    {"a missing callback", "no_callback", "pick_session"},
    {"a name that is taken", "taken_name", "dispersed"},
    {"no plugin at all", "no_symbol", "berth_plugin"},
    {"a crash while loading", "crash_at_load", "crash"},
};

START_TEST(dso_refuses_as_tabled)
{
    CLEANUP(registry_destroyp) struct registry *r = registry_create();
    struct err e = {0};
    uint32_t before = registry_count(r);
    ck_assert_msg(load(r, refused[_i].file, &e) < 0, "%s: was loaded", refused[_i].what);
    ck_assert_msg(strstr(e.message, refused[_i].sentence) != NULL ||
                      strstr(e.detail, refused[_i].sentence) != NULL,
                  "%s: the sentence does not say \"%s\": %s (%s)", refused[_i].what,
                  refused[_i].sentence, e.message, e.detail);
    ck_assert_msg(registry_count(r) == before, "%s: the registry has changed", refused[_i].what);
}
END_TEST

START_TEST(dso_refuses_the_same_plugin_twice)
{
    CLEANUP(registry_destroyp) struct registry *r = registry_create();
    struct err e = {0};
    ck_assert_msg(load(r, "last_agent", &e) == 0, "%s (%s)", e.message, e.detail);
    ck_assert_msg(load(r, "last_agent", &e) < 0, "the same plugin was loaded twice");
}
END_TEST

/* Three agents; a session of three kernels, then one of one kernel, then one of two. */
static const struct snapshot *three_sessions(struct arena *a)
{
    static const uint32_t kernels[] = {3, 1, 2};
    struct snapshot_builder *b = builder_create(a);
    struct snapshot head = {.observed_at = 1000,
                            .group_name = "default",
                            .scheduler = "small-first",
                            .strategy = "last-agent"};
    int64_t *capacity, *held, *request;
    uint32_t owners[N_OWNER_KINDS];
    builder_slot(b, "cpu", SLOT_COUNT, 0);
    builder_group(b, &head);
    for (int i = 0; i < 3; i++) {
        struct agent agent = {.id = (const char *[]){"a1", "a2", "a3"}[i],
                              .addr = "",
                              .alive = true,
                              .schedulable = true};
        builder_agent(b, &agent, "x86_64", &capacity, &held);
        capacity[0] = 2 * AMOUNT_ONE;
    }
    for (int k = 0; k < N_OWNER_KINDS; k++)
        owners[k] = builder_owner(b, (enum owner_kind)k, "owner");
    builder_owner_at(b, owners[OWNER_KEYPAIR])->max_pending = INT64_MAX;
    for (uint32_t i = 0; i < ARRAY_SIZE(kernels); i++) {
        struct session w = {.id = {.b = {(uint8_t)i}},
                            .created_at = i,
                            .starts_at = TIME_NONE,
                            .mode = CLUSTER_MULTI_NODE,
                            .group = NONE};
        memcpy(w.owner, owners, sizeof(owners));
        uint32_t session = builder_session(b, &w);
        for (uint32_t k = 0; k < kernels[i]; k++) {
            struct kernel x = {.id = {.b = {(uint8_t)i, (uint8_t)k}}, .is_main = k == 0};
            builder_kernel(b, session, &x, "x86_64", &request);
            request[0] = AMOUNT_ONE;
        }
    }
    return builder_finish(b);
}

START_TEST(dso_plugins_decide_a_round)
{
    CLEANUP(registry_destroyp) struct registry *r = registry_create();
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct policy_config config = {0};
    struct policy *policy;
    struct plan *plan;
    struct err e = {0};
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        ck_assert_msg(load(r, good[i], &e) == 0, "%s: %s (%s)", good[i], e.message, e.detail);
    ck_assert_msg(known(r, "small-first") && known(r, "kernel_cap") && known(r, "last-agent"),
                  "a plugin that was loaded is not in the registry");
    const struct snapshot *s = three_sessions(a);
    ck_assert_msg(policy_resolve(r, &config, s, a, &policy, &e) == 0, "%s", e.message);
    ck_assert_msg(round_run(s, policy, NULL, NULL, a, &plan, NULL, &e) == 0, "%s", e.message);
    ck_assert_msg(plan->decisions[0].session == 1 && plan->decisions[1].session == 2 &&
                      plan->decisions[2].session == 0,
                  "the sequencer plugin did not decide the order");
    ck_assert_uint_eq(plan->placements[0].agent, 2);
    ck_assert_uint_eq(plan->placements[1].agent, 2);
    ck_assert_uint_eq(plan->placements[2].agent, 1);
    const struct decision *d = &plan->decisions[2];
    ck_assert_msg(d->outcome == OUTCOME_BLOCKED, "the session of three kernels is %s",
                  outcome_name(d->outcome));
    ck_assert_str_eq(d->causes[0].plugin, "kernel_cap");
    ck_assert_str_eq(d->causes[0].message,
                     "A session may have at most 2 kernels here; this one has 3.");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dso");
    TCase *tc = tcase_create("dso");
    tcase_add_loop_test(tc, dso_refuses_as_tabled, 0, ARRAY_SIZE(refused));
    tcase_add_test(tc, dso_refuses_the_same_plugin_twice);
    tcase_add_test(tc, dso_plugins_decide_a_round);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
