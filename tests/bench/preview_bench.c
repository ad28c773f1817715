/* preview_bench.c - what previews cost: server CPU a call, rate, time; and what they cost rounds.
 *
 *   preview_bench [--json FILE] [AGENTS [SESSIONS [CALLS]]]       (10000, 1000, 20000)
 *
 * A real berthd over loopback, a private PostgreSQL and Redis over unix sockets. Every pending
 * session asks for something else, and none finds room. CPU is that of berthd's process, so the
 * client's does not count; the rate is that of both on one machine. Rounds are timed alone and
 * beside PACE previews a second from a process of its own, in turns. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <berth/v1/scheduler.pb-c.h>

#include "server/clock.h"
#include "server/convert.h"
#include "tests/bench/bench_json.h"
#include "tests/bench/preview_load.h"
#include "tests/repo/world.h"
#include "tests/rpc/berthd.h"

enum { IN_FLIGHT = 16, SEQUENTIAL = 300, PACE = 5000 };

static FILE *json;
static unsigned n_agents = 10000, n_sessions = 1000, n_calls = 20000;
static struct db db;
static struct client *client;
static struct arena *arena;
static char **ids;

/* --- the cluster --- */

static void fill(void)
{
    char sql[2000];
    db = world_create();
    (void)snprintf(
        sql, sizeof(sql),
        "INSERT INTO agents (id, status, region, scaling_group, resource_group_id, "
        "available_slots, occupied_slots, addr, version, architecture, compute_plugins) SELECT 'n' "
        "|| lpad(i::text, 7, '0'), 'ALIVE', 'r', 'g1', t.id('g1'), '{}', '{}', 'addr', '1', "
        "'x86_64', '{}' FROM generate_series(1, %u) i;"
        "INSERT INTO agent_resources (agent_id, slot_name, capacity, used) SELECT a.id, s.n, s.c, "
        "s.u FROM agents a, (VALUES ('cpu', 64, 40), ('mem', 274877906944, 137438953472), "
        "('cuda.shares', 8, 7)) s(n, c, u) WHERE a.id LIKE 'n%%';"
        "SELECT t.session('s' || i, 1 + i %% 16, 1073741824) FROM generate_series(1, %u) i;"
        "INSERT INTO resource_allocations (kernel_id, slot_name, requested) SELECT k.id, "
        "'cuda.shares', 2 + (row_number() OVER ()) * 0.001 FROM kernels k; ANALYZE",
        n_agents, n_sessions);
    db_sql(&db, sql);
    ids = arena_new(arena, char *, n_sessions);
    for (unsigned i = 0; i < n_sessions; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "s%u", i + 1);
        struct uuid id = world_id(&db, name);
        ids[i] = convert_uuid(&id, arena);
    }
}

/* --- measuring --- */

