/* cause.h - the words and numbers of a cause; what the engine's files share (plugins see
 * cause_add() in plugin.h). All texts live in the arena given. */
#ifndef BERTH_SCHEDULER_CAUSE_H
#define BERTH_SCHEDULER_CAUSE_H

#include "scheduler/plugin.h"

/* Same kind, subject and shortage numbers: one of them says it all. */
bool cause_equal(const struct cause *a, const struct cause *b);

/* A cause of the engine itself, alone in an array. */
const struct cause *cause_single(struct arena *a, enum cause_kind kind, const char *plugin,
                                 bool retryable, const char *message);

void cause_push(struct cause_list *causes, const struct cause *c); /* as it is */

/* "cpu=4 mem=2g": the named slots of a row, humanized, infinite ones left out. */
char *cause_amounts(const struct snapshot *s, const uint32_t *slots, uint32_t n, const int64_t *row,
                    struct arena *a);

/* "cpu (asked 4, left 2), cuda.shares (asked 4, left 1.5)"; `word` is "left" or "has". */
char *cause_shortages(const struct snapshot *s, const struct shortage *slots, uint32_t n,
                      const char *word, struct arena *a);

/* "a, b, c", at most `max` of them, then ", ...". */
char *cause_list_names(const char *const *names, uint32_t n, uint32_t max, struct arena *a);

/* A text that grows at its end, in an arena. Zero-initialised but for the arena. */
struct text {
    struct arena *arena;
    char *chars; /* NUL-terminated once something was added */
    size_t len, cap;
};
void text_add(struct text *t, const char *piece);
#define text_addf(t, ...) text_add((t), arena_printf((t)->arena, __VA_ARGS__))
char *text_end(struct text *t); /* never NULL */

#endif
