/* test_fit_index.c - the candidate index chooses the agent that a plain scan chooses, always:
 * random clusters, every selector, gangs that give back what they hold, full and empty agents. The
 * causes are compared with their numbers, too: they are remembered between sessions of one shape,
 * and a plain scan remembers nothing. */
#include <string.h>

#include "scheduler/cause.h"
#include "scheduler/policy_internal.h"
#include "tests/unit/scene.h"
#include "tests/unit/unit.h"

static uint64_t state;

static uint32_t below(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 11) % n);
}

enum { MAX_SLOTS = 10 };

struct size {
    const char *what;
    uint32_t agents, sessions, slots, most; /* amounts 0..most */
    uint32_t gangs, groups;                 /* in a hundred sessions */
    int64_t max_containers;
};

static const struct size sizes[] = {
    {"no agents", 0, 20, 3, 4, 20, 0, 0},
    {"one agent", 1, 40, 3, 4, 20, 0, 0},
    {"two agents", 2, 60, 3, 4, 20, 0, 3},
    {"a few agents, few amounts", 9, 120, 3, 3, 20, 0, 0},
    {"a power of two of agents", 16, 200, 2, 5, 10, 0, 5},
    {"one more than a power of two", 17, 200, 2, 5, 10, 0, 0},
    {"many agents, small requests", 300, 900, 4, 6, 5, 0, 4},
    {"many agents, many amounts", 150, 700, 4, 1000, 5, 0, 0},
    {"single-node only, containers matter", 40, 600, 2, 8, 0, 0, 6},
    {"with session groups and designated agents", 40, 300, 3, 6, 20, 30, 5},
    {"few shapes that come again and again", 6, 250, 1, 2, 50, 0, 0},
    {"gangs that give back in every column", 16, 400, 1, 3, 60, 0, 3},
    {"few shapes with groups", 8, 250, 1, 2, 30, 60, 0},
    {"one amount in the way of another", 250, 900, 1, 60, 0, 0, 0},
    {"every session its own amounts", 120, 2500, 3, 100000, 0, 0, 0},
    {"more slot sets than indexes", 20, 900, MAX_SLOTS, 3, 5, 0, 0},
    {"more indexes than there are bytes for", 250, 400, MAX_SLOTS, 3, 5, 0, 0},
};

static void amounts(int64_t *row, const struct size *z)
{
    for (uint32_t i = 0; i < z->slots; i++)
        row[i] = below(3) == 0 ? 0 : (int64_t)below(z->most + 1) * AMOUNT_ONE / (1 + below(2));
}

static void add_agents(struct snapshot_builder *b, const struct size *z, struct arena *a)
{
    for (uint32_t i = 0; i < z->agents; i++) {
        int64_t *capacity = NULL, *held = NULL;
        struct agent agent = {.id = arena_printf(a, "a%u", i * 7919 % 1009),
                              .addr = "",
                              .alive = below(10) > 0,
                              .schedulable = below(10) > 0,
                              .containers = (int32_t)below(3)};
        (void)builder_agent(b, &agent, below(4) == 0 ? "arm" : "x86", &capacity, &held);
        for (uint32_t k = 0; k < z->slots; k++) {
            capacity[k] = below(4) == 0 ? 0 : (int64_t)below(4 * z->most + 1) * AMOUNT_ONE;
            held[k] = below(3) == 0 ? (int64_t)below(2 * z->most + 1) * AMOUNT_ONE : 0;
        }
    }
}

static void add_session(struct snapshot_builder *b, const struct size *z, uint32_t n)
{
    int64_t *request = NULL;
    bool gang = below(100) < z->gangs;
    struct session x = {.id = scene_uuid(n),
                        .creation_id = "",
                        .created_at = below(1000),
                        .starts_at = TIME_NONE,
                        .mode = gang ? CLUSTER_MULTI_NODE : CLUSTER_SINGLE_NODE,
                        .designated_strict = below(2) == 0,
                        .group = NONE};
    for (int k = 0; k < N_OWNER_KINDS; k++)
        x.owner[k] = builder_owner(b, (enum owner_kind)k, "o");
    if (below(100) < z->groups) {
        struct session_group g = {.id = scene_uuid(9000 + below(3)), .strict = below(2) == 0};
        g.direction = (enum group_direction)below(3);
        x.group = builder_session_group(b, &g);
    }
    uint32_t i = builder_session(b, &x);
    const char *arch = below(4) == 0 ? "arm" : "x86";
    for (uint32_t k = 0; k < (gang ? 1 + below(5) : 1 + below(2)); k++) {
        struct kernel kernel = {
            .id = scene_uuid(100000 + 10 * n + k), .is_main = k == 0, .cluster_idx = (int32_t)k};
        (void)builder_kernel(b, i, &kernel, arch, &request);
        amounts(request, z);
    }
    for (uint32_t k = below(100) < z->groups ? 1 + below(3) : 0; k > 0; k--)
        builder_designated(b, i, builder_agent_at(b, below(z->agents / 2))->id);
}

