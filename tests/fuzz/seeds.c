/* seeds.c - writes the inputs that are bytes, not text: usage: fuzz_seeds FOLDER. Folder and file
 * names are those of the targets, as in seeds/. */
#include <errno.h>
#include <sys/stat.h>

#include <berth/v1/scheduler.pb-c.h>

#include "scheduler/round.h"
#include "scheduler/snapshot_bytes.h"
#include "scheduler/snapshot_file.h"
#include "tests/fuzz/fuzz.h"
#include "tests/reference/cluster.h"

enum { CLUSTERS = 8 };

static const char *folder;

static void save(const char *target, unsigned number, const uint8_t *bytes, size_t n)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, target);
    FUZZ_REQUIRE(mkdir(path, 0777) == 0 || errno == EEXIST, "cannot make %s", path);
    (void)snprintf(path, sizeof(path), "%s/%s/made%u", folder, target, number);
    FILE *f = fopen(path, "wb");
    FUZZ_REQUIRE(f != NULL && fwrite(bytes, 1, n, f) == n && fclose(f) == 0, "cannot write %s",
                 path);
}

/* Bytes behind the byte that says which. */
static void save_kind(const char *target, unsigned number, uint8_t kind, const uint8_t *bytes,
                      size_t n, struct arena *a)
{
    uint8_t *all = arena_alloc(a, n + 1, 1);
    all[0] = kind;
    if (n > 0)
        memcpy(all + 1, bytes, n);
    save(target, number, all, n + 1);
}

/* A file without what sealed_file.h puts around it. */
static const uint8_t *inside(const uint8_t *bytes, size_t *n)
{
    *n -= FILE_HEAD + FILE_CHECKSUM;
    return bytes + FILE_HEAD;
}

static void save_files(unsigned seed, const struct registry *r, struct arena *a)
{
    struct cluster c;
    struct policy *policy = NULL;
    struct plan *plan = NULL;
    struct err e = {.code = ERR_NONE};
    uint8_t *bytes = NULL;
    size_t n = 0;
    cluster_create(seed, 1, a, &c);
    snapshot_write(c.snapshot, &c.config, a, &bytes, &n);
    save("snapshot", seed, inside(bytes, &n), n);
    FUZZ_REQUIRE(policy_resolve(r, &c.config, c.snapshot, a, &policy, &e) == 0, "%s", e.message);
    FUZZ_REQUIRE(
        round_run(c.snapshot, policy, &(struct round_limits){0}, NULL, a, &plan, NULL, &e) == 0,
        "%s", e.message);
    plan_write(plan, a, &bytes, &n);
    const uint8_t *rest = inside(bytes, &n);
    save_kind("plan", seed, (uint8_t)seed, rest, n, a);
}

static void save_message(const char *target, unsigned number, uint8_t kind,
                         const ProtobufCMessage *m, struct arena *a)
{
    const size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = arena_alloc(a, n + 1, 1);
    protobuf_c_message_pack(m, bytes);
    save_kind(target, number, kind, bytes, n, a);
}

static void save_preview(struct arena *a)
{
    static char cpu[] = "cpu", two[] = "2", key[] = "k0", group[] = "default", agent[] = "a1",
                arch[] = "x86_64", id[] = "00000000-0000-0000-0000-000000000001", newcomer[] = "z1";
    Berth__V1__SlotAmount slot = BERTH__V1__SLOT_AMOUNT__INIT;
    Berth__V1__KernelSpec kernel = BERTH__V1__KERNEL_SPEC__INIT;
    Berth__V1__SessionSpec spec = BERTH__V1__SESSION_SPEC__INIT;
    Berth__V1__AgentSpec extra = BERTH__V1__AGENT_SPEC__INIT;
    Berth__V1__PreviewAllocationRequest q = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__INIT;
    Berth__V1__SlotAmount *slots[] = {&slot};
    Berth__V1__KernelSpec *kernels[] = {&kernel, &kernel};
    Berth__V1__AgentSpec *extras[] = {&extra};
    char *agents[] = {agent};
    slot.slot = cpu, slot.amount = two;
    kernel.slots = slots, kernel.n_slots = 1, kernel.architecture = arch;
    spec.access_key = key, spec.project_id = id;
    spec.kernels = kernels, spec.n_kernels = ARRAY_SIZE(kernels);
    spec.designated_agent_ids = agents, spec.n_designated_agent_ids = 1;
    extra.agent_id = newcomer, extra.capacity = slots, extra.n_capacity = 1;
    q.scaling_group = group, q.with_remedies = 1;
    q.target_case = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__TARGET_SPEC, q.spec = &spec;
    for (unsigned seed = 0; seed < CLUSTERS; seed++) {
        q.extra_agents = extras, q.n_extra_agents = seed % 2;
        q.after_queue = seed % 3 == 0;
        save_message("described", seed, (uint8_t)seed, &q.base, a);
    }
    save_message("request", 2, 2, &q.base, a);
}

