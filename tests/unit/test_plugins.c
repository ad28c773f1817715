/* test_plugins.c - sequencers and validators from outside the tree: what they can do, and what the
 * engine does about those that misbehave. */
#include <stdlib.h>
#include <string.h>

#include "scheduler/plugin.h"
#include "tests/unit/scene.h"
#include "tests/unit/unit.h"

#define ABI .abi = BERTH_PLUGIN_ABI

/* --- sequencers --- */

/* Offers sessions by a fixed list of indexes, whatever the band. */
static uint32_t script[8], script_at;

static void *begin(const struct band *b)
{
    (void)b;
    return script;
}

static uint32_t pick_session(void *state)
{
    return ((const uint32_t *)state)[script_at++];
}

static const struct plugin scripted = {ABI, .kind = PLUGIN_SEQUENCER, .name = "scripted",
                                       .sequencer = {.begin = begin, .pick_session = pick_session}};

static const struct {
    const char *what;
    uint32_t script[8];
    const char *scene, *plan;
} scripts[] = {
    {"a good one", {1, 0, NONE}, "session 1; session 2", "2 SCHEDULED a\n1 SCHEDULED a"},
    {"a session twice",
     {0, 0, NONE},
     "session 1; session 2",
     "INTERNAL The scheduler plugin \"scripted\" misbehaves: it offered a session twice. "
     "plugin=scripted"},
    {"a session that does not exist",
     {7, NONE},
     "session 1",
     "INTERNAL The scheduler plugin \"scripted\" misbehaves: it offered a session that is not of "
     "the band it was given. "
     "plugin=scripted"},
    {"a session of another band",
     {1, NONE},
     "session 1; session 2 prio=99; session 3",
     "2 SCHEDULED a\n1 SKIPPED PLUGIN@scripted()\n3 SKIPPED PLUGIN@scripted()"},
    {"a session of a lower band",
     {0, NONE},
     "session 1; session 2 prio=99",
     "INTERNAL The scheduler plugin \"scripted\" misbehaves: it offered a session that is not of "
     "the band it was given. "
     "plugin=scripted"},
    {"an expired session",
     {0, NONE},
     "group scheduler=scripted timeout=100; session 1; session 2 at=950",
     "INTERNAL The scheduler plugin \"scripted\" misbehaves: it offered a session that is not of "
     "the band it was given. "
     "plugin=scripted"},
    {"an unreadable session",
     {0, NONE},
     "session 1 bad; session 2",
     "INTERNAL The scheduler plugin \"scripted\" misbehaves: it offered a session that is not of "
     "the band it was given. "
     "plugin=scripted"},
    {"a session never",
     {1, NONE},
     "session 1; session 2; session 3",
     "2 SCHEDULED a\n1 SKIPPED PLUGIN@scripted()\n3 SKIPPED PLUGIN@scripted()"},
    {"none at all, and top-priority",
     {NONE},
     "option queue_policy \"top-priority\"; session 1; session 2 prio=99",
     "2 SKIPPED PLUGIN@scripted()\n1 SKIPPED QUEUE_POLICY@queue_policy()"},
    {"one never, and the next one waits",
     {1, NONE},
     "option queue_policy \"stop-at-first\"; agent a held.cpu=9 cpu=9; session 1; session 2 cpu=1; "
     "session 3",
     "2 WAITING CAPACITY@resources(a cpu 1/0/9)\n1 SKIPPED QUEUE_POLICY@queue_policy()\n"
     "3 SKIPPED QUEUE_POLICY@queue_policy()"},
};

START_TEST(sequencers_are_watched)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct plugin *const plugins[] = {&scripted};
    script_at = 0;
    memcpy(script, scripts[_i].script, sizeof(script));
    for (size_t i = 1; i < ARRAY_SIZE(script); i++)
        if (script[i - 1] == NONE)
            script[i] = NONE;
    const char *got = scene_run_with(
        plugins, 1, arena_printf(a, "group scheduler=scripted; agent a; %s", scripts[_i].scene), a);
    ck_assert_msg(strcmp(got, scripts[_i].plan) == 0, "%s:\n--- want\n%s\n--- got\n%s",
                  scripts[_i].what, scripts[_i].plan, got);
}
END_TEST

