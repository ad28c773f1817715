/* test_remedy_world.c - changing a snapshot and changing it back, amounts, and where the search
 * ends. */
#include <string.h>

#include "scheduler/plugin.h"
#include "scheduler/remedy.h"
#include "tests/unit/scene.h"
#include "tests/unit/unit.h"

static const struct policy_config config = {.max_containers_per_agent = 3};

struct asked { /* session 9 of a scene, and what helps it */
    struct arena *arena;
    const struct snapshot *s;
    const struct policy *p;
    struct explain_request q;
    struct remedies *r;
};

static void ask(struct asked *x, const char *scene, struct arena *a,
                const struct remedy_limits *limits)
{
    struct uuid id = scene_uuid(9);
    *x = (struct asked){.arena = a, .s = scene_snapshot(scene, a)};
    x->p = scene_policy(x->s, &config, a);
    x->q.session = snapshot_find_session(x->s, &id);
    ck_assert_int_eq(remedy_find(x->s, x->p, &x->q, limits, a, &x->r, NULL), 0);
}

static enum verdict verdict_in(const struct asked *x, const struct remedy_world *w)
{
    struct explain_request q = x->q;
    struct explanation *then;
    q.session = remedy_world_session(w);
    ck_assert_int_eq(
        round_explain(remedy_world_snapshot(w), remedy_world_policy(w), &q, x->arena, &then, NULL),
        0);
    return then->verdict;
}

START_TEST(a_world_is_changed_and_changed_back)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct asked x;
    ask(&x, "agent a cpu=4 held.cpu=3; agent b dead; session 9 cpu=4", a, NULL);
    struct remedy_world *w = remedy_world_create(x.s, x.p, x.q.session, a);
    for (int again = 0; again < 2; again++) /* the second time the tables are copies already */
        for (uint32_t i = 0; i < x.r->n; i++) {
            ck_assert_msg(verdict_in(&x, w) == VERDICT_WAITS, "before %s", x.r->items[i].message);
            ck_assert_msg(remedy_apply(w, &x.r->items[i]), "%s", x.r->items[i].message);
            ck_assert_msg(verdict_in(&x, w) == VERDICT_FITS, "after %s", x.r->items[i].message);
            remedy_world_undo(w, 0);
        }
    ck_assert_uint_eq(remedy_world_mark(w), 0);
    ck_assert_uint_eq(remedy_world_snapshot(w)->n_agents, 2);
}
END_TEST

/* Changes that cannot be done, behind one that can: nothing is changed. */
static const struct {
    const char *what;
    struct remedy_change change;
} impossible[] = {
    {"more than the agent holds",
     {.kind = REMEDY_FREE_AGENT,
      .subject = "a",
      .slots = &(const struct remedy_slot){.slot = 0, .by = 4000001},
      .n_slots = 1}},
    {"more containers than run there", {.kind = REMEDY_FREE_AGENT, .subject = "a", .count = 3}},
    {"an agent that is gone", {.kind = REMEDY_FREE_AGENT, .subject = "z"}},
    {"bringing back who is gone", {.kind = REMEDY_ENABLE_AGENT, .subject = "z"}},
    {"mending who is gone", {.kind = REMEDY_MEND_ROW, .subject = "z", .owner = NONE}},
    {"an architecture nobody has", {.kind = REMEDY_CHANGE_ARCHITECTURE, .subject = "vax"}},
    {"a new agent of an architecture nobody has",
     {.kind = REMEDY_ADD_AGENT, .subject = "vax", .count = 1}},
    {"members that are not there", {.kind = REMEDY_END_GROUP_MEMBERS, .subject = "b", .count = 1}},
    {"more members than are there", {.kind = REMEDY_END_GROUP_MEMBERS, .subject = "a", .count = 2}},
    {"more sessions than run", {.kind = REMEDY_FINISH_SESSIONS, .owner = 0, .count = 6}},
    {"more than the owner uses",
     {.kind = REMEDY_FREE_QUOTA,
      .owner = 0,
      .slots = &(const struct remedy_slot){.slot = 0, .by = 1},
      .n_slots = 1}},
};

START_TEST(what_cannot_be_done_changes_nothing)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct asked x;
    ask(&x,
        "agent a cpu=8 held.cpu=4 containers=2; agent b; key k live=5; sgroup 7 spread; member 7 a "
        "1; session 9 in=7",
        a, NULL);
    const struct remedy_change changes[] = {
        {.kind = REMEDY_LEAVE_SESSION_GROUP, .subject = "", .owner = NONE}, impossible[_i].change};
    const struct remedy both = {.changes = &changes[1], .n_changes = 1};
    const struct remedy behind = {.changes = changes, .n_changes = 2};
    struct remedy_world *w = remedy_world_create(x.s, x.p, x.q.session, a);
    ck_assert_msg(!remedy_apply(w, &both), "%s was done", impossible[_i].what);
    if (changes[1].kind == REMEDY_END_GROUP_MEMBERS)
        return; /* without its group it has no members anywhere */
    ck_assert_msg(!remedy_apply(w, &behind), "%s was done", impossible[_i].what);
    ck_assert_msg(remedy_world_snapshot(w)->sessions[0].group == 0,
                  "%s: half of the remedy was done", impossible[_i].what);
}
END_TEST

