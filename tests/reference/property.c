/* property.c - random clusters, two schedulers, no difference.
 *
 * For every seed: the plan of scheduler/ equals that of the reference; no agent is overfull; every
 * session has exactly one decision, all of its kernels or none; the order of the input rows changes
 * nothing; every cause is true, and curing exactly what it names makes it go away.
 *
 *   property [--rounds N] [--seed N] [--verbose]
 *
 * The last line is the figure. A failing round prints its seed: --rounds 1 --seed N repeats it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/arena.h"
#include "scheduler/round.h"
#include "scheduler/snapshot_file.h"
#include "tests/reference/cluster.h"
#include "tests/reference/reference.h"

enum { MAX_SHOWN = 10, CURE_EVERY = 8 };

static uint64_t differences;

#define DIFFER(seed, ...)                                                                          \
    do {                                                                                           \
        if (differences++ < MAX_SHOWN) {                                                           \
            printf("seed %" PRIu64 ": ", (seed));                                                  \
            printf(__VA_ARGS__);                                                                   \
            putchar('\n');                                                                         \
        }                                                                                          \
    } while (0)

struct round {
    uint64_t seed;
    struct arena *arena;
    const struct registry *registry;
    struct cluster cluster;
    const struct snapshot *s;
    struct policy *policy;
    struct plan *plan;
};

static bool round_prepare(struct round *r, uint64_t shuffle)
{
    struct err e = {0};
    cluster_create(r->seed, shuffle, r->arena, &r->cluster);
    r->s = r->cluster.snapshot;
    if (policy_resolve(r->registry, &r->cluster.config, r->s, r->arena, &r->policy, &e) < 0) {
        DIFFER(r->seed, "policy_resolve: %s (%s)", e.message, e.detail);
        return false;
    }
    struct round_limits limits = {.max_sessions = r->cluster.max_sessions};
    if (round_run(r->s, r->policy, &limits, NULL, r->arena, &r->plan, NULL, &e) < 0) {
        DIFFER(r->seed, "round_run: %s (%s)", e.message, e.detail);
        return false;
    }
    return true;
}

/* --- the same plan --- */

static bool same_slots(const struct cause *x, const struct ref_cause *y)
{
    if (x->n_slots != y->n_slots)
        return false;
    for (uint32_t i = 0; i < x->n_slots; i++)
        if (x->slots[i].slot != y->slots[i].slot ||
            x->slots[i].requested != y->slots[i].requested ||
            x->slots[i].available != y->slots[i].available ||
            x->slots[i].limit != y->slots[i].limit)
            return false;
    return true;
}

static bool subject_counts(const struct ref_cause *c)
{
    return c->subject[0] != '\0';
}

static void compare_causes(const struct round *r, const struct decision *d,
                           const struct ref_decision *ref)
{
    if (d->n_causes != ref->n_causes) {
        DIFFER(r->seed, "session %u has %u causes, the reference %u", d->session, d->n_causes,
               ref->n_causes);
        return;
    }
    for (uint32_t i = 0; i < d->n_causes; i++) {
        const struct cause *x = &d->causes[i];
        const struct ref_cause *y = &ref->causes[i];
        if (x->kind != y->kind || strcmp(x->plugin, y->plugin) != 0)
            DIFFER(r->seed, "session %u cause %u is %s by %s, the reference says %s by %s",
                   d->session, i, cause_kind_name(x->kind), x->plugin, cause_kind_name(y->kind),
                   y->plugin);
        else if (!same_slots(x, y))
            DIFFER(r->seed, "session %u cause %u (%s) has other numbers: %s", d->session, i,
                   cause_kind_name(x->kind), x->message);
        else if (subject_counts(y) && strcmp(x->subject, y->subject) != 0)
            DIFFER(r->seed, "session %u cause %u (%s) is about %s, the reference says %s",
                   d->session, i, cause_kind_name(x->kind), x->subject, y->subject);
        else if (x->message == NULL || x->message[0] == '\0')
            DIFFER(r->seed, "session %u cause %u (%s) has no sentence", d->session, i,
                   cause_kind_name(x->kind));
        else if (x->retryable != y->retryable)
            DIFFER(r->seed, "session %u cause %u (%s) is %sretryable, the reference disagrees",
                   d->session, i, cause_kind_name(x->kind), x->retryable ? "" : "not ");
    }
}

