/* preview.c - the call behind preview and explain, see preview.h. */
#include "server/berthctl/preview.h"

#include <stdlib.h>
#include <string.h>

#include "scheduler/amount.h"
#include "server/berthctl/human.h"
#include "server/berthctl/table.h"
#include "server/berthctl/text.h"

int preview_fetch(struct ctl *c, Berth__V1__PreviewAllocationRequest *request, uint32_t limit,
                  Berth__V1__PreviewAllocationResponse *ret, struct failure *f)
{
    Berth__V1__AgentVerdict **agents = NULL;
    size_t n_agents = 0;
    size_t cap = 0;
    bool first = true;

    do {
        const void *answer = NULL;
        request->page_size = page_size(limit, n_agents);
        if (ctl_try(c, "PreviewAllocation", &request->base, &answer, f) < 0)
            return -1;
        const Berth__V1__PreviewAllocationResponse *page = answer;
        if (first)
            *ret = *page;
        first = false;
        agents = page_append(c->arena, agents, &n_agents, &cap, page->agents, page->n_agents);
        request->page_token = ret->next_page_token = page->next_page_token;
    } while (ret->next_page_token[0] != '\0' && page_size(limit, n_agents) > 0);
    ret->agents = agents;
    ret->n_agents = n_agents;
    return 0;
}

/* (requested - available) / requested in thousandths of the cause's worst slot. */
static int64_t cause_shortage(const Berth__V1__Cause *c)
{
    int64_t worst = 0;
    for (size_t i = 0; i < c->n_slots; i++) {
        const Berth__V1__SlotShortage *s = c->slots[i];
        int64_t asked = 0;
        int64_t left = 0;
        enum slot_type type = slot_type_guess(s->slot);
        if (amount_parse(s->requested, strlen(s->requested), type, &asked) != AMOUNT_OK ||
            amount_parse(s->available, strlen(s->available), type, &left) != AMOUNT_OK ||
            asked <= left)
            continue;
        int64_t share = (int64_t)((__int128)(asked - left) * 1000 / asked);
        worst = share > worst ? share : worst;
    }
    return worst;
}

static int64_t agent_shortage(const Berth__V1__AgentVerdict *v)
{
    int64_t worst = 0;
    for (size_t i = 0; i < v->n_causes; i++) {
        int64_t share = cause_shortage(v->causes[i]);
        worst = share > worst ? share : worst;
    }
    return worst;
}

static int agent_compare(const void *pa, const void *pb)
{
    const Berth__V1__AgentVerdict *a = *(Berth__V1__AgentVerdict *const *)pa;
    const Berth__V1__AgentVerdict *b = *(Berth__V1__AgentVerdict *const *)pb;
    if (a->fits != b->fits)
        return a->fits ? -1 : 1;
    if (a->n_causes != b->n_causes)
        return a->n_causes < b->n_causes ? -1 : 1;
    int64_t short_a = agent_shortage(a);
    int64_t short_b = agent_shortage(b);
    if (short_a != short_b)
        return short_a < short_b ? -1 : 1;
    return strcmp(a->agent_id, b->agent_id);
}

void preview_rank(Berth__V1__PreviewAllocationResponse *r)
{
    if (r->n_agents > 1)
        qsort(r->agents, r->n_agents, sizeof(void *), agent_compare);
}

/* "capacity: cpu 2 of 8, mem 1 GiB of 4 GiB; architecture" */
static const char *why_not(struct arena *a, const Berth__V1__AgentVerdict *v)
{
    struct text t = {.arena = a};
    for (size_t i = 0; i < v->n_causes; i++) {
        const Berth__V1__Cause *c = v->causes[i];
        text_add(&t, "%s%s", i == 0 ? "" : "; ",
                 human_enum(a, &berth__v1__cause_kind__descriptor, (int)c->kind));
        for (size_t k = 0; k < c->n_slots; k++) {
            const Berth__V1__SlotShortage *s = c->slots[k];
            text_add(&t, "%s", k == 0 ? ": " : ", ");
            text_add_clean(&t, s->slot);
            text_add(&t, " has %s of %s", human_amount(a, s->slot, s->available),
                     human_amount(a, s->slot, s->requested));
        }
    }
    return text_end(&t);
}

void preview_print_agents(struct ctl *c, const Berth__V1__PreviewAllocationResponse *r, size_t n)
{
    static const struct column columns[] = {
        {"AGENT", false}, {"FITS", false}, {"LEFT", false}, {"WHY NOT", false}};
    struct table *t = table_create(c->arena, columns, ARRAY_SIZE(columns));

    for (size_t i = 0; i < r->n_agents && i < n; i++) {
        const Berth__V1__AgentVerdict *v = r->agents[i];
        table_add(t, "%s", v->agent_id);
        table_add_styled(t, v->fits ? STYLE_GOOD : STYLE_PLAIN, v->fits ? "yes" : "no");
        table_add(t, "%s", human_slots(c->arena, v->remaining, v->n_remaining));
        table_add(t, "%s", why_not(c->arena, v));
    }
    table_write(t, c->out, 2, c->color);
}
