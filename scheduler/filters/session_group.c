/* session_group.c - filter 3: strict spread takes agents without members only; strict pack takes
 * agents with members only, once any candidate agent has one. */
#include "scheduler/plugin.h"

static bool applies(const struct room *m, const struct requirement *r,
                    const struct option_value *options)
{
    (void)m;
    (void)options;
    return r->group != NULL && r->group->strict;
}

static bool keep(const struct room *m, const struct requirement *r,
                 const struct option_value *options, uint32_t agent)
{
    (void)m;
    (void)options;
    if (r->group->direction == GROUP_SPREAD)
        return r->members[agent] <= 0;
    return r->n_holders == 0 || r->members[agent] > 0;
}

static uint32_t explain(const struct room *m, const struct requirement *r,
                        const struct option_value *options, const struct entrants *who,
                        struct arena *a, struct cause *ret)
{
    (void)options;
    bool spread = r->group->direction == GROUP_SPREAD;
    char *id = uuid_format(&r->group->id, arena_new(a, char, UUID_TEXT));
    ret->kind = CAUSE_SESSION_GROUP;
    ret->subject = id;
    if (who->whole) {
        ret->message = spread ? arena_printf(a,
                                             "Session group %s spreads strictly and every agent "
                                             "that could take it has a member already.",
                                             id)
                              : arena_printf(a,
                                             "Session group %s packs strictly and no agent that "
                                             "could take it has a member.",
                                             id);
        return NONE;
    }
    const char *agent = m->snapshot->agents[who->agents[0]].id;
    int32_t count = r->members[who->agents[0]];
    ret->message =
        spread ? arena_printf(a, "%s has %d member%s of session group %s, which spreads strictly.",
                              agent, count, count == 1 ? "" : "s", id)
               : arena_printf(a, "%s has no member of session group %s, which packs strictly.",
                              agent, id);
    return who->agents[0];
}

FILTER(session_group, "session_group", "strict session groups spread or pack", NULL,
       .applies = applies, .keep = keep, .explain = explain, .by_marks = true);
