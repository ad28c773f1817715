/* test_closest.c - by blocks the same agent is found as by looking at all of them, whatever was
 * held and given back in between. */
#include "scheduler/book.h"
#include "scheduler/closest.h"
#include "scheduler/policy_internal.h"
#include "scheduler/snapshot_build.h"
#include "tests/unit/unit.h"

static uint64_t state;

static uint32_t below(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 11) % n);
}

enum { SLOTS = 3, ARCHS = 2, STEPS = 400, SEEDS = 20 };

static const struct size {
    const char *what;
    uint32_t agents, most; /* amounts 0..most */
    uint32_t closed,
        giant; /* agents in a hundred that are no candidates; those that are and lack nothing */
} sizes[] = {
    {"one agent", 1, 9, 0, 0},
    {"one block", 32, 9, 10, 0},
    {"one more than a block", 33, 9, 10, 0},
    {"all alike", 100, 1, 0, 0},
    {"few amounts, so that many are as close", 200, 2, 10, 0},
    {"many amounts", 200, 100000, 10, 0},
    {"whoever is closed would be closer", 150, 9, 60, 0},
    {"one that lacks nothing", 150, 9, 0, 1},
};

static const struct snapshot *cluster(const struct size *z, struct arena *a)
{
    struct snapshot_builder *b = builder_create(a);
    builder_group(b, &(struct snapshot){.observed_at = 1, .group_name = "g", .scheduler = "fifo"});
    for (uint32_t i = 0; i < SLOTS; i++)
        (void)builder_slot(b, arena_printf(a, "s%u", i), SLOT_COUNT, 0);
    for (uint32_t i = 0; i < z->agents; i++) {
        int64_t *capacity = NULL, *held = NULL;
        const bool giant = below(100) < z->giant, closed = !giant && below(100) < z->closed;
        const struct agent agent = {
            .id = arena_printf(a, "a%05u", i), .addr = "", .alive = true, .schedulable = !closed};
        /* the first two: both architectures are there */
        (void)builder_agent(b, &agent, i == 0 || (i > 1 && below(3) > 0) ? "x86" : "arm", &capacity,
                            &held);
        for (uint32_t k = 0; k < SLOTS; k++)
            capacity[k] = giant    ? 4 * (int64_t)z->most
                          : closed ? 2 * (int64_t)z->most
                                   : (int64_t)below(z->most + 1);
    }
    return builder_finish(b);
}

/* What one asks for in a step, and what it holds. */
struct asking {
    int64_t request[SLOTS];
    uint32_t asked[SLOTS];
    struct slot_set slots;
    struct demand demand;
    struct requirement requirement;
};

static void ask(struct asking *x, const struct size *z, uint32_t n_archs)
{
    *x = (struct asking){.demand = {.slots = &x->slots, .request = x->request}};
    for (uint32_t i = 0; i < SLOTS; i++) {
        x->request[i] = below(3) == 0 ? 0 : 1 + (int64_t)below(2 * z->most);
        if (x->request[i] > 0)
            x->asked[x->slots.n++] = i;
    }
    x->slots.asked = x->asked;
    x->requirement = (struct requirement){
        .arch = below(n_archs), .request = x->request, .asked = x->asked, .n_asked = x->slots.n};
}

static bool lacks_nothing(const struct room *m, const struct requirement *r, uint32_t agent)
{
    const int64_t *left = snapshot_row(m->snapshot, m->remaining, agent);
    for (uint32_t i = 0; i < r->n_asked; i++)
        if (r->request[r->asked[i]] > left[r->asked[i]])
            return false;
    return true;
}

static uint32_t by_scan(const struct room *m, const struct requirement *r, struct arena *a)
{
    const struct snapshot *s = m->snapshot;
    uint32_t *agents = arena_new(a, uint32_t, s->n_agents), n = 0;
    for (uint32_t i = 0; i < s->n_agents; i++)
        if (agent_is_candidate(&s->agents[i]) && s->agents[i].arch == r->arch)
            agents[n++] = i;
    const uint32_t best = n > 0 ? closest_scan(m, r, agents, n) : NONE;
    return best != NONE && lacks_nothing(m, r, best) ? NONE : best;
}

/* Holds what fits somewhere, and gives back what was held longest ago once there is much. */
struct holds {
    struct asking items[STEPS];
    uint32_t agents[STEPS], first, n;
};

static void hold_or_give_back(struct book *b, struct holds *h, const struct asking *x)
{
    const uint32_t agent = below(b->room.snapshot->n_agents);
    if (h->n - h->first > 20 || (h->n > h->first && below(3) == 0)) {
        book_hold(b, h->agents[h->first], &h->items[h->first].demand, -1);
        h->first++;
    }
    if (!lacks_nothing(&b->room, &x->requirement, agent))
        return;
    struct asking *kept = &h->items[h->n];
    *kept = *x;
    kept->slots.asked = kept->asked;
    kept->demand = (struct demand){.slots = &kept->slots, .request = kept->request};
    book_hold(b, agent, &kept->demand, 1);
    h->agents[h->n++] = agent;
}

START_TEST(blocks_find_whom_a_scan_finds)
{
    const struct size *z = &sizes[_i];
    for (uint32_t seed = 1; seed <= SEEDS; seed++) {
        CLEANUP(arena_destroyp) struct arena *a = arena_create();
        state = UINT64_C(0x9e3779b97f4a7c15) * seed;
        const struct snapshot *s = cluster(z, a);
        struct policy p = {.max_containers = 0};
        struct book *b = book_create(s, &p, seed % 2 == 0, a);
        struct holds *h = arena_new(a, struct holds, 1);
        uint32_t n_found = 0;
        for (uint32_t step = 0; step < STEPS; step++) {
            struct asking x;
            ask(&x, z, s->n_archs);
            const uint32_t want = by_scan(&b->room, &x.requirement, a),
                           got = book_closest(b, &x.requirement);
            ck_assert_msg(got == want, "%s, seed %u, step %u: agent %d, a scan finds %d", z->what,
                          seed, step, (int)got, (int)want);
            n_found += got != NONE;
            hold_or_give_back(b, h, &x);
        }
        ck_assert_msg(z->giant > 0 || n_found > STEPS / 8, "%s, seed %u: it is found %u times only",
                      z->what, seed, n_found);
    }
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, blocks_find_whom_a_scan_finds, 0, ARRAY_SIZE(sizes));
}

int main(void)
{
    return unit_run("closest", add);
}
