/* report.c - the answers of berthd in words and tables, see report.h. */
#include "server/berthctl/report.h"

#include <string.h>

#include "server/berthctl/human.h"
#include "server/berthctl/text.h"

enum { AGENTS_NAMED = 3 };

const char *report_where(struct arena *a, Berth__V1__KernelAllocation *const *allocations, size_t n)
{
    struct text t = {.arena = a};
    const char **names = arena_new(a, const char *, n + 1);
    size_t *kernels = arena_new(a, size_t, n + 1);
    size_t n_agents = 0;

    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < n_agents && strcmp(names[k], allocations[i]->agent_id) != 0)
            k++;
        if (k == n_agents)
            names[n_agents++] = allocations[i]->agent_id;
        kernels[k]++;
    }
    for (size_t k = 0; k < n_agents && k < AGENTS_NAMED; k++) {
        text_addf(&t, "%s", k == 0 ? "on " : ", ");
        text_add_clean(&t, names[k]);
        if (kernels[k] > 1)
            text_addf(&t, " (%zu kernels)", kernels[k]);
    }
    if (n_agents > AGENTS_NAMED)
        text_addf(&t, " and %s", human_count(a, n_agents - AGENTS_NAMED, "more agent"));
    return text_chars(&t);
}

/* Several rules may say the same, e.g. that the owner was not found: it counts once. */
static bool cause_repeats(Berth__V1__Cause *const *causes, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(causes[k]->message, causes[i]->message) == 0)
            return true;
    return false;
}

static size_t count_reasons(Berth__V1__Cause *const *causes, size_t n)
{
    size_t reasons = 0;
    for (size_t i = 0; i < n; i++)
        if (!cause_repeats(causes, i))
            reasons++;
    return reasons;
}

const char *report_why(struct arena *a, Berth__V1__Cause *const *causes, size_t n)
{
    struct text t = {.arena = a};
    size_t reasons = count_reasons(causes, n);
    if (n > 0)
        text_add_clean(&t, causes[0]->message);
    if (reasons > 1)
        text_addf(&t, " (and %s)", human_count(a, reasons - 1, "more reason"));
    return text_chars(&t);
}

const char *report_kinds(struct arena *a, Berth__V1__CauseCount *const *counts, size_t n)
{
    struct text t = {.arena = a};
    for (size_t i = 0; i < n; i++)
        text_addf(&t, "%s%s %u", i == 0 ? "" : ", ",
                  human_enum(a, &berth__v1__cause_kind__descriptor, (int)counts[i]->kind),
                  counts[i]->count);
    return text_chars(&t);
}

const char *report_counts(struct arena *a, const Berth__V1__OutcomeCounts *counts)
{
    const struct {
        uint32_t n;
        const char *word;
    } outcomes[] = {
        {counts->scheduled, "scheduled"}, {counts->waiting, "waiting"},
        {counts->blocked, "blocked"},     {counts->infeasible, "infeasible"},
        {counts->invalid, "invalid"},     {counts->expired, "expired"},
        {counts->cancelled, "cancelled"}, {counts->conflict, "lost to another writer"},
        {counts->skipped, "skipped"},
    };
    struct text t = {.arena = a};
    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
        if (outcomes[i].n > 0)
            text_addf(&t, "%s%u %s", t.n == 0 ? "" : ", ", outcomes[i].n, outcomes[i].word);
    return t.n == 0 ? "nothing pending" : text_chars(&t);
}

/* Who says so: the name that --ignore takes. */
static const char *cause_rule(struct arena *a, const Berth__V1__Cause *c)
{
    return c->plugin[0] != '\0' ? c->plugin
                                : human_enum(a, &berth__v1__cause_kind__descriptor, (int)c->kind);
}

/* "  - rule, rule: what they say." */
static void write_reason(FILE *out, struct arena *a, Berth__V1__Cause *const *causes, size_t n,
                         size_t i)
{
    struct text rules = {.arena = a};
    for (size_t k = i; k < n; k++)
        if (strcmp(causes[k]->message, causes[i]->message) == 0) {
            text_addf(&rules, "%s", rules.n == 0 ? "" : ", ");
            text_add_clean(&rules, cause_rule(a, causes[k]));
        }
    fprintf(out, "  - %s: %s%s\n", text_chars(&rules), text_clean(a, causes[i]->message),
            causes[i]->retryable ? "" : " Waiting will not cure this.");
}

/* One row a slot; a cause without numbers has none. */
static void add_shortages(struct table *t, struct arena *a, const Berth__V1__Cause *c)
{
    for (size_t i = 0; i < c->n_slots; i++) {
        const Berth__V1__SlotShortage *s = c->slots[i];
        table_add(t, "%s", i > 0 ? "" : cause_rule(a, c));
        table_add(t, "%s", i > 0 ? "" : human_or_dash(c->subject));
        table_add(t, "%s", s->slot);
        table_add(t, "%s", human_amount(a, s->slot, s->requested));
        table_add(t, "%s", human_amount(a, s->slot, s->available));
        table_add(t, "%s", human_amount(a, s->slot, s->limit));
    }
}

