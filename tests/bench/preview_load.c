/* preview_load.c - see preview_load.h. One queue, one connection, calls at their moments. */
#include "tests/bench/preview_load.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <grpc/grpc_security.h>
#include <grpc/support/time.h>

#include "server/clock.h"
#include "tests/rpc/support.h"

/* A late client catches up, but not by more than that at once. */
enum { CALLS_MAX = 64, IDLE_MS = 2, CALL_MS = 10000 };

struct preview_load {
    atomic_bool on, end;
    atomic_uint_least64_t done, failed;
    atomic_llong active_ns, cpu_us;
    pid_t pid;
    /* Set before the process begins. */
    const char *address;
    const struct preview_bytes *requests;
    unsigned n_requests, rate;
};

struct paced_call {
    struct paced_call *next; /* of the free ones */
    grpc_call *call;
    grpc_byte_buffer *received;
    grpc_metadata_array headers, trailers;
    grpc_status_code code;
    grpc_slice words;
};

struct pacer {
    struct preview_load *l;
    grpc_channel *channel;
    grpc_completion_queue *queue;
    struct paced_call calls[CALLS_MAX], *free;
    unsigned n_open;
    uint64_t sent;
};

static void call_start(struct pacer *p)
{
    struct paced_call *k = p->free;
    const struct preview_bytes *q = &p->l->requests[p->sent++ % p->l->n_requests];
    grpc_slice slice = grpc_slice_from_static_buffer(q->bytes, q->n);
    grpc_byte_buffer *body = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_op ops[6] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},  {.op = GRPC_OP_SEND_MESSAGE},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT}, {.op = GRPC_OP_RECV_INITIAL_METADATA},
        {.op = GRPC_OP_RECV_MESSAGE},           {.op = GRPC_OP_RECV_STATUS_ON_CLIENT}};
    p->free = k->next;
    p->n_open++;
    k->call = grpc_channel_create_call(
        p->channel, NULL, GRPC_PROPAGATE_DEFAULTS, p->queue,
        grpc_slice_from_static_string(PREVIEW_PATH), NULL,
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(CALL_MS, GPR_TIMESPAN)),
        NULL);
    grpc_metadata_array_init(&k->headers);
    grpc_metadata_array_init(&k->trailers);
    ops[1].data.send_message.send_message = body;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &k->headers;
    ops[4].data.recv_message.recv_message = &k->received;
    ops[5].data.recv_status_on_client.trailing_metadata = &k->trailers;
    ops[5].data.recv_status_on_client.status = &k->code;
    ops[5].data.recv_status_on_client.status_details = &k->words;
    if (grpc_call_start_batch(k->call, ops, 6, k, NULL) != GRPC_CALL_OK)
        abort();
    grpc_byte_buffer_destroy(body);
}

static void call_finish(struct pacer *p, struct paced_call *k)
{
    atomic_fetch_add(&p->l->done, 1);
    atomic_fetch_add(&p->l->failed, k->code != GRPC_STATUS_OK);
    grpc_metadata_array_destroy(&k->headers);
    grpc_metadata_array_destroy(&k->trailers);
    grpc_byte_buffer_destroy(k->received);
    grpc_slice_unref(k->words);
    grpc_call_unref(k->call);
    k->received = NULL;
    k->next = p->free;
    p->free = k;
    p->n_open--;
}

/* One answer, or none within ms. */
static void turn(struct pacer *p, int ms)
{
    gpr_timespec until =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(ms, GPR_TIMESPAN));
    grpc_event ev = grpc_completion_queue_next(p->queue, until, NULL);
    if (ev.type == GRPC_OP_COMPLETE)
        call_finish(p, ev.tag);
}

static void tell_cpu(struct preview_load *l)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    atomic_store(&l->cpu_us, (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * INT64_C(1000000) +
                                 r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

/* From one pause to the next. What could not be sent in time is sent as soon as it can be. */
static void pace(struct pacer *p)
{
    struct preview_load *l = p->l;
    const int64_t begin = clock_ns(), step = NS_PER_S / l->rate;
    int64_t next = begin;
    while (atomic_load(&l->on) && !atomic_load(&l->end)) {
        for (; next <= clock_ns() && p->free != NULL; next += step)
            call_start(p);
        turn(p, 1);
    }
    atomic_fetch_add(&l->active_ns, clock_ns() - begin);
    while (p->n_open > 0)
        turn(p, CALL_MS);
}

static void serve(struct preview_load *l)
{
    client_setup();
    static struct pacer p;
    p.l = l;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        p.calls[i].next = p.free;
        p.free = &p.calls[i];
    }
    p.queue = grpc_completion_queue_create_for_next(NULL);
    p.channel = grpc_channel_create(l->address, grpc_insecure_credentials_create(), NULL);
    while (!atomic_load(&l->end)) {
        if (atomic_load(&l->on))
            pace(&p);
        tell_cpu(l);
        turn(&p, IDLE_MS);
    }
    grpc_channel_destroy(p.channel);
    grpc_completion_queue_shutdown(p.queue);
    while (grpc_completion_queue_next(p.queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL).type !=
           GRPC_QUEUE_SHUTDOWN)
        continue;
    grpc_completion_queue_destroy(p.queue);
    grpc_shutdown_blocking();
}

struct preview_load *preview_load_start(const char *address, const struct preview_bytes *requests,
                                        unsigned n_requests, unsigned rate)
{
    struct preview_load *l =
        mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_msg(l != MAP_FAILED, "no memory");
    l->address = address;
    l->requests = requests;
    l->n_requests = n_requests;
    l->rate = rate;
    const pid_t pid = fork();
    ck_assert_msg(pid >= 0, "cannot fork");
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(l);
        _exit(0);
    }
    l->pid = pid;
    return l;
}

void preview_load_pause(struct preview_load *l, bool pause)
{
    atomic_store(&l->on, !pause);
}

void preview_load_sums(const struct preview_load *l, struct preview_load_sums *ret)
{
    *ret = (struct preview_load_sums){.done = atomic_load(&l->done),
                                      .failed = atomic_load(&l->failed),
                                      .active_ns = atomic_load(&l->active_ns),
                                      .cpu_us = atomic_load(&l->cpu_us)};
}

void preview_load_end(struct preview_load *l)
{
    atomic_store(&l->end, true);
    (void)waitpid(l->pid, NULL, 0);
    (void)munmap(l, sizeof(*l));
}
