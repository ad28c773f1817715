/* load.h - the load generator: who calls what, how often, and what became of it.
 *
 * One process is one caller: one thread, one completion queue, a fixed number of slots, each with
 * at most one call. Its memory is bounded by --in-flight, --streams and --connections; durations go
 * into histograms, ids are read from a file once. Several callers are several processes. */
#ifndef BERTH_TESTS_BENCH_LOAD_H
#define BERTH_TESTS_BENCH_LOAD_H

#include <stdbool.h>
#include <stdio.h>

#include <grpc/grpc.h>

#include "tests/bench/histogram.h"

enum load_rpc { /* names and requests: load_request.c */
                LOAD_SCHEDULE,
                LOAD_CANCEL,
                LOAD_PREVIEW,
                LOAD_PENDING,
                LOAD_GROUPS,
                LOAD_HEALTH,         /* the whole server */
                LOAD_HEALTH_SERVICE, /* the scheduling service */
                LOAD_LIVE,
                N_LOAD_RPCS
};

struct load_options {
    const char *address;
    const char *group;    /* scaling group of the requests */
    const char *token;    /* file with the token alone; NULL: none is sent */
    const char *sessions; /* file with session ids, one a line; NULL: none */
    const char *log;      /* file to write "ID CODE" to for each cancel that ended; NULL: none */
    double seconds;
    double rate;    /* calls begun a second; 0: as soon as one ends the next begins */
    uint64_t calls; /* at most; 0: any number */
    unsigned weights[N_LOAD_RPCS];
    unsigned connections, in_flight, streams;
    unsigned deadline_ms;
    unsigned padding; /* bytes added to each request, in a field the server does not know */
    unsigned hold_ms; /* a watch is broken off and opened again after this long; 0: never */
    bool slow;        /* watches read one message and then no more */
    bool retry;       /* what is refused is asked again when RetryInfo says */
    bool reconnect;   /* each call on a connection of its own */
    bool headers_only;
    bool warm; /* one health check on each connection, before anything else */
    bool json;
};
/* Ends the program when they make no sense. */
void load_options_read(struct load_options *o, int argc, char **argv);

/* --- what became of the calls --- */

enum { LOAD_ENDS = 24, LOAD_REASON = 48 };

struct load_end { /* a way calls ended: status code and reason of the ErrorInfo, "" without one */
    grpc_status_code code;
    char reason[LOAD_REASON];
    uint64_t n, with_retry; /* of these, with a RetryInfo */
    int64_t least_retry_ms;
};

struct load_tally {
    struct load_end ends[LOAD_ENDS];
    unsigned n_ends;
    struct histogram ok, refused; /* from the intended beginning; RESOURCE_EXHAUSTED */
    uint64_t not_serving;         /* health checks answered with something else than SERVING */
};

/* Counts one end. trailers: of the call. Returns the delay of its RetryInfo in ms; 0: none. */
int64_t load_tally_add(struct load_tally *t, grpc_status_code code,
                       const grpc_metadata_array *trailers, int64_t took_ns);
const char *load_code_name(grpc_status_code code);

/* --- requests --- */

const char *load_rpc_name(enum load_rpc rpc);
const char *load_rpc_path(enum load_rpc rpc);
/* session: for those RPCs that take one. The caller destroys it. padding: empty, or appended. */
grpc_byte_buffer *load_request(enum load_rpc rpc, const struct load_options *o, const char *session,
                               grpc_slice padding);
const char *load_watch_path(void);
grpc_byte_buffer *load_watch_request(const struct load_options *o);
/* A field that no request has, with this many bytes. */
grpc_slice load_padding(unsigned bytes);

/* --- the run --- */

struct load_tag { /* of a batch */
    void (*fired)(struct load_tag *t);
};

struct slot;
struct watch;

struct load {
    struct load_options o;
    grpc_completion_queue *queue;
    grpc_channel **channels;
    unsigned next_channel, open_connections;
    grpc_metadata authorization;
    unsigned n_metadata; /* 0 or 1 */
    grpc_slice padding;
    char (*sessions)[37];
    unsigned n_sessions, next_cancel, next_preview;
    FILE *log;

    struct slot *slots, *idle, *waiting;
    unsigned n_busy, n_waiting;
    int64_t first_retry_ns; /* of those that wait */
    unsigned mix_at;        /* turns of the weights */
    uint64_t n_begun, n_cut, n_unsent, n_retries;
    int64_t start_ns, end_ns, took_ns;
    bool over; /* nothing new is begun */

    struct watch *watches;
    unsigned watches_open, watch_batches;
    uint64_t watches_opened, watch_messages;

    struct load_tally tallies[N_LOAD_RPCS], watching, warming;
};

grpc_channel *load_channel(const struct load *l);
grpc_channel *load_next_channel(struct load *l);
grpc_call *load_call(struct load *l, grpc_channel *channel, const char *path, int64_t deadline_ms);
void load_batch(grpc_call *call, const grpc_op *ops, size_t n, struct load_tag *tag);
/* Handles what the queue has; waits for it until until_ns at most. */
void load_turn(struct load *l, int64_t until_ns);

void slots_create(struct load *l);
void slots_destroy(struct load *l);
/* Begins what is due and returns when to look again. */
int64_t slots_begin_due(struct load *l, int64_t now_ns);
void slots_give_up(struct load *l); /* those that wait to ask again: they were refused */
void slots_cancel(struct load *l);  /* those under way, for good */
bool slots_done(const struct load *l);
void slots_warm(struct load *l); /* one health check a connection */

void watches_create(struct load *l);
void watches_tend(struct load *l,
                  int64_t now_ns); /* opens what is closed, breaks off what is old */
void watches_cancel(struct load *l);
void watches_destroy(struct load *l);

void load_report(const struct load *l, FILE *out);
void load_report_json(const struct load *l, FILE *out);

#endif
