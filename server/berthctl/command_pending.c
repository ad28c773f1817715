/* command_pending.c - the queue of a group. */
#include "berth/v1/scheduler.pb-c.h"
#include "server/berthctl/command.h"
#include "server/berthctl/human.h"
#include "server/berthctl/report.h"
#include "server/berthctl/text.h"

struct options {
    uint32_t limit;
};

static const struct flag flags[] = {
    FLAG(struct options, limit, UINT32, "limit", "N", "show at most N sessions (100; 0: all)",
         .initial = DEFAULT_LIMIT),
};

/* All pages as one answer; 0 or an exit code. */
static int fetch(struct ctl *c, char *group, uint32_t limit,
                 Berth__V1__ListPendingSessionsResponse *ret)
{
    Berth__V1__ListPendingSessionsRequest request = BERTH__V1__LIST_PENDING_SESSIONS_REQUEST__INIT;
    size_t cap = 0;

    berth__v1__list_pending_sessions_response__init(ret);
    request.scaling_group = group;
    do {
        const void *answer = NULL;
        request.page_size = page_size(limit, ret->n_sessions);
        int rc = ctl_call(c, "ListPendingSessions", &request.base, &answer);
        if (rc != 0)
            return rc;
        const Berth__V1__ListPendingSessionsResponse *page = answer;
        ret->sessions = page_append(c->arena, ret->sessions, &ret->n_sessions, &cap, page->sessions,
                                    page->n_sessions);
        ret->total = page->total;
        ret->snapshot_time = page->snapshot_time;
        request.page_token = ret->next_page_token = page->next_page_token;
    } while (ret->next_page_token[0] != '\0' && page_size(limit, ret->n_sessions) > 0);
    return 0;
}

static const char *waiting_for(struct ctl *c, const Berth__V1__PendingSession *s,
                               const Google__Protobuf__Timestamp *now)
{
    if (s->pending_since == NULL || now == NULL)
        return "-";
    int64_t us = 0;
    if (__builtin_sub_overflow(timestamp_us(now), timestamp_us(s->pending_since), &us))
        return "-";
    return human_span(c->arena, us);
}

static void print_sessions(struct ctl *c, const Berth__V1__ListPendingSessionsResponse *r)
{
    static const struct column columns[] = {
        {"#", true},         {"SESSION", false}, {"NAME", false},     {"KEY", false},
        {"PRIORITY", true},  {"TYPE", false},    {"WAITS FOR", true}, {"TRIES", true},
        {"ASKS FOR", false}, {"WHY", false}};
    struct table *t = table_create(c->arena, columns, ARRAY_SIZE(columns));

    for (size_t i = 0; i < r->n_sessions; i++) {
        const Berth__V1__PendingSession *s = r->sessions[i];
        table_add(t, "%u", s->position);
        table_add(t, "%s", s->session_id);
        table_add(t, "%s", human_or_dash(s->name));
        table_add(t, "%s", human_or_dash(s->access_key));
        table_add(t, "%d", s->priority);
        table_add(t, "%s",
                  human_enum(c->arena, &berth__v1__session_type__descriptor, (int)s->type));
        table_add(t, "%s", waiting_for(c, s, r->snapshot_time));
        table_add(t, "%u", s->retries);
        table_add(t, "%s", human_slots(c->arena, s->requested, s->n_requested));
        table_add(t, "%s", report_why(c->arena, s->last_causes, s->n_last_causes));
    }
    table_write(t, c->out, 0, c->color);
}

static int run(struct ctl *c, void *options, char **args, unsigned n_args)
{
    const struct options *o = options;
    Berth__V1__ListPendingSessionsResponse r;

    (void)n_args;
    int rc = fetch(c, args[0], o->limit, &r);
    if (rc != 0)
        return rc;
    if (c->globals.json)
        return ctl_json(c, &r.base);
    if (r.n_sessions > 0)
        print_sessions(c, &r);
    else
        fprintf(c->out, "Nothing is pending in %s.\n", text_clean(c->arena, args[0]));
    if (r.next_page_token[0] != '\0')
        fprintf(c->out, "\n%zu of %s; --limit 0 shows all.\n", r.n_sessions,
                human_count(c->arena, r.total, "pending session"));
    return EXIT_OK;
}

const struct command command_pending = {
    .name = "pending",
    .args = "GROUP",
    .summary = "List the queue of a group in the order the next round will try it",
    .details = "WHY is what held a session back when it was last tried; explain says it in full.\n",
    .examples = "  berthctl pending gpu\n"
                "  berthctl pending gpu --limit 10\n"
                "  berthctl pending gpu --limit 0 --json | jq -r '.sessions[].sessionId'\n",
    .flags = flags,
    .n_flags = ARRAY_SIZE(flags),
    .options_size = sizeof(struct options),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
