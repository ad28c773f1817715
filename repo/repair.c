/* repair.c - runs the steps of a repair, a transaction a batch. */
#include "repo/repair.h"

#include "repo/event_append.h"
#include "repo/group_state.h"
#include "repo/owner_usage.h"
#include "repo/pg_query.h"
#include "repo/repair_pass.h"

static const char *const kind_names[N_REPAIR_KINDS] = {
    [REPAIR_HALF_SCHEDULED] = "half scheduled",
    [REPAIR_DEAD_ALLOCATION] = "dead allocation",
    [REPAIR_COUNTER] = "counter",
    [REPAIR_UNSCHEDULED_KERNEL] = "unscheduled kernel",
    [REPAIR_LIVE_KERNEL] = "live kernel",
    [REPAIR_NO_COUNTER] = "no counter",
};

static const char *const action_names[] = {
    [REPAIR_MENDED] = "mended",
    [REPAIR_WOULD_MEND] = "would mend",
    [REPAIR_LEFT] = "left",
};

const char *repair_kind_name(enum repair_kind k)
{
    return kind_names[k];
}

const char *repair_action_name(enum repair_action a)
{
    return action_names[a];
}

/* --- findings --- */

static void note(struct repair_pass *p, const struct repair_finding *f)
{
    p->findings = arena_grow(p->result, p->findings, &p->cap_findings, (size_t)p->n_findings + 1,
                             sizeof(*p->findings));
    p->findings[p->n_findings++] = *f;
}

void repair_mends(struct repair_pass *p, enum repair_kind kind, const char *fact, const char *deed)
{
    const struct repair_finding f = {
        .kind = kind,
        .action = p->in->dry_run ? REPAIR_WOULD_MEND : REPAIR_MENDED,
        .fact = fact,
        .deed = deed,
    };
    note(p, &f);
    p->n_mended += !p->in->dry_run;
}

void repair_leaves(struct repair_pass *p, enum repair_kind kind, const char *fact, const char *deed)
{
    const struct repair_finding f = {
        .kind = kind, .action = REPAIR_LEFT, .fact = fact, .deed = deed};
    note(p, &f);
}

/* --- a transaction --- */

struct batch {
    struct repair_pass *pass;
    repair_step_f *step;
};

/* The fence comes last, as in a commit: numbers for the events under a new epoch. */
static int fence(struct repair_pass *p, struct err *e)
{
    struct group_numbers numbers;
    if (p->n_mended == 0)
        return 0;
    if (group_state_fence(p->t, &p->group_id, p->n_events, &numbers, e) < 0)
        return -1;
    for (uint32_t i = 0; i < p->n_events; i++) {
        p->events[i].epoch = numbers.epoch;
        p->events[i].time = numbers.now;
    }
    return event_append(p->t, &p->group_id, numbers.first, p->events, p->n_events, p->run, e);
}

static int batch_body(struct txn *t, void *ctx, struct err *e)
{
    const struct batch *b = ctx;
    struct repair_pass *p = b->pass;
    arena_reset(p->run);
    p->t = t;
    p->end = p->after;
    p->more = false;
    p->n_findings = p->n_mended = p->n_young = p->n_events = p->n_owners = 0;
    if (b->step(p, e) < 0 || owner_count_live(t, p->owners, p->n_owners, p->run, e) < 0)
        return -1;
    return fence(p, e);
}

/* --- the whole --- */

struct gathered { /* result arrays that grow batch by batch */
    size_t cap_events, cap_owners;
};

static void gather(const struct repair_pass *p, struct gathered *g, struct repair_result *ret)
{
    ret->found += p->n_findings;
    ret->mended += p->n_mended;
    ret->young += p->n_young;
    ret->events = arena_grow(p->result, ret->events, &g->cap_events,
                             (size_t)ret->n_events + p->n_events, sizeof(*ret->events));
    for (uint32_t i = 0; i < p->n_events; i++)
        ret->events[ret->n_events++] = p->events[i];
    ret->owners = arena_grow(p->result, ret->owners, &g->cap_owners,
                             (size_t)ret->n_owners + p->n_owners, sizeof(*ret->owners));
    for (uint32_t i = 0; i < p->n_owners; i++)
        ret->owners[ret->n_owners++] = p->owners[i];
    for (uint32_t i = 0; i < p->n_findings && p->in->report != NULL; i++)
        p->in->report(p->in->ctx, &p->findings[i]);
}

static int find_group(struct txn *t, void *ctx, struct err *e)
{
    struct repair_pass *p = ctx;
    const struct pg_param param[] = {param_text(p->in->scaling_group)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, "SELECT id FROM scaling_groups WHERE name = $1", "u", param, ARRAY_SIZE(param),
                 &r, e) < 0)
        return -1;
    if (rows_count(r) != 1)
        return scaling_group_unknown(e, p->in->scaling_group);
    p->group_id = rows_uuid(r, 0, 0);
    return 0;
}

int repair_run(struct pg *c, const struct repair_input *in, struct arena *a,
               struct repair_result *ret, struct err *e)
{
    static repair_step_f *const steps[] = {repair_sessions, repair_dead_allocations,
                                           repair_counters, repair_reports};
    const enum txn_mode mode = in->dry_run ? TXN_READ_SNAPSHOT : TXN_WRITE;
    CLEANUP(arena_destroyp) struct arena *run = arena_create();
    struct repair_pass p = {.in = in, .result = a, .run = run};
    struct gathered gathered = {0, 0};
    *ret = (struct repair_result){.found = 0};
    if (txn_run(c, TXN_READ_SNAPSHOT, find_group, &p, e) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        struct batch b = {.pass = &p, .step = steps[i]};
        p.after = (struct repair_place){.text = ""};
        do {
            if (txn_run(c, mode, batch_body, &b, e) < 0)
                return -1;
            gather(&p, &gathered, ret);
            p.after = p.end;
        } while (p.more);
    }
    return 0;
}

struct group_list {
    struct arena *a;
    const char **names;
    uint32_t n;
};

static int list_body(struct txn *t, void *ctx, struct err *e)
{
    struct group_list *l = ctx;
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, "SELECT name FROM scaling_groups ORDER BY name COLLATE \"C\"", "t", NULL, 0, &r,
                 e) < 0)
        return -1;
    l->n = rows_count(r);
    l->names = arena_new(l->a, const char *, l->n);
    for (uint32_t i = 0; i < l->n; i++)
        l->names[i] = arena_strdup(l->a, rows_text(r, i, 0));
    return 0;
}

int repair_list_groups(struct pg *c, struct arena *a, const char ***ret, uint32_t *ret_n,
                       struct err *e)
{
    struct group_list l = {.a = a};
    if (txn_run(c, TXN_READ_SNAPSHOT, list_body, &l, e) < 0)
        return -1;
    *ret = l.names;
    *ret_n = l.n;
    return 0;
}
