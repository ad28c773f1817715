/* command_replay.c - decide a recorded round again and compare. */
#include <grpc/status.h>
#include <inttypes.h>
#include <string.h>

#include "scheduler/snapshot_file.h"
#include "server/berthctl/command.h"
#include "server/berthctl/human.h"
#include "server/berthctl/json.h"
#include "server/berthctl/plan_diff.h"
#include "server/berthctl/replay.h"
#include "server/berthctl/report.h"
#include "server/berthctl/text.h"
#include "server/dso.h"
#include "server/progress.h"

struct options {
    char *plan;
    struct list plugins;
    bool print;
};

static const struct flag flags[] = {
    FLAG(struct options, plan, TEXT, "plan", "FILE",
         "the plan to compare with; else FILE.plan beside FILE.snapshot, if it is there"),
    FLAG(struct options, plugins, LIST, "plugin", "FILE.so",
         "a plugin that berthd had loaded; may be given several times"),
    FLAG(struct options, print, BOOL, "print", NULL, "show the snapshot and the new plan in full"),
};

struct answer {
    const char *path;
    struct replay replay;
    bool same;              /* with replay.then */
    const char *difference; /* "" when there is none */
    Berth__V1__OutcomeCounts counts;
    Google__Protobuf__Timestamp observed_at;
};

static int fail(struct ctl *c, const struct err *e)
{
    Google__Rpc__ErrorInfo info = GOOGLE__RPC__ERROR_INFO__INIT;
    info.reason = arena_strdup(c->arena, e->reason);
    struct failure f = {.code = GRPC_STATUS_FAILED_PRECONDITION,
                        .message = e->detail[0] == '\0'
                                       ? e->message
                                       : arena_printf(c->arena, "%s: %s", e->message, e->detail),
                        .info = &info};
    return ctl_fail(c, &f);
}

static void count(struct answer *x)
{
    const struct plan *p = x->replay.now;
    x->counts = (Berth__V1__OutcomeCounts)BERTH__V1__OUTCOME_COUNTS__INIT;
    x->counts.pending = p->n_decisions;
    x->counts.scheduled = p->counts[OUTCOME_SCHEDULED];
    x->counts.waiting = p->counts[OUTCOME_WAITING];
    x->counts.blocked = p->counts[OUTCOME_BLOCKED];
    x->counts.infeasible = p->counts[OUTCOME_INFEASIBLE];
    x->counts.invalid = p->counts[OUTCOME_INVALID];
    x->counts.expired = p->counts[OUTCOME_EXPIRED];
    x->counts.cancelled = p->counts[OUTCOME_CANCELLED];
    x->counts.skipped = p->counts[OUTCOME_SKIPPED];
}

static void compare(struct answer *x, struct arena *a)
{
    const struct replay *r = &x->replay;
    int64_t us = r->snapshot->observed_at;
    x->observed_at = (Google__Protobuf__Timestamp)GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    x->observed_at.seconds = us / 1000000 - (us % 1000000 < 0);
    x->observed_at.nanos = (int32_t)(us - x->observed_at.seconds * 1000000) * 1000;
    count(x);
    x->difference = "";
    if (r->then == NULL)
        return;
    x->same = r->then->hash == r->now->hash;
    const char *difference = plan_difference(r->snapshot, r->then, r->now, a);
    if (!x->same && difference != NULL)
        x->difference = difference;
}

/* Line by line: names in it come from users. */
static void print_lines(struct ctl *c, const char *text)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        const char *line = arena_strndup(c->arena, text, n);
        fprintf(c->out, "%s\n", text_clean(c->arena, line));
        text += n + (text[n] == '\n');
    }
    fputc('\n', c->out);
}

static void print_verdict(struct ctl *c, const struct answer *x)
{
    const struct replay *r = &x->replay;
    if (r->then == NULL) {
        fprintf(c->out, "Plan %016" PRIx64 "; there is no recorded one to compare with.\n",
                r->now->hash);
        return;
    }
    const char *style = style_begin(x->same ? STYLE_GOOD : STYLE_BAD, c->color);
    const char *end = style_end(c->color);
    if (x->same) {
        fprintf(c->out, "Plan %016" PRIx64 ", %sas recorded%s.\n", r->now->hash, style, end);
        return;
    }
    fprintf(c->out,
            "Plan %016" PRIx64 ", %sbut %016" PRIx64 " was recorded%s. It first differs here:\n",
            r->now->hash, style, r->then->hash, end);
    fprintf(c->out, "  %s\n", x->difference);
    const char *lost = plan_lost_validator(r->then, r->now);
    if (lost != NULL)
        fprintf(c->out, "The validator %s took part then: --plugin loads its file.\n",
                text_clean(c->arena, lost));
}