static int64_t server_cpu_us(void)
{
    struct timespec t;
    clockid_t clock;
    ck_assert_msg(clock_getcpuclockid(berthd_pid(), &clock) == 0 && clock_gettime(clock, &t) == 0,
                  "berthd has no clock");
    return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

struct kind {
    const char *name;
    bool after_queue, agents, described, list;
    int64_t age_s; /* < 0: the setting's */
};

static Berth__V1__SessionSpec *spec(unsigned i)
{
    Berth__V1__SessionSpec *m = message_new(arena, Berth__V1__SessionSpec, berth__v1__session_spec);
    Berth__V1__KernelSpec *k = message_new(arena, Berth__V1__KernelSpec, berth__v1__kernel_spec);
    Berth__V1__SlotAmount *s = message_new(arena, Berth__V1__SlotAmount, berth__v1__slot_amount);
    struct uuid project = world_id(&db, "p1");
    s->slot = convert_text("cuda.shares");
    s->amount = arena_printf(arena, "2.%03u", i % 1000);
    k->slots = arena_memdup(arena, &s, sizeof(s));
    k->n_slots = 1;
    m->kernels = arena_memdup(arena, &k, sizeof(k));
    m->n_kernels = 1;
    m->access_key = convert_text("AK1");
    m->project_id = convert_uuid(&project, arena);
    return m;
}

/* The request of a kind, packed; in the arena. */
static struct preview_bytes request(const struct kind *k, unsigned i,
                                    Berth__V1__SessionSpec *described)
{
    Google__Protobuf__Duration age = GOOGLE__PROTOBUF__DURATION__INIT;
    Berth__V1__PreviewAllocationRequest q = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__INIT;
    Berth__V1__ListPendingSessionsRequest list = BERTH__V1__LIST_PENDING_SESSIONS_REQUEST__INIT;
    const ProtobufCMessage *m = k->list ? &list.base : &q.base;
    age.seconds = k->age_s;
    q.max_snapshot_age = list.max_snapshot_age = k->age_s >= 0 ? &age : NULL;
    list.scaling_group = q.scaling_group = convert_text("g1");
    q.after_queue = k->after_queue;
    q.view = k->agents ? BERTH__V1__PREVIEW_VIEW__PREVIEW_VIEW_AGENTS
                       : BERTH__V1__PREVIEW_VIEW__PREVIEW_VIEW_VERDICT;
    q.target_case = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__TARGET_SESSION_ID;
    q.session_id = ids[i % n_sessions];
    if (k->described) {
        q.target_case = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__TARGET_SPEC;
        q.spec = described;
    }
    struct preview_bytes packed = {.n = protobuf_c_message_get_packed_size(m)};
    packed.bytes = arena_alloc(arena, packed.n, 1);
    protobuf_c_message_pack(m, packed.bytes);
    return packed;
}

static struct call_handle *begin(const struct kind *k, unsigned i,
                                 const struct preview_bytes *requests)
{
    const struct preview_bytes *q = &requests[i % n_sessions];
    struct call_handle *c = call_begin(
        client, k->list ? "/berth.v1.SchedulerService/ListPendingSessions" : PREVIEW_PATH, 60000);
    call_send(c, q->bytes, q->n);
    call_close_send(c);
    return c;
}

static void end(struct call_handle *c)
{
    struct reply r = {.body = NULL};
    call_end(c, &r);
    ck_assert_code(&r, GRPC_STATUS_OK, "a call of the bench");
    reply_free(&r);
}

static struct preview_bytes *requests_of(const struct kind *k)
{
    struct preview_bytes *requests = arena_new(arena, struct preview_bytes, n_sessions);
    for (unsigned i = 0; i < n_sessions; i++)
        requests[i] = request(k, i, k->described ? spec(i) : NULL);
    return requests;
}

/* One at a time for the times, then many at once for rate and CPU. */
static void measure(const struct kind *k, unsigned calls)
{
    int64_t times[SEQUENTIAL];
    const struct preview_bytes *requests = requests_of(k);
    end(begin(k, 0, requests));
    for (unsigned i = 0; i < SEQUENTIAL; i++) {
        int64_t start = clock_ns();
        end(begin(k, i, requests));
        times[i] = clock_ns() - start;
    }
    qsort(times, SEQUENTIAL, sizeof(*times), by_value);
    struct call_handle *ring[IN_FLIGHT] = {NULL};
    int64_t start = clock_ns(), cpu = server_cpu_us();
    for (unsigned i = 0; i < calls + IN_FLIGHT; i++) {
        if (ring[i % IN_FLIGHT] != NULL)
            end(ring[i % IN_FLIGHT]);
        ring[i % IN_FLIGHT] = i < calls ? begin(k, i, requests) : NULL;
    }
    double rate = calls / ((double)(clock_ns() - start) / 1e9);
    double each_us = (double)(server_cpu_us() - cpu) / calls;
    double p50 = (double)times[SEQUENTIAL / 2] / 1e6,
           p99 = (double)times[SEQUENTIAL * 99 / 100] / 1e6;
    printf("%-34s %8.1f %10.0f %9.2f %9.2f\n", k->name, each_us, rate, p50, p99);
    (void)fflush(stdout);
    bench_json_line(json,
                    "{\"name\": \"%s\", \"agents\": %u, \"cpu_us\": %.1f, \"rate\": %.0f, "
                    "\"p50_ms\": %.3f, \"p99_ms\": %.3f}",
                    k->name, n_agents, each_us, rate, p50, p99);
}

/* --- rounds beside previews --- */

static int64_t round_ns(void)
{
    Berth__V1__ScheduleScalingGroupRequest q = BERTH__V1__SCHEDULE_SCALING_GROUP_REQUEST__INIT;
    struct reply r = {.body = NULL};
    q.scaling_group = convert_text("g1");
    q.view = BERTH__V1__ROUND_VIEW__ROUND_VIEW_COUNTS;
    int64_t start = clock_ns();
    client_call_message(client, SCHEDULE_PATH, &q.base, &r);
    int64_t took = clock_ns() - start;
    ck_assert_code(&r, GRPC_STATUS_OK, "a round");
    reply_free(&r);
    return took;
}

enum { ROUNDS = 30, WARM_UP = 3, PAUSE_MS = 150 };

static double median_ms(int64_t times[ROUNDS])
{
    qsort(times, ROUNDS, sizeof(*times), by_value);
    return (double)times[ROUNDS / 2] / 1e6;
}

/* In turns, so that both meet the same machine. Between rounds there is a pause, as the loop makes:
 * after a commit previews read the group anew, and that is not the round's time. */
static void rounds_beside(struct preview_load *l)
{
    int64_t alone[ROUNDS], beside[ROUNDS], served_us = 0;
    struct preview_load_sums sums;
    for (int i = -WARM_UP; i < ROUNDS; i++) {
        (void)poll(NULL, 0, PAUSE_MS);
        int64_t took = round_ns();
        if (i >= 0)
            alone[i] = took;
        int64_t cpu = server_cpu_us();
        preview_load_pause(l, false);
        (void)poll(NULL, 0, PAUSE_MS);
        took = round_ns();
        if (i >= 0)
            beside[i] = took;
        preview_load_pause(l, true);
        served_us += server_cpu_us() - cpu;
    }
    (void)poll(NULL, 0, PAUSE_MS);
    preview_load_sums(l, &sums);
    ck_assert_msg(sums.failed == 0, "%llu previews failed", (unsigned long long)sums.failed);
    double a = median_ms(alone), b = median_ms(beside);
    double s = (double)sums.active_ns / 1e9, rate = (double)sums.done / s;
    double client_share = (double)sums.cpu_us / 1e6 / s, share = (double)served_us / 1e6 / s;
    printf("a round: %.1f ms alone, %.1f ms beside %.0f previews/s: %.3f x; meanwhile berthd took "
           "%.0f %% of a processor, the client %.0f %%\n",
           a, b, rate, b / a, share * 100, client_share * 100);
    bench_json_line(json,
                    "{\"name\": \"round beside\", \"agents\": %u, \"alone_ms\": %.3f, "
                    "\"beside_ms\": %.3f, \"rate\": %.0f, \"server_share\": %.3f, "
                    "\"client_share\": %.3f}",
                    n_agents, a, b, rate, share, client_share);
}

static const struct kind kinds[] = {
    {.name = "VERDICT, one snapshot", .age_s = 3600},
    {.name = "VERDICT, the setting's age", .age_s = -1},
    {.name = "VERDICT, after the queue", .age_s = 3600, .after_queue = true},
    {.name = "VERDICT, described", .age_s = 3600, .described = true},
    {.name = "AGENTS, first page", .age_s = 3600, .agents = true},
    {.name = "ListPendingSessions, first page", .age_s = 3600, .list = true},
};

START_TEST(bench)
{
    arena = arena_create();
    fill();
    const char *const args[] = {"--database",
                                db.conninfo,
                                "--redis",
                                redis_address(),
                                "--snapshot-keep=1h",
                                "--repair-at-start=false",
                                "--log-level=error",
                                NULL};
    const char *address = berthd_serve(args);
    struct preview_load *load =
        preview_load_start(address, requests_of(&kinds[1]), n_sessions, PACE);
    client_setup();
    client = client_open(address);
    printf("%u agents, %u pending sessions, %u calls, %d at a time\n", n_agents, n_sessions,
           n_calls, IN_FLIGHT);
    printf("%-34s %8s %10s %9s %9s\n", "", "CPU us", "calls/s", "p50 ms", "p99 ms");
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        measure(&kinds[i],
                kinds[i].described || kinds[i].list || kinds[i].agents ? n_calls / 10 : n_calls);
    (void)round_ns(); /* the first one writes causes */
    rounds_beside(load);
    preview_load_end(load);
    client_close(client);
    ck_assert_int_eq(berthd_end(), 0);
    arena_destroy(arena);
    grpc_shutdown_blocking();
}
END_TEST

int main(int argc, char **argv)
{
    json = bench_json_open(&argc, argv);
    unsigned *const numbers[] = {&n_agents, &n_sessions, &n_calls};
    for (int i = 1; i < argc && i <= (int)ARRAY_SIZE(numbers); i++)
        *numbers[i - 1] = (unsigned)strtoul(argv[i], NULL, 10);
    if (argc > 4 || n_agents == 0 || n_sessions == 0 || n_calls < IN_FLIGHT) {
        (void)fprintf(stderr, "usage: preview_bench [--json FILE] [AGENTS [SESSIONS [CALLS]]]\n");
        return 2;
    }
    Suite *suite = suite_create("preview_bench");
    TCase *tc = tcase_create("preview_bench");
    tcase_set_timeout(tc, 500);
    tcase_add_checked_fixture(tc, NULL, berthd_cleanup);
    tcase_add_test(tc, bench);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
