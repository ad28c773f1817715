/* sample.c - the rows of the sample group; see sample.h. */
#include "tests/unit/sample.h"

#include <assert.h>
#include <stdio.h>

enum { MOST_ROWS = 32, N_KEYS = 6, SECOND = 1000000 };

uint32_t sample_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (uint32_t)(*seed >> 16);
}

struct uuid sample_id(unsigned n)
{
    struct uuid id = {{0}};
    id.b[14] = (uint8_t)(n >> 8);
    id.b[15] = (uint8_t)n;
    return id;
}

static const struct slot slots[] = {
    {"mem", SLOT_BYTES, 20},
    {"cuda.shares", SLOT_COUNT, 30},
    {"cpu", SLOT_COUNT, 10},
    {"cuda.device", SLOT_COUNT, 30},
};

static const struct {
    struct agent agent;
    const char *arch;
    int64_t cpu, mem, shares, held_cpu;
} agents[] = {
    {{.id = "a2", .addr = "tcp://a2:6001", .containers = 3, .alive = true, .schedulable = true},
     "x86_64",
     8 * AMOUNT_ONE,
     INT64_C(34359738368),
     2 * AMOUNT_ONE,
     AMOUNT_ONE / 2},
    {{.id = "a10", .alive = true}, "aarch64", 4 * AMOUNT_ONE, INT64_C(8589934592), 0, 0},
    {{.id = "a1",
      .addr = "tcp://a1:6001",
      .alive = true,
      .schedulable = true,
      .bad_data = "agent_resources \"a1\": capacity is negative"},
     "x86_64",
     16 * AMOUNT_ONE,
     0,
     0,
     0},
    {{.id = "gone", .alive = true, .schedulable = true}, "riscv64", AMOUNT_ONE, 1, 1, 1},
    {{.id = "\xC3\xA9t\xC3\xA9", .schedulable = true}, "x86_64", 0, 0, AMOUNT_MAX, 0},
};

static const struct {
    enum owner_kind kind;
    const char *key, *name;
    int64_t limit_cpu, usage_mem;
} owners[N_KEYS] = {
    {OWNER_PROJECT, "p1", "research", 100 * AMOUNT_ONE, 5},
    {OWNER_KEYPAIR, "AK2", NULL, AMOUNT_INF, 0},
    {OWNER_DOMAIN, "default", NULL, AMOUNT_INF, 77},
    {OWNER_KEYPAIR, "AK1", NULL, 0, 1024},
    {OWNER_USER, "u1", NULL, AMOUNT_MAX, AMOUNT_MAX},
    {OWNER_USER, "default", NULL, 3, 3}, /* the same key as the domain's */
};

struct session_row {
    struct session s;
    unsigned id, group; /* group 0: none */
    const char *key, *user;
};

static const struct session_row sessions[] = {
    {{.name = "late",
      .creation_id = "c-1",
      .created_at = 300 * (int64_t)SECOND,
      .pending_since = 301 * (int64_t)SECOND,
      .starts_at = TIME_NONE,
      .priority = 10,
      .mode = CLUSTER_MULTI_NODE},
     11,
     61,
     "AK1",
     "u1"},
    {{.created_at = 100 * (int64_t)SECOND,
      .pending_since = 100 * (int64_t)SECOND,
      .starts_at = 500 * (int64_t)SECOND,
      .priority = -5,
      .retries = 7,
      .type = SESSION_BATCH,
      .rare = &(const struct session_rare){.n_designated = 99, /* ignored */
                                           .cause_digest = UINT64_C(0xFEDCBA9876543210)},
      .designated_strict = true},
     13,
     0,
     "AK2",
     "u1"},
    {{.name = "same time",
      .created_at = 100 * (int64_t)SECOND,
      .starts_at = TIME_NONE,
      .type = SESSION_SYSTEM},
     12,
     60,
     "AK1",
     "default"},
    {{.name = "bad \"row\"\n",
      .created_at = -5,
      .pending_since = INT64_MAX,
      .starts_at = INT64_MIN + 1,
      .priority = INT32_MIN,
      .retries = INT32_MAX,
      .type = SESSION_INFERENCE,
      .bad_data = "kernels 21: requested of \"cpu\" is negative"},
     10,
     0,
     "AK2",
     "default"},
};

static const struct {
    unsigned session, id;
    struct kernel k;
    const char *arch;
    int64_t cpu, mem;
} kernels[] = {
    {11, 24, {.cluster_idx = 2}, "x86_64", AMOUNT_ONE, 1},
    {11, 22, {.cluster_idx = 2}, "x86_64", AMOUNT_ONE, 2},
    {11, 23, {.cluster_idx = 1}, "aarch64", AMOUNT_ONE, 3},
    {11, 25, {.cluster_idx = 9, .is_main = true}, "x86_64", AMOUNT_ONE, 4},
    {12, 20, {.cluster_idx = 1, .is_main = true}, "s390x", 5, 6},
    {13, 26, {.cluster_idx = -1, .is_main = true}, "x86_64", AMOUNT_MAX, AMOUNT_MAX},
};

