/* command_preview.c - what the next round would do with a session, stored or described. */
#include "server/berthctl/human.h"
#include "server/berthctl/preview.h"
#include "server/berthctl/remedies.h"
#include "server/berthctl/report.h"
#include "server/berthctl/spec.h"

struct options {
    struct spec_options spec;
    char *group;
    struct list without, ignore, extra;
    uint32_t limit;
    bool agents, after_queue;
};

static const struct flag flags[] = {
    FLAG(struct options, group, TEXT, "group", "GROUP", "the scaling group to ask about"),
    FLAG(struct options, spec.access_key, TEXT, "access-key", "KEY", "whose session it would be"),
    FLAG(struct options, spec.project, TEXT, "project", "ID", "its project"),
    FLAG(struct options, spec.user, TEXT, "user", "ID", "its user (the key's)"),
    FLAG(struct options, spec.domain, TEXT, "domain", "NAME", "its domain (the project's)"),
    FLAG(struct options, spec.cpu, TEXT, "cpu", "N", "cores, of each node"),
    FLAG(struct options, spec.mem, TEXT, "mem", "SIZE", "memory, like 8g"),
    FLAG(struct options, spec.gpu, TEXT, "gpu", "N",
         "whole GPUs (slot cuda.device), or a part: 0.5 (cuda.shares)"),
    FLAG(struct options, spec.slots, LIST, "slot", "NAME=AMOUNT", "any slot; may be repeated"),
    FLAG(struct options, spec.nodes, UINT32, "nodes", "N", "multi-node: so many kernels alike (1)"),
    FLAG(struct options, spec.arch, TEXT, "arch", "NAME", "architecture (x86_64)"),
    FLAG(struct options, spec.type, TEXT, "type", "TYPE",
         "interactive, batch, inference or system"),
    FLAG(struct options, spec.priority, INT32, "priority", "N", "priority (10)"),
    FLAG(struct options, spec.on_agents, LIST, "agent", "ID", "agent to prefer; may be repeated"),
    FLAG(struct options, spec.strict, BOOL, "strict", NULL, "no other agents than these"),
    FLAG(struct options, spec.session_group, TEXT, "session-group", "ID", "spread or pack with it"),
    FLAG(struct options, agents, BOOL, "agents", NULL,
         "also every agent, best first, and what it lacks"),
    FLAG(struct options, limit, UINT32, "limit", "N",
         "show at most N agents (100; 0: all); with --json the first by id",
         .initial = DEFAULT_LIMIT),
    FLAG(struct options, after_queue, BOOL, "after-queue", NULL,
         "after everything ahead of it, not now and alone"),
    FLAG(struct options, without, LIST, "without-agent", "ID",
         "as if it were not there; may be repeated"),
    FLAG(struct options, extra, LIST, "extra-agent", "ID,SLOT=N,...",
         "as if it were there too: n1,cpu=8,mem=64g[,arch=NAME]"),
    FLAG(struct options, ignore, LIST, "ignore", "RULE",
         "as if it passed, like keypair_resource_limit; may be repeated"),
};

/* Who or what is previewed; 0 or an exit code. */
static int set_target(struct ctl *c, const struct options *o, char **args, unsigned n_args,
                      Berth__V1__PreviewAllocationRequest *request)
{
    struct err e = {0};
    if (n_args > 0 && spec_is_given(&o->spec))
        return ctl_usage(c, &command_preview,
                         "give a session or describe one, not both (%s is a session)", args[0]);
    if (n_args > 0) {
        request->target_case = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__TARGET_SESSION_ID;
        request->session_id = args[0];
        return 0;
    }
    if (o->group == NULL)
        return ctl_usage(c, &command_preview, "give a session, or --group and what is asked for");
    request->target_case = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__TARGET_SPEC;
    request->spec = spec_build(c->arena, &o->spec, &e);
    return request->spec == NULL ? ctl_usage(c, &command_preview, "%s", e.message) : 0;
}

/* The agents that are added in thought; 0 or an exit code. */
static int set_extra(struct ctl *c, const struct list *extra,
                     Berth__V1__PreviewAllocationRequest *request)
{
    struct err e = {0};
    request->extra_agents = arena_new(c->arena, Berth__V1__AgentSpec *, extra->n + 1);
    for (size_t i = 0; i < extra->n; i++) {
        request->extra_agents[i] = spec_agent(c->arena, extra->items[i], &e);
        if (request->extra_agents[i] == NULL)
            return ctl_usage(c, &command_preview, "%s", e.message);
        request->n_extra_agents++;
    }
    return 0;
}

