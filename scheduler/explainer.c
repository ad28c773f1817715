/* explainer.c - many previews of one snapshot: an engine that is left as it was found. */
#include "scheduler/explainer.h"

#include "scheduler/explain.h"

struct explainer {
    struct engine engine; /* nothing placed */
};

struct explainer *explainer_create(const struct snapshot *s, const struct policy *p,
                                   struct arena *a)
{
    struct explainer *x = arena_new(a, struct explainer, 1);
    engine_init(&x->engine, s, p, false, a);
    return x;
}

bool explainer_suits(const struct policy *p, const struct explain_request *q)
{
    return !q->after_queue && p->only_builtin_validators;
}

int explainer_ask(struct explainer *x, const struct explain_request *q, struct arena *a,
                  struct explanation **ret, struct err *e)
{
    struct engine *g = &x->engine;
    struct arena *own = g->arena;
    struct explanation *found = arena_new(a, struct explanation, 1);
    /* What the placer and the validators keep is theirs; the rest is for this answer only. */
    g->arena = a;
    g->causes = (struct cause_list){.arena = a};
    g->timeout_cause = NULL;
    g->ignored = 0;
    int rc = explain_decide(g, q, found, e);
    if (rc == 0 && found->decision.outcome == OUTCOME_SCHEDULED)
        engine_take_back(g, q->session);
    if (rc == 0)
        rc = explain_place(g, q, found, e);
    g->arena = own;
    if (rc == 0)
        *ret = found;
    return rc;
}