static const struct snapshot *cluster(const struct size *z, const char *strategy, struct arena *a)
{
    struct snapshot_builder *b = builder_create(a);
    builder_group(b, &(struct snapshot){.observed_at = 1000000,
                                        .group_name = "g",
                                        .scheduler = "fifo",
                                        .strategy = strategy});
    for (uint32_t i = 0; i < z->slots; i++)
        (void)builder_slot(b, arena_printf(a, "s%u", i), SLOT_COUNT, 0);
    add_agents(b, z, a);
    for (uint32_t i = 0; i < z->sessions; i++)
        add_session(b, z, i + 1);
    return builder_finish(b);
}

/* Hundreds of agents hold nearly enough: what "concentrated" likes best never fits. */
START_TEST(nearly_full_agents_are_not_in_the_way)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct text t = {.arena = a};
    text_add(&t, "agent z1 cpu=900; agent z2 cpu=900");
    for (unsigned i = 0; i < 300; i++)
        text_addf(&t, "; agent a%03u cpu=%u held.cpu=2", i, 6 + i % 3);
    for (unsigned i = 1; i <= 200; i++)
        text_addf(&t, "; session %u cpu=%s", i, i % 50 == 0 ? "5.5" : i % 2 == 0 ? "6.5" : "7");
    const struct snapshot *s = scene_snapshot(text_end(&t), a);
    struct policy *policy = scene_policy(s, NULL, a);
    struct round_limits plain = {.plain_scan = true};
    struct plan *quick = NULL, *slow = NULL;
    ck_assert_int_eq(round_run(s, policy, NULL, NULL, a, &quick, NULL, NULL), 0);
    ck_assert_int_eq(round_run(s, policy, &plain, NULL, a, &slow, NULL, NULL), 0);
    ck_assert_msg(quick->counts[OUTCOME_SCHEDULED] == 200, "%u of 200 placed",
                  quick->counts[OUTCOME_SCHEDULED]);
    ck_assert_msg(quick->hash == slow->hash, "the index chose other agents than a scan");
}
END_TEST

static int64_t alike(const struct room *m, const struct requirement *r,
                     const struct option_value *options, uint32_t agent)
{
    (void)m;
    (void)r;
    (void)options;
    (void)agent;
    return 0;
}

/* An order that goes by marks and makes no difference: marked and other agents are one tier. */
START_TEST(a_tier_of_marked_and_other_agents_is_the_selectors)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    static const struct plugin order = {.abi = BERTH_PLUGIN_ABI,
                                        .kind = PLUGIN_ORDER,
                                        .name = "alike",
                                        .order = {.rank = alike, .by_marks = true}};
    static const char *const want[] = {
        "1 SCHEDULED b\n2 SCHEDULED b\n3 SCHEDULED b\n4 SCHEDULED c\n5 SCHEDULED c\n6 SCHEDULED c\n"
        "7 SCHEDULED a\n8 SCHEDULED d",
        "1 SCHEDULED a\n2 SCHEDULED b\n3 SCHEDULED c\n4 SCHEDULED d\n5 SCHEDULED a\n6 SCHEDULED b\n"
        "7 SCHEDULED d\n8 WAITING CAPACITY@resources(a cpu 3/2/4)"};
    static const char *const names[] = {"concentrated", "roundrobin"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        for (int plain = 0; plain < 2; plain++) {
            const struct snapshot *s = scene_snapshot(
                arena_printf(a,
                             "group strategy=%s; agent a cpu=4; agent b cpu=3; agent c cpu=3; "
                             "agent d cpu=5; session 1 designated=c cpu=1; "
                             "session 2 designated=c cpu=1; session 3 designated=d,c cpu=1; "
                             "session 4 designated=c,d cpu=1; session 5 "
                             "designated=d cpu=1; session 6 designated=b,a cpu=1; session 7 "
                             "designated=a cpu=3; session 8 designated=a cpu=3",
                             names[i]),
                a);
            struct policy *policy = scene_policy(s, NULL, a);
            struct chosen only = {.plugin = &order};
            struct round_limits limits = {.plain_scan = plain};
            struct plan *p = NULL;
            policy->orders = (struct chosen_list){.items = &only, .n = 1};
            ck_assert_int_eq(round_run(s, policy, &limits, NULL, a, &p, NULL, NULL), 0);
            const char *got = scene_plan_text(s, p, a);
            ck_assert_msg(strcmp(got, want[i]) == 0, "%s, %s:\n%s", names[i],
                          plain ? "scan" : "index", got);
        }
}
END_TEST

static const char *const strategies[] = {"concentrated", "dispersed", "legacy", "roundrobin"};
enum { SEEDS = 12 };

