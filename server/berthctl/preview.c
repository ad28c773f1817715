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

/* How far an agent is from taking it, in thousandths of what was asked: the worst slot, then the
 * sum over all slots of all causes. */
struct shortage {
    int64_t worst, sum;
};

static int64_t slot_shortage(const Berth__V1__SlotShortage *s)
{
    enum slot_type type = slot_type_guess(s->slot);
    int64_t asked = 0;
    int64_t left = 0;
    if (amount_parse(s->requested, strlen(s->requested), type, &asked) != AMOUNT_OK ||
        amount_parse(s->available, strlen(s->available), type, &left) != AMOUNT_OK || asked <= left)
        return 0;
    return (int64_t)((__int128)(asked - left) * 1000 / asked);
}

static struct shortage agent_shortage(const Berth__V1__AgentVerdict *v)
{
    struct shortage all = {0};
    for (size_t i = 0; i < v->n_causes; i++)
        for (size_t k = 0; k < v->causes[i]->n_slots; k++) {
            int64_t share = slot_shortage(v->causes[i]->slots[k]);
            all.worst = share > all.worst ? share : all.worst;
            all.sum += share;
        }
    return all;
}

/* How much would have to change: room comes and goes, an architecture stays. */
static unsigned cause_weight(const Berth__V1__Cause *c)
{
    switch (c->kind) {
    case BERTH__V1__CAUSE_KIND__CAUSE_KIND_CAPACITY:
    case BERTH__V1__CAUSE_KIND__CAUSE_KIND_CONTAINER_LIMIT:
        return 2;
    case BERTH__V1__CAUSE_KIND__CAUSE_KIND_ARCHITECTURE:
        return 16;
    default:
        return 3;
    }
}

static unsigned agent_weight(const Berth__V1__AgentVerdict *v)
{
    unsigned weight = 0;
    for (size_t i = 0; i < v->n_causes; i++)
        weight += cause_weight(v->causes[i]);
    return weight;
}

static int agent_compare(const void *pa, const void *pb)
{
    const Berth__V1__AgentVerdict *a = *(Berth__V1__AgentVerdict *const *)pa;
    const Berth__V1__AgentVerdict *b = *(Berth__V1__AgentVerdict *const *)pb;
    if (a->fits != b->fits)
        return a->fits ? -1 : 1;
    unsigned weight_a = agent_weight(a);
    unsigned weight_b = agent_weight(b);
    if (weight_a != weight_b)
        return weight_a < weight_b ? -1 : 1;
    struct shortage short_a = agent_shortage(a);
    struct shortage short_b = agent_shortage(b);
    if (short_a.worst != short_b.worst)
        return short_a.worst < short_b.worst ? -1 : 1;
    if (short_a.sum != short_b.sum)
        return short_a.sum < short_b.sum ? -1 : 1;
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
        text_addf(&t, "%s%s", i == 0 ? "" : "; ",
                  human_enum(a, &berth__v1__cause_kind__descriptor, (int)c->kind));
        for (size_t k = 0; k < c->n_slots; k++) {
            const Berth__V1__SlotShortage *s = c->slots[k];
            text_addf(&t, "%s", k == 0 ? ": " : ", ");
            text_add_clean(&t, s->slot);
            text_addf(&t, " has %s of %s", human_amount(a, s->slot, s->available),
                      human_amount(a, s->slot, s->requested));
        }
    }
    return text_chars(&t);
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
