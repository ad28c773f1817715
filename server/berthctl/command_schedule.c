/* command_schedule.c - run one round now. */
#include <inttypes.h>

#include "berth/v1/scheduler.pb-c.h"
#include "server/berthctl/command.h"
#include "server/berthctl/human.h"
#include "server/berthctl/report.h"
#include "server/berthctl/text.h"

struct options {
    char *request_id;
    uint32_t max_sessions, max_decisions;
    bool dry_run, counts;
};

static const struct flag flags[] = {
    FLAG(struct options, max_sessions, UINT32, "max-sessions", "N",
         "try at most N sessions (0: all)"),
    FLAG(struct options, dry_run, BOOL, "dry-run", NULL, "plan only; nothing is written"),
    FLAG(struct options, request_id, TEXT, "request-id", "ID",
         "the same ID again returns the first answer"),
    FLAG(struct options, counts, BOOL, "counts", NULL, "how many only, no sessions"),
    FLAG(struct options, max_decisions, UINT32, "max-decisions", "N",
         "show at most N sessions (1000; at most 100000)"),
};

enum { SHOWN_US = 100 }; /* phases that took less are left out */

static void print_round(struct ctl *c, const struct options *o,
                        const Berth__V1__ScheduleScalingGroupResponse *r)
{
    struct text phases = {.arena = c->arena};
    int64_t total = 0;

    for (size_t i = 0; i < r->round->n_phases; i++) {
        int64_t us = duration_us(r->round->phases[i]->duration);
        total += us;
        if (us < SHOWN_US)
            continue;
        text_addf(&phases, "%s", phases.n == 0 ? ": " : ", ");
        text_add_clean(&phases, r->round->phases[i]->name);
        text_addf(&phases, " %s", human_duration(c->arena, us));
    }
    fprintf(c->out, "%s, %s: %s.\n", text_clean(c->arena, r->round->scaling_group),
            human_count(c->arena, r->counts->pending, "pending session"),
            report_counts(c->arena, r->counts));
    if (o->dry_run)
        fprintf(c->out, "Planned only: nothing was written.\n");
    else
        fprintf(c->out, "Round %s, epoch %" PRId64 ".\n",
                text_clean(c->arena, human_or_dash(r->round->round_id)), r->round->epoch);
    fprintf(c->out, "It took %s%s.\n", human_duration(c->arena, total), text_chars(&phases));
}

static void print_decisions(struct ctl *c, const Berth__V1__ScheduleScalingGroupResponse *r)
{
    static const struct column columns[] = {
        {"SESSION", false}, {"OUTCOME", false}, {"WHERE, OR WHY NOT", false}};
    struct table *t = table_create(c->arena, columns, ARRAY_SIZE(columns));

    for (size_t i = 0; i < r->n_decisions; i++) {
        const Berth__V1__SessionDecision *d = r->decisions[i];
        table_add(t, "%s", d->session_id);
        table_add_styled(
            t, outcome_style(d->outcome),
            human_enum(c->arena, &berth__v1__session_outcome__descriptor, (int)d->outcome));
        table_add(t, "%s",
                  d->n_causes > 0 ? report_why(c->arena, d->causes, d->n_causes)
                                  : report_where(c->arena, d->allocations, d->n_allocations));
    }
    if (table_rows(t) > 0) {
        fputc('\n', c->out);
        table_write(t, c->out, 0, c->color);
    }
    if (r->decisions_truncated)
        fprintf(c->out, "\nOnly the first %zu sessions are shown; --max-decisions shows more.\n",
                r->n_decisions);
}

static int run(struct ctl *c, void *options, char **args, unsigned n_args)
{
    const struct options *o = options;
    Berth__V1__ScheduleScalingGroupRequest request =
        BERTH__V1__SCHEDULE_SCALING_GROUP_REQUEST__INIT;
    const void *answer = NULL;

    (void)n_args;
    request.scaling_group = args[0];
    request.max_sessions = o->max_sessions;
    request.max_decisions = o->max_decisions;
    request.validate_only = o->dry_run;
    if (o->request_id != NULL)
        request.request_id = o->request_id;
    request.view = o->counts ? BERTH__V1__ROUND_VIEW__ROUND_VIEW_COUNTS
                             : BERTH__V1__ROUND_VIEW__ROUND_VIEW_DECISIONS;
    int rc = ctl_call(c, "ScheduleScalingGroup", &request.base, &answer);
    if (rc != 0)
        return rc;
    const Berth__V1__ScheduleScalingGroupResponse *r = answer;
    if (c->globals.json)
        return ctl_json(c, &r->base);
    if (r->round != NULL && r->counts != NULL)
        print_round(c, o, r);
    print_decisions(c, r);
    return EXIT_OK;
}

const struct command command_schedule = {
    .name = "schedule",
    .args = "GROUP",
    .summary = "Run one scheduling round over a group now",
    .details = "Says what happened to every pending session. Exit code 4: another replica is\n"
               "scheduling the group at this moment.\n",
    .examples = "  berthctl schedule gpu\n"
                "  berthctl schedule gpu --dry-run\n"
                "  berthctl schedule gpu --counts --json | jq .counts.scheduled\n"
                "  berthctl schedule gpu --request-id nightly-2026-01-31\n",
    .flags = flags,
    .n_flags = ARRAY_SIZE(flags),
    .options_size = sizeof(struct options),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