void report_causes(FILE *out, struct arena *a, Berth__V1__Cause *const *causes, size_t n,
                   bool color)
{
    static const struct column columns[] = {{"RULE", false}, {"ABOUT", false}, {"SLOT", false},
                                            {"ASKED", true}, {"LEFT", true},   {"LIMIT", true}};
    struct table *numbers = table_create(a, columns, ARRAY_SIZE(columns));
    bool listed = count_reasons(causes, n) > 1;
    if (listed)
        fputc('\n', out);
    for (size_t i = 0; i < n; i++) {
        if (listed && !cause_repeats(causes, i))
            write_reason(out, a, causes, n, i);
        add_shortages(numbers, a, causes[i]);
    }
    if (table_rows(numbers) > 0) {
        fputc('\n', out);
        table_write(numbers, out, 2, color);
    }
}

void report_allocations(FILE *out, struct arena *a, Berth__V1__KernelAllocation *const *allocations,
                        size_t n, bool color)
{
    static const struct column columns[] = {
        {"KERNEL", false}, {"AGENT", false}, {"ADDRESS", false}, {"SLOTS", false}};
    struct table *t = table_create(a, columns, ARRAY_SIZE(columns));
    for (size_t i = 0; i < n; i++) {
        const Berth__V1__KernelAllocation *k = allocations[i];
        if (k->kernel_id[0] == '\0')
            table_add(t, "%zu", i + 1);
        else
            table_add(t, "%s", k->kernel_id);
        table_add(t, "%s", k->agent_id);
        table_add(t, "%s", human_or_dash(k->agent_addr));
        table_add(t, "%s", human_slots(a, k->slots, k->n_slots));
    }
    table_write(t, out, 2, color);
}

/* Causes are sentences, but a plugin's need not end like one. */
static void add_sentence(struct text *t, const char *sentence)
{
    size_t n = strlen(sentence);
    text_addf(t, "%s%s", sentence, n > 0 && strchr(".!?)", sentence[n - 1]) != NULL ? "" : ".");
}

/* What else there is to say about the causes than the first one's sentence. */
static void add_reasons(struct text *t, Berth__V1__Cause *const *causes, size_t n)
{
    size_t reasons = count_reasons(causes, n);
    text_addf(t, ": ");
    add_sentence(t, text_clean(t->arena, causes[0]->message));
    if (reasons == 2)
        text_addf(t, " One more reason is below.");
    else if (reasons > 2)
        text_addf(t, " %zu more reasons are below.", reasons - 1);
    else if (!causes[0]->retryable)
        text_addf(t, " Waiting will not cure this.");
}

const char *report_verdict(struct arena *a, const char *subject, bool after_queue,
                           const Berth__V1__PreviewAllocationResponse *r)
{
    static const char *const words[] = {
        [BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_UNSPECIFIED] = "has no verdict",
        [BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_FITS] = "fits",
        [BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_WAITS] = "waits",
        [BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_BLOCKED] = "is held back",
        [BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_INFEASIBLE] = "can never run here",
        [BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_INVALID] = "cannot be scheduled as it is",
        [BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_EXPIRED] =
            "has waited too long: the next round cancels it",
    };
    struct text t = {.arena = a};
    size_t word = (size_t)r->verdict < ARRAY_SIZE(words) ? (size_t)r->verdict : 0;

    text_add_clean(&t, subject);
    text_addf(&t, " %s%s", words[word], after_queue ? " after the queue ahead of it" : "");
    if (r->n_allocations > 0)
        text_addf(&t, " %s.", report_where(a, r->allocations, r->n_allocations));
    else if (r->n_causes > 0)
        add_reasons(&t, r->causes, r->n_causes);
    else
        text_addf(&t, ".");
    if (r->queue_position > 0)
        text_addf(&t, " It is %s in the queue.", human_ordinal(a, r->queue_position));
    return text_chars(&t);
}

enum style verdict_style(Berth__V1__PreviewVerdict verdict)
{
    switch (verdict) {
    case BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_FITS:
        return STYLE_GOOD;
    case BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_WAITS:
    case BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_BLOCKED:
        return STYLE_WARN;
    default:
        return STYLE_BAD;
    }
}

enum style outcome_style(Berth__V1__SessionOutcome outcome)
{
    switch (outcome) {
    case BERTH__V1__SESSION_OUTCOME__SESSION_OUTCOME_SCHEDULED:
        return STYLE_GOOD;
    case BERTH__V1__SESSION_OUTCOME__SESSION_OUTCOME_SKIPPED:
        return STYLE_PLAIN;
    case BERTH__V1__SESSION_OUTCOME__SESSION_OUTCOME_WAITING:
    case BERTH__V1__SESSION_OUTCOME__SESSION_OUTCOME_BLOCKED:
    case BERTH__V1__SESSION_OUTCOME__SESSION_OUTCOME_CONFLICT:
        return STYLE_WARN;
    default:
        return STYLE_BAD;
    }
}

enum style health_style(Berth__V1__GroupHealth health)
{
    switch (health) {
    case BERTH__V1__GROUP_HEALTH__GROUP_HEALTH_HEALTHY:
        return STYLE_GOOD;
    case BERTH__V1__GROUP_HEALTH__GROUP_HEALTH_DEGRADED:
        return STYLE_WARN;
    default:
        return STYLE_BAD;
    }
}
