/* scene_run.c - runs scenes; plan in, text out. */
#include <check.h>
#include <string.h>

#include "scheduler/cause.h"
#include "tests/unit/scene.h"

struct policy *scene_policy(const struct snapshot *s, const struct policy_config *c,
                            struct arena *a)
{
    CLEANUP(registry_destroyp) struct registry *r = registry_create();
    struct policy *p = NULL;
    struct err e = {0};
    if (policy_resolve(r, c, s, a, &p, &e) < 0)
        ck_abort_msg("no policy: %s", e.message);
    return p;
}

struct plan *scene_run(const char *text, const struct policy_config *c, struct arena *a,
                       const struct snapshot **ret_snapshot)
{
    const struct snapshot *s = scene_snapshot(text, a);
    struct plan *p = NULL;
    struct err e = {0};
    if (round_run(s, scene_policy(s, c, a), NULL, NULL, a, &p, NULL, &e) < 0)
        ck_abort_msg("the round failed: %s", e.message);
    if (ret_snapshot != NULL)
        *ret_snapshot = s;
    return p;
}

const char *scene_run_with(const struct plugin *const *plugins, size_t n, const char *scene,
                           struct arena *a)
{
    CLEANUP(registry_destroyp) struct registry *r = registry_create();
    const struct snapshot *s = scene_snapshot(scene, a);
    struct policy *policy = NULL;
    struct plan *plan = NULL;
    struct err e = {0};
    for (size_t i = 0; i < n; i++)
        if (registry_add(r, plugins[i], "test.so", &e) < 0)
            return arena_strdup(a, e.message);
    if (policy_resolve(r, NULL, s, a, &policy, &e) < 0)
        return arena_strdup(a, e.message);
    if (round_run(s, policy, NULL, NULL, a, &plan, NULL, &e) < 0)
        return arena_printf(a, "%s %s plugin=%s", err_code_name(e.code), e.message,
                            e.meta[0].value);
    return scene_plan_text(s, plan, a);
}

void scene_expect(const struct scene_case *t, const struct policy_config *c)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = scene_snapshot(t->scene, a);
    for (int plain = 0; plain < 2; plain++) {
        struct round_limits limits = {.plain_scan = plain};
        struct plan *p = NULL;
        struct err e = {0};
        ck_assert_msg(round_run(s, scene_policy(s, c, a), &limits, NULL, a, &p, NULL, &e) == 0,
                      "%s: %s", t->what, e.message);
        const char *got = scene_plan_text(s, p, a);
        ck_assert_msg(strcmp(got, t->plan) == 0, "%s (%s):\n--- want\n%s\n--- got\n%s", t->what,
                      plain ? "scan" : "index", t->plan, got);
    }
}

void scene_expect_messages(const char *what, const char *scene, const struct policy_config *c,
                           uint32_t session, const char *messages)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = NULL;
    struct plan *p = scene_run(scene, c, a, &s);
    const char *got = scene_messages(s, p, session, a);
    ck_assert_msg(strcmp(got, messages) == 0, "%s:\n--- want\n%s\n--- got\n%s", what, messages,
                  got);
}

/* --- plans --- */

static const char *amount_text(const struct snapshot *s, uint32_t slot, int64_t amount,
                               char text[AMOUNT_TEXT])
{
    if (amount == AMOUNT_UNKNOWN)
        return "?";
    return amount == AMOUNT_MAX ? "max" : amount_humanize(amount, s->slots[slot].type, text);
}

char *scene_causes_text(const struct snapshot *s, const struct cause *causes, uint32_t n,
                        struct arena *a)
{
    struct text t = {.arena = a};
    for (uint32_t i = 0; i < n; i++) {
        const struct cause *c = &causes[i];
        struct uuid id;
        text_addf(&t, " %s@%s(", cause_kind_name(c->kind), c->plugin);
        if (uuid_parse(c->subject, &id))
            text_addf(&t, "#%u", scene_number(&id));
        else
            text_addf(&t, "%s", c->subject);
        for (uint32_t k = 0; k < c->n_slots; k++) {
            char x[AMOUNT_TEXT], y[AMOUNT_TEXT], z[AMOUNT_TEXT];
            const struct shortage *h = &c->slots[k];
            text_addf(&t, " %s %s/%s/%s", s->slots[h->slot].name,
                      amount_text(s, h->slot, h->requested, x),
                      amount_text(s, h->slot, h->available, y),
                      amount_text(s, h->slot, h->limit, z));
        }
        text_addf(&t, ")%s", c->retryable ? "" : "!");
    }
    return text_end(&t);
}

char *scene_plan_text(const struct snapshot *s, const struct plan *p, struct arena *a)
{
    struct text t = {.arena = a};
    for (uint32_t i = 0; i < p->n_decisions; i++) {
        const struct decision *d = &p->decisions[i];
        text_addf(&t, "%s%u %s", i > 0 ? "\n" : "", scene_number(&s->sessions[d->session].id),
                  outcome_name(d->outcome));
        for (uint32_t k = 0; k < d->n_placements; k++)
            text_addf(&t, "%s%s", k > 0 ? "," : " ",
                      s->agents[p->placements[d->first_placement + k].agent].id);
        text_addf(&t, "%s", scene_causes_text(s, d->causes, d->n_causes, a));
    }
    return text_end(&t);
}

char *scene_messages(const struct snapshot *s, const struct plan *p, uint32_t n, struct arena *a)
{
    struct text t = {.arena = a};
    for (uint32_t i = 0; i < p->n_decisions; i++)
        for (uint32_t k = 0; k < p->decisions[i].n_causes; k++)
            if (scene_number(&s->sessions[p->decisions[i].session].id) == n)
                text_addf(&t, "%s%s", t.len > 0 ? "\n" : "", p->decisions[i].causes[k].message);
    return text_end(&t);
}
