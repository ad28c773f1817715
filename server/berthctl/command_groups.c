/* command_groups.c - the scaling groups, their load and health. */
#include <inttypes.h>

#include "berth/v1/scheduler.pb-c.h"
#include "server/berthctl/command.h"
#include "server/berthctl/human.h"
#include "server/berthctl/report.h"
#include "server/berthctl/text.h"

struct options {
    uint32_t limit;
};

static const struct flag flags[] = {
    FLAG(struct options, limit, UINT32, "limit", "N", "show at most N groups (100; 0: all)",
         .initial = DEFAULT_LIMIT),
};

enum { MAX_NAMES = 1000 };

/* All pages as one answer; 0 or an exit code. */
static int fetch(struct ctl *c, char **names, unsigned n_names, uint32_t limit,
                 Berth__V1__ListScalingGroupsResponse *ret)
{
    Berth__V1__ListScalingGroupsRequest request = BERTH__V1__LIST_SCALING_GROUPS_REQUEST__INIT;
    size_t cap = 0;

    berth__v1__list_scaling_groups_response__init(ret);
    request.scaling_groups = names;
    request.n_scaling_groups = n_names;
    do {
        const void *answer = NULL;
        request.page_size = page_size(limit, ret->n_scaling_groups);
        int rc = ctl_call(c, "ListScalingGroups", &request.base, &answer);
        if (rc != 0)
            return rc;
        const Berth__V1__ListScalingGroupsResponse *page = answer;
        ret->scaling_groups = page_append(c->arena, ret->scaling_groups, &ret->n_scaling_groups,
                                          &cap, page->scaling_groups, page->n_scaling_groups);
        request.page_token = ret->next_page_token = page->next_page_token;
    } while (ret->next_page_token[0] != '\0' && page_size(limit, ret->n_scaling_groups) > 0);
    return 0;
}

static const char *last_round(struct ctl *c, const Berth__V1__LastRound *l)
{
    if (l == NULL)
        return "never";
    return arena_printf(c->arena, "%s, %s: %s", human_ago(c->arena, l->start_time, c->now_us),
                        human_duration(c->arena, duration_us(l->duration)),
                        l->counts == NULL ? "-" : report_counts(c->arena, l->counts));
}

static void print_groups(struct ctl *c, const Berth__V1__ListScalingGroupsResponse *r)
{
    static const struct column columns[] = {
        {"GROUP", false}, {"HEALTH", false},    {"SCHEDULER", false}, {"STRATEGY", false},
        {"AGENTS", true}, {"PENDING", true},    {"LIVE", true},       {"EPOCH", true},
        {"LEASE", false}, {"LAST ROUND", false}};
    struct table *t = table_create(c->arena, columns, ARRAY_SIZE(columns));

    for (size_t i = 0; i < r->n_scaling_groups; i++) {
        const Berth__V1__ScalingGroup *g = r->scaling_groups[i];
        table_add(t, "%s%s", g->name, g->is_active ? "" : " (inactive)");
        table_add_styled(
            t, health_style(g->health),
            human_enum(c->arena, &berth__v1__group_health__descriptor, (int)g->health));
        table_add(t, "%s", human_or_dash(g->scheduler));
        table_add(t, "%s", human_or_dash(g->strategy));
        table_add(t, "%u/%u", g->agents_schedulable, g->agents_total);
        table_add(t, "%u", g->pending_sessions);
        table_add(t, "%u", g->live_sessions);
        table_add(t, "%" PRId64, g->epoch);
        table_add(t, "%s", human_or_dash(g->lease_holder));
        table_add(t, "%s", last_round(c, g->last_round));
    }
    table_write(t, c->out, 0, c->color);
}

static void print_reasons(struct ctl *c, const Berth__V1__ListScalingGroupsResponse *r)
{
    bool any = false;
    for (size_t i = 0; i < r->n_scaling_groups; i++) {
        const Berth__V1__ScalingGroup *g = r->scaling_groups[i];
        for (size_t k = 0; k < g->n_health_reasons; k++) {
            fprintf(c->out, "%s%s: %s\n", any ? "" : "\n", text_clean(c->arena, g->name),
                    text_clean(c->arena, g->health_reasons[k]));
            any = true;
        }
    }
}

static int run(struct ctl *c, void *options, char **args, unsigned n_args)
{
    const struct options *o = options;
    Berth__V1__ListScalingGroupsResponse r;

    int rc = fetch(c, args, n_args, o->limit, &r);
    if (rc != 0)
        return rc;
    if (c->globals.json)
        return ctl_json(c, &r.base);
    if (r.n_scaling_groups > 0)
        print_groups(c, &r);
    else
        fprintf(c->out, "There is no scaling group.\n");
    print_reasons(c, &r);
    if (r.next_page_token[0] != '\0')
        fprintf(c->out, "\nThe first %zu groups; --limit 0 shows all.\n", r.n_scaling_groups);
    return EXIT_OK;
}

const struct command command_groups = {
    .name = "groups",
    .args = "[GROUP...]",
    .summary = "List scaling groups with their load, last round and health",
    .details = "AGENTS is schedulable ones of all; LIVE sessions hold resources; LEASE names the\n"
               "replica that is scheduling the group now.\n",
    .examples = "  berthctl groups\n"
                "  berthctl groups gpu cpu\n"
                "  berthctl groups --json | jq '.scalingGroups[] | {name, health}'\n",
    .flags = flags,
    .n_flags = ARRAY_SIZE(flags),
    .options_size = sizeof(struct options),
    .min_args = 0,
    .max_args = MAX_NAMES,
    .run = run,
};
