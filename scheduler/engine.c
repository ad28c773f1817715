/* engine.c - steps 6 to 8 for one session. */
#include "scheduler/engine.h"

#include <inttypes.h>
#include <string.h>

#include "scheduler/cause.h"

void engine_init(struct engine *g, const struct snapshot *s, const struct policy *p,
                 bool plain_scan, struct arena *a)
{
    *g = (struct engine){.snapshot = s, .policy = p, .arena = a, .causes.arena = a};
    ledger_init(&g->ledger, s, a);
    placer_init(&g->placer, s, p, plain_scan, a);
    g->validator_states = arena_new(a, void *, p->validators.n);
    engine_begin(g, a);
}

void engine_begin(struct engine *g, struct arena *a)
{
    for (uint32_t i = 0; i < g->policy->validators.n; i++) {
        const struct chosen *v = &g->policy->validators.items[i];
        if (v->plugin->validator.begin != NULL)
            g->validator_states[i] = v->plugin->validator.begin(&g->ledger.view, v->options, a);
    }
}

void engine_lap(struct engine *g, enum round_phase phase)
{
    if (g->phase_ns == NULL)
        return;
    int64_t now = g->hooks->clock(g->hooks->ctx);
    g->phase_ns[phase] += now - g->last_ns;
    g->last_ns = now;
}

/* --- sessions offered to nobody --- */

/* Whole seconds, or up to six decimals without trailing zeros. */
static const char *seconds_text(int64_t micros, struct arena *a)
{
    char *text = arena_printf(a, "%" PRId64 ".%06" PRId64, micros / 1000000, micros % 1000000);
    size_t len = strlen(text);
    while (text[len - 1] == '0')
        text[--len] = '\0';
    if (text[len - 1] == '.')
        text[--len] = '\0';
    return text;
}

static const struct cause *timeout_cause(struct engine *g)
{
    if (g->timeout_cause == NULL)
        g->timeout_cause =
            cause_single(g->arena, CAUSE_PENDING_TIMEOUT, "pending_timeout", false,
                         arena_printf(g->arena, "Waited longer than the pending timeout of %s s.",
                                      seconds_text(g->snapshot->pending_timeout, g->arena)));
    return g->timeout_cause;
}

bool engine_exclude(struct engine *g, uint32_t session, struct decision *ret)
{
    const struct session *x = &g->snapshot->sessions[session];
    *ret = (struct decision){.session = session, .n_causes = 1};
    if (g->ledger.expired[session]) {
        ret->outcome = OUTCOME_EXPIRED;
        ret->causes = timeout_cause(g);
        return true;
    }
    if (x->bad_data == NULL)
        return false;
    ret->outcome = OUTCOME_INVALID;
    ret->causes = cause_single(g->arena, CAUSE_BAD_DATA, "snapshot", false, x->bad_data);
    return true;
}

/* --- step 6 --- */

/* One validator; its causes stay in g->causes when it fails. */
static bool validator_passes(struct engine *g, uint32_t i, struct check *c)
{
    const struct chosen *v = &g->policy->validators.items[i];
    struct cause_list *l = &g->causes;
    size_t before = l->n;
    l->plugin = v->plugin->name;
    c->options = v->options;
    c->state = g->validator_states[i];
    enum check_result result = v->plugin->validator.check(c, l);
    if (result == CHECK_PASSED) {
        l->n = before;
        return true;
    }
    if (l->n == before)
        (void)cause_addf(l, CAUSE_PLUGIN, NULL,
                         result == CHECK_REJECTED ? "The validator %s refuses it without a reason."
                                                  : "The validator %s could not check it.",
                         v->plugin->name);
    return false;
}

/* All validators run; false when one failed. */
static bool validate(struct engine *g, uint32_t session, const struct shape *h,
                     uint64_t *ret_passed)
{
    struct check c = {.round = &g->ledger.view,
                      .session = session,
                      .request = h->request,
                      .asked = h->slots->asked,
                      .n_asked = h->slots->n};
    bool all = true;
    *ret_passed = 0;
    g->causes.n = 0;
    for (uint32_t i = 0; i < g->policy->validators.n; i++) {
        uint64_t bit = UINT64_C(1) << i;
        if ((g->ignored & bit) != 0)
            continue;
        if (validator_passes(g, i, &c))
            *ret_passed |= bit;
        else
            all = false;
    }
    return all;
}

void engine_decide(struct engine *g, uint32_t session, struct decision *ret,
                   struct placement *ret_placements)
{
    const struct session *x = &g->snapshot->sessions[session];
    const struct shape *h = shapes_of(g->placer.shapes, session);
    *ret = (struct decision){.session = session};
    bool valid = validate(g, session, h, &ret->passed);
    engine_lap(g, PHASE_VALIDATE);
    if (!valid) {
        ret->outcome = session_is_private(x) ? OUTCOME_CANCELLED : OUTCOME_BLOCKED;
        ret->n_causes = (uint32_t)g->causes.n;
        ret->causes =
            arena_memdup(g->arena, g->causes.items, g->causes.n * sizeof(*g->causes.items));
        return;
    }
    uint32_t n_causes = 0;
    ret->outcome = placer_place(&g->placer, session, ret_placements, &ret->causes, &n_causes);
    ret->n_causes = n_causes;
    if (ret->outcome == OUTCOME_SCHEDULED) {
        ret->n_placements = x->n_kernels;
        ledger_fold(&g->ledger, session, h);
    }
    engine_lap(g, PHASE_PLACE);
}

void engine_place(struct engine *g, uint32_t session, const struct placement *placements)
{
    placer_put(&g->placer, session, placements);
    ledger_fold(&g->ledger, session, shapes_of(g->placer.shapes, session));
}

void engine_take_back(struct engine *g, uint32_t session)
{
    placer_take_back(&g->placer, session);
    ledger_clear(&g->ledger, session);
}
