/* core_bench.c - the core alone: snapshots of any size, decided in memory.
 *
 *   core_bench cell SESSIONS AGENTS SHAPES KERNELS SLOTS FILL [once|plain]
 *       one cell; SHAPES 0: every session its own; FILL in percent
 *   core_bench file SNAPSHOT [once|plain]
 *       a recorded round
 *
 * once: a single run, for a profiler; plain: the scan without an index, the best of fewer runs.
 * Prints, as JSON: what was decided, seconds (the best of several runs) of the whole and of
 * placing, decisions a second, the bytes the snapshot takes and the most that the process took over
 * its beginning. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "scheduler/round.h"
#include "scheduler/snapshot_build.h"
#include "scheduler/snapshot_file.h"

enum { OWNERS = 50, MOST_SLOTS = 16, RUNS = 5, PLAIN_RUNS = 3 };

struct cell {
    uint32_t sessions, agents, shapes, kernels, slots, fill;
};

static int64_t clock_now(void *ctx)
{
    struct timespec t;
    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Bytes that the process holds ("VmRSS:") or held at most ("VmHWM:"). */
static int64_t held(const char *field)
{
    char line[128];
    int64_t kib = -1;
    FILE *f = fopen("/proc/self/status", "re");
    while (f != NULL && kib < 0 && fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, field, strlen(field)) == 0)
            kib = strtoll(line + strlen(field), NULL, 10);
    if (kib < 0)
        abort();
    (void)fclose(f);
    return kib * 1024;
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

static void refuse(const char *what, const char *about)
{
    fprintf(stderr, "core_bench: %s: %s\n", about, what);
    exit(1);
}

static void check(int rc, const struct err *e)
{
    if (rc < 0)
        refuse(e->message, e->reason);
}

static const struct snapshot *read_snapshot(const char *path, struct arena *a,
                                            struct policy_config *ret_config)
{
    struct err e = {.code = ERR_NONE};
    const struct snapshot *s = NULL;
    FILE *f = fopen(path, "re");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0)
        refuse("cannot be read", path);
    const long len = ftell(f);
    uint8_t *bytes = arena_alloc(a, (size_t)(len > 0 ? len : 0), 1);
    rewind(f);
    if (len < 0 || fread(bytes, 1, (size_t)len, f) != (size_t)len)
        refuse("cannot be read", path);
    (void)fclose(f);
    check(snapshot_read(bytes, (size_t)len, a, &s, ret_config, &e), &e);
    return s;
}

struct figures { /* of one run */
    int64_t took_ns, place_ns;
    uint32_t scheduled;
    uint64_t hash;
};

static struct figures run(const struct snapshot *s, const struct policy_config *config, bool plain)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(registry_destroyp) struct registry *registry = registry_create();
    const struct round_limits limits = {.plain_scan = plain};
    const struct round_hooks hooks = {.clock = clock_now};
    struct err e = {.code = ERR_NONE};
    struct policy *policy = NULL;
    struct plan *plan = NULL;
    int64_t phases[N_ROUND_PHASES] = {0};
    const int64_t begin = clock_now(NULL);
    check(policy_resolve(registry, config, s, a, &policy, &e), &e);
    check(round_run(s, policy, &limits, &hooks, a, &plan, phases, &e), &e);
    return (struct figures){.took_ns = clock_now(NULL) - begin,
                            .place_ns = phases[PHASE_PLACE],
                            .scheduled = plan->counts[OUTCOME_SCHEDULED],
                            .hash = plan->hash};
}

/* before: what the process held without the snapshot. */
static void measure(const struct snapshot *s, const struct policy_config *config, int runs,
                    bool plain, int64_t before)
{
    const int64_t loaded = held("VmRSS:");
    struct figures best = run(s, config, plain);
    const int64_t most = held("VmHWM:") - before;
    for (int i = 1; i < runs; i++) {
        const struct figures next = run(s, config, plain);
        if (next.took_ns < best.took_ns)
            best = next;
    }
    printf("{\"sessions\": %u, \"agents\": %u, \"kernels\": %u, \"slots\": %u, "
           "\"scheduled\": %u, \"seconds\": %.6f, \"place\": %.6f, \"rate\": %.0f, "
           "\"hash\": \"%016" PRIx64 "\", \"snapshot_bytes\": %" PRId64 ", \"most_bytes\": %" PRId64
           "}\n",
           s->n_sessions, s->n_agents, s->n_kernels, s->n_slots, best.scheduled,
           (double)best.took_ns / 1e9, (double)best.place_ns / 1e9,
           (double)s->n_sessions * 1e9 / (double)best.took_ns, best.hash, loaded - before, most);
}

static uint32_t number(const char *text)
{
    char *end;
    const unsigned long v = strtoul(text, &end, 10);
    if (*text == '\0' || *end != '\0' || v > UINT32_MAX)
        refuse("this is no number", text);
    return (uint32_t)v;
}

static const struct snapshot *make_cell(char **words, struct arena *a)
{
    const struct cell c = {
        .sessions = number(words[0]),
        .agents = number(words[1]),
        .shapes = number(words[2]),
        .kernels = number(words[3]),
        .slots = number(words[4]),
        .fill = number(words[5]),
    };
    if (c.slots < 2 || c.slots > MOST_SLOTS || c.fill > 100)
        refuse("SLOTS is 2 to 16, FILL 0 to 100", "cell");
    return make(&c, a);
}

int main(int argc, char **argv)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct policy_config config = {.slot_priority = NULL};
    const bool cell = argc >= 8 && strcmp(argv[1], "cell") == 0;
    const bool file = argc >= 3 && strcmp(argv[1], "file") == 0;
    const char *how = cell && argc > 8 ? argv[8] : file && argc > 3 ? argv[3] : "";
    const bool plain = strcmp(how, "plain") == 0, once = strcmp(how, "once") == 0;
    if ((!cell && !file) || (*how != '\0' && !plain && !once)) {
        fprintf(stderr,
                "usage: core_bench cell SESSIONS AGENTS SHAPES KERNELS SLOTS FILL [once|plain]\n"
                "       core_bench file SNAPSHOT [once|plain]\n");
        return 2;
    }
    const int64_t before = held("VmRSS:");
    const struct snapshot *s = cell ? make_cell(argv + 2, a) : read_snapshot(argv[2], a, &config);
    measure(s, &config, once ? 1 : plain ? PLAIN_RUNS : RUNS, plain, before);
    return 0;
}
