/* fuzz_rounds.c - a cluster's life: the bytes are agents, sessions and quotas that come, change and
 * go, between rounds whose plans are done and previews that must have said so before. */
#include "scheduler/explainer.h"
#include "scheduler/remedy.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/round_check.h"
#include "tests/fuzz/world.h"

enum { MOST_STEPS = 60, MOST_ROUNDS = 6, MOST_LOOKS = 2, MOST_TRIES = 20, ROUND_EVERY = 12 };

struct life {
    struct world world;
    struct choices choices;
    const struct registry *registry;
    unsigned rounds, looks; /* so far; looks are those at remedies, which take most time */
};

/* --- what is asked --- */

static void check_remedies(const struct snapshot *s, const struct policy *p,
                           const struct explain_request *q, const struct explanation *x,
                           struct arena *a)
{
    const struct remedy_limits limits = {.max_tries = MOST_TRIES};
    struct remedies *found = NULL;
    struct err e = {.code = ERR_NONE};
    FUZZ_REQUIRE(remedy_find(s, p, q, &limits, a, &found, &e) == 0, "remedy_find: %s", e.message);
    struct remedy_world *w = remedy_world_create(s, p, q->session, a);
    for (uint32_t i = 0; i < found->n; i++) {
        const struct remedy *r = &found->items[i];
        const size_t mark = remedy_world_mark(w);
        if (found->stages[r->causes[0]] != 0 || r->n_changes == 0)
            continue;
        struct explain_request then = *q;
        struct explanation *y = NULL;
        FUZZ_REQUIRE(remedy_apply(w, r), "\"%s\" cannot be done", r->message);
        then.session = remedy_world_session(w);
        FUZZ_REQUIRE(
            round_explain(remedy_world_snapshot(w), remedy_world_policy(w), &then, a, &y, &e) == 0,
            "round_explain: %s", e.message);
        for (uint32_t k = 0; k < r->n_causes; k++)
            FUZZ_REQUIRE(r->causes[k] >= x->decision.n_causes ||
                             remedy_cause_is_gone(&x->decision.causes[r->causes[k]], &y->decision),
                         "after \"%s\" the cause stays", r->message);
        remedy_world_undo(w, mark);
    }
}

/* One explainer, asked about every session, says what a preview of its own says. */
static void check_explainer(const struct snapshot *s, const struct policy *p, struct arena *a)
{
    struct explainer *kept = explainer_create(s, p, a);
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        const struct explain_request q = {.session = i, .agents = true};
        struct explanation *x = NULL, *y = NULL;
        struct err e = {.code = ERR_NONE};
        if (!explainer_suits(p, &q))
            return;
        FUZZ_REQUIRE(explainer_ask(kept, &q, a, &x, &e) == 0, "explainer_ask: %s", e.message);
        FUZZ_REQUIRE(round_explain(s, p, &q, a, &y, &e) == 0, "round_explain: %s", e.message);
        FUZZ_REQUIRE(x->verdict == y->verdict && x->queue_position == y->queue_position &&
                         memcmp(x->by_cause, y->by_cause, sizeof(x->by_cause)) == 0 &&
                         causes_digest(x->decision.causes, x->decision.n_causes) ==
                             causes_digest(y->decision.causes, y->decision.n_causes),
                     "session %u: the explainer says %d, a preview of its own %d", i,
                     (int)x->verdict, (int)y->verdict);
        for (uint32_t k = 0; k < x->n_agents; k++)
            FUZZ_REQUIRE(x->agents[k].fits == y->agents[k].fits &&
                             x->agents[k].n_causes == y->agents[k].n_causes,
                         "session %u: the explainer says otherwise of agent %u", i, k);
    }
}

/* The preview of a session after the queue is what the round decides about it. */
static void look(struct life *l, const struct snapshot *s, const struct policy *p,
                 const struct plan *plan, struct arena *a)
{
    const struct decision *d = &plan->decisions[choose_byte(&l->choices) % plan->n_decisions];
    struct explain_request q = {.session = d->session, .after_queue = true, .agents = true};
    struct explanation *x = NULL;
    struct err e = {.code = ERR_NONE};
    FUZZ_REQUIRE(round_explain(s, p, &q, a, &x, &e) == 0, "round_explain: %s", e.message);
    FUZZ_REQUIRE(x->decision.outcome == d->outcome &&
                     causes_digest(x->decision.causes, x->decision.n_causes) ==
                         causes_digest(d->causes, d->n_causes),
                 "session %u is previewed as %s, and then is %s", d->session,
                 outcome_name(x->decision.outcome), outcome_name(d->outcome));
    q.after_queue = false;
    FUZZ_REQUIRE(round_explain(s, p, &q, a, &x, &e) == 0, "round_explain: %s", e.message);
    if (x->verdict != VERDICT_FITS && l->looks++ < MOST_LOOKS)
        check_remedies(s, p, &q, x, a);
}

/* The plan when the same rows come in another order. */
static uint64_t hash_backwards(const struct life *l, const struct policy_config *c, struct arena *a)
{
    const struct snapshot *s = world_snapshot(&l->world, true, a);
    struct policy *policy = NULL;
    struct plan *p = NULL;
    struct err e = {.code = ERR_NONE};
    FUZZ_REQUIRE(policy_resolve(l->registry, c, s, a, &policy, &e) == 0 &&
                     round_run(s, policy, &(struct round_limits){0}, NULL, a, &p, NULL, &e) == 0,
                 "a round of the same rows: %s", e.message);
    return p->hash;
}

static void run_round(struct life *l)
{
    if (l->rounds++ >= MOST_ROUNDS)
        return;
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct policy_config config = {.max_containers_per_agent = l->world.max_containers};
    struct policy *policy = NULL;
    const struct snapshot *s = world_snapshot(&l->world, false, a);
    const struct plan *p = round_check(l->registry, &config, s, a, &policy);
    FUZZ_REQUIRE(p != NULL, "the group's options do not resolve");
    FUZZ_REQUIRE(hash_backwards(l, &config, a) == p->hash,
                 "rows in another order give another plan");
    if (choose(&l->choices, 2) == 0 && p->n_decisions > 0)
        look(l, s, policy, p, a);
    if (choose(&l->choices, 4) == 0)
        check_explainer(s, policy, a);
    world_apply(&l->world, s, p);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static struct registry *registry;
    if (registry == NULL)
        registry = registry_create();
    struct life l = {.choices = {bytes, bytes + n}, .registry = registry};
    world_init(&l.world);
    for (unsigned i = 0; i < MOST_STEPS && l.choices.at < l.choices.end; i++)
        if (choose(&l.choices, ROUND_EVERY) == 0)
            run_round(&l);
        else
            world_change(&l.world, &l.choices);
    run_round(&l);
    return 0;
}
