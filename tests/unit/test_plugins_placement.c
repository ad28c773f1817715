/* test_plugins_placement.c - filters, orders and selectors from outside the tree. */
#include <string.h>

#include "scheduler/plugin.h"
#include "tests/unit/scene.h"
#include "tests/unit/unit.h"

#define ABI .abi = BERTH_PLUGIN_ABI

static bool keep_b(const struct room *m, const struct requirement *r,
                   const struct option_value *options, uint32_t agent)
{
    (void)r;
    (void)options;
    return m->snapshot->agents[agent].id[0] == 'b';
}

static uint32_t explain_b(const struct room *m, const struct requirement *r,
                          const struct option_value *options, const struct entrants *who,
                          struct arena *a, struct cause *ret)
{
    (void)r;
    (void)options;
    ret->kind = CAUSE_PLUGIN;
    ret->subject = NULL;
    ret->message = arena_printf(a, "%u of them, %s.", who->n, m->empty ? "never" : "not now");
    return NONE;
}

static uint32_t explain_nothing(const struct room *m, const struct requirement *r,
                                const struct option_value *options, const struct entrants *who,
                                struct arena *a, struct cause *ret)
{
    (void)m;
    (void)r;
    (void)options;
    (void)a;
    ret->message = NULL;
    return who->agents[0];
}

static const struct plugin only_b = {ABI, .kind = PLUGIN_FILTER, .name = "only-b",
                                     .filter = {.keep = keep_b}};
static const struct plugin explained_b = {ABI, .kind = PLUGIN_FILTER, .name = "only-b",
                                          .filter = {.keep = keep_b, .explain = explain_b}};

START_TEST(filters_from_outside_narrow_the_agents)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct plugin *const plain[] = {&only_b}, *const explained[] = {&explained_b};
    const char *five = "agent a cpu=9; agent b1 cpu=3; agent b2 cpu=3; session 1 cpu=1; session 2 "
                       "cpu=1; session 3 cpu=1; "
                       "session 4 cpu=2; session 5 cpu=3";
    ck_assert_str_eq(scene_run_with(plain, 1, five, a),
                     "1 SCHEDULED b1\n2 SCHEDULED b1\n3 SCHEDULED b1\n4 SCHEDULED b2\n"
                     "5 WAITING PLUGIN@only-b()");
    ck_assert_str_eq(scene_run_with(explained, 1, "agent a; session 1", a),
                     "1 INFEASIBLE PLUGIN@only-b()!");
}
END_TEST

/* Two filters of one kind of cause count an agent once. */
START_TEST(agents_are_counted_once_a_kind)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(registry_destroyp) struct registry *r = registry_create();
    static const struct plugin mute = {ABI, .kind = PLUGIN_FILTER, .name = "mute",
                                       .filter = {.keep = keep_b, .explain = explain_nothing}};
    const struct snapshot *s = scene_snapshot("agent a; agent b; agent c; session 1", a);
    struct explain_request q = {.session = 0, .agents = true};
    struct policy *p = NULL;
    struct explanation *x = NULL;
    ck_assert_int_eq(registry_add(r, &only_b, "f.so", NULL) + registry_add(r, &mute, "m.so", NULL),
                     0);
    ck_assert_int_eq(policy_resolve(r, NULL, s, a, &p, NULL), 0);
    ck_assert_int_eq(round_explain(s, p, &q, a, &x, NULL), 0);
    ck_assert_str_eq(scene_causes_text(s, x->agents[0].causes, x->agents[0].n_causes, a),
                     " PLUGIN@mute() PLUGIN@only-b()");
    ck_assert_str_eq(x->agents[0].causes[0].message, "The filter mute refuses this agent.");
    ck_assert_msg(x->by_cause[CAUSE_PLUGIN] == 2, "%u agents", x->by_cause[CAUSE_PLUGIN]);
    ck_assert_msg(x->agents[1].fits, "b does not fit");
}
END_TEST

START_TEST(filters_without_words_get_a_sentence)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(registry_destroyp) struct registry *r = registry_create(), *r2 = registry_create();
    const struct snapshot *s = scene_snapshot("agent a; agent c; session 1", a);
    const struct plugin *const filters[] = {&only_b, &explained_b};
    struct registry *const registries[] = {r, r2};
    static const char *const whole[] = {"The filter only-b refuses every agent left.",
                                        "2 of them, never."};
    static const char *const one[] = {"The filter only-b refuses this agent.",
                                      "1 of them, not now."};
    for (size_t i = 0; i < 2; i++) {
        struct policy *p = NULL;
        struct explanation *x = NULL;
        struct explain_request q = {.session = 0, .agents = true};
        ck_assert_int_eq(registry_add(registries[i], filters[i], "f.so", NULL), 0);
        ck_assert_int_eq(policy_resolve(registries[i], NULL, s, a, &p, NULL), 0);
        ck_assert_int_eq(round_explain(s, p, &q, a, &x, NULL), 0);
        ck_assert_str_eq(x->decision.causes[0].message, whole[i]);
        ck_assert_str_eq(x->decision.causes[0].subject, "");
        ck_assert_str_eq(x->agents[1].causes[0].message, one[i]);
        ck_assert_msg(x->by_cause[CAUSE_PLUGIN] == 2, "%u agents", x->by_cause[CAUSE_PLUGIN]);
    }
}
END_TEST

