/* load_bench.c - one caller of a berthd, as busy as its options say; see load_options.c.
 *
 * The report goes to standard output when the time is over and what was under way has ended, or was
 * cut off after one deadline. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <grpc/grpc_security.h>
#include <grpc/support/time.h>

#include "server/clock.h"
#include "tests/bench/load.h"

enum { LOOK_MS = 20, TURN_EVENTS = 256, TOKEN_MOST = 200 };

/* --- gRPC --- */

grpc_channel *load_channel(const struct load *l)
{
    /* A subchannel of its own: channels of one address would share a connection otherwise. */
    grpc_arg args[] = {
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL,
         .value.integer = 1},
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_ENABLE_RETRIES, .value.integer = 0},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
         .value.integer = -1},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_MAX_METADATA_SIZE,
         .value.integer = 65536},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS,
         .value.integer = 200},
    };
    const grpc_channel_args list = {.num_args = sizeof(args) / sizeof(args[0]), .args = args};
    grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
    grpc_channel *c = grpc_channel_create(l->o.address, credentials, &list);
    grpc_channel_credentials_release(credentials);
    return c;
}

grpc_channel *load_next_channel(struct load *l)
{
    grpc_channel **at = &l->channels[l->next_channel++ % l->o.connections];
    if (*at == NULL)
        *at = load_channel(l);
    return *at;
}

grpc_call *load_call(struct load *l, grpc_channel *channel, const char *path, int64_t deadline_ms)
{
    const gpr_timespec until = deadline_ms < 0
                                   ? gpr_inf_future(GPR_CLOCK_MONOTONIC)
                                   : gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                                  gpr_time_from_millis(deadline_ms, GPR_TIMESPAN));
    return grpc_channel_create_call(channel, NULL, GRPC_PROPAGATE_DEFAULTS, l->queue,
                                    grpc_slice_from_static_string(path), NULL, until, NULL);
}

void load_batch(grpc_call *call, const grpc_op *ops, size_t n, struct load_tag *tag)
{
    if (grpc_call_start_batch(call, ops, n, tag, NULL) != GRPC_CALL_OK)
        abort(); /* a bug of ours */
}

void load_turn(struct load *l, int64_t until_ns)
{
    const int64_t left = until_ns - clock_ns();
    gpr_timespec until = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                      gpr_time_from_nanos(left > 0 ? left : 0, GPR_TIMESPAN));
    for (int i = 0; i < TURN_EVENTS; i++) {
        const grpc_event ev = grpc_completion_queue_next(l->queue, until, NULL);
        if (ev.type != GRPC_OP_COMPLETE)
            return;
        struct load_tag *tag = ev.tag;
        tag->fired(tag);
        until = gpr_time_0(GPR_CLOCK_MONOTONIC); /* what is there already, no more */
    }
}

/* --- making --- */

static void fail(const char *what, const char *name)
{
    (void)fprintf(stderr, "load_bench: %s: %s\n", what, name);
    exit(1);
}

static void read_sessions(struct load *l)
{
    char line[64];
    unsigned room = 0;
    if (l->o.sessions == NULL)
        return;
    FILE *f = fopen(l->o.sessions, "re");
    if (f == NULL)
        fail("cannot read", l->o.sessions);
    while (fgets(line, sizeof(line), f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strlen(line) != 36)
            fail("a line that is no session id", l->o.sessions);
        if (l->n_sessions == room) {
            room = room == 0 ? 1024 : room * 2;
            l->sessions = realloc(l->sessions, room * sizeof(*l->sessions));
            if (l->sessions == NULL)
                abort();
        }
        memcpy(l->sessions[l->n_sessions++], line, sizeof(*l->sessions));
    }
    (void)fclose(f);
    if (l->n_sessions == 0)
        fail("no session id", l->o.sessions);
}

static void read_token(struct load *l)
{
    static char value[TOKEN_MOST + 16] = "Bearer ";
    if (l->o.token == NULL)
        return;
    FILE *f = fopen(l->o.token, "re");
    if (f == NULL || fgets(value + strlen(value), TOKEN_MOST, f) == NULL)
        fail("cannot read", l->o.token);
    (void)fclose(f);
    value[strcspn(value, "\n")] = '\0';
    l->authorization = (grpc_metadata){.key = grpc_slice_from_static_string("authorization"),
                                       .value = grpc_slice_from_static_string(value)};
    l->n_metadata = 1;
}

/* Thousands of connections are as many descriptors. */
static void raise_descriptors(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return;
    r.rlim_cur = r.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &r);
}

static void init(struct load *l)
{
    raise_descriptors();
    read_sessions(l);
    read_token(l);
    if (l->o.log != NULL && (l->log = fopen(l->o.log, "we")) == NULL)
        fail("cannot write", l->o.log);
    grpc_init();
    l->queue = grpc_completion_queue_create_for_next(NULL);
    l->channels = calloc(l->o.connections, sizeof(grpc_channel *));
    if (l->channels == NULL)
        abort();
    l->padding = load_padding(l->o.padding);
    slots_create(l);
    watches_create(l);
}

/* --- the run --- */

static void work(struct load *l)
{
    l->start_ns = clock_ns();
    l->end_ns = l->start_ns + (int64_t)(l->o.seconds * 1e9);
    for (int64_t now = l->start_ns; now < l->end_ns && !slots_done(l); now = clock_ns()) {
        int64_t next = slots_begin_due(l, now);
        watches_tend(l, now);
        if (next > now + LOOK_MS * NS_PER_MS)
            next = now + LOOK_MS * NS_PER_MS;
        load_turn(l, next);
    }
    l->took_ns = clock_ns() - l->start_ns;
    if (l->o.rate > 0 && l->o.calls == 0) {
        const double due = l->o.rate * (double)l->took_ns / 1e9;
        l->n_unsent = due > (double)l->n_begun ? (uint64_t)due - l->n_begun : 0;
    }
}

/* What is under way may end; what does not within one deadline is cut off. */
static void wind_up(struct load *l)
{
    const unsigned streams = l->watches_open;
    l->over = true;
    slots_give_up(l);
    const int64_t until = clock_ns() + l->o.deadline_ms * NS_PER_MS;
    while (l->n_busy > 0 && clock_ns() < until)
        load_turn(l, until);
    slots_cancel(l);
    watches_cancel(l);
    while (l->n_busy > 0 || l->watch_batches > 0)
        load_turn(l, clock_ns() + LOOK_MS * NS_PER_MS);
    l->watches_open = streams; /* as they were when the time was over */
}

static void finish(struct load *l)
{
    for (unsigned i = 0; i < l->o.connections; i++) {
        if (l->channels[i] != NULL)
            grpc_channel_destroy(l->channels[i]);
    }
    grpc_slice_unref(l->padding);
    grpc_completion_queue_shutdown(l->queue);
    while (grpc_completion_queue_next(l->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).type !=
           GRPC_QUEUE_SHUTDOWN)
        continue;
    grpc_completion_queue_destroy(l->queue);
    grpc_shutdown_blocking();
    slots_destroy(l);
    watches_destroy(l);
    free(l->channels);
    free(l->sessions);
    if (l->log != NULL && fclose(l->log) != 0)
        fail("cannot write", l->o.log);
}

int main(int argc, char **argv)
{
    static struct load l;
    load_options_read(&l.o, argc, argv);
    init(&l);
    if (l.o.warm)
        slots_warm(&l);
    work(&l);
    wind_up(&l);
    (l.o.json ? load_report_json : load_report)(&l, stdout);
    finish(&l);
    return 0;
}
