/* arena.c - small pieces are cut from chunks one after the other; a large piece has a chunk alone.
 */
#include "scheduler/arena.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
enum { RED_ZONE = 64 }; /* beyond most structs: an index that is one too high lands in it */
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
enum { RED_ZONE = 0 };
#endif

enum {
    ALIGN = 16,
    FIRST_CHUNK = 16 * 1024,
    LAST_CHUNK = 1024 * 1024, /* chunks double up to this */
    LARGE = 128 * 1024        /* a piece of this size or more has a chunk of its own */
};

struct chunk {
    struct chunk *prev, *next;
    size_t size;  /* bytes of data[] */
    size_t used;  /* handed out, with padding */
    size_t dirty; /* data[dirty..] is still zero from calloc */
    _Alignas(ALIGN) uint8_t data[];
};

struct arena {
    struct chunk *chunks; /* the newest first; the last is the one reset keeps */
    struct chunk *large;  /* one piece each */
    size_t used;
};

static struct chunk *chunk_create(size_t size)
{
    struct chunk *c = size <= SIZE_MAX - sizeof(*c) ? calloc(1, sizeof(*c) + size) : NULL;
    if (c == NULL)
        abort();
    c->size = size;
    ASAN_POISON_MEMORY_REGION(c->data, size);
    return c;
}

static void chunk_destroy(struct chunk *c)
{
    ASAN_UNPOISON_MEMORY_REGION(c->data, c->size);
    free(c);
}

static void chunk_list_destroy(struct chunk *c)
{
    while (c != NULL) {
        struct chunk *next = c->next;
        chunk_destroy(c);
        c = next;
    }
}

struct arena *arena_create(void)
{
    struct arena *a = calloc(1, sizeof(*a));
    if (a == NULL)
        abort();
    a->chunks = chunk_create(FIRST_CHUNK);
    return a;
}

void arena_destroy(struct arena *a)
{
    if (a == NULL)
        return;
    chunk_list_destroy(a->chunks);
    chunk_list_destroy(a->large);
    free(a);
}

void arena_reset(struct arena *a)
{
    chunk_list_destroy(a->large);
    a->large = NULL;
    while (a->chunks->next != NULL) {
        struct chunk *next = a->chunks->next;
        chunk_destroy(a->chunks);
        a->chunks = next;
    }
    struct chunk *first = a->chunks;
    if (first->dirty < first->used)
        first->dirty = first->used;
    first->used = 0;
    ASAN_POISON_MEMORY_REGION(first->data, first->size);
    a->used = 0;
}

size_t arena_used(const struct arena *a)
{
    return a->used;
}

static void *take_large(struct arena *a, size_t n)
{
    struct chunk *c = chunk_create(n);
    c->next = a->large;
    if (c->next != NULL)
        c->next->prev = c;
    a->large = c;
    ASAN_UNPOISON_MEMORY_REGION(c->data, n);
    return c->data;
}

/* n zeroed bytes, n < LARGE. */
static void *take_small(struct arena *a, size_t n, size_t align)
{
    struct chunk *c = a->chunks;
    size_t at = (c->used + align - 1) & ~(align - 1);
    if (at + n + RED_ZONE > c->size) {
        size_t size = c->size < LAST_CHUNK ? c->size * 2 : LAST_CHUNK;
        while (size < n + RED_ZONE)
            size *= 2;
        c = chunk_create(size);
        c->next = a->chunks;
        a->chunks = c;
        at = 0;
    }
    uint8_t *p = c->data + at;
    c->used = at + n + RED_ZONE;
    ASAN_UNPOISON_MEMORY_REGION(p, n);
    if (at < c->dirty)
        memset(p, 0, n < c->dirty - at ? n : c->dirty - at);
    return p;
}

static void *take(struct arena *a, size_t n, size_t align)
{
    a->used += n;
    return n >= LARGE ? take_large(a, n) : take_small(a, n, align);
}

void *arena_alloc(struct arena *a, size_t n, size_t size)
{
    size_t bytes = 0;
    if (__builtin_mul_overflow(n, size, &bytes))
        abort();
    return take(a, bytes, ALIGN);
}

void arena_release(struct arena *a, void *p, size_t n)
{
    if (p == NULL || n < LARGE)
        return;
    struct chunk *c = (struct chunk *)((uint8_t *)p - offsetof(struct chunk, data));
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        a->large = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    a->used -= n;
    chunk_destroy(c);
}

/* ASan marks memory in units of 8 bytes: strings then start on one. */
enum { ALIGN_TEXT = RED_ZONE > 0 ? 8 : 1 };

char *arena_strdup(struct arena *a, const char *s)
{
    return s != NULL ? arena_strndup(a, s, strlen(s)) : NULL;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    if (s == NULL)
        return NULL;
    size_t len = strnlen(s, n);
    char *text = take(a, len + 1, ALIGN_TEXT);
    memcpy(text, s, len);
    return text;
}

void *arena_memdup(struct arena *a, const void *p, size_t n)
{
    void *copy = take(a, n, ALIGN);
    if (n > 0)
        memcpy(copy, p, n);
    return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_list again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (len < 0)
        abort();
    char *text = take(a, (size_t)len + 1, ALIGN_TEXT);
    vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    return text;
}

void *arena_grow(struct arena *a, void *old, size_t *cap, size_t need, size_t size)
{
    enum { FIRST_CAP = 8 };
    if (old != NULL && need <= *cap)
        return old;
    size_t grown = *cap <= SIZE_MAX / 2 ? *cap * 2 : SIZE_MAX;
    if (grown < FIRST_CAP)
        grown = FIRST_CAP;
    if (grown < need)
        grown = need;
    void *p = arena_alloc(a, grown, size);
    if (old != NULL) {
        memcpy(p, old, *cap * size);
        arena_release(a, old, *cap * size);
    }
    *cap = grown;
    return p;
}