START_TEST(index_and_scan_make_the_same_plan)
{
    const struct size *z = &sizes[_i];
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
        CLEANUP(arena_destroyp) struct arena *a = arena_create();
        state = UINT64_C(0x9e3779b97f4a7c15) * (seed + 1);
        const struct snapshot *s = cluster(z, strategies[seed % ARRAY_SIZE(strategies)], a);
        struct policy_config c = {.max_containers_per_agent = z->max_containers};
        struct policy *policy = scene_policy(s, &c, a);
        struct round_limits plain = {.plain_scan = true};
        struct plan *quick = NULL, *slow = NULL;
        ck_assert_int_eq(round_run(s, policy, NULL, NULL, a, &quick, NULL, NULL), 0);
        ck_assert_int_eq(round_run(s, policy, &plain, NULL, a, &slow, NULL, NULL), 0);
        ck_assert_msg(quick->n_decisions == z->sessions, "%s, seed %u: %u decisions", z->what, seed,
                      quick->n_decisions);
        const char *x = scene_plan_text(s, quick, a), *y = scene_plan_text(s, slow, a);
        ck_assert_msg(strcmp(x, y) == 0 && quick->hash == slow->hash,
                      "%s, %s, seed %u:\n--- scan\n%.3000s\n--- index\n%.3000s", z->what,
                      s->strategy, seed, y, x);
    }
}
END_TEST

/* Numbers that no loader lets through: nothing overflows, and index and scan still agree. */
static void spoil(const struct snapshot *s)
{
    static const int64_t odd[] = {INT64_MIN,  INT64_MIN + 1, -1,           0,
                                  AMOUNT_MAX, AMOUNT_INF,    INT64_MAX / 2};
    int64_t *const matrices[] = {(int64_t *)s->agent_capacity, (int64_t *)s->agent_held,
                                 (int64_t *)s->owner_limit, (int64_t *)s->owner_usage,
                                 (int64_t *)s->requests};
    const uint32_t rows[] = {s->n_agents, s->n_agents, s->n_owners, s->n_owners, s->n_requests};
    for (uint32_t i = 0; i < 30; i++) {
        uint32_t k = below(ARRAY_SIZE(matrices));
        if (rows[k] > 0)
            matrices[k][below(rows[k] * s->n_slots)] = odd[below(ARRAY_SIZE(odd))];
    }
    for (uint32_t i = 0; i < s->n_agents; i += 1 + below(5))
        ((struct agent *)s->agents)[i].containers = below(2) == 0 ? INT32_MIN : INT32_MAX;
    for (uint32_t i = 0; i < s->n_sessions; i += 1 + below(20)) {
        struct session *x = (struct session *)&s->sessions[i];
        x->pending_since = odd[below(ARRAY_SIZE(odd))];
        x->priority = below(2) == 0 ? INT32_MIN : INT32_MAX;
        x->retries = INT32_MIN;
    }
}

START_TEST(numbers_beyond_reason_do_no_harm)
{
    static const char *const schedulers[] = {"fifo", "lifo", "drf"};
    static const struct size z = {"odd numbers", 20, 60, 2, 4, 30, 20, 0};
    for (uint32_t seed = 0; seed < 60; seed++) {
        CLEANUP(arena_destroyp) struct arena *a = arena_create();
        state = UINT64_C(0x9e3779b97f4a7c15) * (seed + 1);
        struct snapshot s = *cluster(&z, strategies[seed % ARRAY_SIZE(strategies)], a);
        s.scheduler = schedulers[seed % ARRAY_SIZE(schedulers)];
        s.pending_timeout = seed % 2 == 0 ? 0 : INT64_MAX - seed;
        spoil(&s);
        struct policy_config c = {.max_containers_per_agent = seed % 5 == 0 ? INT64_MAX : 4};
        struct policy *policy = scene_policy(&s, &c, a);
        struct round_limits plain = {.plain_scan = true};
        struct explain_request q = {.session = below(s.n_sessions), .agents = true};
        struct plan *quick = NULL, *slow = NULL;
        struct explanation *x = NULL;
        ck_assert_int_eq(round_run(&s, policy, NULL, NULL, a, &quick, NULL, NULL), 0);
        ck_assert_int_eq(round_run(&s, policy, &plain, NULL, a, &slow, NULL, NULL), 0);
        ck_assert_int_eq(round_explain(&s, policy, &q, a, &x, NULL), 0);
        ck_assert_msg(quick->hash == slow->hash, "seed %u: index and scan part", seed);
    }
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, nearly_full_agents_are_not_in_the_way);
    tcase_add_test(tc, a_tier_of_marked_and_other_agents_is_the_selectors);
    tcase_add_test(tc, numbers_beyond_reason_do_no_harm);
    tcase_add_loop_test(tc, index_and_scan_make_the_same_plan, 0, ARRAY_SIZE(sizes));
}

int main(void)
{
    return unit_run("fit_index", add);
}
