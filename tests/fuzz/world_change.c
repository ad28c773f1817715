/* world_change.c - agents, sessions and quotas that come, change and go. */
#include "tests/fuzz/world.h"

enum { PAUSE_S = 4 };
#define SECOND INT64_C(1000000)

static int64_t choose_amount(struct choices *c, uint32_t slot, uint32_t most)
{
    return choose(c, most + 1) * (slot == 1 ? INT64_C(1) << 30 : AMOUNT_ONE / 2);
}

static void change_agent(struct world *w, struct choices *c)
{
    struct world_agent *x = &w->agents[choose(c, WORLD_AGENTS)];
    if (!x->there)
        *x = (struct world_agent){
            .there = true, .alive = true, .schedulable = true, .arm = choose(c, 4) == 0};
    for (uint32_t slot = 0; slot < WORLD_SLOTS; slot++)
        x->capacity[slot] = choose_amount(c, slot, 16); /* also below what is held */
}

static void flip_agent(struct world *w, struct choices *c)
{
    struct world_agent *x = &w->agents[choose(c, WORLD_AGENTS)];
    if (choose(c, 2) == 0)
        x->alive = !x->alive;
    else
        x->schedulable = !x->schedulable;
}

static void remove_agent(struct world *w, struct choices *c)
{
    const uint32_t agent = choose(c, WORLD_AGENTS);
    w->agents[agent].there = false;
    for (uint32_t i = 0; i < WORLD_SESSIONS; i++)
        for (uint32_t n = 0; n < w->sessions[i].n_kernels; n++)
            if (w->sessions[i].state == SESSION_RUNNING && w->sessions[i].agent[n] == agent)
                w->sessions[i].state = SESSION_ABSENT;
}

static void enqueue_session(struct world *w, struct choices *c)
{
    for (uint32_t i = 0; i < WORLD_SESSIONS; i++) {
        struct world_session *x = &w->sessions[i];
        if (x->state != SESSION_ABSENT)
            continue;
        const uint32_t kinds = choose_byte(c);
        *x = (struct world_session){
            .state = SESSION_PENDING,
            .n_kernels = choose(c, WORLD_KERNELS + 1),
            .key = choose(c, WORLD_KEYS),
            .group = (kinds & 1) != 0 ? (kinds >> 6) % 3 : NONE,
            .created_at = w->now,
            .priority = (int32_t)choose(c, 3) * 10,
            .multi_node = (kinds & 2) != 0,
            .private = (kinds & 12) == 12,
            .arm = (kinds & 48) == 48,
        };
        for (uint32_t slot = 0; slot < WORLD_SLOTS; slot++)
            x->request[slot] = choose_amount(c, slot, 6);
        return;
    }
}

static void end_session(struct world *w, struct choices *c)
{
    w->sessions[choose(c, WORLD_SESSIONS)].state = SESSION_ABSENT;
}

static void change_rules(struct world *w, struct choices *c)
{
    w->scheduler = choose(c, 3);
    w->strategy = choose(c, 4);
    w->queue_policy = choose(c, 3);
    w->pending_timeout = choose(c, 3) == 0 ? choose(c, 20) * SECOND : 0;
    w->max_containers = choose(c, 4);
}

static void change_limit(struct world *w, struct choices *c)
{
    const uint32_t key = choose(c, WORLD_KEYS), slot = choose(c, WORLD_SLOTS);
    w->limit[key][slot] =
        choose(c, 4) == 0 ? AMOUNT_INF : choose_amount(c, slot, 12); /* also below use */
}

static void let_time_pass(struct world *w, struct choices *c)
{
    (void)c;
    w->now += PAUSE_S * SECOND;
}

void world_change(struct world *w, struct choices *c)
{
    static void (*const changes[])(struct world *, struct choices *) = {
        enqueue_session, enqueue_session, enqueue_session, enqueue_session,
        change_agent,    change_agent,    flip_agent,      remove_agent,
        end_session,     change_rules,    change_limit,    let_time_pass,
    };
    changes[choose(c, ARRAY_SIZE(changes))](w, c);
}
