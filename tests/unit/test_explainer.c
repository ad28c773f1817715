/* test_explainer.c - what spares work changes no answer: over random clusters, an explainer that is
 * asked again and again, and previews that know the plan, say what a fresh preview says. */
#include <stdio.h>
#include <string.h>

#include "scheduler/explainer.h"
#include "scheduler/guest.h"
#include "tests/reference/cluster.h"
#include "tests/unit/unit.h"

enum { SEEDS = 300, ASKED = 60 };

struct world {
    uint64_t seed;
    struct arena *a;
    struct registry *registry;
    const struct snapshot *s;
    struct policy *policy;
    struct known known;
};

static const char *const ignored[] = {"keypair_resource_limit", "concurrency",
                                      "pending_session_count_limit"};

static void learn(struct world *w)
{
    struct err e = {.code = ERR_NONE};
    struct plan *plan;
    uint32_t *order;
    ck_assert_msg(round_run(w->s, w->policy, NULL, NULL, w->a, &plan, NULL, &e) == 0, "%s",
                  e.message);
    ck_assert_msg(round_order(w->s, w->policy, w->a, &order, &e) == 0, "%s", e.message);
    uint32_t *decision_of = arena_new(w->a, uint32_t, w->s->n_sessions);
    uint32_t *places = arena_new(w->a, uint32_t, w->s->n_sessions);
    for (uint32_t i = 0; i < w->s->n_sessions; i++) {
        decision_of[plan->decisions[i].session] = i;
        places[order[i]] = i;
    }
    w->known = (struct known){.plan = plan, .decision_of = decision_of, .places = places};
}

static void open_world(struct world *w, uint64_t seed)
{
    struct err e = {.code = ERR_NONE};
    struct cluster c;
    *w = (struct world){.seed = seed, .a = arena_create(), .registry = registry_create()};
    cluster_create(seed, seed, w->a, &c);
    w->s = c.snapshot;
    ck_assert_msg(policy_resolve(w->registry, &c.config, w->s, w->a, &w->policy, &e) == 0, "%s",
                  e.message);
    learn(w);
}

static void close_world(struct world *w)
{
    registry_destroy(w->registry);
    arena_destroy(w->a);
}

/* An answer as text: equal texts, equal answers. */
static char *print(const struct world *w, const struct explanation *x, struct arena *a)
{
    char *t = arena_printf(a, "verdict %d outcome %d passed %llx place %u", (int)x->verdict,
                           (int)x->decision.outcome, (unsigned long long)x->decision.passed,
                           x->queue_position);
    for (uint32_t i = 0; i < x->decision.n_causes; i++)
        t = arena_printf(a, "%s\n%s|%s|%s", t, x->decision.causes[i].plugin,
                         x->decision.causes[i].subject, x->decision.causes[i].message);
    for (uint32_t i = 0; i < x->decision.n_placements; i++)
        t = arena_printf(a, "\n%s %u on %u", t,
                         x->placements[x->decision.first_placement + i].kernel,
                         x->placements[x->decision.first_placement + i].agent);
    for (uint32_t i = 0; i < x->n_agents; i++) {
        t = arena_printf(a, "%s\nagent %u fits %d", t, x->agents[i].agent, x->agents[i].fits);
        for (uint32_t k = 0; k < w->s->n_slots; k++)
            t = arena_printf(a, "%s %lld", t, (long long)x->agents[i].remaining[k]);
        for (uint32_t k = 0; k < x->agents[i].n_causes; k++)
            t = arena_printf(a, "%s\n  %s", t, x->agents[i].causes[k].message);
    }
    for (uint32_t i = 0; i < N_CAUSE_KINDS; i++)
        t = arena_printf(a, "%s %u", t, x->by_cause[i]);
    return t;
}

static char *fresh(const struct world *w, struct explain_request q, struct arena *a)
{
    struct err e = {.code = ERR_NONE};
    struct explanation *x;
    q.known = (struct known){.plan = NULL};
    ck_assert_msg(round_explain(w->s, w->policy, &q, a, &x, &e) == 0, "%s", e.message);
    return print(w, x, a);
}

