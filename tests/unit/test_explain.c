/* test_explain.c - previews: the verdict, the place in the queue, one row for every agent with
 * every filter it fails, what-if without validators, and that a preview says what the round then
 * does. */
#include <string.h>

#include "scheduler/cause.h"
#include "tests/unit/scene.h"
#include "tests/unit/unit.h"

static const char *const verdict_names[] = {[VERDICT_NONE] = "NONE",
                                            [VERDICT_FITS] = "FITS",
                                            [VERDICT_WAITS] = "WAITS",
                                            [VERDICT_BLOCKED] = "BLOCKED",
                                            [VERDICT_INFEASIBLE] = "INFEASIBLE",
                                            [VERDICT_INVALID] = "INVALID",
                                            [VERDICT_EXPIRED] = "EXPIRED"};

static struct explanation *explain(const struct snapshot *s, const struct explain_request *q,
                                   const struct policy_config *c, struct arena *a)
{
    struct explanation *x = NULL;
    struct err e = {0};
    ck_assert_msg(round_explain(s, scene_policy(s, c, a), q, a, &x, &e) == 0, "%s", e.message);
    return x;
}

/* "FITS a1,a2 at 3" or "WAITS CAPACITY@..." */
static char *explanation_text(const struct snapshot *s, const struct explanation *x,
                              struct arena *a)
{
    struct text t = {.arena = a};
    text_addf(&t, "%s", verdict_names[x->verdict]);
    for (uint32_t i = 0; i < x->decision.n_placements; i++)
        text_addf(&t, "%s%s", i > 0 ? "," : " ",
                  s->agents[x->placements[x->decision.first_placement + i].agent].id);
    text_add(&t, scene_causes_text(s, x->decision.causes, x->decision.n_causes, a));
    if (x->queue_position != NONE)
        text_addf(&t, " at %u", x->queue_position);
    return text_end(&t);
}

static char *rows_text(const struct snapshot *s, const struct explanation *x, struct arena *a)
{
    struct text t = {.arena = a};
    for (uint32_t i = 0; i < x->n_agents; i++)
        text_addf(&t, "%s%s%s%s", i > 0 ? "\n" : "", s->agents[x->agents[i].agent].id,
                  x->agents[i].fits ? " fits" : "",
                  scene_causes_text(s, x->agents[i].causes, x->agents[i].n_causes, a));
    return text_end(&t);
}

static const struct {
    const char *what, *scene;
    uint32_t number; /* of the session previewed */
    const char *now, *after;
} cases[] = {
    {"it fits", "agent a cpu=2; session 1 cpu=1", 1, "FITS a at 0", "FITS a at 0"},
    {"the queue ahead takes its place", "agent a cpu=2; session 1 cpu=2; session 2 cpu=1", 2,
     "FITS a at 1", "WAITS CAPACITY@resources(a cpu 1/0/2) at 1"},
    {"the queue behind does not", "agent a cpu=2; session 1 cpu=1; session 2 cpu=2", 1,
     "FITS a at 0", "FITS a at 0"},
    {"the queue ahead moves it to another agent",
     "agent a cpu=2; agent b cpu=3; session 1 cpu=2; session 2 multi cpu=1; kernel 2 sub cpu=2", 2,
     "FITS a,b at 1", "FITS b,b at 1"},
    {"who waits ahead takes nothing", "agent a cpu=2; session 1 cpu=3; session 2 cpu=2", 2,
     "FITS a at 1", "FITS a at 1"},
    {"who waits ahead does not stop the others",
     "agent a cpu=2 held.cpu=1; session 1 cpu=2; session 2 cpu=1", 2, "FITS a at 1", "FITS a at 1"},
    {"stop-at-first goes on after who was placed",
     "option queue_policy \"stop-at-first\"; agent a cpu=2; session 1 cpu=1; session 2 cpu=1", 2,
     "FITS a at 1", "FITS a at 1"},
    {"by the sequencer", "group scheduler=lifo; agent a cpu=2; session 1 cpu=1; session 2 cpu=2", 1,
     "FITS a at 1", "WAITS CAPACITY@resources(a cpu 1/0/2) at 1"},
    {"drf: placements ahead count",
     "group scheduler=drf; agent a cpu=9; session 1 key=A cpu=5; session 2 key=A cpu=4; session 3 "
     "key=B cpu=4",
     2, "FITS a at 1", "WAITS CAPACITY@resources(a cpu 4/0/9) at 1"},
    {"quotas see what is ahead",
     "agent a cpu=9; key k limit.cpu=3; session 1 cpu=2; session 2 cpu=2", 2, "FITS a at 1",
     "BLOCKED KEYPAIR_QUOTA@keypair_resource_limit(k cpu 2/1/3) at 1"},
    {"never", "agent a cpu=2; session 1 cpu=3", 1,
     "INFEASIBLE INFEASIBLE@resources(a cpu 3/2/2)! at 0",
     "INFEASIBLE INFEASIBLE@resources(a cpu 3/2/2)! at 0"},
    {"expired", "group timeout=9; agent a cpu=2; session 1 cpu=1", 1,
     "EXPIRED PENDING_TIMEOUT@pending_timeout()!", "EXPIRED PENDING_TIMEOUT@pending_timeout()!"},
    {"unreadable", "agent a cpu=2; session 1 bad cpu=1", 1, "INVALID BAD_DATA@snapshot()! at 0",
     "INVALID BAD_DATA@snapshot()! at 0"},
    {"no kernels", "agent a cpu=2; session 1 empty", 1, "INVALID NO_KERNELS@plan()! at 0",
     "INVALID NO_KERNELS@plan()! at 0"},
    {"a private session that a validator refuses",
     "key k max_sftp=1 live_sftp=1; agent a; session 1 private", 1,
     "BLOCKED CONCURRENCY@concurrency(k) at 0", "BLOCKED CONCURRENCY@concurrency(k) at 0"},
    {"top-priority skips it",
     "option queue_policy \"top-priority\"; agent a cpu=2; session 1 cpu=1; session 2 prio=99", 1,
     "FITS a at 1", "WAITS QUEUE_POLICY@queue_policy() at 1"},
    {"stop-at-first skips it",
     "option queue_policy \"stop-at-first\"; agent a cpu=2 held.cpu=1; session 1 cpu=2; session 2 "
     "cpu=1",
     2, "FITS a at 1", "WAITS QUEUE_POLICY@queue_policy() at 1"},
    {"expired sessions ahead count in nothing",
     "group timeout=500; agent a cpu=1; key k max_pending=1; session 1 at=1 cpu=1; session 2 "
     "at=900 cpu=1",
     2, "FITS a at 1", "FITS a at 1"},
    {"the round-robin turn",
     "group strategy=roundrobin; agent a; agent b; agent c; cursor x86_64 a; session 1; session 2",
     2, "FITS b at 1", "FITS c at 1"},
};

