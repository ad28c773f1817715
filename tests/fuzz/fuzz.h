/* fuzz.h - what the fuzz targets share: assertions with a sentence, and bytes as choices.
 *
 * A target is one file with LLVMFuzzerTestOneInput(): bytes from outside go in; what comes out is
 * held to what the header of the decoder promises, not only to not crashing. Where a format ends in
 * a checksum the target puts the right one in place, else no input would ever pass it. */
#ifndef BERTH_TESTS_FUZZ_H
#define BERTH_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/arena.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* A broken promise, in one line; libFuzzer keeps the input of an abort. */
#define FUZZ_REQUIRE(condition, ...)                                                               \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "ERROR: %s:%d: ", __FILE__, __LINE__);                                 \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Bytes as a sequence of choices; past the end every choice is 0. */
struct choices {
    const uint8_t *at, *end;
};

static inline uint8_t choose_byte(struct choices *c)
{
    return c->at < c->end ? *c->at++ : 0;
}

static inline uint32_t choose(struct choices *c, uint32_t below) /* 0 .. below-1, below <= 256 */
{
    return choose_byte(c) % below;
}

/* The input as a text, up to a NUL. */
static inline char *text_of(const uint8_t *bytes, size_t n, struct arena *a)
{
    return arena_strndup(a, n > 0 ? (const char *)bytes : "", n);
}

/* Takes the first byte off the input: which of n things it is about. */
static inline uint32_t take_kind(const uint8_t **bytes, size_t *n, uint32_t kinds)
{
    if (*n == 0)
        return 0;
    uint32_t kind = **bytes % kinds;
    ++*bytes;
    --*n;
    return kind;
}

#endif
