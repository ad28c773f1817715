/* plan_commit.c - cuts a plan into chunks and runs each as one transaction.
 *
 * A chunk: request id still free -> guard under locks -> write -> settle the decisions -> record ->
 * COMMIT. The fence (the epoch) is looked at last, in the statement that gives the event numbers:
 * what an outdated round wrote is rolled back there. */
#include "repo/plan_commit.h"

#include "repo/db_moment.h"
#include "repo/failure_record.h"
#include "repo/plan_chunk.h"
#include "repo/request.h"

enum { DEFAULT_CHUNK = 5000 };

/* --- decisions that were lost --- */

static void unsettle(struct plan_chunk *c)
{
    uint32_t *counts = c->in->plan->counts;
    for (uint32_t i = 0; i < c->n; i++) {
        struct chunk_item *item = &c->items[i];
        counts[item->d->outcome]--;
        counts[item->planned.outcome]++;
        *item->d = item->planned;
    }
}

/* Puts what was lost into the plan, so that counts and answer say what is committed. */
static void settle(struct plan_chunk *c)
{
    uint32_t *counts = c->in->plan->counts;
    for (uint32_t i = 0; i < c->n; i++) {
        struct chunk_item *item = &c->items[i];
        if (item->lost == NULL)
            continue;
        char id[UUID_TEXT];
        struct cause *cause = arena_new(c->result, struct cause, 1);
        *cause = (struct cause){
            .kind = CAUSE_CONFLICT,
            .plugin = "commit",
            .subject = arena_strdup(c->result, uuid_format(&item_session(c, item)->id, id)),
            .message = item->lost,
            .retryable = true,
        };
        item->d->outcome = OUTCOME_CONFLICT;
        item->d->causes = cause;
        item->d->n_causes = 1;
        item->d->n_placements = 0;
        counts[item->planned.outcome]--;
        counts[OUTCOME_CONFLICT]++;
    }
}

/* --- one chunk --- */

static void chunk_reset(struct plan_chunk *c, struct txn *t)
{
    unsettle(c);
    arena_reset(c->run);
    for (uint32_t i = 0; i < c->n; i++)
        if (!c->items[i].lost_in_write)
            c->items[i].lost = NULL;
    c->t = t;
}

static int chunk_body(struct txn *t, void *ctx, struct err *e)
{
    struct plan_chunk *c = ctx;
    chunk_reset(c, t);
    /* without decisions to write there is nothing but the group's row and the logs */
    if (c->n == 0 && quiet_declare(t, e) < 0)
        return -1;
    if ((c->in->guard != NULL && c->in->guard(c->in->guard_ctx, e) < 0) ||
        request_check(t, &c->in->request, e) < 0 || chunk_guard(c, e) < 0)
        return -1;
    chunk_describe(c);
    if (chunk_write(c, e) < 0)
        return -1;
    settle(c);
    return chunk_record(c, e);
}

/* Each run that a write sends back loses at least one item more, so this ends. */
static int chunk_run(struct pg *pg, struct plan_chunk *c, struct err *e)
{
    do {
        c->again = false;
        if (txn_run(pg, TXN_WRITE, chunk_body, c, e) == 0)
            return 0;
    } while (c->again);
    unsettle(c);
    return -1;
}

/* After COMMIT: what the next chunks must know. */
static void chunk_remember(struct plan_chunk *c)
{
    for (uint32_t i = 0, at = 0; i < c->n_bumped; i++) {
        struct owner_watch *w = &c->watch[c->bumped[i]];
        w->version = (uint64_t)c->bumped_version[i];
        if (c->s->owners[c->bumped[i]].kind != OWNER_KEYPAIR)
            continue;
        const struct owner_count *o = &c->owners[at++]; /* access keys are counted in this order */
        w->counted = true;
        w->live = (struct owner_live){.sessions = o->sessions, .sftp_sessions = o->sftp_sessions};
    }
}

/* --- the whole --- */

struct gathered { /* the result, whose arrays grow chunk by chunk */
    struct commit_result *ret;
    size_t cap_events, cap_owners;
};

static void gather(struct plan_chunk *c, struct gathered *g)
{
    struct commit_result *ret = g->ret;
    ret->events = arena_grow(c->result, ret->events, &g->cap_events,
                             (size_t)ret->n_events + c->n_events, sizeof(*ret->events));
    for (uint32_t i = 0; i < c->n_events; i++)
        ret->events[ret->n_events++] = c->events[i];
    ret->owners = arena_grow(c->result, ret->owners, &g->cap_owners,
                             (size_t)ret->n_owners + c->n_owners, sizeof(*ret->owners));
    for (uint32_t i = 0; i < c->n_owners; i++)
        ret->owners[ret->n_owners++] = c->owners[i];
}

/* Whether sessions that fail as before may be counted together: not when some were left out. */
static bool plan_carries(const struct plan *p)
{
    return p->counts[OUTCOME_SKIPPED] == 0;
}

static struct chunk_item *collect_items(const struct snapshot *s, const struct plan *p,
                                        struct arena *a, uint32_t *ret_n)
{
    struct chunk_item *items = arena_new(a, struct chunk_item, p->n_decisions);
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_decisions; i++)
        if (p->decisions[i].outcome != OUTCOME_SKIPPED &&
            !(plan_carries(p) && failure_is_recorded(s, &p->decisions[i])))
            items[n++] = (struct chunk_item){.d = &p->decisions[i], .planned = p->decisions[i]};
    *ret_n = n;
    return items;
}

static struct owner_watch *watch_owners(const struct snapshot *s, struct arena *a)
{
    struct owner_watch *watch = arena_new(a, struct owner_watch, s->n_owners);
    for (uint32_t i = 0; i < s->n_owners; i++)
        watch[i].version = s->owners[i].version;
    return watch;
}

int plan_commit(struct pg *pg, const struct commit_input *in, struct arena *a,
                struct commit_result *ret, struct err *e)
{
    CLEANUP(arena_destroyp) struct arena *scratch = arena_create();
    CLEANUP(arena_destroyp) struct arena *run = arena_create();
    struct gathered gathered = {.ret = ret};
    uint32_t n = 0, size = in->chunk > 0 ? in->chunk : DEFAULT_CHUNK;
    struct chunk_item *items = collect_items(in->snapshot, in->plan, scratch, &n);
    struct owner_watch *watch = watch_owners(in->snapshot, scratch);
    *ret = (struct commit_result){.events = NULL};
    for (uint32_t from = 0, more = 1; more != 0; from += size) {
        more = n - from > size;
        struct plan_chunk c = {
            .in = in,
            .s = in->snapshot,
            .items = items + from,
            .n = more ? size : n - from,
            .first = from == 0,
            .last = !more,
            .failure_rounds = in->snapshot->failure_rounds + plan_carries(in->plan),
            .watch = watch,
            .run = run,
            .result = a,
        };
        if (chunk_run(pg, &c, e) < 0)
            return -1;
        chunk_remember(&c);
        gather(&c, &gathered);
    }
    return 0;
}
