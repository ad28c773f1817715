/* remedies.c - random clusters: what a preview says would help does help.
 *
 * For every pending session that does not fit, alone and after the queue ahead: every remedy, done
 * to the snapshot, makes the causes go away that it names; one unit less of any of its amounts does
 * not; the first remedies of all causes together make it fit; and looking for them changed nothing.
 *
 *   remedies [--clusters N] [--seed N] [--plant N]
 *
 * The last line is the figure. The first line of a failure tells the seed: --clusters 1 --seed N
 * repeats it. --plant makes the N-th remedy wrong by one unit: that must be noticed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/remedy.h"
#include "scheduler/snapshot_file.h"
#include "tests/reference/cluster.h"

enum { MAX_SHOWN = 10 };

static uint64_t applied, failed, planted;

struct question {
    uint64_t seed;
    struct arena *arena;
    const struct snapshot *s;
    const struct policy *policy;
    struct explain_request request;
    struct explanation *x;
    struct remedies *found;
    uint32_t n_now, n_causes;
};

#define FAIL(q, ...)                                                                               \
    do {                                                                                           \
        if (failed++ < MAX_SHOWN) {                                                                \
            printf("seed %" PRIu64 ": session %u%s: ", (q)->seed, (q)->request.session,            \
                   (q)->request.after_queue ? " after the queue" : "");                            \
            printf(__VA_ARGS__);                                                                   \
            putchar('\n');                                                                         \
        }                                                                                          \
    } while (0)

static const struct cause *cause_at(const struct question *q, uint32_t i)
{
    return i < q->n_now ? &q->x->decision.causes[i] : &q->found->later[i - q->n_now];
}

/* Whether nothing in the cluster can be changed. After the queue more can be beyond help: whatever
 * is given to the session, those ahead of it may take. */
static bool may_be_hopeless(const struct question *q, const struct cause *c)
{
    return c->kind == CAUSE_NO_KERNELS || c->kind == CAUSE_PLUGIN || q->request.after_queue;
}

/* The first remedy of a cause; NULL: none. */
static const struct remedy *first_of(const struct question *q, uint32_t cause)
{
    for (uint32_t i = 0; i < q->found->n; i++)
        for (uint32_t k = 0; k < q->found->items[i].n_causes; k++)
            if (q->found->items[i].causes[k] == cause)
                return &q->found->items[i];
    return NULL;
}

/* A world with the first remedies of all causes of earlier stages. */
static struct remedy_world *world_before(const struct question *q, uint32_t stage)
{
    struct remedy_world *w = remedy_world_create(q->s, q->policy, q->request.session, q->arena);
    bool *done = arena_new(q->arena, bool, q->found->n);
    for (uint32_t i = 0; i < q->n_causes && q->found->stages[i] < stage; i++) {
        const struct remedy *r = first_of(q, i);
        if (r == NULL || done[r - q->found->items])
            continue;
        done[r - q->found->items] = true;
        if (!remedy_apply(w, r))
            FAIL(q, "\"%s\" cannot be done with the others", r->message);
    }
    return w;
}

static const struct decision *decide(const struct question *q, const struct remedy_world *w)
{
    struct explain_request request = q->request;
    struct explanation *x;
    struct err e = {0};
    request.session = remedy_world_session(w);
    if (round_explain(remedy_world_snapshot(w), remedy_world_policy(w), &request, q->arena, &x,
                      &e) == 0)
        return &x->decision;
    FAIL(q, "round_explain: %s (%s)", e.message, e.detail);
    return NULL;
}

/* Whether the remedy, done to the world, makes all its causes go away; the world is as before. */
static bool cures(const struct question *q, struct remedy_world *w, const struct remedy *r,
                  const struct cause **ret_left)
{
    size_t mark = remedy_world_mark(w);
    bool cured = remedy_apply(w, r);
    const struct decision *d = cured ? decide(q, w) : NULL;
    cured = d != NULL;
    *ret_left = cause_at(q, r->causes[0]);
    for (uint32_t i = 0; i < r->n_causes && cured; i++) {
        *ret_left = cause_at(q, r->causes[i]);
        cured = remedy_cause_is_gone(*ret_left, d);
    }
    remedy_world_undo(w, mark);
    return cured;
}

static void check_least(const struct question *q, struct remedy_world *w, const struct remedy *r)
{
    const struct cause *left;
    for (uint32_t i = 0; i < remedy_n_amounts(r); i++) {
        struct remedy less = remedy_lessen(r, i, 1, q->arena);
        if (cures(q, w, &less, &left))
            FAIL(q, "\"%s\" is not the least: less of amount %u cures %s, too", r->message, i,
                 cause_kind_name(left->kind));
    }
}

static void check_remedy(const struct question *q, const struct remedy *r)
{
    const struct cause *left;
    struct remedy_world *w = world_before(q, q->found->stages[r->causes[0]]);
    struct remedy done = *r;
    for (uint32_t i = 1; i < r->n_causes; i++)
        if (q->found->stages[r->causes[i]] != q->found->stages[r->causes[0]])
            FAIL(q, "\"%s\" is for causes of several stages", r->message);
    if (++applied == planted && remedy_n_amounts(r) > 0)
        done = remedy_lessen(r, 0, 1, q->arena);
    else if (applied == planted)
        planted++;
    if (!cures(q, w, &done, &left))
        FAIL(q, "\"%s\" does not cure %s (%s): the cause stays", r->message,
             cause_kind_name(left->kind), left->message);
    check_least(q, w, r);
}

