/* core_bench.c - the core alone: snapshots of any size, decided in memory.
 *
 *   core_bench cell SESSIONS AGENTS SHAPES KERNELS SLOTS FILL [plain]
 *       one cell; SHAPES 0: every session its own; FILL in percent; plain: the scan without an
 * index Prints, as JSON: what was decided, seconds (the best of several runs) of the whole and of
 * placing, decisions a second, and the bytes that snapshot and plan took. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "scheduler/round.h"
#include "scheduler/snapshot_build.h"

enum { OWNERS = 50, MOST_SLOTS = 16 };

struct cell {
    uint32_t sessions, agents, shapes, kernels, slots, fill;
    bool plain;
};

static int64_t clock_now(void *ctx)
{
    struct timespec t;
    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t resident(void)
{
    long pages = 0, unused = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL || fscanf(f, "%ld %ld", &unused, &pages) != 2)
        abort();
    fclose(f);
    return (int64_t)pages * 4096;
}

static void add_agents(struct snapshot_builder *b, const struct cell *c)
{
    for (uint32_t i = 0; i < c->agents; i++) {
        char id[32];
        int64_t *capacity, *held;
        (void)snprintf(id, sizeof(id), "agent%06u", i);
        const struct agent agent = {
            .id = id, .addr = "tcp://10.0.0.1:6001", .alive = true, .schedulable = true};
        (void)builder_agent(b, &agent, "x86_64", &capacity, &held);
        for (uint32_t s = 0; s < c->slots; s++) {
            capacity[s] = s == 1 ? INT64_C(549755813888) : 64 * AMOUNT_ONE;
            held[s] = capacity[s] / 100 * c->fill;
        }
    }
}

static void add_session(struct snapshot_builder *b, const struct cell *c, uint32_t i,
                        const uint32_t *keys, const uint32_t *others)
{
    const uint32_t shape = c->shapes > 0 ? i % c->shapes : i;
    struct session s = {
        .name = "session",
        .creation_id = "",
        .created_at = i,
        .pending_since = i,
        .starts_at = TIME_NONE,
        .priority = 10,
        .mode = c->kernels > 1 ? CLUSTER_MULTI_NODE : CLUSTER_SINGLE_NODE,
        .owner = {keys[i % OWNERS], others[0], others[1], others[2]},
        .group = NONE,
    };
    memcpy(s.id.b, &i, sizeof(i));
    const uint32_t session = builder_session(b, &s);
    for (uint32_t k = 0; k < c->kernels; k++) {
        struct kernel kernel = {.is_main = k == 0, .cluster_idx = (int32_t)k};
        int64_t *request;
        memcpy(kernel.id.b, &i, sizeof(i));
        memcpy(kernel.id.b + 4, &k, sizeof(k));
        (void)builder_kernel(b, session, &kernel, "x86_64", &request);
        request[0] = AMOUNT_ONE;
        request[1] = (1 + (int64_t)shape) * (c->shapes > 0 ? 16777216 : 4096);
        for (uint32_t x = 2; x < c->slots; x++)
            request[x] = shape % c->slots == x ? AMOUNT_ONE / 2 : 0;
    }
}

static const struct snapshot *make(const struct cell *c, struct arena *a)
{
    struct snapshot_builder *b = builder_create(a);
    const struct snapshot head = {.observed_at = 1000000000,
                                  .group_name = "bench",
                                  .scheduler = "fifo",
                                  .strategy = "concentrated"};
    uint32_t keys[OWNERS], others[3];
    builder_group(b, &head);
    for (uint32_t s = 0; s < c->slots; s++) {
        char name[24];
        (void)snprintf(name, sizeof(name), s == 0 ? "cpu" : s == 1 ? "mem" : "slot%u.shares", s);
        (void)builder_slot(b, name, s == 1 ? SLOT_BYTES : SLOT_COUNT, (int32_t)s);
    }
    add_agents(b, c);
    for (uint32_t i = 0; i < OWNERS; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "KEY%u", i);
        keys[i] = builder_owner(b, OWNER_KEYPAIR, key);
    }
    others[0] = builder_owner(b, OWNER_USER, "user");
    others[1] = builder_owner(b, OWNER_PROJECT, "project");
    others[2] = builder_owner(b, OWNER_DOMAIN, "domain");
    for (uint32_t i = 0; i < c->sessions; i++)
        add_session(b, c, i, keys, others);
    return builder_finish(b);
}

static void check(int rc, const struct err *e)
{
    if (rc < 0) {
        fprintf(stderr, "core_bench: %s\n", e->message);
        exit(1);
    }
}

static void run(const struct cell *c)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(registry_destroyp) struct registry *registry = registry_create();
    const struct policy_config config = {.slot_priority = NULL};
    const struct round_limits limits = {.plain_scan = c->plain};
    const struct round_hooks hooks = {.clock = clock_now};
    struct err e = {.code = ERR_NONE};
    int64_t best = INT64_MAX, best_place = 0, before = resident(), loaded = 0, planned = 0;
    uint32_t scheduled = 0;
    const struct snapshot *s = make(c, a);
    loaded = resident();
    for (int i = 0, most = c->plain ? 1 : 5; i < most; i++) {
        CLEANUP(arena_destroyp) struct arena *run = arena_create();
        struct policy *policy = NULL;
        struct plan *plan = NULL;
        int64_t phases[N_ROUND_PHASES] = {0};
        const int64_t begin = clock_now(NULL);
        check(policy_resolve(registry, &config, s, run, &policy, &e), &e);
        check(round_run(s, policy, &limits, &hooks, run, &plan, phases, &e), &e);
        const int64_t took = clock_now(NULL) - begin;
        if (took < best) {
            best = took;
            best_place = phases[PHASE_PLACE];
        }
        scheduled = plan->counts[OUTCOME_SCHEDULED];
        if (i == 0)
            planned = resident();
    }
    printf("{\"sessions\": %u, \"agents\": %u, \"shapes\": %u, \"kernels\": %u, \"slots\": %u, "
           "\"scheduled\": %u, \"seconds\": %.6f, \"place\": %.6f, \"rate\": %.0f, "
           "\"snapshot_bytes\": %" PRId64 ", \"plan_bytes\": %" PRId64 "}\n",
           c->sessions, c->agents, c->shapes, c->kernels, c->slots, scheduled, (double)best / 1e9,
           (double)best_place / 1e9, (double)c->sessions * 1e9 / (double)best, loaded - before,
           planned - loaded);
}

static uint32_t number(const char *text)
{
    char *end;
    const unsigned long v = strtoul(text, &end, 10);
    if (*text == '\0' || *end != '\0' || v > UINT32_MAX) {
        fprintf(stderr, "core_bench: \"%s\" is no number\n", text);
        exit(2);
    }
    return (uint32_t)v;
}

int main(int argc, char **argv)
{
    if (argc < 8 || strcmp(argv[1], "cell") != 0) {
        fprintf(stderr,
                "usage: core_bench cell SESSIONS AGENTS SHAPES KERNELS SLOTS FILL [plain]\n");
        return 2;
    }
    const struct cell c = {
        .sessions = number(argv[2]),
        .agents = number(argv[3]),
        .shapes = number(argv[4]),
        .kernels = number(argv[5]),
        .slots = number(argv[6]),
        .fill = number(argv[7]),
        .plain = argc > 8,
    };
    if (c.slots < 2 || c.slots > MOST_SLOTS || c.fill > 100) {
        fprintf(stderr, "core_bench: SLOTS is 2 to 16, FILL 0 to 100\n");
        return 2;
    }
    run(&c);
    return 0;
}