START_TEST(previews_say_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = scene_snapshot(cases[_i].scene, a);
    struct uuid id = scene_uuid(cases[_i].number);
    for (int after = 0; after < 2; after++)
        for (int agents = 0; agents < 2; agents++) {
            struct explain_request q = {
                .session = snapshot_find_session(s, &id), .after_queue = after, .agents = agents};
            const char *got = explanation_text(s, explain(s, &q, NULL, a), a);
            const char *want = after ? cases[_i].after : cases[_i].now;
            ck_assert_msg(strcmp(got, want) == 0, "%s, %s, %s rows:\nwant %s\ngot  %s",
                          cases[_i].what, after ? "after the queue" : "now",
                          agents ? "with" : "without", want, got);
        }
}
END_TEST

/* After the queue, each session of a table of scenes gets what the round gives it. */
START_TEST(a_preview_after_the_queue_is_what_the_round_does)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = scene_snapshot(cases[_i].scene, a);
    struct plan *p = NULL;
    ck_assert_int_eq(round_run(s, scene_policy(s, NULL, a), NULL, NULL, a, &p, NULL, NULL), 0);
    for (uint32_t i = 0; i < p->n_decisions; i++) {
        struct explain_request q = {.session = p->decisions[i].session, .after_queue = true};
        struct explanation *x = explain(s, &q, NULL, a);
        const struct decision *d = &p->decisions[i];
        ck_assert_msg(d->outcome == x->decision.outcome, "%s, session %u: %s, the preview says %s",
                      cases[_i].what, d->session, outcome_name(d->outcome),
                      outcome_name(x->decision.outcome));
        ck_assert_msg(d->passed == x->decision.passed, "%s, session %u: validators differ",
                      cases[_i].what, d->session);
        for (uint32_t k = 0; k < d->n_placements; k++)
            ck_assert_msg(p->placements[d->first_placement + k].agent == x->placements[k].agent,
                          "%s, session %u, kernel %u", cases[_i].what, d->session, k);
        ck_assert_str_eq(scene_causes_text(s, d->causes, d->n_causes, a),
                         scene_causes_text(s, x->decision.causes, x->decision.n_causes, a));
    }
}
END_TEST