static void compare_decision(const struct round *r, uint32_t at, const struct decision *d,
                             const struct ref_decision *ref)
{
    if (d->session != ref->session || d->outcome != ref->outcome) {
        DIFFER(r->seed, "decision %u is session %u %s, the reference says session %u %s", at,
               d->session, outcome_name(d->outcome), ref->session, outcome_name(ref->outcome));
        return;
    }
    compare_causes(r, d, ref);
    if (d->passed != ref->passed)
        DIFFER(r->seed, "session %u passed validators %" PRIx64 ", the reference %" PRIx64,
               d->session, d->passed, ref->passed);
    for (uint32_t k = 0; k < d->n_placements; k++) {
        const struct placement *p = &r->plan->placements[d->first_placement + k];
        if (p->agent != ref->agents[k])
            DIFFER(r->seed, "session %u kernel %u is on %s, the reference says %s", d->session, k,
                   r->s->agents[p->agent].id, r->s->agents[ref->agents[k]].id);
    }
}

static void compare_cursors(const struct round *r, const struct ref_plan *ref)
{
    uint32_t expected = 0;
    for (uint32_t i = 0; i < r->s->n_archs; i++)
        expected += ref->cursors[i] != NULL;
    if (r->plan->n_rr_cursors != expected)
        DIFFER(r->seed, "%u round-robin cursors, the reference has %u", r->plan->n_rr_cursors,
               expected);
    for (uint32_t i = 0; i < r->plan->n_rr_cursors; i++) {
        const struct rr_cursor *c = &r->plan->rr_cursors[i];
        const char *want = ref->cursors[c->arch];
        if (want == NULL || strcmp(want, c->agent_id) != 0)
            DIFFER(r->seed, "cursor of %s is at %s, the reference says %s", r->s->archs[c->arch],
                   c->agent_id, want != NULL ? want : "(none)");
    }
}

static void compare_plans(const struct round *r)
{
    struct ref_plan *ref =
        reference_run(r->s, &r->cluster.config, r->cluster.max_sessions, r->arena);
    if (r->plan->n_decisions != ref->n_decisions)
        DIFFER(r->seed, "%u decisions, the reference has %u", r->plan->n_decisions,
               ref->n_decisions);
    for (uint32_t i = 0; i < r->plan->n_decisions && i < ref->n_decisions; i++)
        compare_decision(r, i, &r->plan->decisions[i], &ref->decisions[i]);
    compare_cursors(r, ref);
}

/* --- what must hold of any plan --- */

static void check_once(const struct round *r)
{
    uint32_t *seen = arena_new(r->arena, uint32_t, r->s->n_sessions + 1);
    uint32_t counts[N_OUTCOMES] = {0};
    for (uint32_t i = 0; i < r->plan->n_decisions; i++) {
        const struct decision *d = &r->plan->decisions[i];
        const struct session *w = &r->s->sessions[d->session];
        seen[d->session]++;
        counts[d->outcome]++;
        if (d->n_placements != (d->outcome == OUTCOME_SCHEDULED ? w->n_kernels : 0))
            DIFFER(r->seed, "session %u is %s with %u of %u kernels placed", d->session,
                   outcome_name(d->outcome), d->n_placements, w->n_kernels);
        if ((d->n_causes == 0) != (d->outcome == OUTCOME_SCHEDULED))
            DIFFER(r->seed, "session %u is %s with %u causes", d->session, outcome_name(d->outcome),
                   d->n_causes);
    }
    for (uint32_t i = 0; i < r->s->n_sessions; i++)
        if (seen[i] != 1)
            DIFFER(r->seed, "session %u has %u decisions", i, seen[i]);
    if (memcmp(counts, r->plan->counts, sizeof(counts)) != 0)
        DIFFER(r->seed, "the counts of the plan are not those of its decisions");
}

static void check_capacity(const struct round *r)
{
    const struct snapshot *s = r->s;
    int64_t *used = arena_new(r->arena, int64_t, (size_t)s->n_agents * s->n_slots + 1);
    for (uint32_t i = 0; i < r->plan->n_placements; i++) {
        const struct placement *p = &r->plan->placements[i];
        if (!agent_is_candidate(&s->agents[p->agent]))
            DIFFER(r->seed, "a kernel was placed on %s, which is no candidate",
                   s->agents[p->agent].id);
        for (uint32_t slot = 0; slot < s->n_slots; slot++) {
            int64_t want = snapshot_request(s, p->kernel)[slot];
            int64_t *u = &used[p->agent * s->n_slots + slot];
            *u = amount_add(*u, want);
            if (want > 0 && amount_add(snapshot_row(s, s->agent_held, p->agent)[slot], *u) >
                                snapshot_row(s, s->agent_capacity, p->agent)[slot])
                DIFFER(r->seed, "%s is overfull in %s", s->agents[p->agent].id,
                       s->slots[slot].name);
        }
    }
}

static void check_permutation(const struct round *r)
{
    struct round other = *r;
    if (!round_prepare(&other, r->seed * 2 + 1))
        return;
    if (other.plan->hash != r->plan->hash)
        DIFFER(r->seed, "another order of the input rows gives another plan");
    if (plan_hash(r->s, r->plan) != r->plan->hash)
        DIFFER(r->seed, "the plan's hash is not the hash of the plan");
}

