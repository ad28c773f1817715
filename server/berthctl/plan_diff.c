/* plan_diff.c - where two plans for one snapshot part, see plan_diff.h. */
#include "server/berthctl/plan_diff.h"

#include <inttypes.h>
#include <string.h>

#include "server/berthctl/text.h"

struct sides { /* the same place in both plans */
    const struct snapshot *s;
    const struct plan *then, *now;
    struct text t;
};

/* "Session 6b1c... (train)" */
static void add_session(struct sides *x, const char *word, uint32_t session)
{
    const struct session *of = &x->s->sessions[session];
    char id[UUID_TEXT];
    text_addf(&x->t, "%s %s", word, uuid_format(&of->id, id));
    if (of->name == NULL)
        return;
    text_addf(&x->t, " (");
    text_add_clean(&x->t, of->name);
    text_addf(&x->t, ")");
}

/* "CAPACITY by resources: No room." */
static void add_cause(struct sides *x, const struct decision *d, uint32_t i)
{
    if (i >= d->n_causes) {
        text_addf(&x->t, "none");
        return;
    }
    text_addf(&x->t, "%s by ", cause_kind_name(d->causes[i].kind));
    text_add_clean(&x->t, d->causes[i].plugin);
    text_addf(&x->t, ": ");
    text_add_clean(&x->t, d->causes[i].message);
}

static void add_agent(struct sides *x, const struct plan *p, const struct decision *d, uint32_t i)
{
    text_addf(&x->t, "on ");
    text_add_clean(&x->t, x->s->agents[p->placements[d->first_placement + i].agent].id);
}

/* "SCHEDULED on a1", "WAITING, CAPACITY by resources: No room." */
static void add_outcome(struct sides *x, const struct plan *p, const struct decision *d)
{
    text_addf(&x->t, "%s", outcome_name(d->outcome));
    if (d->n_placements > 0) {
        text_addf(&x->t, " ");
        add_agent(x, p, d, 0);
    } else if (d->n_causes > 0) {
        text_addf(&x->t, ", ");
        add_cause(x, d, 0);
    }
}

/* The first cause of another kind; NONE: there is none. */
static uint32_t cause_differs(const struct decision *a, const struct decision *b)
{
    uint32_t most = a->n_causes > b->n_causes ? a->n_causes : b->n_causes;
    for (uint32_t i = 0; i < most; i++)
        if (i >= a->n_causes || i >= b->n_causes || a->causes[i].kind != b->causes[i].kind)
            return i;
    return NONE;
}

/* The first kernel on another agent. A decision has all kernels of its session or none. */
static uint32_t placement_differs(const struct sides *x, const struct decision *a,
                                  const struct decision *b)
{
    for (uint32_t i = 0; i < a->n_placements && i < b->n_placements; i++)
        if (x->then->placements[a->first_placement + i].agent !=
            x->now->placements[b->first_placement + i].agent)
            return i;
    return NONE;
}

static void add_kernel(struct sides *x, const struct decision *d, uint32_t i)
{
    const struct kernel *k = &x->s->kernels[x->then->placements[d->first_placement + i].kernel];
    text_addf(&x->t, ", kernel %s%" PRId32, k->is_main ? "main" : "sub", k->cluster_idx);
}

static bool decision_differs(struct sides *x, uint32_t at)
{
    const struct decision *a = &x->then->decisions[at], *b = &x->now->decisions[at];
    if (a->session != b->session) {
        text_addf(&x->t, "Decision %" PRIu32 ": then about ", at + 1);
        add_session(x, "session", a->session);
        text_addf(&x->t, "; now about ");
        add_session(x, "session", b->session);
        return true;
    }
    uint32_t cause = cause_differs(a, b), placement = placement_differs(x, a, b);
    bool outcome = a->outcome != b->outcome || a->n_placements != b->n_placements;
    if (!outcome && cause == NONE && placement == NONE)
        return false;
    add_session(x, "Session", a->session);
    if (outcome) {
        text_addf(&x->t, ": then ");
        add_outcome(x, x->then, a);
        text_addf(&x->t, "; now ");
        add_outcome(x, x->now, b);
    } else if (cause != NONE) {
        text_addf(&x->t, ", %s, cause %" PRIu32 ": then ", outcome_name(a->outcome), cause + 1);
        add_cause(x, a, cause);
        text_addf(&x->t, "; now ");
        add_cause(x, b, cause);
    } else {
        add_kernel(x, a, placement);
        text_addf(&x->t, ": then ");
        add_agent(x, x->then, a, placement);
        text_addf(&x->t, "; now ");
        add_agent(x, x->now, b, placement);
    }
    return true;
}

static const char *cursor_of(const struct plan *p, uint32_t arch)
{
    for (uint32_t i = 0; i < p->n_rr_cursors; i++)
        if (p->rr_cursors[i].arch == arch)
            return p->rr_cursors[i].agent_id;
    return NULL;
}

static void add_cursor(struct sides *x, const char *agent)
{
    text_addf(&x->t, agent != NULL ? "after " : "not set");
    text_add_clean(&x->t, agent);
}

static bool cursor_differs(struct sides *x, uint32_t arch)
{
    const char *then = cursor_of(x->then, arch), *now = cursor_of(x->now, arch);
    if (then == now || (then != NULL && now != NULL && strcmp(then, now) == 0))
        return false;
    text_addf(&x->t, "Cursor of ");
    text_add_clean(&x->t, x->s->archs[arch]);
    text_addf(&x->t, ": then ");
    add_cursor(x, then);
    text_addf(&x->t, "; now ");
    add_cursor(x, now);
    return true;
}

const char *plan_difference(const struct snapshot *s, const struct plan *then,
                            const struct plan *now, struct arena *a)
{
    struct sides x = {.s = s, .then = then, .now = now, .t = {.arena = a}};
    bool differs = false;
    for (uint32_t i = 0; i < then->n_decisions && !differs; i++)
        differs = decision_differs(&x, i);
    for (uint32_t i = 0; i < s->n_archs && !differs; i++)
        differs = cursor_differs(&x, i);
    return differs ? text_chars(&x.t) : NULL;
}

const char *plan_lost_validator(const struct plan *then, const struct plan *now)
{
    for (uint32_t i = 0; i < then->n_validators; i++) {
        bool found = false;
        for (uint32_t k = 0; k < now->n_validators && !found; k++)
            found = strcmp(then->validators[i], now->validators[k]) == 0;
        if (!found)
            return then->validators[i];
    }
    return NULL;
}