static const struct {
    unsigned session, id;
    const char *name;
    enum dependency_state state;
} dependencies[] = {
    {13, 33, "third", DEPENDENCY_FAILED},
    {13, 31, NULL, DEPENDENCY_DONE},
    {11, 32, "second", DEPENDENCY_WAITING},
};

static const struct {
    unsigned session;
    const char *agent;
} designated[] = {/* the order within a session is data */
                  {13, "z"},
                  {13, "a2"},
                  {11, "a1"}};

static const struct {
    unsigned id;
    enum group_direction direction;
    bool strict;
} groups[] = {
    {61, GROUP_SPREAD, true},
    {60, GROUP_PACK, false},
};

static const struct {
    const char *agent;
    unsigned group;
    int32_t count;
} members[] = {
    {"a2", 61, 2}, {"gone", 60, 9}, {"a1", 61, 1}, {"a2", 60, 4}, {"a2", 61, 3}, {"a1", 60, 0},
};

static const struct {
    const char *key;
    int64_t created_at;
    unsigned id;
    int64_t cpu;
} others[] = {
    {"AK1", 200, 52, 4},
    {"AK1", 100, 53, 3},
    {"AK2", 50, 54, 2},
    {"AK1", 200, 51, 1},
};

static const struct option options[] = {
    {"num_retries_to_skip", "3"},
    {"fifo.num_retries_to_skip", "\"2\""},
};

const struct policy_config sample_config = {
    .max_containers_per_agent = 100,
    .slot_priority = (const char *const[]){"cuda", "cpu"},
    .n_slot_priority = 2,
    .options = (const struct option[]){{"drf.x", "null"}, {"fifo.num_retries_to_skip", "1"}},
    .n_options = 2,
};

/* 0..n-1, shuffled unless the seed is 0. */
static void shuffle(unsigned *order, unsigned n, uint64_t *seed)
{
    assert(n <= MOST_ROWS);
    for (unsigned i = 0; i < n; i++)
        order[i] = i;
    for (unsigned i = n; *seed != 0 && i > 1; i--) {
        unsigned j = sample_random(seed) % i;
        unsigned kept = order[i - 1];
        order[i - 1] = order[j];
        order[j] = kept;
    }
}

#define EACH(rows, at)                                                                             \
    shuffle(order, ARRAY_SIZE(rows), &seed);                                                       \
    for (unsigned i_ = 0, at; i_ < ARRAY_SIZE(rows) && (at = order[i_], true); i_++)

static uint32_t session_of(struct snapshot_builder *b, unsigned id)
{
    struct uuid u = sample_id(id);
    return builder_find_session(b, &u);
}

static uint64_t add_hosts(struct snapshot_builder *b, uint64_t seed)
{
    unsigned order[MOST_ROWS];
    EACH(slots, i) builder_slot(b, slots[i].name, slots[i].type, slots[i].rank);
    uint32_t cpu = builder_find_slot(b, "cpu");
    uint32_t mem = builder_find_slot(b, "mem");
    EACH(agents, i)
    {
        int64_t *capacity = NULL;
        int64_t *held = NULL;
        builder_agent(b, &agents[i].agent, agents[i].arch, &capacity, &held);
        capacity[cpu] = agents[i].cpu;
        capacity[mem] = agents[i].mem;
        capacity[builder_find_slot(b, "cuda.shares")] = agents[i].shares;
        held[cpu] = agents[i].held_cpu;
    }
    EACH(owners, i)
    {
        uint32_t o = builder_owner(b, owners[i].kind, owners[i].key);
        if (owners[i].name != NULL)
            builder_owner_at(b, o)->name = owners[i].name;
        builder_owner_rows(b, o).limit[cpu] = owners[i].limit_cpu;
        builder_owner_rows(b, o).usage[mem] = owners[i].usage_mem;
    }
    struct owner *ak1 = builder_owner_at(b, builder_find_owner(b, OWNER_KEYPAIR, "AK1"));
    ak1->max_sessions = 5;
    ak1->max_sftp_sessions = -1;
    ak1->max_pending = 0;
    ak1->has_pending_limit = true;
    ak1->live_sessions = 4;
    ak1->live_sftp_sessions = 1;
    ak1->version = 17;
    struct owner_rows rows = builder_owner_rows(b, builder_find_owner(b, OWNER_KEYPAIR, "AK1"));
    rows.pending_limit[cpu] = 12;
    rows.group_usage[mem] = 512;
    builder_owner_at(b, builder_find_owner(b, OWNER_KEYPAIR, "AK2"))->missing = "keypair \"AK2\"";
    builder_bad_owner(b, builder_find_owner(b, OWNER_USER, "u1"), "limit %s", "cannot be read");
    EACH(groups, i)
    builder_session_group(b, &(struct session_group){.id = sample_id(groups[i].id),
                                                     .direction = groups[i].direction,
                                                     .strict = groups[i].strict});
    return seed;
}

