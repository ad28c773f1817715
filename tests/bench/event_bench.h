/* event_bench.h - what the processes of event_bench share: a server, a client, and who starts them.
 */
#ifndef BERTH_TESTS_BENCH_EVENT_BENCH_H
#define BERTH_TESTS_BENCH_EVENT_BENCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/repo/world.h"

enum { EVENTS_MAX = 1000000, GROUP_EVENTS_FLAT = 100 };

enum bench_source {
    SOURCE_FLOOR, /* prepared bytes, pushed to every stream */
    SOURCE_HERE,  /* committed by the replica that serves the subscribers */
    SOURCE_THERE  /* committed by another: a hint through Redis, read from PostgreSQL */
};

struct bench_options {
    unsigned subscribers, connections, rate, seconds; /* rate: events a second */
    enum bench_source source;
    bool flat_out; /* as fast as they are taken, GROUP_EVENTS_FLAT a commit */
};

struct bench { /* in memory shared by the processes; what is not atomic is set before they begin */
    struct bench_options o;
    struct db db;
    char redis[200];
    atomic_int port;      /* the server serves */
    atomic_uint open;     /* streams the client has opened and that have their first message */
    atomic_bool go, over; /* the client is ready; it has what it wants */
    atomic_uint_least64_t taken; /* events received, all streams together */
    atomic_uint_least64_t messages;
    atomic_llong at[EVENTS_MAX]; /* by sequence: when it was committed, CLOCK_MONOTONIC ns */
    atomic_uint_least64_t published;
    /* The result. */
    int64_t p50_ns, p99_ns, most_ns, took_ns;
    long idle_bytes, server_us; /* a stream; CPU of the server while it published */
};

void bench_server(struct bench *b); /* serves and publishes; returns when the client has all */
void bench_client(struct bench *b);

int64_t bench_now(void);

#endif