/* Best first, and then no more than asked for. */
static void print_agents(struct ctl *c, uint32_t limit, Berth__V1__PreviewAllocationResponse *r)
{
    size_t shown = limit == 0 || r->n_agents < limit ? r->n_agents : limit;
    if (r->n_agents_by_cause > 0)
        fprintf(c->out, "\nAgents that cannot take it, by cause: %s.\n",
                report_kinds(c->arena, r->agents_by_cause, r->n_agents_by_cause));
    fputc('\n', c->out);
    preview_rank(r);
    preview_print_agents(c, r, shown);
    if (shown < r->n_agents || r->next_page_token[0] != '\0')
        fprintf(c->out, "\nThe %zu nearest of %zu agents%s; --limit 0 shows all.\n", shown,
                r->n_agents, r->next_page_token[0] != '\0' ? " and more" : "");
}

/* How many agents to read: to find the nearest ones for a person, more than are shown. */
static uint32_t agents_to_read(const struct ctl *c, uint32_t limit)
{
    return c->globals.json || limit == 0 || limit > PREVIEW_AGENTS_READ ? limit
                                                                        : PREVIEW_AGENTS_READ;
}

static void print_answer(struct ctl *c, const struct options *o,
                         Berth__V1__PreviewAllocationResponse *r)
{
    enum style style = verdict_style(r->verdict);
    fprintf(c->out, "%s%s%s\n", style_begin(style, c->color),
            report_verdict(c->arena, "It", o->after_queue, r), style_end(c->color));
    if (r->n_allocations > 0) {
        fputc('\n', c->out);
        report_allocations(c->out, c->arena, r->allocations, r->n_allocations, c->color);
    }
    report_causes(c->out, c->arena, r->causes, r->n_causes, c->color);
    if (o->agents)
        print_agents(c, o->limit, r);
    remedies_print(c->out, c->arena, r);
}

static int run(struct ctl *c, void *options, char **args, unsigned n_args)
{
    const struct options *o = options;
    Berth__V1__PreviewAllocationRequest request = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__INIT;
    Berth__V1__PreviewAllocationResponse r;
    struct failure f = {0};

    int rc = set_target(c, o, args, n_args, &request);
    if (rc == 0)
        rc = set_extra(c, &o->extra, &request);
    if (rc != 0)
        return rc;
    if (o->group != NULL)
        request.scaling_group = o->group;
    request.view = o->agents ? BERTH__V1__PREVIEW_VIEW__PREVIEW_VIEW_AGENTS
                             : BERTH__V1__PREVIEW_VIEW__PREVIEW_VIEW_VERDICT;
    request.without_agents = o->without.items;
    request.n_without_agents = o->without.n;
    request.ignore_validators = o->ignore.items;
    request.n_ignore_validators = o->ignore.n;
    request.after_queue = o->after_queue;
    request.with_remedies = 1;
    if (preview_fetch(c, &request, agents_to_read(c, o->limit), &r, &f) < 0)
        return ctl_fail(c, &f);
    if (c->globals.json)
        ctl_json(c, &r.base);
    else
        print_answer(c, o, &r);
    return r.verdict == BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_FITS ? EXIT_OK : EXIT_NO;
}

const struct command command_preview = {
    .name = "preview",
    .args = "[SESSION]",
    .summary = "Say what the next round would do with a session, stored or described",
    .details =
        "Writes nothing. What would not be scheduled is told with what would help, and exit\n"
        "code 1. Without SESSION, give --group, --access-key, --project and what it asks\n"
        "for.\n",
    .examples =
        "  berthctl preview 3fa85f64-5717-4562-b3fc-2c963f66afa6 --agents\n"
        "  berthctl preview --group gpu --access-key AK1 --project \"$PROJECT\" --cpu 4 --mem 8g "
        "--gpu 1\n"
        "  berthctl preview --group gpu --access-key AK1 --project \"$PROJECT\" --cpu 8 --nodes 4 "
        "--after-queue\n"
        "  berthctl preview \"$SESSION\" --ignore keypair_resource_limit --extra-agent n9,cpu=64,"
        "mem=512g\n",
    .flags = flags,
    .n_flags = ARRAY_SIZE(flags),
    .options_size = sizeof(struct options),
    .min_args = 0,
    .max_args = 1,
    .run = run,
};
