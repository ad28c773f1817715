/* parity.c - random clusters in a real database, a real berthd: what a preview says of a session
 * after the queue ahead of it is what the next round does.
 *
 * For each cluster every pending session is previewed, some alone in a snapshot of its own, most
 * from a shared one, some with the rows of agents; then a round runs. Verdict and outcome, agents
 * kernel by kernel, amounts and causes with all their words and numbers must be the same.
 *
 *   preview_parity [--clusters N] [--seed N] [--plant N]
 *
 * The last line is the figure. A difference tells its seed: --clusters 1 --seed N repeats it.
 * --plant N: all agents lose their room between the previews and the round of the N-th cluster, or
 * the next one where somebody fits; that must be noticed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <berth/v1/scheduler.pb-c.h>

#include "server/convert.h"
#include "tests/preview/cluster_rows.h"
#include "tests/repo/world.h"
#include "tests/rpc/berthd.h"
#include "tests/rpc/support.h"

enum { CONFIGS = 4, VACUUM_EVERY = 40, SHOWN = 10 };

static struct {
    uint64_t clusters, seed, plant;
} flags = {.clusters = 100, .seed = 1};

static struct { /* shared with the process that Check makes */
    uint64_t clusters, previews, differences;
    uint64_t verdicts[BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_EXPIRED + 1];
} * figure;

/* One berthd a row: settings that decide, too. */
static const char *const settings[CONFIGS][2] = {
    {"--max-containers-per-agent=0", "--slot-priority=cuda,rocm,tpu,cpu,mem"},
    {"--max-containers-per-agent=3", "--slot-priority=npu,mem,cuda"},
    {"--max-containers-per-agent=6", "--slot-priority=mem"},
    {"--max-containers-per-agent=1", "--slot-priority=cuda.shares"},
};

struct run {
    struct db db;
    struct client *client;
    struct arena *a;
    uint64_t seed;
    const struct snapshot *s;
    Berth__V1__PreviewAllocationResponse **previews; /* by session of the snapshot */
};

#define DIFFER(r, id, ...)                                                                         \
    do {                                                                                           \
        if (figure->differences++ < SHOWN) {                                                       \
            printf("seed %" PRIu64 ": session %s: ", (r)->seed, (id));                             \
            printf(__VA_ARGS__);                                                                   \
            printf("\n");                                                                          \
        }                                                                                          \
    } while (0)

/* --- calls --- */

static void *from_arena(void *a, size_t n)
{
    return arena_alloc(a, n, 1);
}

static void leave(void *a, void *p)
{
    (void)a;
    (void)p;
}

static void *call(const struct run *r, const char *path, const ProtobufCMessage *q,
                  const ProtobufCMessageDescriptor *type)
{
    ProtobufCAllocator memory = {.alloc = from_arena, .free = leave, .allocator_data = r->a};
    struct reply reply = {.body = NULL};
    char reason[8192];
    client_call_message(r->client, path, q, &reply);
    ck_assert_msg(reply.code == GRPC_STATUS_OK, "seed %" PRIu64 ": %s: status %d %s: %s", r->seed,
                  path, (int)reply.code, reply_info(&reply, NULL, reason), reply.message);
    void *m = protobuf_c_message_unpack(type, &memory, reply.n_body, reply.body);
    ck_assert_msg(m != NULL, "seed %" PRIu64 ": no answer", r->seed);
    reply_free(&reply);
    return m;
}

static void preview_all(struct run *r, struct rng *rng)
{
    Google__Protobuf__Duration now = GOOGLE__PROTOBUF__DURATION__INIT, old = now;
    old.seconds = 3600;
    r->previews = arena_new(r->a, Berth__V1__PreviewAllocationResponse *, r->s->n_sessions);
    for (uint32_t i = 0; i < r->s->n_sessions; i++) {
        Berth__V1__PreviewAllocationRequest q = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__INIT;
        q.target_case = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__TARGET_SESSION_ID;
        q.session_id = convert_uuid(&r->s->sessions[i].id, r->a);
        q.after_queue = true;
        q.max_snapshot_age = i == 0 || rng_chance(rng, 10) ? &now : &old;
        if (rng_chance(rng, 20))
            q.view = BERTH__V1__PREVIEW_VIEW__PREVIEW_VIEW_AGENTS;
        r->previews[i] =
            call(r, PREVIEW_PATH, &q.base, &berth__v1__preview_allocation_response__descriptor);
        figure->previews++;
        if (r->previews[i]->verdict < ARRAY_SIZE(figure->verdicts))
            figure->verdicts[r->previews[i]->verdict]++;
    }
}