static struct explain_request draw_request(const struct world *w, struct rng *r)
{
    struct explain_request q = {.session = rng_below(r, w->s->n_sessions),
                                .agents = rng_chance(r, 40),
                                .after_queue = rng_chance(r, 50)};
    if (rng_chance(r, 30)) {
        q.ignore_validators = ignored;
        q.n_ignore_validators = 1 + rng_below(r, (uint32_t)ARRAY_SIZE(ignored));
    }
    if (rng_chance(r, 50)) {
        q.first_row = rng_below(r, 4);
        q.n_rows = rng_below(r, 5);
    }
    return q;
}

START_TEST(what_is_remembered_changes_no_answer)
{
    struct world w;
    struct rng r = {.state = (uint64_t)_i * 7919 + 1};
    struct err e = {.code = ERR_NONE};
    open_world(&w, (uint64_t)_i + 1);
    struct explainer *kept = explainer_create(w.s, w.policy, w.a);
    for (int i = 0; i < ASKED && w.s->n_sessions > 0; i++) {
        CLEANUP(arena_destroyp) struct arena *a = arena_create();
        struct explain_request q = draw_request(&w, &r);
        struct explanation *x;
        if (rng_chance(&r, 70))
            q.known = w.known;
        bool suits = explainer_suits(w.policy, &q);
        int rc = suits ? explainer_ask(kept, &q, a, &x, &e)
                       : round_explain(w.s, w.policy, &q, a, &x, &e);
        ck_assert_msg(rc == 0, "seed %d: %s", _i + 1, e.message);
        char *got = print(&w, x, a), *wanted = fresh(&w, q, a);
        ck_assert_msg(strcmp(got, wanted) == 0,
                      "seed %d, session %u, after the queue %d, question %d:\n%s\nbut fresh:\n%s",
                      _i + 1, q.session, q.after_queue, i, got, wanted);
    }
    close_world(&w);
}
END_TEST

/* --- guests --- */

/* A session that is like one of the snapshot, or nearly, and comes last. */
static void draw_guest(const struct world *w, struct rng *r, struct guest *ret, struct arena *a)
{
    const struct snapshot *s = w->s;
    const struct session *like = &s->sessions[rng_below(r, s->n_sessions)];
    const struct session *owned = &s->sessions[rng_below(r, s->n_sessions)];
    struct kernel *kernels =
        arena_memdup(a, s->kernels + like->first_kernel, like->n_kernels * sizeof(*kernels));
    const char **archs = arena_new(a, const char *, like->n_kernels);
    int64_t *request = arena_new(a, int64_t, (size_t)like->n_kernels * s->n_slots);
    for (uint32_t k = 0; k < like->n_kernels; k++) {
        memcpy(request + (size_t)k * s->n_slots, snapshot_request(s, like->first_kernel + k),
               s->n_slots * sizeof(*request));
        archs[k] = s->archs[kernels[k].arch];
        memset(kernels[k].id.b, 0xff, sizeof(kernels[k].id.b) - 1); /* no stored one is like it */
        kernels[k].id.b[15] = (uint8_t)k;
        kernels[k].is_main = k == 0;
        kernels[k].cluster_idx = k == 0 ? 1 : (int32_t)k;
    }
    if (like->n_kernels > 0 && rng_chance(r, 50))
        request[rng_below(r, like->n_kernels * s->n_slots)] = rng_below(r, 40) * AMOUNT_ONE;
    *ret = (struct guest){.session = *like,
                          .kernels = kernels,
                          .archs = archs,
                          .request = request,
                          .n_kernels = like->n_kernels,
                          .n_designated = like->rare->n_designated};
    if (like->rare->n_designated > 0)
        ret->designated = s->designated + like->rare->first_designated;
    memset(ret->session.id.b, 0xff, sizeof(ret->session.id.b));
    memcpy(ret->session.owner, owned->owner, sizeof(owned->owner));
    ret->session.bad_data = NULL;
    ret->session.created_at = ret->session.pending_since = s->observed_at;
    ret->session.rare = &session_rare_none;
}

