/* event_bench.c - how fast committed events come to subscribers, beside the plain stream floor.
 *
 *   event_bench [--json FILE] [SUBSCRIBERS [EVENTS-A-SECOND [SECONDS]]]       (1000, 100, 5)
 *
 * Server and client are processes of their own over loopback, the database and Redis private ones
 * over unix sockets. Latency is from COMMIT (the floor: from the push) until the client has the
 * bytes. The floor pushes prepared bytes to every stream of the same machine: no log, no filter, no
 * cursor. Flat out, GROUP_EVENTS_FLAT events are committed at a time. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bench_json.h"
#include "tests/bench/event_bench.h"

static FILE *json;
static struct bench_options wanted = {
    .subscribers = 1000, .connections = 10, .rate = 100, .seconds = 5};

static const struct {
    const char *name;
    enum bench_source source;
    bool flat_out;
} rows[] = {
    {"floor, paced", SOURCE_FLOOR, false},         {"hub, paced", SOURCE_HERE, false},
    {"other replica, paced", SOURCE_THERE, false}, {"floor, flat out", SOURCE_FLOOR, true},
    {"hub, flat out", SOURCE_HERE, true},          {"other replica, flat out", SOURCE_THERE, true},
};

static long resident(pid_t pid)
{
    char path[64];
    char line[128];
    long pages = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return 0;
    if (fgets(line, sizeof(line), f) != NULL && strchr(line, ' ') != NULL)
        pages = strtol(strchr(line, ' '), NULL, 10); /* the second number */
    (void)fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

static pid_t start(void (*run)(struct bench *), struct bench *b)
{
    (void)fflush(stdout);
    pid_t pid = fork();
    ck_assert_msg(pid >= 0, "cannot fork");
    if (pid == 0) {
        run(b);
        _exit(0);
    }
    return pid;
}

/* Fails when the process is gone before the condition is true. */
static void await(pid_t pid, const atomic_uint *counter, unsigned n, const char *what)
{
    for (int i = 0; atomic_load(counter) < n; i++) {
        ck_assert_msg(waitpid(pid, NULL, WNOHANG) == 0 && i < 60000, "waited in vain for %s", what);
        (void)poll(NULL, 0, 1);
    }
}

static void await_end(pid_t pid, const char *what)
{
    int status = 0;
    ck_assert_msg(waitpid(pid, &status, 0) == pid && status == 0, "%s failed: %d", what, status);
}

static void run_row(const char *name, struct bench *b)
{
    pid_t server = start(bench_server, b);
    while (atomic_load(&b->port) == 0) {
        ck_assert_msg(waitpid(server, NULL, WNOHANG) == 0, "the server ended");
        (void)poll(NULL, 0, 1);
    }
    long before = resident(server);
    pid_t client = start(bench_client, b);
    await(client, &b->open, b->o.subscribers, "streams");
    (void)poll(NULL, 0, 300); /* they are idle now */
    b->idle_bytes = (resident(server) - before) / (long)b->o.subscribers;
    atomic_store(&b->go, true);
    await_end(client, "the client");
    await_end(server, "the server");
    double s = (double)b->took_ns / 1e9;
    uint64_t taken = atomic_load(&b->taken), messages = atomic_load(&b->messages);
    uint64_t due = atomic_load(&b->published) * b->o.subscribers;
    printf("%-24s %9.0f %9.0f %8.2f %8.2f %8.2f %8.2f %8ld %6llu\n", name, (double)taken / s,
           (double)messages / s, (double)b->p50_ns / 1e6, (double)b->p99_ns / 1e6,
           (double)b->most_ns / 1e6, (double)b->server_us / (double)(taken + 1), b->idle_bytes,
           (unsigned long long)(due - taken));
    bench_json_line(json,
                    "{\"name\": \"%s\", \"subscribers\": %u, \"events_a_second\": %.0f, "
                    "\"messages_a_second\": %.0f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, "
                    "\"max_ms\": %.3f, \"cpu_us\": %.3f, \"idle_bytes\": %ld, \"lost\": %llu}",
                    name, b->o.subscribers, (double)taken / s, (double)messages / s,
                    (double)b->p50_ns / 1e6, (double)b->p99_ns / 1e6, (double)b->most_ns / 1e6,
                    (double)b->server_us / (double)(taken + 1), b->idle_bytes,
                    (unsigned long long)(due - taken));
}

START_TEST(event_bench)
{
    struct bench *b =
        mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_msg(b != MAP_FAILED, "no memory");
    printf("%u subscribers on %u connections; paced: %u events/s for %u s\n", wanted.subscribers,
           wanted.connections, wanted.rate, wanted.seconds);
    printf("%-24s %9s %9s %8s %8s %8s %8s %8s %6s\n", "", "events/s", "msgs/s", "p50 ms", "p99 ms",
           "max ms", "us/event", "B/idle", "lost");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        memset(b, 0, sizeof(*b));
        b->o = wanted;
        b->o.source = rows[i].source;
        b->o.flat_out = rows[i].flat_out;
        b->db = world_create();
        (void)snprintf(b->redis, sizeof(b->redis), "%s", redis_address());
        run_row(rows[i].name, b);
    }
    munmap(b, sizeof(*b));
}
END_TEST

static void take_number(int argc, char **argv, int i, unsigned most, unsigned *ret)
{
    unsigned long v = i < argc ? strtoul(argv[i], NULL, 10) : 0;
    if (v > 0 && v <= most)
        *ret = (unsigned)v;
}

int main(int argc, char **argv)
{
    json = bench_json_open(&argc, argv);
    take_number(argc, argv, 1, 9000, &wanted.subscribers);
    take_number(argc, argv, 2, 10000, &wanted.rate);
    take_number(argc, argv, 3, 60, &wanted.seconds);
    Suite *s = suite_create("event_bench");
    TCase *tc = tcase_create("event_bench");
    tcase_set_timeout(tc, 600);
    tcase_add_test(tc, event_bench);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
