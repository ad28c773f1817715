/* test_plan.c - names, digests of causes, and the hash of a plan. */
#include <string.h>

#include "scheduler/fnv.h"
#include "tests/unit/sample.h"
#include "tests/unit/unit.h"

START_TEST(outcome_has_a_name_of_its_own)
{
    for (int i = 0; i < N_OUTCOMES; i++)
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(outcome_name((enum outcome)i), outcome_name((enum outcome)j));
    ck_assert_str_eq(outcome_name(OUTCOME_SCHEDULED), "SCHEDULED");
    ck_assert_str_eq(outcome_name(OUTCOME_SKIPPED), "SKIPPED");
    ck_assert_str_eq(outcome_name(N_OUTCOMES), "UNKNOWN");
}
END_TEST

START_TEST(cause_kind_has_a_name_of_its_own)
{
    for (int i = 0; i < N_CAUSE_KINDS; i++)
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(cause_kind_name((enum cause_kind)i),
                             cause_kind_name((enum cause_kind)j));
    ck_assert_str_eq(cause_kind_name(CAUSE_NOT_BEFORE), "NOT_BEFORE");
    ck_assert_str_eq(cause_kind_name(CAUSE_AGENT_UNAVAILABLE), "AGENT_UNAVAILABLE");
    ck_assert_str_eq(cause_kind_name(N_CAUSE_KINDS), "UNKNOWN");
}
END_TEST

/* The published vectors of FNV-1a, 64 bits. */
START_TEST(fnv_agrees_with_its_vectors)
{
    ck_assert_uint_eq(fnv_bytes(FNV_START, "", 0), UINT64_C(0xcbf29ce484222325));
    ck_assert_uint_eq(fnv_bytes(FNV_START, "a", 1), UINT64_C(0xaf63dc4c8601ec8c));
    ck_assert_uint_eq(fnv_bytes(FNV_START, "foobar", 6), UINT64_C(0x85944171f73967e8));
    ck_assert_uint_eq(fnv_text(FNV_START, "a"), fnv_bytes(FNV_START, "a", 2));
    ck_assert_uint_eq(fnv_text(FNV_START, NULL), fnv_text(FNV_START, ""));
    ck_assert_uint_eq(fnv_u32(FNV_START, 0x64636261), fnv_bytes(FNV_START, "abcd", 4));
}
END_TEST

#define CAPACITY(subject_, message_)                                                               \
    {                                                                                              \
        .kind = CAUSE_CAPACITY, .plugin = "resources", .subject = (subject_),                      \
        .message = (message_)                                                                      \
    }
#define QUOTA(plugin_, subject_)                                                                   \
    {                                                                                              \
        .kind = CAUSE_KEYPAIR_QUOTA, .plugin = (plugin_), .subject = (subject_)                    \
    }

static const struct {
    const char *what;
    struct cause a[2], b[2];
    uint32_t n_a, n_b;
    bool same;
} digests[] = {
    {"another kind", {{.kind = CAUSE_CAPACITY}}, {{.kind = CAUSE_INFEASIBLE}}, 1, 1, false},
    {"another plugin", {QUOTA("p", "AK1")}, {QUOTA("q", "AK1")}, 1, 1, false},
    {"another access key", {QUOTA("p", "AK1")}, {QUOTA("p", "AK2")}, 1, 1, false},
    {"a letter moves from plugin to subject",
     {QUOTA("pA", "K1")},
     {QUOTA("p", "AK1")},
     1,
     1,
     false},
    {"one cause more", {QUOTA("p", "AK1")}, {QUOTA("p", "AK1"), QUOTA("p", "AK1")}, 1, 2, false},
    {"none and one", {QUOTA("p", "AK1")}, {QUOTA("p", "AK1")}, 0, 1, false},
    {"another order",
     {QUOTA("p", "AK1"), QUOTA("q", "AK1")},
     {QUOTA("q", "AK1"), QUOTA("p", "AK1")},
     2,
     2,
     false},
    {"none and none", {QUOTA("p", "AK1")}, {QUOTA("q", "AK1")}, 0, 0, true},
    {"another best agent", {CAPACITY("a1", "x")}, {CAPACITY("a2", "x")}, 1, 1, true},
    {"another sentence", {CAPACITY("a1", "x")}, {CAPACITY("a1", "y")}, 1, 1, true},
    {"another nearest agent of INFEASIBLE",
     {{.kind = CAUSE_INFEASIBLE, .subject = "a1"}},
     {{.kind = CAUSE_INFEASIBLE, .subject = "a2"}},
     1,
     1,
     true},
    {"another emptiest agent of CONTAINER_LIMIT",
     {{.kind = CAUSE_CONTAINER_LIMIT, .subject = "a1"}},
     {{.kind = CAUSE_CONTAINER_LIMIT, .subject = "a2"}},
     1,
     1,
     true},
    {"no subject and an empty one", {QUOTA("p", NULL)}, {QUOTA("p", "")}, 1, 1, true},
    {"numbers and retryable",
     {{.kind = CAUSE_CAPACITY,
       .n_slots = 1,
       .slots = (const struct shortage[]){{.slot = 1, .requested = 2}},
       .retryable = true}},
     {{.kind = CAUSE_CAPACITY}},
     1,
     1,
     true},
};