START_TEST(a_session_that_leaves_moves_the_others)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct asked x;
    ask(&x, "agent a; key k max_pending=1; session 1; session 5 at=99; session 9", a, NULL);
    struct remedy_world *w = remedy_world_create(x.s, x.p, x.q.session, a);
    ck_assert_msg(x.r->items[0].changes[0].kind == REMEDY_LEAVE_QUEUE, "%s", x.r->items[0].message);
    ck_assert_msg(remedy_apply(w, &x.r->items[0]), "%s", x.r->items[0].message);
    ck_assert_uint_eq(remedy_world_session(w), x.q.session - 1);
    ck_assert_uint_eq(remedy_world_snapshot(w)->n_sessions, 2);
    ck_assert_msg(verdict_in(&x, w) == VERDICT_FITS, "it does not fit");
    ck_assert_msg(remedy_apply(w, &x.r->items[0]), "twice is once");
    ck_assert_uint_eq(remedy_world_snapshot(w)->n_sessions, 2);
}
END_TEST

START_TEST(every_amount_can_be_lessened)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct remedy_slot slots[] = {{.slot = 0, .by = 5, .to = 7},
                                        {.slot = 1, .by = 1, .to = 1}};
    const struct uuid ids[] = {scene_uuid(1), scene_uuid(2)};
    const struct remedy_change changes[] = {
        {.kind = REMEDY_FREE_AGENT, .slots = slots, .n_slots = 2, .count = 3, .time = TIME_NONE},
        {.kind = REMEDY_ASK_LESS, .slots = slots, .n_slots = 1, .time = TIME_NONE},
        {.kind = REMEDY_LEAVE_QUEUE, .sessions = ids, .n_sessions = 2, .time = TIME_NONE},
        {.kind = REMEDY_WAIT_UNTIL, .time = 100},
        {.kind = REMEDY_START_EARLIER, .time = 100},
        {.kind = REMEDY_RAISE_PENDING_TIMEOUT, .duration = 9, .time = TIME_NONE},
        {.kind = REMEDY_RAISE_PRIORITY, .count = -3, .time = TIME_NONE},
        {.kind = REMEDY_ENQUEUE_ANEW, .time = TIME_NONE},
    };
    const struct remedy r = {.changes = changes, .n_changes = ARRAY_SIZE(changes)};
    ck_assert_uint_eq(remedy_n_amounts(&r), 10);
    const struct remedy_change *c = remedy_lessen(&r, 0, 2, a).changes;
    ck_assert_msg(c[0].slots[0].by == 3 && c[0].slots[0].to == 5, "less is left free");
    c = remedy_lessen(&r, 1, 1, a).changes;
    ck_assert_msg(c[0].n_slots == 1, "a slot of which nothing is left is left out");
    ck_assert_msg(remedy_lessen(&r, 2, 1, a).changes[0].count == 2, "containers");
    c = remedy_lessen(&r, 3, 2, a).changes;
    ck_assert_msg(c[1].slots[0].by == 3 && c[1].slots[0].to == 9, "more is asked");
    c = remedy_lessen(&r, 4, 1, a).changes;
    ck_assert_msg(c[2].n_sessions == 1 && uuid_compare(&c[2].sessions[0], &ids[1]) == 0,
                  "the other session");
    c = remedy_lessen(&r, 5, 1, a).changes;
    ck_assert_msg(c[2].n_sessions == 1 && uuid_compare(&c[2].sessions[0], &ids[0]) == 0,
                  "the first session");
    ck_assert_msg(remedy_lessen(&r, 6, 1, a).changes[3].time == 99, "waits less");
    ck_assert_msg(remedy_lessen(&r, 7, 1, a).changes[4].time == 101, "starts later");
    ck_assert_msg(remedy_lessen(&r, 8, 1, a).changes[5].duration == 8, "a shorter timeout");
    ck_assert_msg(remedy_lessen(&r, 9, 1, a).changes[6].count == -4, "a lower priority");
    ck_assert_msg(slots[0].by == 5, "the remedy itself is as it was");
}
END_TEST

START_TEST(the_search_ends_where_its_limits_say)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct asked x;
    static const char scene[] = "agent a cpu=4 held.cpu=3; agent b cpu=4 held.cpu=3; agent c cpu=4 "
                                "held.cpu=3; session 9 cpu=4";
    uint32_t rooms = 0;
    const struct remedy_limits one = {.max_agents = 1}, few = {.max_tries = 3};
    ask(&x, scene, a, &one);
    for (uint32_t i = 0; i < x.r->n; i++)
        rooms += x.r->items[i].changes[0].kind == REMEDY_FREE_AGENT;
    ck_assert_uint_eq(rooms, 1);
    ask(&x, scene, a, &few);
    ck_assert_msg(!x.r->suffice && x.r->n == 1 && x.r->items[0].n_changes == 0,
                  "three previews found %s", x.r->items[0].message);
}
END_TEST