static void print_answer(struct ctl *c, const struct answer *x)
{
    const struct snapshot *s = x->replay.snapshot;
    fprintf(c->out, "%s at %s, ", text_clean(c->arena, s->group_name),
            human_time(c->arena, &x->observed_at));
    fprintf(c->out, "scheduler %s, strategy %s, %s.\n",
            text_clean(c->arena, human_or_dash(s->scheduler)),
            text_clean(c->arena, human_or_dash(s->strategy)),
            human_count(c->arena, s->n_agents, "agent"));
    fprintf(c->out, "%s: %s.\n", human_count(c->arena, s->n_sessions, "pending session"),
            report_counts(c->arena, &x->counts));
    if (x->replay.now->stopped)
        fprintf(c->out, "Stopped after %s, as the round did.\n",
                human_count(c->arena, x->replay.now->stopped_after, "session"));
    print_verdict(c, x);
}

static void write_answer(struct ctl *c, const struct answer *x)
{
    const struct replay *r = &x->replay;
    const char *verdict = r->then == NULL ? "NOT_COMPARED" : x->same ? "SAME" : "DIFFERENT";
    fputs("{\"snapshot\":", c->out);
    json_write_string(c->out, x->path);
    fputs(",\"scalingGroup\":", c->out);
    json_write_string(c->out, r->snapshot->group_name);
    fputs(",\"observedAt\":", c->out);
    json_write_message(c->out, &x->observed_at.base);
    fprintf(c->out, ",\"agents\":%" PRIu32 ",\"counts\":", r->snapshot->n_agents);
    json_write_message(c->out, &x->counts.base);
    fprintf(c->out, ",\"planHash\":\"%016" PRIx64 "\",\"recordedPlan\":", r->now->hash);
    json_write_string(c->out, r->plan_path);
    fputs(",\"recordedPlanHash\":\"", c->out);
    if (r->then != NULL)
        fprintf(c->out, "%016" PRIx64, r->then->hash);
    fprintf(c->out, "\",\"verdict\":\"%s\",\"difference\":", verdict);
    json_write_string(c->out, x->difference);
    fputs("}\n", c->out);
}

static int run(struct ctl *c, void *options, char **args, unsigned n_args)
{
    const struct options *o = options;
    struct answer x = {.path = args[0]};
    struct err e = {.code = ERR_NONE};
    CLEANUP(registry_destroyp) struct registry *registry = registry_create();

    (void)n_args;
    if (o->print && c->globals.json)
        return ctl_usage(c, &command_replay, "--print is for people, --json for programs");
    for (size_t i = 0; i < o->plugins.n; i++)
        if (dso_load(registry, o->plugins.items[i], &e) < 0)
            return fail(c, &e);
    struct progress *p = progress_begin("replay", 2);
    progress_step(p, 1, "reading and deciding");
    const int rc = replay_run(x.path, o->plan, registry, c->arena, &x.replay, &e);
    progress_step(p, 2, "comparing");
    if (rc == 0)
        compare(&x, c->arena);
    progress_end(p);
    if (rc < 0)
        return fail(c, &e);
    if (o->print) {
        print_lines(c, snapshot_print(x.replay.snapshot, c->arena));
        print_lines(c, plan_print(x.replay.snapshot, x.replay.now, c->arena));
    }
    if (c->globals.json)
        write_answer(c, &x);
    else
        print_answer(c, &x);
    return x.replay.then == NULL || x.same ? EXIT_OK : EXIT_NO;
}

const struct command command_replay = {
    .name = "replay",
    .args = "FILE.snapshot",
    .summary = "Decide a recorded round again and compare the plans",
    .details =
        "Needs no server: the files are those of berthd's setting record. Exit code 1: the\n"
        "plan is another one. Exit code 6: a file cannot be read or the round cannot be run.\n",
    .examples = "  berthctl replay gpu-41-6b1c0c9e-0d8f-4c57-9d5e-3f0f5c2b7a10.snapshot\n"
                "  berthctl replay FILE.snapshot --print | less\n"
                "  berthctl replay FILE.snapshot --plugin /usr/lib/berth/kernel_cap.so\n"
                "  berthctl replay FILE.snapshot --json | jq -r .difference\n",
    .flags = flags,
    .n_flags = ARRAY_SIZE(flags),
    .options_size = sizeof(struct options),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
