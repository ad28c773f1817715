/* plan_failure.c - the texts a chunk records: why sessions failed, and the steps that said so.
 *
 * Decisions that share their causes share one text; only `retries` differs, and the statement puts
 * it in. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "repo/event_append.h"
#include "repo/failure_record.h"
#include "repo/json_text.h"
#include "repo/plan_chunk.h"
#include "repo/time_text.h"
#include "scheduler/intern.h"

static const char *const infos[N_OUTCOMES] = {
    [OUTCOME_BLOCKED] = "predicate-checks-failed",
    [OUTCOME_WAITING] = "no-available-instances",
    [OUTCOME_INFEASIBLE] = "no-available-instances",
    [OUTCOME_INVALID] = "scheduler-error",
};

const char *failure_info(enum outcome o)
{
    return infos[o];
}

const char *failure_message(const struct decision *d)
{
    return d->n_causes > 0 ? d->causes[0].message : "";
}

/* --- status_data --- */

static bool is_validator(const struct plan *p, const char *plugin)
{
    for (uint32_t i = 0; i < p->n_validators; i++)
        if (strcmp(p->validators[i], plugin) == 0)
            return true;
    return false;
}

static void put_predicates(struct json_text *j, const struct plan *plan, const struct decision *d)
{
    const char *comma = "";
    json_text_raw(j, ",\"failed_predicates\":[");
    for (uint32_t k = 0; k < d->n_causes; k++) {
        if (!is_validator(plan, d->causes[k].plugin))
            continue;
        json_text_raw(j, comma);
        json_text_field(j, "{\"name\":", d->causes[k].plugin);
        json_text_field(j, ",\"msg\":", d->causes[k].message);
        json_text_raw(j, "}");
        comma = ",";
    }
    json_text_raw(j, "],\"passed_predicates\":[");
    comma = "";
    for (uint32_t k = 0; k < plan->n_validators; k++) {
        if ((d->passed >> k & 1) == 0)
            continue;
        json_text_raw(j, comma);
        json_text_field(j, "{\"name\":", plan->validators[k]);
        json_text_raw(j, "}");
        comma = ",";
    }
    json_text_raw(j, "]");
}

/* The five members that frontends read; causes, digest and counted are Berth's own, on sessions
 * only. */
static const char *data_text(const struct plan_chunk *c, const struct decision *d,
                             const char *last_try, bool with_causes)
{
    struct json_text j = {.arena = c->run};
    json_text_field(&j, "{\"scheduler\":{\"last_try\":", last_try);
    put_predicates(&j, c->in->plan, d);
    json_text_field(&j, ",\"msg\":", failure_message(d));
    if (with_causes) {
        char digest[20];
        (void)snprintf(digest, sizeof(digest), "%016" PRIx64,
                       causes_digest(d->causes, d->n_causes));
        json_text_field(&j, ",\"digest\":", digest);
        json_text_field(
            &j, ",\"counted\":",
            failure_counted(&c->s->group_id, c->failure_rounds, failure_digest(d), c->run));
        json_text_raw(&j, ",\"causes\":");
        json_text_raw(
            &j, event_causes_json(event_causes_from_plan(c->s, d->causes, d->n_causes, c->run),
                                  d->n_causes, c->run));
    }
    json_text_raw(&j, "}}");
    return j.text;
}

/* --- sub_steps --- */

static void step(struct json_text *j, const char *name, const struct cause *why, const char *at)
{
    json_text_field(j, j->text[j->len - 1] == '}' ? ",{\"step\":" : "{\"step\":", name);
    json_text_field(j, ",\"result\":", why == NULL ? "SUCCESS" : "FAILURE");
    json_text_field(j, ",\"error_code\":", why == NULL ? NULL : cause_kind_name(why->kind));
    json_text_field(j, ",\"message\":", why == NULL ? NULL : why->message);
    json_text_field(j, ",\"started_at\":", at);
    json_text_field(j, ",\"ended_at\":", at);
    json_text_raw(j, "}");
}

/* One a validator, then one a filter or engine step that said no; a placement is one step. */
static const char *steps_text(const struct plan_chunk *c, const struct decision *d, const char *at)
{
    const struct plan *plan = c->in->plan;
    struct json_text j = {.arena = c->run};
    json_text_raw(&j, "[");
    if (d->outcome == OUTCOME_SCHEDULED)
        step(&j, "allocation", NULL, at);
    for (uint32_t v = 0; d->outcome != OUTCOME_SCHEDULED && v < plan->n_validators; v++)
        if ((d->passed >> v & 1) != 0)
            step(&j, plan->validators[v], NULL, at);
    for (uint32_t i = 0; i < d->n_causes; i++)
        step(&j, d->causes[i].plugin, &d->causes[i], at);
    json_text_raw(&j, "]");
    return j.text;
}

/* --- one text for all that say the same --- */

struct described {
    const struct decision *d;
    struct chunk_text text;
};

static bool says_the_same(const void *item, const void *probe)
{
    const struct decision *a = ((const struct described *)item)->d, *b = probe;
    return a->outcome == b->outcome && a->causes == b->causes && a->n_causes == b->n_causes &&
           (a->passed == b->passed || a->outcome == OUTCOME_SCHEDULED);
}

static uint64_t hash_decision(const struct decision *d)
{
    return hash_mix(d->outcome, (uint64_t)(uintptr_t)d->causes);
}

static void describe(const struct plan_chunk *c, const struct chunk_item *item, const char *at,
                     struct chunk_text *ret)
{
    ret->steps = steps_text(c, &item->planned, at);
    if (!item_fails(item))
        return;
    ret->session_data = data_text(c, &item->planned, at, true);
    ret->kernel_data = data_text(c, &item->planned, at, false);
}

void chunk_describe(struct plan_chunk *c)
{
    struct intern seen = {.arena = c->run};
    char at[TIME_TEXT];
    time_format(c->s->observed_at, at);
    c->texts = arena_new(c->run, const struct chunk_text *, c->n);
    for (uint32_t i = 0; i < c->n; i++) {
        const struct decision *d = &c->items[i].planned;
        if (c->items[i].lost != NULL)
            continue;
        struct described *known = intern_find(&seen, hash_decision(d), says_the_same, d);
        if (known == NULL) {
            known = arena_new(c->run, struct described, 1);
            known->d = d;
            describe(c, &c->items[i], at, &known->text);
            intern_add(&seen, hash_decision(d), known);
        }
        c->texts[i] = &known->text;
    }
}