static const struct {
    const char *what, *scene;
    bool after;
    const char *rows;
} row_cases[] = {
    {"every filter an agent fails",
     "agent a cpu=1 held.cpu=1 arch=arm containers=3 dead; sgroup 7 spread strict; "
     "member 7 a 2; session 9 designated=z strict in=7 cpu=1",
     false,
     "a AGENT_UNAVAILABLE@agents(a) ARCHITECTURE@architecture(x86_64) DESIGNATED@designated(z) "
     "SESSION_GROUP@session_group(#7) "
     "CAPACITY@resources(a cpu 1/0/1) CONTAINER_LIMIT@container_limit(a)"},
    {"each on its own",
     "agent a cpu=9; agent b cpu=1; agent c cpu=9 closed; agent d bad; session 9 cpu=2", false,
     "a fits\nb CAPACITY@resources(b cpu 2/1/1)\nc AGENT_UNAVAILABLE@agents(c)\n"
     "d AGENT_UNAVAILABLE@agents(d) CAPACITY@resources(d cpu 2/0/0)"},
    {"the first requirement that failed",
     "agent a cpu=3; agent b cpu=4 mem=1; session 9 multi cpu=1; kernel 9 sub idx=1 mem=2; kernel "
     "9 sub idx=2 cpu=99",
     false, "a CAPACITY@resources(a mem 2/0/0)\nb CAPACITY@resources(b mem 2/1/1)"},
    {"the first requirement when all fit",
     "agent a cpu=1; agent b cpu=2; session 9 multi cpu=2; kernel 9 sub cpu=1", false,
     "a CAPACITY@resources(a cpu 2/1/1)\nb fits"},
    {"before anything is placed", "agent a cpu=1; agent b cpu=2; session 1 cpu=1; session 9 cpu=1",
     false, "a fits\nb fits"},
    {"after the queue ahead", "agent a cpu=1; agent b cpu=2; session 1 cpu=1; session 9 cpu=1",
     true, "a CAPACITY@resources(a cpu 1/0/1)\nb fits"},
    {"who is blocked learns about agents, too",
     "agent a cpu=1; key k max=1 live=1; session 9 cpu=1", false, "a fits"},
    {"who is skipped learns about agents, too",
     "option queue_policy \"top-priority\"; agent a cpu=1; session 1 prio=99 cpu=1; session 9 "
     "cpu=1",
     true, "a CAPACITY@resources(a cpu 1/0/1)"},
    {"nothing to ask: no kernels", "agent a; agent b dead; session 9 empty", false,
     "a\nb AGENT_UNAVAILABLE@agents(b)"},
    {"nothing to ask: unreadable", "agent a; session 9 bad", false, "a"},
    {"pack: an agent without members",
     "agent a; agent b; sgroup 7 pack strict; member 7 b 1; session 9 in=7", false,
     "a SESSION_GROUP@session_group(#7)\nb fits"},
};

START_TEST(rows_are_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = scene_snapshot(row_cases[_i].scene, a);
    struct uuid id = scene_uuid(9);
    struct explain_request q = {.session = snapshot_find_session(s, &id),
                                .agents = true,
                                .after_queue = row_cases[_i].after};
    struct policy_config c = {.max_containers_per_agent = 3};
    struct explanation *x = explain(s, &q, &c, a);
    const char *got = rows_text(s, x, a);
    ck_assert_msg(strcmp(got, row_cases[_i].rows) == 0, "%s:\n--- want\n%s\n--- got\n%s",
                  row_cases[_i].what, row_cases[_i].rows, got);
    uint32_t failing[N_CAUSE_KINDS] = {0};
    for (uint32_t i = 0; i < x->n_agents; i++)
        for (uint32_t k = 0; k < x->agents[i].n_causes; k++)
            failing[x->agents[i].causes[k].kind]++;
    ck_assert_msg(memcmp(failing, x->by_cause, sizeof(failing)) == 0,
                  "%s: the counts by cause differ", row_cases[_i].what);
}
END_TEST

START_TEST(rows_keep_what_remained_before_the_session)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = scene_snapshot(
        "agent a cpu=5 held.cpu=1; agent b cpu=1 held.cpu=3 mem=7; session 1 cpu=2", a);
    struct explain_request q = {.agents = true};
    struct explanation *x = explain(s, &q, NULL, a);
    uint32_t cpu = snapshot_find_slot(s, "cpu"), mem = snapshot_find_slot(s, "mem");
    ck_assert_msg(x->verdict == VERDICT_FITS, "it does not fit");
    ck_assert_msg(x->agents[0].remaining[cpu] == 4 * AMOUNT_ONE, "a: %ld",
                  (long)x->agents[0].remaining[cpu]);
    ck_assert_msg(x->agents[1].remaining[cpu] == 0, "b: %ld", (long)x->agents[1].remaining[cpu]);
    ck_assert_msg(x->agents[1].remaining[mem] == 7, "b: %ld", (long)x->agents[1].remaining[mem]);
}
END_TEST

