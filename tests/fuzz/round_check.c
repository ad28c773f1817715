/* round_check.c - what is true of every round. */
#include "tests/fuzz/round_check.h"

#include "scheduler/snapshot_file.h"
#include "tests/fuzz/fuzz.h"

static void check_decision(const struct snapshot *s, const struct plan *p, const struct decision *d)
{
    FUZZ_REQUIRE(d->session < s->n_sessions, "a decision about session %u", d->session);
    const uint32_t want = d->outcome == OUTCOME_SCHEDULED ? s->sessions[d->session].n_kernels : 0;
    FUZZ_REQUIRE(d->n_placements == want, "session %u is %s with %u of %u kernels placed",
                 d->session, outcome_name(d->outcome), d->n_placements, want);
    FUZZ_REQUIRE((d->n_causes == 0) == (d->outcome == OUTCOME_SCHEDULED),
                 "session %u is %s with %u causes", d->session, outcome_name(d->outcome),
                 d->n_causes);
    for (uint32_t i = 0; i < d->n_causes; i++)
        FUZZ_REQUIRE(d->causes[i].message != NULL && d->causes[i].message[0] != '\0',
                     "session %u: a %s without a sentence", d->session,
                     cause_kind_name(d->causes[i].kind));
    FUZZ_REQUIRE(d->first_placement + d->n_placements <= p->n_placements,
                 "placements of session %u", d->session);
}

static void check_decisions(const struct snapshot *s, const struct plan *p, struct arena *a)
{
    bool *seen = arena_new(a, bool, (size_t)s->n_sessions + 1);
    uint32_t counts[N_OUTCOMES] = {0};
    FUZZ_REQUIRE(p->n_decisions == s->n_sessions, "%u decisions for %u sessions", p->n_decisions,
                 s->n_sessions);
    for (uint32_t i = 0; i < p->n_decisions; i++) {
        check_decision(s, p, &p->decisions[i]);
        FUZZ_REQUIRE(!seen[p->decisions[i].session], "session %u is decided twice",
                     p->decisions[i].session);
        seen[p->decisions[i].session] = true;
        counts[p->decisions[i].outcome]++;
    }
    FUZZ_REQUIRE(memcmp(counts, p->counts, sizeof(counts)) == 0, "the counts are wrong");
}

static void check_capacity(const struct snapshot *s, const struct plan *p, struct arena *a)
{
    int64_t *used = arena_new(a, int64_t, (size_t)s->n_agents * s->n_slots + 1);
    for (uint32_t i = 0; i < p->n_placements; i++) {
        const struct placement *x = &p->placements[i];
        FUZZ_REQUIRE(x->agent < s->n_agents && agent_is_candidate(&s->agents[x->agent]),
                     "kernel %u is placed on agent %u, which is no candidate", x->kernel, x->agent);
        for (uint32_t slot = 0; slot < s->n_slots; slot++) {
            const int64_t want = snapshot_request(s, x->kernel)[slot];
            int64_t *u = &used[(size_t)x->agent * s->n_slots + slot];
            *u = amount_add(*u, want);
            FUZZ_REQUIRE(want <= 0 ||
                             amount_add(snapshot_row(s, s->agent_held, x->agent)[slot], *u) <=
                                 snapshot_row(s, s->agent_capacity, x->agent)[slot],
                         "agent %s is overfull in %s", s->agents[x->agent].id, s->slots[slot].name);
        }
    }
}

static struct plan *run(const struct snapshot *s, const struct policy *p, bool plain_scan,
                        struct arena *a)
{
    const struct round_limits limits = {.plain_scan = plain_scan};
    struct plan *plan = NULL;
    struct err e = {.code = ERR_NONE};
    FUZZ_REQUIRE(round_run(s, p, &limits, NULL, a, &plan, NULL, &e) == 0, "round_run: %s",
                 e.message);
    FUZZ_REQUIRE(plan->hash == plan_hash(s, plan), "the plan's hash is not its hash");
    return plan;
}

/* The plan that comes out of files of what went in. */
static void check_files(const struct registry *r, const struct policy_config *c,
                        const struct snapshot *s, const struct plan *plan, struct arena *a)
{
    uint8_t *bytes = NULL, *plan_bytes = NULL;
    size_t n = 0, n_plan = 0;
    const struct snapshot *again = NULL;
    struct policy_config config;
    struct policy *policy = NULL;
    struct plan *read = NULL;
    struct err e = {.code = ERR_NONE};
    snapshot_write(s, c, a, &bytes, &n);
    plan_write(plan, a, &plan_bytes, &n_plan);
    FUZZ_REQUIRE(snapshot_read(bytes, n, a, &again, &config, &e) == 0, "snapshot_read: %s",
                 e.message);
    FUZZ_REQUIRE(policy_resolve(r, &config, again, a, &policy, &e) == 0, "policy_resolve: %s",
                 e.message);
    FUZZ_REQUIRE(plan_read(plan_bytes, n_plan, again, a, &read, &e) == 0, "plan_read: %s",
                 e.message);
    FUZZ_REQUIRE(run(again, policy, false, a)->hash == plan->hash,
                 "the snapshot's file gives another plan");
    FUZZ_REQUIRE(plan_hash(again, read) == plan->hash, "the plan's file is another plan");
}

struct plan *round_check(const struct registry *r, const struct policy_config *c,
                         const struct snapshot *s, struct arena *a, struct policy **ret_policy)
{
    struct policy *policy = NULL;
    struct plan *replayed = NULL;
    struct err e = {.code = ERR_NONE};
    if (policy_resolve(r, c, s, a, &policy, &e) < 0) {
        FUZZ_REQUIRE(e.code == ERR_PRECONDITION && e.message[0] != '\0',
                     "policy_resolve refuses with %s \"%s\"", err_code_name(e.code), e.message);
        return NULL;
    }
    struct plan *plan = run(s, policy, false, a);
    check_decisions(s, plan, a);
    check_capacity(s, plan, a);
    FUZZ_REQUIRE(run(s, policy, true, a)->hash == plan->hash,
                 "looking at every agent gives another plan");
    FUZZ_REQUIRE(round_replay(s, policy, plan, a, &replayed, &e) == 0, "round_replay: %s",
                 e.message);
    FUZZ_REQUIRE(replayed->hash == plan->hash, "the replay gives another plan");
    check_files(r, c, s, plan, a);
    *ret_policy = policy;
    return plan;
}