static bool is_third(void *ctx)
{
    return --*(int *)ctx == 0;
}

START_TEST(the_search_ends_when_time_is_up)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct asked x;
    int left = 3;
    const struct remedy_limits limits = {.stop = is_third, .ctx = &left};
    ask(&x, "agent a cpu=1; key k max=1 live=1; session 9 cpu=1", a, &limits);
    ck_assert_msg(left == 0, "it was asked %d times more", left);
    ck_assert_msg(!x.r->suffice && x.r->n == 1 && x.r->items[0].n_changes == 0, "two previews");
}
END_TEST

static void *begin_twice(const struct band *b)
{
    return (void *)(uintptr_t)b;
}

static uint32_t pick_twice(void *state)
{
    return ((const struct band *)state)->sessions[0];
}

SEQUENCER(twice, "twice", "offers the first one for ever", NULL, .begin = begin_twice,
          .pick_session = pick_twice);

START_TEST(a_plugin_that_misbehaves_ends_the_search)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(registry_destroyp) struct registry *registry = registry_create();
    const struct snapshot *s =
        scene_snapshot("group scheduler=twice; agent a; session 1; session 9", a);
    struct explain_request q = {.session = 1, .after_queue = true};
    struct policy *p;
    struct remedies *r = NULL;
    struct err e = {0};
    ck_assert_int_eq(registry_add(registry, &sequencer_twice, "test", &e), 0);
    ck_assert_int_eq(policy_resolve(registry, &config, s, a, &p, &e), 0);
    ck_assert_int_eq(remedy_find(s, p, &q, NULL, a, &r, &e), -1);
    ck_assert_msg(r == NULL && e.code == ERR_INTERNAL, "%s", e.message);
}
END_TEST

static enum check_result refuse(const struct check *c, struct cause_list *causes)
{
    (void)c;
    (void)cause_add(causes, CAUSE_PLUGIN, NULL, "Not today.");
    return CHECK_REJECTED;
}

VALIDATOR(never, "never", "refuses all", NULL, .check = refuse);

START_TEST(a_plugin_has_reasons_of_its_own)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(registry_destroyp) struct registry *registry = registry_create();
    const struct snapshot *s = scene_snapshot("agent a; session 9", a);
    struct explain_request q = {0};
    struct policy *p;
    struct remedies *r = NULL;
    struct err e = {0};
    ck_assert_int_eq(registry_add(registry, &validator_never, "test", &e), 0);
    ck_assert_int_eq(policy_resolve(registry, &config, s, a, &p, &e), 0);
    ck_assert_int_eq(remedy_find(s, p, &q, NULL, a, &r, &e), 0);
    ck_assert_msg(r->n == 1 && r->items[0].n_changes == 0 && !r->suffice, "%u remedies", r->n);
    ck_assert_str_eq(r->items[0].message,
                     "The plugin never decides by rules of its own: ask who installed it.");
}
END_TEST

static bool keep_a(const struct room *m, const struct requirement *r,
                   const struct option_value *options, uint32_t agent)
{
    (void)r;
    (void)options;
    return strcmp(m->snapshot->agents[agent].id, "a") == 0;
}

FILTER(only_a, "only_a", "keeps the agent called a", NULL, .keep = keep_a);

/* What another filter refuses nobody here can mend; the agents it keeps can be made to fit. */
START_TEST(agents_that_a_plugin_refuses_are_not_offered)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(registry_destroyp) struct registry *registry = registry_create();
    const struct snapshot *s =
        scene_snapshot("agent a cpu=4 held.cpu=4; agent b cpu=4 held.cpu=1; session 9 cpu=4", a);
    struct explain_request q = {0};
    struct policy *p;
    struct remedies *r = NULL;
    struct err e = {0};
    ck_assert_int_eq(registry_add(registry, &filter_only_a, "test", &e), 0);
    ck_assert_int_eq(policy_resolve(registry, &config, s, a, &p, &e), 0);
    ck_assert_int_eq(remedy_find(s, p, &q, NULL, a, &r, &e), 0);
    ck_assert_msg(r->n == 1 && r->suffice, "%u remedies", r->n);
    ck_assert_str_eq(r->items[0].message, "Free cpu=4 on a.");
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, a_world_is_changed_and_changed_back);
    tcase_add_loop_test(tc, what_cannot_be_done_changes_nothing, 0, ARRAY_SIZE(impossible));
    tcase_add_test(tc, a_session_that_leaves_moves_the_others);
    tcase_add_test(tc, every_amount_can_be_lessened);
    tcase_add_test(tc, the_search_ends_where_its_limits_say);
    tcase_add_test(tc, the_search_ends_when_time_is_up);
    tcase_add_test(tc, a_plugin_that_misbehaves_ends_the_search);
    tcase_add_test(tc, a_plugin_has_reasons_of_its_own);
    tcase_add_test(tc, agents_that_a_plugin_refuses_are_not_offered);
}

int main(void)
{
    return unit_run("remedy_world", add);
}
