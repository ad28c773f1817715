/* command_explain.c - why a pending session has not started. */
#include <string.h>

#include "server/berthctl/human.h"
#include "server/berthctl/preview.h"
#include "server/berthctl/remedies.h"
#include "server/berthctl/report.h"
#include "server/berthctl/text.h"

struct options {
    uint32_t agents;
    bool after_queue;
};

enum { AGENTS_SHOWN = 5 };

static const struct flag flags[] = {
    FLAG(struct options, agents, UINT32, "agents", "N", "show the N nearest agents (5; 0: none)",
         .initial = AGENTS_SHOWN),
    FLAG(struct options, after_queue, BOOL, "after-queue", NULL,
         "after everything ahead of it, not now and alone"),
};

static void print_answer(struct ctl *c, const struct options *o, const char *session,
                         const Berth__V1__PreviewAllocationResponse *r)
{
    const char *subject = arena_printf(c->arena, "Session %s", session);
    fprintf(c->out, "%s%s%s\n", style_begin(verdict_style(r->verdict), c->color),
            report_verdict(c->arena, subject, o->after_queue, r), style_end(c->color));
    report_causes(c->out, c->arena, r->causes, r->n_causes, c->color);
    if (r->n_agents_by_cause > 0)
        fprintf(c->out, "\nAgents that cannot take it, by cause: %s.\n",
                report_kinds(c->arena, r->agents_by_cause, r->n_agents_by_cause));
    if (r->n_agents > 0 && o->agents > 0) {
        fprintf(c->out, "\nNearest agents%s:\n",
                r->next_page_token[0] == '\0' ? "" : " of the first 10000");
        preview_print_agents(c, r, o->agents);
    }
    remedies_print(c->out, c->arena, r);
}

/* The status of a session that is not in the queue, as the failure has it; NULL: another failure.
 */
static const char *status_in(const struct failure *f)
{
    if (f->info == NULL || strcmp(f->info->reason, "SESSION_NOT_PENDING") != 0)
        return NULL;
    for (size_t i = 0; i < f->info->n_metadata; i++)
        if (strcmp(f->info->metadata[i]->key, "status") == 0)
            return f->info->metadata[i]->value;
    return NULL;
}

/* That a session is past the queue is an answer, not a fault. */
static int explain_failure(struct ctl *c, const char *session, const struct failure *f)
{
    const char *status = status_in(f);
    if (status == NULL)
        return ctl_fail(c, f);
    if (c->globals.json)
        failure_print_json(c->err, f);
    else
        fprintf(c->out, "Session %s is %s: it is not waiting to be scheduled.\n",
                text_clean(c->arena, session), text_clean(c->arena, status));
    return EXIT_NO;
}

static int run(struct ctl *c, void *options, char **args, unsigned n_args)
{
    const struct options *o = options;
    Berth__V1__PreviewAllocationRequest request = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__INIT;
    Berth__V1__PreviewAllocationResponse r;
    struct failure f = {0};

    (void)n_args;
    request.target_case = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__TARGET_SESSION_ID;
    request.session_id = args[0];
    request.view = BERTH__V1__PREVIEW_VIEW__PREVIEW_VIEW_AGENTS;
    request.after_queue = o->after_queue;
    request.with_remedies = 1;
    if (preview_fetch(c, &request, PREVIEW_AGENTS_READ, &r, &f) < 0)
        return explain_failure(c, args[0], &f);
    preview_rank(&r);
    if (r.n_agents > o->agents && c->globals.json)
        r.n_agents = o->agents;
    if (c->globals.json)
        return ctl_json(c, &r.base);
    print_answer(c, o, args[0], &r);
    return EXIT_OK;
}

const struct command command_explain = {
    .name = "explain",
    .args = "SESSION",
    .summary = "Say why a pending session has not started, and which agents come nearest",
    .details =
        "One sentence, then every cause with its numbers, then the nearest agents, then what\n"
        "would help: for each cause the smallest changes that cure it, each tried. Writes\n"
        "nothing. Exit code 0 whatever the reasons are, 1 when the session is not pending.\n",
    .examples =
        "  berthctl explain 3fa85f64-5717-4562-b3fc-2c963f66afa6\n"
        "  berthctl explain 3fa85f64-5717-4562-b3fc-2c963f66afa6 --after-queue --agents 20\n"
        "  berthctl explain 3fa85f64-5717-4562-b3fc-2c963f66afa6 --json | jq .remedies\n",
    .flags = flags,
    .n_flags = ARRAY_SIZE(flags),
    .options_size = sizeof(struct options),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