START_TEST(causes_digest_tells_reasons_apart_as_tabled)
{
    uint64_t a = causes_digest(digests[_i].a, digests[_i].n_a);
    uint64_t b = causes_digest(digests[_i].b, digests[_i].n_b);
    ck_assert_msg((a == b) == digests[_i].same, "%s: same is %d", digests[_i].what, a == b);
    ck_assert_msg((a == 0) == (digests[_i].n_a == 0), "%s: digest 0", digests[_i].what);
}
END_TEST

/* --- the hash: each of these is another plan --- */

static void other_outcome(struct plan *p)
{
    p->decisions[0].outcome = OUTCOME_EXPIRED;
}
static void other_session(struct plan *p)
{
    p->decisions[0].session = 1;
}
static void other_order(struct plan *p)
{
    struct decision d = p->decisions[0];
    p->decisions[0] = p->decisions[1];
    p->decisions[1] = d;
}
static void fewer_decisions(struct plan *p)
{
    p->n_decisions--;
}
static void fewer_causes(struct plan *p)
{
    p->decisions[1].n_causes--;
}
static void other_kind(struct plan *p)
{
    static const struct cause causes[] = {{.kind = CAUSE_NO_KERNELS}};
    p->decisions[0].causes = causes;
}
static void other_agent(struct plan *p)
{
    p->placements[3].agent--;
}
static void other_kernel(struct plan *p)
{
    p->placements[3].kernel--;
}
static void fewer_placements(struct plan *p)
{
    p->decisions[2].n_placements--;
}
static void other_cursor(struct plan *p)
{
    p->rr_cursors[0].agent_id = "a2";
}
static void other_cursor_arch(struct plan *p)
{
    p->rr_cursors[1].arch = 2;
}
static void fewer_cursors(struct plan *p)
{
    p->n_rr_cursors--;
}
static void nothing(struct plan *p)
{
    (void)p;
}
static void other_words(struct plan *p)
{
    static const struct cause causes[] = {
        {.kind = CAUSE_BAD_DATA, .message = "other", .subject = "other"}};
    p->decisions[0].causes = causes;
    p->decisions[0].passed = 77;
    p->hash = 0;
}

static const struct {
    const char *what;
    void (*change)(struct plan *p);
    bool same;
} changes[] = {
    {"another outcome", other_outcome, false},
    {"another session", other_session, false},
    {"another order", other_order, false},
    {"a decision less", fewer_decisions, false},
    {"a cause less", fewer_causes, false},
    {"another kind of cause", other_kind, false},
    {"another agent", other_agent, false},
    {"another kernel", other_kernel, false},
    {"a placement less", fewer_placements, false},
    {"a cursor elsewhere", other_cursor, false},
    {"a cursor of another architecture", other_cursor_arch, false},
    {"a cursor less", fewer_cursors, false},
    {"nothing", nothing, true},
    {"words and validators passed", other_words, true},
};

START_TEST(plan_hash_tells_plans_apart_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = sample_snapshot(a, 0);
    uint64_t hash = plan_hash(s, sample_plan(s, a));
    struct plan *other = sample_plan(s, a);
    changes[_i].change(other);
    ck_assert_msg((plan_hash(s, other) == hash) == changes[_i].same, "%s: same is %d",
                  changes[_i].what, !changes[_i].same);
}
END_TEST

START_TEST(plan_hash_is_the_same_for_any_order_of_adding)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    uint64_t hash = sample_plan(sample_snapshot(a, 0), a)->hash;
    for (uint64_t seed = 1; seed <= 50; seed++)
        ck_assert_msg(sample_plan(sample_snapshot(a, seed), a)->hash == hash, "seed %u",
                      (unsigned)seed);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, causes_digest_tells_reasons_apart_as_tabled, 0,
                        (int)ARRAY_SIZE(digests));
    tcase_add_loop_test(tc, plan_hash_tells_plans_apart_as_tabled, 0, (int)ARRAY_SIZE(changes));
    tcase_add_test(tc, plan_hash_is_the_same_for_any_order_of_adding);
    tcase_add_test(tc, outcome_has_a_name_of_its_own);
    tcase_add_test(tc, cause_kind_has_a_name_of_its_own);
    tcase_add_test(tc, fnv_agrees_with_its_vectors);
}

int main(void)
{
    return unit_run("plan", add);
}
