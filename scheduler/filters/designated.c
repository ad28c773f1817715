/* designated.c - filter 2: under the policy STRICT the agent is one of the designated ones. */
#include "scheduler/cause.h"
#include "scheduler/plugin.h"

enum { MAX_SHOWN = 8 };

static bool applies(const struct room *m, const struct requirement *r,
                    const struct option_value *options)
{
    (void)m;
    (void)options;
    return r->designated != NULL && r->designated_strict;
}

static bool keep(const struct room *m, const struct requirement *r,
                 const struct option_value *options, uint32_t agent)
{
    (void)m;
    (void)options;
    return r->designated[agent];
}

static uint32_t explain(const struct room *m, const struct requirement *r,
                        const struct option_value *options, const struct entrants *who,
                        struct arena *a, struct cause *ret)
{
    (void)options;
    const struct snapshot *s = m->snapshot;
    const struct session *x = &s->sessions[r->session];
    const char *const *ids = &s->designated[x->rare->first_designated];
    const char *names = cause_list_names(ids, x->rare->n_designated, MAX_SHOWN, a);
    ret->kind = CAUSE_DESIGNATED;
    ret->subject = ids[0];
    if (who->whole) {
        ret->message =
            arena_printf(a,
                         "None of the designated agents (%s) is alive and schedulable in "
                         "this group with the architecture \"%s\".",
                         names, s->archs[r->arch]);
        return NONE;
    }
    ret->message = arena_printf(a, "%s is not one of the designated agents (%s).",
                                s->agents[who->agents[0]].id, names);
    return who->agents[0];
}

FILTER(designated, "designated", "the agent is designated, where the policy is STRICT", NULL,
       .applies = applies, .keep = keep, .explain = explain, .by_marks = true);