static void check_file(const struct round *r)
{
    uint8_t *bytes, *again;
    size_t len, again_len;
    const struct snapshot *s;
    struct policy_config c;
    struct err e = {0};
    snapshot_write(r->s, &r->cluster.config, r->arena, &bytes, &len);
    if (snapshot_read(bytes, len, r->arena, &s, &c, &e) < 0) {
        DIFFER(r->seed, "the snapshot file cannot be read back: %s", e.message);
        return;
    }
    snapshot_write(s, &c, r->arena, &again, &again_len);
    if (len != again_len || memcmp(bytes, again, len) != 0)
        DIFFER(r->seed, "the snapshot read back is not the snapshot written");
}

/* --- causes are true, and curing what they name cures --- */

/* The tables are const for everyone else; here they belong to this round's arena. */
#define MUTABLE(type, p) ((type *)(uintptr_t)(p))

static const struct cause *find_cause(const struct explanation *x, enum cause_kind kind,
                                      const char *plugin)
{
    for (uint32_t i = 0; i < x->decision.n_causes; i++)
        if (x->decision.causes[i].kind == kind && strcmp(x->decision.causes[i].plugin, plugin) == 0)
            return &x->decision.causes[i];
    return NULL;
}

static struct explanation *explain(const struct round *r, uint32_t session)
{
    struct explain_request q = {.session = session, .agents = true};
    struct policy *policy;
    struct explanation *x;
    struct err e = {0};
    if (policy_resolve(r->registry, &r->cluster.config, r->s, r->arena, &policy, &e) < 0 ||
        round_explain(r->s, policy, &q, r->arena, &x, &e) < 0) {
        DIFFER(r->seed, "round_explain: %s (%s)", e.message, e.detail);
        return NULL;
    }
    return x;
}

/* Sets every number of the cause to what makes it pass; false: no number of its own to cure. */
static bool cure_quota(const struct round *r, const struct cause *c, uint32_t owner,
                       const int64_t *limits, bool pending)
{
    int64_t *limit = MUTABLE(int64_t, snapshot_row(r->s, limits, owner));
    const int64_t *usage = snapshot_row(r->s, r->s->owner_usage, owner);
    for (uint32_t i = 0; i < c->n_slots; i++) {
        const struct shortage *x = &c->slots[i];
        limit[x->slot] = pending ? x->requested : amount_add(usage[x->slot], x->requested);
    }
    return true;
}

static bool cure_capacity(const struct round *r, const struct cause *c, bool empty)
{
    uint32_t agent = snapshot_find_agent(r->s, c->subject);
    int64_t *capacity = MUTABLE(int64_t, snapshot_row(r->s, r->s->agent_capacity, agent));
    const int64_t *held = snapshot_row(r->s, r->s->agent_held, agent);
    for (uint32_t i = 0; i < c->n_slots; i++) {
        const struct shortage *x = &c->slots[i];
        if (x->requested <= x->available)
            DIFFER(r->seed, "a capacity cause names a slot that is not short");
        if (!empty && held[x->slot] > AMOUNT_MAX - x->requested)
            return false; /* no capacity could ever be enough */
        capacity[x->slot] = (empty ? 0 : held[x->slot]) + x->requested;
    }
    return true;
}

static bool cure(struct round *r, const struct session *w, const struct cause *c)
{
    struct owner *owners = MUTABLE(struct owner, r->s->owners);
    struct owner *key = &owners[w->owner[OWNER_KEYPAIR]];
    switch (c->kind) {
    case CAUSE_NOT_BEFORE:
        MUTABLE(struct session, w)->starts_at = r->s->observed_at;
        return true;
    case CAUSE_DEPENDENCY:
    case CAUSE_DEPENDENCY_FAILED:
        for (uint32_t i = 0; i < w->rare->n_dependencies; i++)
            MUTABLE(struct dependency, r->s->dependencies)
        [w->rare->first_dependency + i].state = DEPENDENCY_DONE;
        return true;
    case CAUSE_CONCURRENCY:
        key->max_sessions = key->live_sessions + 1;
        key->max_sftp_sessions = key->live_sftp_sessions + 1;
        return true;
    case CAUSE_PENDING_COUNT:
        key->max_pending = r->s->n_sessions + r->s->n_other_pending;
        return true;
    case CAUSE_PENDING_RESOURCE:
        return cure_quota(r, c, w->owner[OWNER_KEYPAIR], r->s->owner_pending_limit, true);
    case CAUSE_KEYPAIR_QUOTA:
        return cure_quota(r, c, w->owner[OWNER_KEYPAIR], r->s->owner_limit, false);
    case CAUSE_USER_QUOTA:
        return cure_quota(r, c, w->owner[OWNER_USER], r->s->owner_limit, false);
    case CAUSE_GROUP_QUOTA:
        return cure_quota(r, c, w->owner[OWNER_PROJECT], r->s->owner_limit, false);
    case CAUSE_DOMAIN_QUOTA:
        return cure_quota(r, c, w->owner[OWNER_DOMAIN], r->s->owner_limit, false);
    case CAUSE_OWNER_NOT_FOUND:
        for (int kind = 0; kind < N_OWNER_KINDS; kind++)
            owners[w->owner[kind]].missing = NULL;
        return true;
    case CAUSE_CAPACITY:
    case CAUSE_INFEASIBLE: /* with several requirements the cured agent may be taken by another */
        return (w->mode == CLUSTER_SINGLE_NODE || w->n_kernels == 1) &&
               cure_capacity(r, c, c->kind == CAUSE_INFEASIBLE);
    case CAUSE_CONTAINER_LIMIT:
        r->cluster.config.max_containers_per_agent = 0;
        return true;
    default:
        return false;
    }
}

