/* explainer.c - many previews of one snapshot: an engine that is left as it was found. */
#include "scheduler/explainer.h"

#include "scheduler/explain.h"
#include "scheduler/guest.h"

struct explainer {
    const struct snapshot *snapshot;
    const struct policy *policy;
    struct arena *arena;
    struct engine
        *engine; /* nothing placed; made for the first question about the snapshot's own */
    struct guests *guests; /* made for the first one about others */
};

struct explainer *explainer_create(const struct snapshot *s, const struct policy *p,
                                   struct arena *a)
{
    struct explainer *x = arena_new(a, struct explainer, 1);
    *x = (struct explainer){.snapshot = s, .policy = p, .arena = a};
    return x;
}

bool explainer_suits(const struct policy *p, const struct explain_request *q)
{
    return !q->after_queue && p->only_builtin_validators;
}

static int ask(struct engine *g, const struct explain_request *q, struct arena *a,
               struct explanation **ret, struct err *e)
{
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

int explainer_ask(struct explainer *x, const struct explain_request *q, struct arena *a,
                  struct explanation **ret, struct err *e)
{
    if (x->engine == NULL) {
        x->engine = arena_new(x->arena, struct engine, 1);
        engine_init(x->engine, x->snapshot, x->policy, false, x->arena);
    }
    return ask(x->engine, q, a, ret, e);
}

int explainer_ask_guest(struct explainer *x, const struct guest *g, const struct explain_request *q,
                        struct arena *a, struct explanation **ret, const struct snapshot **ret_view,
                        struct err *e)
{
    struct explain_request about = *q;
    about.session = 0;
    about.is_spec = true;
    if (x->guests == NULL)
        x->guests = guests_create(x->snapshot, x->policy, x->arena);
    return ask(guests_enter(x->guests, g, a, ret_view), &about, a, ret, e);
}
