/* preview_load.h - previews at a steady pace from a process of its own, so that what the client
 * costs is known and does not count as the server's. */
#ifndef BERTH_TESTS_BENCH_PREVIEW_LOAD_H
#define BERTH_TESTS_BENCH_PREVIEW_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct preview_load; /* memory shared with the process */

struct preview_bytes { /* a request, packed */
    uint8_t *bytes;
    size_t n;
};

/* Starts the process; before grpc_init(). The requests are sent in turn. It ends with its parent.
 */
struct preview_load *preview_load_start(const char *address, const struct preview_bytes *requests,
                                        unsigned n_requests, unsigned rate);
void preview_load_pause(struct preview_load *l, bool pause); /* it begins paused */

struct preview_load_sums { /* since the start */
    uint64_t done, failed; /* calls; failed ones are among those done */
    int64_t active_ns;     /* not paused */
    int64_t cpu_us;        /* of the process */
};
void preview_load_sums(const struct preview_load *l, struct preview_load_sums *ret);
void preview_load_end(struct preview_load *l);

#endif
