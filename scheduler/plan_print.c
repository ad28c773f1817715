/* plan_print.c - a plan as lines of text: what became of each session, in the order of deciding. */
#include <inttypes.h>

#include "scheduler/snapshot_file.h"
#include "scheduler/snapshot_text.h"

static void print_shortage(struct text_out *o, const struct snapshot *s, const char *key,
                           const struct shortage *at, int64_t amount)
{
    char text[AMOUNT_TEXT];
    if (amount != AMOUNT_UNKNOWN)
        text_put(o, " %s %s", key, amount_format(amount, s->slots[at->slot].type, text));
}

static void print_cause(struct text_out *o, const struct snapshot *s, const struct cause *c)
{
    text_put(o, "  cause %s by ", cause_kind_name(c->kind));
    text_word(o, c->plugin);
    if (c->subject != NULL && c->subject[0] != '\0') {
        text_put(o, " about ");
        text_quote(o, c->subject);
    }
    text_put(o, "%s: ", c->retryable ? ", retryable" : "");
    text_quote(o, c->message);
    text_put(o, "\n");
    for (uint32_t i = 0; i < c->n_slots; i++) {
        const struct shortage *at = &c->slots[i];
        text_put(o, "    ");
        text_word(o, s->slots[at->slot].name);
        print_shortage(o, s, "requested", at, at->requested);
        print_shortage(o, s, "available", at, at->available);
        print_shortage(o, s, "limit", at, at->limit);
        text_put(o, "\n");
    }
}

static void print_decision(struct text_out *o, const struct snapshot *s, const struct plan *p,
                           const struct decision *d)
{
    const struct session *session = &s->sessions[d->session];
    text_uuid(o, &session->id);
    text_put(o, " %s passed %" PRIx64, outcome_name(d->outcome), d->passed);
    if (session->name != NULL) {
        text_put(o, " name ");
        text_quote(o, session->name);
    }
    text_put(o, "\n");
    for (uint32_t i = 0; i < d->n_placements; i++) {
        const struct placement *at = &p->placements[d->first_placement + i];
        const struct kernel *k = &s->kernels[at->kernel];
        text_put(o, "  ");
        text_uuid(o, &k->id);
        text_put(o, " %s%" PRId32 " on ", k->is_main ? "main" : "sub", k->cluster_idx);
        text_quote(o, s->agents[at->agent].id);
        text_put(o, "\n");
    }
    for (uint32_t i = 0; i < d->n_causes; i++)
        print_cause(o, s, &d->causes[i]);
}

char *plan_print(const struct snapshot *s, const struct plan *p, struct arena *a)
{
    struct text_out o = {.arena = a};
    text_put(&o, "plan %016" PRIx64, p->hash);
    for (int i = 0; i < N_OUTCOMES; i++)
        if (p->counts[i] > 0)
            text_put(&o, " %s %" PRIu32, outcome_name((enum outcome)i), p->counts[i]);
    if (p->stopped)
        text_put(&o, " stopped after %" PRIu32, p->stopped_after);
    text_put(&o, "\nvalidators");
    for (uint32_t i = 0; i < p->n_validators; i++) {
        text_put(&o, " ");
        text_word(&o, p->validators[i]);
    }
    text_put(&o, "\n");
    for (uint32_t i = 0; i < p->n_decisions; i++)
        print_decision(&o, s, p, &p->decisions[i]);
    for (uint32_t i = 0; i < p->n_rr_cursors; i++) {
        text_put(&o, "cursor ");
        text_word(&o, s->archs[p->rr_cursors[i].arch]);
        text_put(&o, " after ");
        text_quote(&o, p->rr_cursors[i].agent_id);
        text_put(&o, "\n");
    }
    return o.text;
}
