/* place_why.c - why a session finds no place: one cause for each requirement that failed. */
#include "scheduler/place.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "scheduler/cause.h"

extern const struct plugin filter_architecture, filter_resources;

enum { MAX_PLACE_CAUSES = 16, MAX_NAMED_KERNELS = 8 };

static bool is_listed(const struct cause_list *l, const struct cause *c)
{
    for (size_t i = 0; i < l->n; i++)
        if (cause_equal(&l->items[i], c))
            return true;
    return false;
}

/* The filter of slots, if it is the first that applies but for that of the architecture; or NONE.
 */
static uint32_t slots_come_first(const struct policy *p, const struct room *m,
                                 const struct requirement *r)
{
    for (uint32_t i = 0; i < p->filters.n; i++) {
        const struct chosen *f = &p->filters.items[i];
        if (f->plugin == &filter_resources)
            return i;
        if (f->plugin != &filter_architecture && filter_applies(f, m, r))
            return NONE;
    }
    return NONE;
}

/* Whom the cause is about is enough of the entrants where only slots are missing: that is found
 * without looking at all agents. */
static bool lacks_slots(struct placer *p, struct book *b, const struct requirement *r,
                        uint32_t *ret_closest, struct scan_failure *ret)
{
    const uint32_t filter = slots_come_first(p->policy, &b->room, r);
    if (filter == NONE || p->chooser.plain_scan)
        return false;
    *ret_closest = book_closest(b, r);
    *ret = (struct scan_failure){.filter = filter, .entrants = ret_closest, .n = 1};
    return *ret_closest != NONE;
}

void placer_cause(struct placer *p, struct book *b, const struct requirement *r,
                  struct report *report)
{
    struct scan_failure failure;
    uint32_t closest;
    if (report->causes.n == MAX_PLACE_CAUSES)
        return;
    if (!lacks_slots(p, b, r, &closest, &failure)) {
        uint32_t agent = scan_choose(&p->chooser.scan, &b->room, r, &failure);
        assert(agent == NONE); /* whoever asks for causes was told that nobody fits */
    }
    const struct chosen *f = &p->policy->filters.items[failure.filter];
    struct entrants who = {.agents = failure.entrants, .n = failure.n, .whole = true};
    struct cause c = filter_cause(f, &b->room, r, &who, p->arena, &report->anchor);
    if (!is_listed(&report->causes, &c))
        cause_push(&report->causes, &c);
}

struct cause filter_cause(const struct chosen *f, const struct room *m, const struct requirement *r,
                          const struct entrants *who, struct arena *a, uint32_t *ret_about)
{
    struct cause c = {.kind = CAUSE_PLUGIN,
                      .plugin = f->plugin->name,
                      .subject = "",
                      .message = "",
                      .retryable = !m->empty};
    uint32_t about = NONE;
    if (f->plugin->filter.explain != NULL)
        about = f->plugin->filter.explain(m, r, f->options, who, a, &c);
    if (c.message == NULL || c.message[0] == '\0')
        c.message = arena_printf(a, "The filter %s refuses %s.", f->plugin->name,
                                 who->whole ? "every agent left" : "this agent");
    if (c.subject == NULL)
        c.subject = "";
    *ret_about = about;
    return c;
}

/* " (2 of 4 kernels had a place: main1 on a1, sub1 on a2)" */
static char *placed_kernels(const struct placer *p, uint32_t session, const struct shape *h)
{
    const struct snapshot *s = p->snapshot;
    struct text names = {.arena = p->arena};
    uint32_t placed = 0;
    for (uint32_t i = 0; i < h->n_demands; i++) {
        const struct kernel *k = &s->kernels[s->sessions[session].first_kernel + i];
        if (p->steps[i].agent == NONE || placed++ >= MAX_NAMED_KERNELS)
            continue;
        text_addf(&names, "%s%s%" PRId32 " on %s", placed > 1 ? ", " : ": ",
                  k->is_main ? "main" : "sub", k->cluster_idx, s->agents[p->steps[i].agent].id);
    }
    return arena_printf(p->arena, " (%u of %u kernels had a place%s%s)", placed, h->n_demands,
                        text_end(&names), placed > MAX_NAMED_KERNELS ? ", ..." : "");
}

void placer_why(struct placer *p, struct book *b, uint32_t session, const struct shape *h,
                const struct cause **ret_causes, uint32_t *ret_n, uint32_t *ret_anchor)
{
    struct report report = {.causes.arena = p->arena, .anchor = NONE};
    (void)placer_attempt(p, b, session, h, &report);
    if (h->multi_node) {
        const char *placed = placed_kernels(p, session, h);
        for (size_t i = 0; i < report.causes.n; i++)
            report.causes.items[i].message =
                arena_printf(p->arena, "%s%s", report.causes.items[i].message, placed);
    }
    placer_undo(p, b, h);
    *ret_causes = report.causes.items;
    *ret_n = (uint32_t)report.causes.n;
    *ret_anchor = report.anchor;
}

const struct cause *placer_fault(const struct snapshot *s, uint32_t session, enum shape_fault fault,
                                 struct arena *a)
{
    const struct session *x = &s->sessions[session];
    if (fault == SHAPE_NO_KERNELS)
        return cause_single(a, CAUSE_NO_KERNELS, "plan", false, "The session has no kernels.");
    uint32_t k = 1;
    while (s->kernels[x->first_kernel + k].arch == s->kernels[x->first_kernel].arch)
        k++;
    return cause_single(a, CAUSE_MIXED_ARCHITECTURE, "plan", false,
                        arena_printf(a,
                                     "All kernels of a single-node session must have one "
                                     "architecture, but it has both \"%s\" and \"%s\".",
                                     s->archs[s->kernels[x->first_kernel].arch],
                                     s->archs[s->kernels[x->first_kernel + k].arch]));
}