static bool agent_has(const struct explanation *x, const char *id, const struct snapshot *s,
                      enum cause_kind kind)
{
    for (uint32_t i = 0; i < x->n_agents; i++)
        for (uint32_t k = 0; k < x->agents[i].n_causes; k++)
            if (strcmp(s->agents[x->agents[i].agent].id, id) == 0 &&
                x->agents[i].causes[k].kind == kind)
                return true;
    return false;
}

static void check_cured(const struct round *r, uint32_t session, const struct cause *c)
{
    struct explanation *after = explain(r, session);
    if (after == NULL)
        return;
    bool still = find_cause(after, c->kind, c->plugin) != NULL;
    if (c->kind == CAUSE_CAPACITY) /* another agent may now be the best one: ask about this one */
        still = agent_has(after, c->subject, r->s, CAUSE_CAPACITY);
    if (still)
        DIFFER(r->seed, "session %u still has %s by %s after it was cured: %s", session,
               cause_kind_name(c->kind), c->plugin, c->message);
}

/* Each cure starts from a cluster of its own: cures change the tables. */
static void check_cures(const struct registry *registry, uint64_t seed, uint32_t n_sessions)
{
    for (uint32_t i = 0; i < n_sessions; i++) {
        for (uint32_t k = 0, n = 1; k < n; k++) {
            CLEANUP(arena_destroyp) struct arena *a = arena_create();
            struct round r = {.seed = seed, .arena = a, .registry = registry};
            cluster_create(seed, seed, a, &r.cluster);
            r.s = r.cluster.snapshot;
            struct explanation *x = explain(&r, i);
            if (x == NULL)
                return;
            n = x->decision.n_causes;
            if (k < n && cure(&r, &r.s->sessions[i], &x->decision.causes[k]))
                check_cured(&r, i, &x->decision.causes[k]);
        }
    }
}

static void run_seed(const struct registry *registry, uint64_t seed, struct arena *a, bool verbose)
{
    struct round r = {.seed = seed, .arena = a, .registry = registry};
    if (!round_prepare(&r, seed))
        return;
    if (verbose)
        printf("%s\n%s\n", snapshot_print(r.s, a), plan_print(r.s, r.plan, a));
    compare_plans(&r);
    check_once(&r);
    check_capacity(&r);
    check_permutation(&r);
    check_file(&r);
    if (seed % CURE_EVERY == 0)
        check_cures(registry, seed, r.s->n_sessions);
}

static uint64_t number(const char *flag, const char *text)
{
    char *end;
    uint64_t n = text != NULL ? strtoull(text, &end, 10) : 0;
    if (text == NULL || *text == '\0' || *end != '\0') {
        fprintf(stderr, "property: %s needs a number\n", flag);
        exit(2);
    }
    return n;
}

int main(int argc, char **argv)
{
    uint64_t rounds = 1000, seed = 1;
    bool verbose = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rounds") == 0)
            rounds = number("--rounds", argv[++i]);
        else if (strcmp(argv[i], "--seed") == 0)
            seed = number("--seed", argv[++i]);
        else if (strcmp(argv[i], "--verbose") == 0)
            verbose = true;
        else {
            fprintf(stderr, "usage: property [--rounds N] [--seed N] [--verbose]\n");
            return 2;
        }
    }
    CLEANUP(registry_destroyp) struct registry *registry = registry_create();
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    for (uint64_t i = 0; i < rounds; i++) {
        run_seed(registry, seed + i, a, verbose);
        arena_reset(a);
    }
    printf("property: %" PRIu64 " rounds, %" PRIu64 " differences, seed %" PRIu64 "\n", rounds,
           differences, seed);
    return differences == 0 ? 0 : 1;
}
