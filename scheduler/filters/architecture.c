/* architecture.c - filter 1: the agent's architecture is exactly the kernel's. */
#include <stdlib.h>
#include <string.h>

#include "scheduler/cause.h"
#include "scheduler/plugin.h"

static bool keep(const struct room *m, const struct requirement *r,
                 const struct option_value *options, uint32_t agent)
{
    (void)options;
    return m->snapshot->agents[agent].arch == r->arch;
}

static int by_text(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* "aarch64, x86_64": those of the entrants, in text order, at most 8. */
static char *offered(const struct snapshot *s, const struct entrants *who, struct arena *a)
{
    const char **names = arena_new(a, const char *, s->n_archs);
    bool *seen = arena_new(a, bool, s->n_archs);
    uint32_t n = 0;
    for (uint32_t i = 0; i < who->n; i++) {
        uint32_t arch = s->agents[who->agents[i]].arch;
        if (!seen[arch])
            names[n++] = s->archs[arch];
        seen[arch] = true;
    }
    qsort(names, n, sizeof(*names), by_text);
    return cause_list_names(names, n, 8, a);
}

static uint32_t explain(const struct room *m, const struct requirement *r,
                        const struct option_value *options, const struct entrants *who,
                        struct arena *a, struct cause *ret)
{
    (void)options;
    const struct snapshot *s = m->snapshot;
    const char *asked = s->archs[r->arch];
    ret->kind = CAUSE_ARCHITECTURE;
    ret->subject = asked;
    if (who->whole) {
        ret->message =
            arena_printf(a, "No agent of this group has the architecture \"%s\" (they have %s).",
                         asked, offered(s, who, a));
        return NONE;
    }
    const struct agent *agent = &s->agents[who->agents[0]];
    ret->message = arena_printf(a, "%s has the architecture \"%s\", not \"%s\".", agent->id,
                                s->archs[agent->arch], asked);
    return who->agents[0];
}

FILTER(architecture, "architecture", "the agent has the architecture the kernels ask for", NULL,
       .keep = keep, .explain = explain);