static uint64_t add_sessions(struct snapshot_builder *b, uint64_t seed)
{
    unsigned order[MOST_ROWS];
    EACH(sessions, i)
    {
        struct session s = sessions[i].s;
        struct uuid group = sample_id(sessions[i].group);
        s.id = sample_id(sessions[i].id);
        s.owner[OWNER_KEYPAIR] = builder_find_owner(b, OWNER_KEYPAIR, sessions[i].key);
        s.owner[OWNER_USER] = builder_find_owner(b, OWNER_USER, sessions[i].user);
        s.owner[OWNER_PROJECT] = builder_find_owner(b, OWNER_PROJECT, "p1");
        s.owner[OWNER_DOMAIN] = builder_find_owner(b, OWNER_DOMAIN, "default");
        s.group = sessions[i].group != 0 ? builder_find_session_group(b, &group) : NONE;
        s.first_kernel = 99; /* ignored */
        builder_session(b, &s);
    }
    EACH(kernels, i)
    {
        int64_t *request = NULL;
        struct kernel k = kernels[i].k;
        k.id = sample_id(kernels[i].id);
        builder_kernel(b, session_of(b, kernels[i].session), &k, kernels[i].arch, &request);
        request[builder_find_slot(b, "cpu")] = kernels[i].cpu;
        request[builder_find_slot(b, "mem")] = kernels[i].mem;
    }
    EACH(dependencies, i)
    builder_dependency(b, session_of(b, dependencies[i].session),
                       &(struct dependency){.id = sample_id(dependencies[i].id),
                                            .name = dependencies[i].name,
                                            .state = dependencies[i].state});
    return seed;
}

static void add_rest(struct snapshot_builder *b, uint64_t seed)
{
    unsigned order[MOST_ROWS];
    for (unsigned i = 0; i < ARRAY_SIZE(designated); i++)
        builder_designated(b, session_of(b, designated[i].session), designated[i].agent);
    EACH(members, i)
    {
        struct uuid id = sample_id(members[i].group);
        builder_group_member(b, builder_find_session_group(b, &id),
                             builder_find_agent(b, members[i].agent), members[i].count);
    }
    EACH(others, i)
    {
        struct other_pending p = {.keypair = builder_find_owner(b, OWNER_KEYPAIR, others[i].key),
                                  .created_at = others[i].created_at,
                                  .id = sample_id(others[i].id)};
        builder_other_pending(b, &p)[builder_find_slot(b, "cpu")] = others[i].cpu;
    }
    EACH(options, i) builder_option(b, options[i].key, options[i].value);
    builder_rr_cursor(b, sample_random(&seed) % 2 != 0 ? "x86_64" : "aarch64", "a1");
    builder_rr_cursor(b, "x86_64", "a0");
    builder_rr_cursor(b, "aarch64", "a10");
    builder_rr_cursor(b, "old", "a3");
    builder_drop_agent(b, builder_find_agent(b, "gone"));
}

struct snapshot_builder *sample_builder(struct arena *a, uint64_t seed)
{
    struct snapshot_builder *b = builder_create(a);
    builder_group(b, &(struct snapshot){.observed_at = 400 * (int64_t)SECOND,
                                        .group_id = sample_id(1),
                                        .group_name = "default",
                                        .scheduler = "drf",
                                        .strategy = "roundrobin",
                                        .pending_timeout = 3600 * (int64_t)SECOND});
    seed = add_hosts(b, seed);
    seed = add_sessions(b, seed);
    add_rest(b, seed);
    return b;
}

const struct snapshot *sample_snapshot(struct arena *a, uint64_t seed)
{
    return builder_finish(sample_builder(a, seed));
}

const char *sample_difference(const char *got, const char *want)
{
    static char words[1200];
    size_t line = 0;
    for (size_t i = 0; got[i] == want[i] && got[i] != '\0'; i++)
        if (got[i] == '\n')
            line = i + 1;
    snprintf(words, sizeof(words), "got <%.*s>, want <%.*s>", (int)strcspn(got + line, "\n"),
             got + line, (int)strcspn(want + line, "\n"), want + line);
    return words;
}
