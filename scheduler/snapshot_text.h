/* snapshot_text.h - building the readable form of snapshots and plans in an arena. */
#ifndef BERTH_SCHEDULER_SNAPSHOT_TEXT_H
#define BERTH_SCHEDULER_SNAPSHOT_TEXT_H

#include "scheduler/arena.h"
#include "scheduler/snapshot.h"

struct text_out {
    struct arena *arena;
    char *text; /* NUL-ended once something was put */
    size_t len, cap;
};

void text_put(struct text_out *o, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* In quotes, with \" \\ \n and \xHH for other control characters; NULL is `null`. */
void text_quote(struct text_out *o, const char *s);
/* As it is when it is made of letters, digits and . _ - only; else in quotes. */
void text_word(struct text_out *o, const char *s);
void text_uuid(struct text_out *o, const struct uuid *id);
/* ` key cpu=4 mem=1024`, slots with amount `usual` left out; nothing when all are. */
void text_amounts(struct text_out *o, const struct snapshot *s, const char *key,
                  const int64_t *amounts, int64_t usual);

#endif