START_TEST(order_and_preview_watch_sequencers_too)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(registry_destroyp) struct registry *r = registry_create();
    const struct snapshot *s =
        scene_snapshot("group scheduler=scripted; agent a; session 1; session 2", a);
    struct policy *p = NULL;
    uint32_t *order = NULL;
    struct explanation *x = NULL;
    ck_assert_int_eq(registry_add(r, &scripted, "test.so", NULL), 0);
    ck_assert_int_eq(policy_resolve(r, NULL, s, a, &p, NULL), 0);
    static const uint32_t twice[] = {0, 0, NONE}, once[] = {0, NONE};
    memcpy(script, twice, sizeof(twice));
    script_at = 0;
    ck_assert_int_eq(round_order(s, p, a, &order, NULL), -1);
    script_at = 0;
    struct explain_request q = {.session = 1};
    ck_assert_int_eq(round_explain(s, p, &q, a, &x, NULL), -1);
    script_at = 0;
    q = (struct explain_request){.session = 1, .is_spec = true, .after_queue = true};
    ck_assert_int_eq(round_explain(s, p, &q, a, &x, NULL), -1);
    /* One that is never offered comes last in the order, and is skipped. */
    memcpy(script, once, sizeof(once));
    script_at = 0;
    ck_assert_int_eq(round_order(s, p, a, &order, NULL), 0);
    ck_assert_msg(order[0] == 0 && order[1] == 1, "%u %u", order[0], order[1]);
    script_at = 0;
    ck_assert_int_eq(round_explain(s, p, &q, a, &x, NULL), 0);
    ck_assert_msg(x->verdict == VERDICT_WAITS && x->decision.causes[0].kind == CAUSE_PLUGIN,
                  "verdict %d", (int)x->verdict);
}
END_TEST

extern const struct plugin *const berth_plugin; /* plugin_fair.c */

START_TEST(a_shared_plugin_shows_one_symbol)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct plugin *const plugins[] = {berth_plugin};
    const char *scene = "group scheduler=fair-share; option favourite \"q\"; agent a; session 1; "
                        "session 2 project=q; session 3; "
                        "session 4 project=q prio=1";
    ck_assert_str_eq(scene_run_with(plugins, 1, scene, a),
                     "2 SCHEDULED a\n1 SCHEDULED a\n3 SCHEDULED a\n4 SCHEDULED a");
    scene = "group scheduler=fair-share; option favourite \"q\"; option fair-share.weight 0; agent "
            "a; session 1; session 2 "
            "project=q";
    ck_assert_str_eq(scene_run_with(plugins, 1, scene, a), "1 SCHEDULED a\n2 SCHEDULED a");
}
END_TEST

/* --- validators --- */

static enum check_result reject_silently(const struct check *c, struct cause_list *causes)
{
    (void)c;
    (void)causes;
    return CHECK_REJECTED;
}

static enum check_result break_down(const struct check *c, struct cause_list *causes)
{
    (void)c;
    (void)causes;
    return CHECK_ERROR;
}

static enum check_result grumble(const struct check *c, struct cause_list *causes)
{
    (void)c;
    (void)cause_add(causes, CAUSE_PLUGIN, "it", "I would rather not.");
    return CHECK_PASSED;
}

/* Refuses more than its begin() allowed, and says how much would be fine. */
static void *allow(const struct round_view *v, const struct option_value *options, struct arena *a)
{
    (void)options;
    int64_t *most = arena_new(a, int64_t, 1);
    *most = v->total_capacity[snapshot_find_slot(v->snapshot, "cpu")] / 2;
    return most;
}

