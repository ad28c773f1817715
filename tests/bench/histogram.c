/* histogram.c - see histogram.h. */
#include "tests/bench/histogram.h"

enum { PARTS = 32, PARTS_BITS = 5 };

static unsigned bucket_of(uint64_t us)
{
    if (us < PARTS)
        return (unsigned)us;
    const unsigned top = 63 - (unsigned)__builtin_clzll(us);
    const unsigned at =
        (top - PARTS_BITS + 1) * PARTS + (unsigned)((us >> (top - PARTS_BITS)) & (PARTS - 1));
    return at < HISTOGRAM_BUCKETS ? at : HISTOGRAM_BUCKETS - 1;
}

/* The greatest value of a bucket. */
static uint64_t top_of(unsigned bucket)
{
    if (bucket < PARTS)
        return bucket;
    const unsigned shift = bucket / PARTS - 1;
    return (((uint64_t)PARTS + bucket % PARTS + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, int64_t ns)
{
    const uint64_t us = ns > 0 ? (uint64_t)ns / 1000 : 0;
    h->n++;
    h->counts[bucket_of(us)]++;
    if (us > h->most_us)
        h->most_us = us;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
    to->n += from->n;
    to->most_us = from->most_us > to->most_us ? from->most_us : to->most_us;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        to->counts[i] += from->counts[i];
}

double histogram_ms(const struct histogram *h, double share)
{
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->counts[i];
        if (h->counts[i] > 0 && (double)seen >= share * (double)h->n) {
            const uint64_t us = top_of(i) < h->most_us ? top_of(i) : h->most_us;
            return (double)us / 1000;
        }
    }
    return 0;
}