static void check_shape(const struct question *q)
{
    for (uint32_t i = 0; i < q->found->n; i++) {
        const struct remedy *r = &q->found->items[i];
        size_t len = r->message != NULL ? strlen(r->message) : 0;
        if (len < 5 || r->message[len - 1] != '.' || r->n_causes == 0 ||
            r->causes[r->n_causes - 1] >= q->n_causes)
            FAIL(q, "remedy %u is malformed: %s", i, r->message);
    }
    for (uint32_t i = 0; i < q->n_causes; i++) {
        const struct remedy *r = first_of(q, i);
        if (r == NULL || (r->n_changes == 0 && !may_be_hopeless(q, cause_at(q, i))))
            FAIL(q, "nothing is said to help against %s (%s)",
                 cause_kind_name(cause_at(q, i)->kind), cause_at(q, i)->message);
    }
}

/* One remedy of each cause. */
static void check_together(const struct question *q)
{
    bool hopeless = false;
    for (uint32_t i = 0; i < q->n_causes; i++)
        hopeless |= first_of(q, i) == NULL || first_of(q, i)->n_changes == 0;
    const struct decision *d = decide(q, world_before(q, UINT32_MAX));
    if (hopeless && q->found->suffice)
        FAIL(q, "the remedies are said to suffice, but a cause has none");
    else if (!hopeless && !q->found->suffice && !q->request.after_queue)
        FAIL(q, "every cause has a remedy, but they are not said to suffice");
    else if (q->found->suffice && d != NULL && d->outcome != OUTCOME_SCHEDULED)
        FAIL(q, "with one remedy for each cause it is still %s: %s", outcome_name(d->outcome),
             d->causes[0].message);
}

static void check_session(struct question *q)
{
    struct err e = {0};
    if (round_explain(q->s, q->policy, &q->request, q->arena, &q->x, &e) < 0 ||
        remedy_find(q->s, q->policy, &q->request, NULL, q->arena, &q->found, &e) < 0) {
        FAIL(q, "%s (%s)", e.message, e.detail);
        return;
    }
    q->n_now = q->x->decision.n_causes;
    q->n_causes = q->n_now + q->found->n_later;
    if (q->x->verdict == VERDICT_FITS && (q->found->n > 0 || !q->found->suffice))
        FAIL(q, "it fits and needs no remedy");
    check_shape(q);
    for (uint32_t i = 0; i < q->found->n; i++)
        if (q->found->items[i].n_changes > 0)
            check_remedy(q, &q->found->items[i]);
    check_together(q);
}

static uint64_t fingerprint(const struct snapshot *s, const struct policy_config *c,
                            struct arena *a)
{
    uint8_t *bytes;
    size_t len;
    uint64_t hash = UINT64_C(14695981039346656037);
    snapshot_write(s, c, a, &bytes, &len);
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    return hash;
}

static void check_cluster(uint64_t seed, const struct registry *registry)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(arena_destroyp) struct arena *of_session = arena_create();
    struct question q = {.seed = seed, .arena = of_session};
    struct cluster cluster;
    struct policy *policy;
    struct err e = {0};
    cluster_create(seed, 0, a, &cluster);
    q.s = cluster.snapshot;
    if (policy_resolve(registry, &cluster.config, q.s, a, &policy, &e) < 0) {
        FAIL(&q, "policy_resolve: %s (%s)", e.message, e.detail);
        return;
    }
    q.policy = policy;
    uint64_t before = fingerprint(q.s, &cluster.config, a);
    for (uint32_t i = 0; i < 2 * q.s->n_sessions; i++) {
        q.request = (struct explain_request){.session = i / 2, .after_queue = i % 2 == 1};
        arena_reset(of_session);
        check_session(&q);
    }
    if (fingerprint(q.s, &cluster.config, a) != before)
        FAIL(&q, "looking for remedies changed the snapshot");
}

int main(int argc, char **argv)
{
    uint64_t clusters = 2000, seed = 1;
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        uint64_t *number = strcmp(argv[i], "--clusters") == 0 ? &clusters
                           : strcmp(argv[i], "--seed") == 0   ? &seed
                           : strcmp(argv[i], "--plant") == 0  ? &planted
                                                              : NULL;
        if (number == NULL || value[0] < '0' || value[0] > '9') {
            fprintf(stderr, "usage: remedies [--clusters N] [--seed N] [--plant N]\n");
            return 2;
        }
        *number = strtoull(value, NULL, 10);
    }
    CLEANUP(registry_destroyp) struct registry *registry = registry_create();
    for (uint64_t i = 0; i < clusters; i++)
        check_cluster(seed + i, registry);
    printf("remedies: %" PRIu64 " applied, %" PRIu64 " failed\n", applied, failed);
    return failed > 0;
}