static enum check_result half_at_most(const struct check *c, struct cause_list *causes)
{
    const int64_t *most = c->state;
    uint32_t cpu = snapshot_find_slot(c->round->snapshot, "cpu");
    if (c->request[cpu] <= *most)
        return CHECK_PASSED;
    struct shortage *s = arena_new(causes->arena, struct shortage, 1);
    *s = (struct shortage){
        .slot = cpu, .requested = c->request[cpu], .available = *most, .limit = *most};
    struct cause *added = cause_add(causes, CAUSE_PLUGIN, NULL, "More than half of the group.");
    added->slots = s;
    added->n_slots = 1;
    added->retryable = false;
    return CHECK_REJECTED;
}

#define VALIDATOR_NAMED(n, ...)                                                                    \
    {                                                                                              \
        ABI, .kind = PLUGIN_VALIDATOR, .name = (n), .validator = { __VA_ARGS__ }                   \
    }
static const struct plugin silent = VALIDATOR_NAMED("z-silent", .check = reject_silently);
static const struct plugin broken = VALIDATOR_NAMED("broken", .check = break_down);
static const struct plugin grumbler = VALIDATOR_NAMED("grumbler", .check = grumble);
static const struct plugin half = VALIDATOR_NAMED("half", .begin = allow, .check = half_at_most);

START_TEST(validators_run_after_the_nine_in_name_order)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct plugin *const plugins[] = {&silent, &half, &broken, &grumbler};
    ck_assert_str_eq(
        scene_run_with(plugins, 4,
                       "agent a cpu=10; key k max=1 live=1; session 1 cpu=6; session 2 key=z cpu=5",
                       a),
        "1 BLOCKED CONCURRENCY@concurrency(k) PLUGIN@broken() PLUGIN@half( cpu 6/5/5)! "
        "PLUGIN@z-silent()\n"
        "2 BLOCKED PLUGIN@broken() PLUGIN@z-silent()");
    ck_assert_str_eq(scene_run_with(plugins + 3, 1, "agent a cpu=10; session 1 cpu=5", a),
                     "1 SCHEDULED a");
    ck_assert_str_eq(scene_run_with(plugins + 1, 1, "agent a cpu=10; session 1 private cpu=6", a),
                     "1 CANCELLED PLUGIN@half( cpu 6/5/5)!");
}
END_TEST

START_TEST(validators_without_a_reason_get_a_sentence)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(registry_destroyp) struct registry *r = registry_create();
    const struct snapshot *s = scene_snapshot("agent a; session 1", a);
    struct policy *p = NULL;
    struct plan *plan = NULL;
    ck_assert_int_eq(
        registry_add(r, &silent, "s.so", NULL) + registry_add(r, &broken, "b.so", NULL), 0);
    ck_assert_int_eq(policy_resolve(r, NULL, s, a, &p, NULL), 0);
    ck_assert_int_eq(round_run(s, p, NULL, NULL, a, &plan, NULL, NULL), 0);
    ck_assert_str_eq(scene_messages(s, plan, 1, a),
                     "The validator broken could not check it.\nThe validator z-silent refuses it "
                     "without a reason.");
    ck_assert_str_eq(plan->validators[9], "broken");
    ck_assert_str_eq(plan->validators[10], "z-silent");
    ck_assert_msg(plan->decisions[0].passed == 0x1ff, "%lx",
                  (unsigned long)plan->decisions[0].passed);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, sequencers_are_watched, 0, ARRAY_SIZE(scripts));
    tcase_add_test(tc, order_and_preview_watch_sequencers_too);
    tcase_add_test(tc, a_shared_plugin_shows_one_symbol);
    tcase_add_test(tc, validators_run_after_the_nine_in_name_order);
    tcase_add_test(tc, validators_without_a_reason_get_a_sentence);
}

int main(void)
{
    return unit_run("plugins", add);
}