/* --- comparing --- */

static const char *bytes_of(const struct run *r, const ProtobufCMessage *m, size_t *ret_n)
{
    *ret_n = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = arena_alloc(r->a, *ret_n + 1, 1);
    protobuf_c_message_pack(m, bytes);
    return (const char *)bytes;
}

static bool same(const struct run *r, const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    size_t n, m;
    const char *x = bytes_of(r, a, &n), *y = bytes_of(r, b, &m);
    return n == m && memcmp(x, y, n) == 0;
}

static int verdict_of(int outcome)
{
    switch (outcome) {
    case BERTH__V1__SESSION_OUTCOME__SESSION_OUTCOME_SCHEDULED:
        return BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_FITS;
    case BERTH__V1__SESSION_OUTCOME__SESSION_OUTCOME_WAITING:
    case BERTH__V1__SESSION_OUTCOME__SESSION_OUTCOME_SKIPPED:
        return BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_WAITS;
    case BERTH__V1__SESSION_OUTCOME__SESSION_OUTCOME_BLOCKED:
    case BERTH__V1__SESSION_OUTCOME__SESSION_OUTCOME_CANCELLED:
        return BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_BLOCKED;
    case BERTH__V1__SESSION_OUTCOME__SESSION_OUTCOME_INFEASIBLE:
        return BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_INFEASIBLE;
    case BERTH__V1__SESSION_OUTCOME__SESSION_OUTCOME_INVALID:
        return BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_INVALID;
    case BERTH__V1__SESSION_OUTCOME__SESSION_OUTCOME_EXPIRED:
        return BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_EXPIRED;
    default:
        return -1; /* a CONFLICT: nobody else writes here */
    }
}

static void compare(const struct run *r, const Berth__V1__PreviewAllocationResponse *p,
                    const Berth__V1__SessionDecision *d)
{
    const char *id = d->session_id;
    if ((int)p->verdict != verdict_of((int)d->outcome))
        DIFFER(r, id, "verdict %d, but outcome %d%s%s", (int)p->verdict, (int)d->outcome,
               d->n_causes > 0 ? ": " : "", d->n_causes > 0 ? d->causes[0]->message : "");
    else if (p->n_causes != d->n_causes)
        DIFFER(r, id, "%zu causes, but the round has %zu", p->n_causes, d->n_causes);
    else if (p->n_allocations != d->n_allocations)
        DIFFER(r, id, "%zu kernels placed, but the round placed %zu", p->n_allocations,
               d->n_allocations);
    else {
        for (size_t i = 0; i < d->n_causes; i++)
            if (!same(r, &p->causes[i]->base, &d->causes[i]->base)) {
                DIFFER(r, id, "cause %zu is \"%s\", but \"%s\" in the round", i,
                       p->causes[i]->message, d->causes[i]->message);
                return;
            }
        for (size_t i = 0; i < d->n_allocations; i++)
            if (!same(r, &p->allocations[i]->base, &d->allocations[i]->base)) {
                DIFFER(r, id, "kernel %s on %s, but on %s in the round",
                       p->allocations[i]->kernel_id, p->allocations[i]->agent_id,
                       d->allocations[i]->agent_id);
                return;
            }
    }
}

static void run_round(struct run *r)
{
    Berth__V1__ScheduleScalingGroupRequest q = BERTH__V1__SCHEDULE_SCALING_GROUP_REQUEST__INIT;
    q.scaling_group = convert_text("g1");
    const Berth__V1__ScheduleScalingGroupResponse *m =
        call(r, SCHEDULE_PATH, &q.base, &berth__v1__schedule_scaling_group_response__descriptor);
    if (m->n_decisions != r->s->n_sessions)
        DIFFER(r, "(all)", "%u sessions previewed, but the round decided %zu", r->s->n_sessions,
               m->n_decisions);
    for (size_t i = 0; i < m->n_decisions; i++) {
        struct uuid id;
        uint32_t session = NONE;
        if (uuid_parse(m->decisions[i]->session_id, &id))
            session = snapshot_find_session(r->s, &id);
        if (session == NONE)
            DIFFER(r, m->decisions[i]->session_id, "nobody knows it");
        else
            compare(r, r->previews[session], m->decisions[i]);
    }
}

