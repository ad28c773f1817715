/* histogram.h - counts of durations, in a fixed amount of memory.
 *
 * Buckets are 1/32 of a power of two wide, so that a figure read back is at most 3 % too large.
 * Microseconds, 1 to 2^36. */
#ifndef BERTH_TESTS_BENCH_HISTOGRAM_H
#define BERTH_TESTS_BENCH_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BUCKETS = 1088 }; /* 32 in each of 34 powers of two */

struct histogram { /* all zero: empty */
    uint64_t n, most_us;
    uint64_t counts[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, int64_t ns);
void histogram_merge(struct histogram *to, const struct histogram *from);
/* The value that this share (0 to 1) of all are not above, in milliseconds; 0: there are none. */
double histogram_ms(const struct histogram *h, double share);

#endif
