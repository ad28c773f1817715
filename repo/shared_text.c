/* shared_text.c - tells texts apart by their address. */
#include "repo/shared_text.h"

#include "scheduler/intern.h"

struct shared {
    const char *text;
    int32_t ord;
};

static bool same_address(const void *item, const void *probe)
{
    return ((const struct shared *)item)->text == probe;
}

struct shared_texts shared_texts_of(const char *const *v, uint32_t n, struct arena *a)
{
    struct intern seen = {.arena = a};
    struct shared_texts ret = {
        .text = arena_new(a, const char *, n),
        .ord = arena_new(a, int32_t, n),
    };
    for (uint32_t i = 0; i < n; i++) {
        uint64_t hash = hash_mix(0, (uint64_t)(uintptr_t)v[i]);
        struct shared *known = intern_find(&seen, hash, same_address, v[i]);
        if (known == NULL) {
            known = arena_new(a, struct shared, 1);
            ret.text[ret.n] = v[i];
            *known = (struct shared){.text = v[i], .ord = (int32_t)++ret.n};
            intern_add(&seen, hash, known);
        }
        ret.ord[i] = known->ord;
    }
    return ret;
}