/* By a snapshot that has it. Its kernels are counted from its first one, as a guest's are. */
static char *as_if_stored(const struct world *w, const struct guest *g, struct explain_request q,
                          struct arena *a)
{
    struct err e = {.code = ERR_NONE};
    struct explanation *x;
    struct snapshot_builder *b = builder_create(a);
    builder_copy(b, w->s);
    builder_guest(b, g);
    const struct snapshot *s = builder_finish(b);
    q.session = snapshot_find_session(s, &g->session.id);
    q.is_spec = true;
    ck_assert_msg(round_explain(s, w->policy, &q, a, &x, &e) == 0, "%s", e.message);
    for (uint32_t i = 0; i < x->decision.n_placements; i++)
        x->placements[x->decision.first_placement + i].kernel -=
            s->sessions[q.session].first_kernel;
    return print(w, x, a);
}

START_TEST(a_guest_outside_hears_what_one_in_the_snapshot_hears)
{
    struct world w;
    struct rng r = {.state = (uint64_t)_i * 104729 + 3};
    struct err e = {.code = ERR_NONE};
    open_world(&w, (uint64_t)_i + 1);
    struct explainer *kept = explainer_create(w.s, w.policy, w.a);
    for (int i = 0; i < ASKED && w.s->n_sessions > 0; i++) {
        CLEANUP(arena_destroyp) struct arena *a = arena_create();
        struct explain_request q = draw_request(&w, &r);
        const struct snapshot *view;
        struct explanation *x;
        struct guest g;
        q.after_queue = false;
        draw_guest(&w, &r, &g, a);
        ck_assert(explainer_suits(w.policy, &q) && guest_stays_outside(w.s, &g));
        ck_assert_msg(explainer_ask_guest(kept, &g, &q, a, &x, &view, &e) == 0, "seed %d: %s",
                      _i + 1, e.message);
        ck_assert_uint_eq(view->n_sessions, 1);
        char *got = print(&w, x, a), *wanted = as_if_stored(&w, &g, q, a);
        ck_assert_msg(strcmp(got, wanted) == 0, "seed %d, question %d:\n%s\nbut stored:\n%s",
                      _i + 1, i, got, wanted);
    }
    close_world(&w);
}
END_TEST

START_TEST(a_guest_of_an_architecture_nobody_has_cannot_stay_outside)
{
    struct world w;
    open_world(&w, 3);
    static const char *const archs[] = {"pdp11"};
    const struct guest g = {.archs = archs, .n_kernels = 1};
    ck_assert(!guest_stays_outside(w.s, &g));
    close_world(&w);
}
END_TEST

START_TEST(an_unknown_validator_leaves_the_explainer_as_it_was)
{
    struct world w;
    struct explanation *x;
    struct err e = {.code = ERR_NONE};
    static const char *const nobody[] = {"luck"};
    open_world(&w, 3);
    ck_assert_uint_gt(w.s->n_sessions, 0);
    struct explainer *kept = explainer_create(w.s, w.policy, w.a);
    struct explain_request q = {.ignore_validators = nobody, .n_ignore_validators = 1};
    ck_assert_msg(explainer_ask(kept, &q, w.a, &x, &e) < 0, "it knows a validator luck");
    ck_assert_int_eq(e.code, ERR_INVALID);
    q.n_ignore_validators = 0;
    ck_assert_int_eq(explainer_ask(kept, &q, w.a, &x, &e), 0);
    ck_assert_str_eq(print(&w, x, w.a), fresh(&w, q, w.a));
    close_world(&w);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, what_is_remembered_changes_no_answer, 0, SEEDS);
    tcase_add_loop_test(tc, a_guest_outside_hears_what_one_in_the_snapshot_hears, 0, SEEDS);
    tcase_add_test(tc, a_guest_of_an_architecture_nobody_has_cannot_stay_outside);
    tcase_add_test(tc, an_unknown_validator_leaves_the_explainer_as_it_was);
}

int main(void)
{
    return unit_run("explainer", add);
}
