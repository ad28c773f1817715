/* sample_plan.c - a plan for the sample group; see sample.h. */
#include "tests/unit/sample.h"

/* Sessions stand by (created_at, id): 10, 12, 13, 11. */
static const struct shortage short_of_cpu[] = {
    {.slot = 0, .requested = 5 * AMOUNT_ONE, .available = AMOUNT_ONE / 2, .limit = 8 * AMOUNT_ONE},
    {.slot = 1, .requested = 7, .available = AMOUNT_UNKNOWN, .limit = AMOUNT_INF},
};
static const struct cause waiting[] = {
    {.kind = CAUSE_CAPACITY,
     .plugin = "resources",
     .subject = "a2",
     .message = "No room \"now\".",
     .slots = short_of_cpu,
     .n_slots = ARRAY_SIZE(short_of_cpu),
     .retryable = true},
    {.kind = CAUSE_PLUGIN, .plugin = "curfew", .subject = "", .message = ""},
};
static const struct cause bad[] = {
    {.kind = CAUSE_BAD_DATA, .plugin = "snapshot", .subject = "10", .message = "A row is bad."},
};

struct plan *sample_plan(const struct snapshot *s, struct arena *a)
{
    struct plan *p = arena_new(a, struct plan, 1);
    p->decisions = arena_new(a, struct decision, 4);
    p->n_decisions = 4;
    p->placements = arena_new(a, struct placement, 4);
    p->n_placements = 4;
    p->decisions[0] = (struct decision){
        .session = 0, .outcome = OUTCOME_INVALID, .causes = bad, .n_causes = ARRAY_SIZE(bad)};
    p->decisions[1] = (struct decision){.session = 2,
                                        .outcome = OUTCOME_WAITING,
                                        .causes = waiting,
                                        .n_causes = ARRAY_SIZE(waiting),
                                        .passed = 0x1FF};
    p->decisions[2] = (struct decision){
        .session = 3, .outcome = OUTCOME_SCHEDULED, .n_placements = 4, .passed = UINT64_MAX};
    p->decisions[3] = (struct decision){
        .session = 1, .outcome = OUTCOME_WAITING, .causes = waiting, .n_causes = 1};
    for (uint32_t i = 0; i < 4; i++)
        p->placements[i] =
            (struct placement){.kernel = s->sessions[3].first_kernel + i, .agent = i % s->n_agents};
    p->rr_cursors = arena_new(a, struct rr_cursor, 2);
    p->n_rr_cursors = 2;
    p->rr_cursors[0] = (struct rr_cursor){.arch = 0, .agent_id = "a10"};
    p->rr_cursors[1] = (struct rr_cursor){.arch = 1, .agent_id = "gone"};
    for (uint32_t i = 0; i < p->n_decisions; i++)
        p->counts[p->decisions[i].outcome]++;
    static const char *const validators[] = {"reserved_batch", "curfew"};
    p->validators = validators;
    p->n_validators = ARRAY_SIZE(validators);
    p->hash = plan_hash(s, p);
    return p;
}
