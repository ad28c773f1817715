/* arena.h - memory that lives exactly as long as one round or one RPC.
 *
 * Owner: whoever called arena_create(). Everything handed out dies together at arena_reset() or
 * arena_destroy(); nothing small is freed one by one. Running out of memory aborts: sizes are
 * bounded at the door (server), not here. Under ASan every piece has a poisoned red zone behind it.
 * One thread at a time. */
#ifndef BERTH_SCHEDULER_ARENA_H
#define BERTH_SCHEDULER_ARENA_H

#include <stddef.h>

#include "scheduler/base.h"

struct arena;

struct arena *arena_create(void);
void arena_destroy(struct arena *a); /* NULL is fine */
void arena_reset(struct arena *a);
size_t arena_used(const struct arena *a); /* bytes handed out and not given back since the reset */
void *arena_alloc(struct arena *a, size_t n, size_t size);     /* n*size zeroed bytes, never NULL */
char *arena_strdup(struct arena *a, const char *s);            /* NULL gives NULL */
char *arena_strndup(struct arena *a, const char *s, size_t n); /* stops at a NUL; NULL gives NULL */
void *arena_memdup(struct arena *a, const void *p, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Grow an array of *cap elements to hold at least `need` (doubling). New elements are zero. `old`
 * is NULL (with *cap 0) or what this call returned before; do not use it afterwards: a large one is
 * given back at once, so that growing a table costs no more memory than the table. */
void *arena_grow(struct arena *a, void *old, size_t *cap, size_t need, size_t size);
/* Give back a piece of n bytes before its time (NULL is fine). Only large pieces return to the
 * system; for small ones this does nothing. The piece must not be used afterwards. */
void arena_release(struct arena *a, void *p, size_t n);

#define arena_new(a, type, n) ((type *)arena_alloc((a), (n), sizeof(type)))

DEFINE_CLEANUP(struct arena, arena_destroy)

#endif