/* Small work goes only where something runs already. */
static bool keep_company(const struct room *m, const struct requirement *r,
                         const struct option_value *options, uint32_t agent)
{
    (void)options;
    uint32_t cpu = snapshot_find_slot(m->snapshot, "cpu");
    return r->request[cpu] > AMOUNT_ONE || m->containers[agent] > 0;
}

static const struct plugin company = {ABI, .kind = PLUGIN_FILTER, .name = "company",
                                      .filter = {.keep = keep_company}};

/* The engine knows of its own filters only that room shrinks. */
START_TEST(filters_from_outside_may_change_their_mind)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct plugin *const plugins[] = {&company};
    ck_assert_str_eq(
        scene_run_with(plugins, 1,
                       "agent a cpu=9; session 1 cpu=1; session 2 cpu=2; session 3 cpu=1", a),
        "1 INFEASIBLE PLUGIN@company()!\n2 SCHEDULED a\n3 SCHEDULED a");
}
END_TEST

/* Keeps the agent whose last digit is the cluster index of the requirement's last kernel. */
static bool keep_by_kernel(const struct room *m, const struct requirement *r,
                           const struct option_value *options, uint32_t agent)
{
    (void)options;
    const char *id = m->snapshot->agents[agent].id;
    const struct kernel *last = &m->snapshot->kernels[r->first_kernel + r->n_kernels - 1];
    return id[strlen(id) - 1] == (char)('0' + last->cluster_idx);
}

static const struct plugin by_kernel = {ABI, .kind = PLUGIN_FILTER, .name = "by-kernel",
                                        .filter = {.keep = keep_by_kernel}};

START_TEST(requirements_name_their_kernels)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct plugin *const plugins[] = {&by_kernel};
    const char *scene = "agent a1; agent a2; agent a3; session 1 multi idx=1; kernel 1 sub idx=2; "
                        "kernel 1 sub idx=3; session 2 "
                        "idx=1; kernel 2 sub idx=2; session 3 idx=3";
    ck_assert_str_eq(scene_run_with(plugins, 1, scene, a),
                     "1 SCHEDULED a1,a2,a3\n2 SCHEDULED a2,a2\n3 SCHEDULED a3");
}
END_TEST

static int64_t last_letter(const struct room *m, const struct requirement *r,
                           const struct option_value *options, uint32_t agent)
{
    (void)r;
    (void)options;
    const char *id = m->snapshot->agents[agent].id;
    return -(int64_t)id[strlen(id) - 1];
}

static uint32_t reverse(const struct room *m, const struct requirement *r,
                        const struct option_value *options, uint32_t agent, int64_t *key)
{
    (void)m;
    (void)r;
    (void)options;
    key[0] = -(int64_t)agent;
    return 1;
}

static const struct plugin by_letter = {ABI, .kind = PLUGIN_ORDER, .name = "by-letter",
                                        .order = {.rank = last_letter}};
static const struct plugin backwards = {ABI, .kind = PLUGIN_SELECTOR, .name = "backwards",
                                        .selector = {.key = reverse}};

START_TEST(orders_and_selectors_from_outside_choose)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct plugin *const plugins[] = {&by_letter, &backwards};
    const char *scene = "group strategy=backwards; agent a1 cpu=1; agent a2 cpu=1; agent b2 cpu=1; "
                        "session 1 cpu=1; session 2 "
                        "cpu=1; session 3 cpu=1; session 4 cpu=1; cursor x86_64 q";
    ck_assert_str_eq(scene_run_with(plugins, 2, scene, a),
                     "1 SCHEDULED b2\n2 SCHEDULED a2\n3 SCHEDULED a1\n"
                     "4 WAITING CAPACITY@resources(a1 cpu 1/0/1)");
    ck_assert_str_eq(scene_run_with(plugins + 1, 1, scene, a),
                     "1 SCHEDULED b2\n2 SCHEDULED a2\n3 SCHEDULED a1\n"
                     "4 WAITING CAPACITY@resources(a1 cpu 1/0/1)");
    ck_assert_str_eq(
        scene_run_with(plugins, 1,
                       "agent a1 cpu=9; agent a2 cpu=8; agent b2 cpu=7; session 1 cpu=1", a),
        "1 SCHEDULED b2");
    scene = "agent a1 cpu=2; agent a2 cpu=2; agent b1 cpu=2; session 1 cpu=1; session 2 cpu=1; "
            "session 3 cpu=1; session 4 cpu=1; "
            "session 5 cpu=1";
    ck_assert_str_eq(scene_run_with(plugins, 1, scene, a),
                     "1 SCHEDULED a2\n2 SCHEDULED a2\n3 SCHEDULED a1\n4 SCHEDULED a1\n"
                     "5 SCHEDULED b1");
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, filters_from_outside_narrow_the_agents);
    tcase_add_test(tc, agents_are_counted_once_a_kind);
    tcase_add_test(tc, filters_without_words_get_a_sentence);
    tcase_add_test(tc, filters_from_outside_may_change_their_mind);
    tcase_add_test(tc, requirements_name_their_kernels);
    tcase_add_test(tc, orders_and_selectors_from_outside_choose);
}

int main(void)
{
    return unit_run("plugins_placement", add);
}