static void save_requests(struct arena *a)
{
    static char group[] = "default", id[] = "00000000-0000-0000-0000-000000000001", why[] = "over";
    Berth__V1__ScheduleScalingGroupRequest schedule =
        BERTH__V1__SCHEDULE_SCALING_GROUP_REQUEST__INIT;
    Berth__V1__CancelSessionRequest cancel = BERTH__V1__CANCEL_SESSION_REQUEST__INIT;
    Berth__V1__WatchEventsRequest watch = BERTH__V1__WATCH_EVENTS_REQUEST__INIT;
    Berth__V1__ListPendingSessionsRequest list = BERTH__V1__LIST_PENDING_SESSIONS_REQUEST__INIT;
    char *groups[] = {group};
    schedule.scaling_group = group, schedule.max_sessions = 5;
    cancel.session_id = id, cancel.reason = why, cancel.request_id = id;
    watch.scaling_groups = groups, watch.n_scaling_groups = 1;
    list.scaling_group = group, list.page_size = 3;
    save_message("request", 0, 0, &schedule.base, a);
    save_message("request", 1, 1, &cancel.base, a);
    save_message("request", 3, 3, &watch.base, a);
    save_message("request", 4, 4, &list.base, a);
}

/* Lives of random steps. */
static void save_lives(void)
{
    enum { STEPS = 400 };
    for (unsigned seed = 0; seed < 2 * CLUSTERS; seed++) {
        struct rng r = {.state = seed};
        uint8_t bytes[STEPS];
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (uint8_t)rng_below(&r, 256);
        save("rounds", seed, bytes, sizeof(bytes));
        save("calls", seed, bytes, sizeof(bytes));
    }
}

/* Values of columns in binary: a number with decimals, NaN, and arrays of two elements. */
static void save_columns(struct arena *a)
{
    static const uint8_t number[] = {0, 2, 0, 0, 0, 0, 0, 6, 0, 12, 0x13, 0x88},
                         nan[] = {0, 0, 0, 0, 0xc0, 0, 0, 0},
                         texts[] = {0, 0, 0, 1, 0, 0, 0, 1, 0, 0,   0,    25,   0,    0,   0,
                                    2, 0, 0, 0, 1, 0, 0, 0, 1, 'x', 0xff, 0xff, 0xff, 0xff},
                         integers[] = {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0, 0, 0, 2, 0,
                                       0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 7, 0,  0, 0, 2, 0, 9};
    save_kind("pg_rows", 0, 0, number, sizeof(number), a);
    save_kind("pg_rows", 1, 0, nan, sizeof(nan), a);
    save_kind("pg_rows", 2, 1, texts, sizeof(texts), a);
    save_kind("pg_rows", 3, 2, texts, sizeof(texts), a);
    save_kind("pg_rows", 4, 3, integers, sizeof(integers), a);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: fuzz_seeds FOLDER\n");
        return 2;
    }
    folder = argv[1];
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(registry_destroyp) struct registry *r = registry_create();
    for (unsigned seed = 0; seed < CLUSTERS; seed++)
        save_files(seed, r, a);
    save_preview(a);
    save_requests(a);
    save_lives();
    save_columns(a);
    return 0;
}
