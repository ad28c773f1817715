/* reference_cause.c - small things the rules need. */
#include "tests/reference/reference_internal.h"

#include <assert.h>

int64_t request_of(const struct snapshot *s, const struct session *w, uint32_t slot)
{
    int64_t sum = 0;
    for (uint32_t k = 0; k < w->n_kernels; k++)
        sum = amount_add(sum, snapshot_request(s, w->first_kernel + k)[slot]);
    return sum;
}
struct ref_cause *add_cause(struct ref_decision *d, enum cause_kind kind, const char *plugin,
                            const char *subject, bool retryable)
{
    assert(d->n_causes < MAX_CAUSES);
    struct ref_cause *c = &d->causes[d->n_causes++];
    *c = (struct ref_cause){
        .kind = kind, .plugin = plugin, .subject = subject, .retryable = retryable};
    return c;
}

void add_shortage(struct ref_cause *c, uint32_t slot, int64_t requested, int64_t available,
                  int64_t limit)
{
    c->slots[c->n_slots++] = (struct shortage){
        .slot = slot, .requested = requested, .available = available, .limit = limit};
}
const char *uuid_text(struct arena *a, const struct uuid *u)
{
    char text[UUID_TEXT];
    return arena_strdup(a, uuid_format(u, text));
}

/* Is the fraction a/b smaller than c/d? All positive. */
bool fraction_less(int64_t a, int64_t b, int64_t c, int64_t d)
{
    return (__int128)a * d < (__int128)c * b;
}