#define ID7 "00000000-0000-0000-0000-000000000007"
static const char two_members[] =
    "a has 2 members of session group " ID7 ", which spreads strictly.";

START_TEST(rows_speak_about_one_agent)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    static const char *const want[] = {
        "a is not alive.",
        "a has the architecture \"arm\", not \"x86_64\".",
        "a is not one of the designated agents (z).",
        two_members,
        "a has not enough left: it is short of cpu (asked 1, left 0).",
        "a has 3 of at most 3 containers and 1 more is asked.",
    };
    const struct snapshot *s = scene_snapshot(
        "agent a cpu=1 held.cpu=1 arch=arm containers=3 dead; sgroup 7 spread strict; "
        "member 7 a 2; session 9 designated=z strict in=7 cpu=1",
        a);
    struct policy_config c = {.max_containers_per_agent = 3};
    struct explain_request q = {.agents = true};
    const struct agent_row *row = explain(s, &q, &c, a)->agents;
    for (size_t i = 0; i < ARRAY_SIZE(want); i++)
        ck_assert_str_eq(row->causes[i].message, want[i]);
    s = scene_snapshot("agent a closed; agent b bad; agent c; agent d arch=arm; sgroup 7 pack "
                       "strict; sgroup 8 spread strict; "
                       "member 7 c 1; member 8 c 1; session 1 in=7; session 2 in=8",
                       a);
    const struct agent_row *rows = explain(s, &q, NULL, a)->agents;
    ck_assert_str_eq(rows[0].causes[0].message, "a is not schedulable.");
    ck_assert_str_eq(rows[1].causes[0].message, "agent b is unreadable");
    ck_assert_str_eq(rows[3].causes[1].message,
                     "d has no member of session group 00000000-0000-0000-0000-000000000007, which "
                     "packs strictly.");
    q.session = 1;
    ck_assert_str_eq(explain(s, &q, NULL, a)->agents[2].causes[0].message,
                     "c has 1 member of session group 00000000-0000-0000-0000-000000000008, which "
                     "spreads strictly.");
}
END_TEST

START_TEST(validators_can_be_left_out_for_this_session_only)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = scene_snapshot(
        "agent a cpu=1; key k max=1 live=1; session 1 cpu=1; session 2 batch start=2000 cpu=1", a);
    static const char *const ignored[] = {"reserved_batch", "concurrency", "nobody"};
    struct explain_request q = {
        .session = 1, .after_queue = true, .ignore_validators = ignored, .n_ignore_validators = 1};
    ck_assert_str_eq(explanation_text(s, explain(s, &q, NULL, a), a),
                     "BLOCKED CONCURRENCY@concurrency(k) at 1");
    q.n_ignore_validators = 2;
    struct explanation *x = explain(s, &q, NULL, a);
    ck_assert_str_eq(explanation_text(s, x, a), "FITS a at 1");
    ck_assert_msg(x->decision.passed == (0x1ff & ~5u), "%lx", (unsigned long)x->decision.passed);
    q.n_ignore_validators = 3;
    struct explanation *untouched = x;
    struct err e = {0};
    ck_assert_int_eq(round_explain(s, scene_policy(s, NULL, a), &q, a, &x, &e), -1);
    ck_assert_msg(x == untouched && e.code == ERR_INVALID, "%s", e.message);
    ck_assert_str_eq(e.message, "There is no validator \"nobody\".");
    ck_assert_str_eq(e.meta[0].value, "ignore_validators");
}
END_TEST

START_TEST(a_spec_stands_in_no_queue)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s =
        scene_snapshot("agent a cpu=1; session 1 cpu=1; session 2 at=1000 cpu=1", a);
    struct explain_request q = {.session = 1, .is_spec = true};
    ck_assert_str_eq(explanation_text(s, explain(s, &q, NULL, a), a), "FITS a");
    q.after_queue = true;
    ck_assert_str_eq(explanation_text(s, explain(s, &q, NULL, a), a),
                     "WAITS CAPACITY@resources(a cpu 1/0/1)");
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, previews_say_as_tabled, 0, ARRAY_SIZE(cases));
    tcase_add_loop_test(tc, a_preview_after_the_queue_is_what_the_round_does, 0, ARRAY_SIZE(cases));
    tcase_add_loop_test(tc, rows_are_as_tabled, 0, ARRAY_SIZE(row_cases));
    tcase_add_test(tc, rows_keep_what_remained_before_the_session);
    tcase_add_test(tc, rows_speak_about_one_agent);
    tcase_add_test(tc, validators_can_be_left_out_for_this_session_only);
    tcase_add_test(tc, a_spec_stands_in_no_queue);
}

int main(void)
{
    return unit_run("explain", add);
}