static bool one_fits(const struct run *r)
{
    for (uint32_t i = 0; i < r->s->n_sessions; i++)
        if (r->previews[i]->verdict == BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_FITS)
            return true;
    return false;
}

static void run_cluster(struct run *r)
{
    struct cluster c;
    struct rng rng = {.state = r->seed * UINT64_C(0x2545f4914f6cdd1d)};
    cluster_create(r->seed, r->seed, r->a, &c);
    r->s = c.snapshot;
    db_sql(&r->db, cluster_rows(&c, &rng, r->a));
    preview_all(r, &rng);
    if (flags.plant > 0 && figure->clusters + 1 >= flags.plant && one_fits(r)) {
        db_sql(&r->db, "UPDATE agent_resources SET capacity = 0");
        flags.plant = 0;
    }
    run_round(r);
    figure->clusters++;
    if (figure->clusters % VACUUM_EVERY == 0)
        db_sql(&r->db, "VACUUM");
}

START_TEST(previews_are_what_the_next_round_does)
{
    struct run r = {.db = world_create(), .a = arena_create()};
    client_setup();
    db_sql(&r.db, "SELECT t.hostile()");
    for (unsigned k = 0; k < CONFIGS; k++) {
        const char *const args[] = {"--database",
                                    r.db.conninfo,
                                    "--redis",
                                    redis_address(),
                                    settings[k][0],
                                    settings[k][1],
                                    "--repair-at-start=false", /* the rows are made up */
                                    "--log-level=error",
                                    NULL};
        if (flags.clusters <= k)
            break;
        r.client = client_open(berthd_serve(args));
        for (uint64_t i = k; i < flags.clusters; i += CONFIGS) {
            r.seed = flags.seed + i;
            run_cluster(&r);
            arena_reset(r.a);
        }
        client_close(r.client);
        ck_assert_int_eq(berthd_end(), 0);
    }
    arena_destroy(r.a);
    grpc_shutdown_blocking();
}
END_TEST

/* --- the program --- */

static uint64_t number(const char *flag, const char *text)
{
    char *end;
    uint64_t n = text != NULL ? strtoull(text, &end, 10) : 0;
    if (text == NULL || *text == '\0' || *end != '\0') {
        (void)fprintf(stderr, "preview_parity: %s needs a number\n", flag);
        exit(2);
    }
    return n;
}

static void read_flags(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--clusters") == 0)
            flags.clusters = number("--clusters", argv[++i]);
        else if (strcmp(argv[i], "--seed") == 0)
            flags.seed = number("--seed", argv[++i]);
        else if (strcmp(argv[i], "--plant") == 0)
            flags.plant = number("--plant", argv[++i]);
        else {
            (void)fprintf(stderr, "usage: preview_parity [--clusters N] [--seed N] [--plant N]\n");
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    read_flags(argc, argv);
    figure = mmap(NULL, sizeof(*figure), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (figure == MAP_FAILED)
        return 2;
    Suite *suite = suite_create("parity");
    TCase *tc = tcase_create("parity");
    tcase_set_timeout(tc, 0); /* as long as it takes; every call in it has a deadline */
    tcase_add_checked_fixture(tc, NULL, berthd_cleanup);
    tcase_add_test(tc, previews_are_what_the_next_round_does);
    suite_add_tcase(suite, tc);
    int code = support_run(suite, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
    printf("fits %" PRIu64 ", waits %" PRIu64 ", blocked %" PRIu64 ", infeasible %" PRIu64
           ", invalid %" PRIu64 ", expired %" PRIu64 "\n",
           figure->verdicts[1], figure->verdicts[2], figure->verdicts[3], figure->verdicts[4],
           figure->verdicts[5], figure->verdicts[6]);
    printf("parity: %" PRIu64 " previews, %" PRIu64 " differences\n", figure->previews,
           figure->differences);
    return code != 0 || figure->differences > 0 || figure->clusters < flags.clusters;
}
