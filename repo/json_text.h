/* json_text.h - writes JSON text into an arena. Private to repo/.
 *
 * Whatever bytes a plugin or a person put into a string, what comes out is valid UTF-8 without NUL,
 * so that PostgreSQL takes it: one odd message must not fail a whole transaction. */
#ifndef BERTH_REPO_JSON_TEXT_H
#define BERTH_REPO_JSON_TEXT_H

#include <stdint.h>

#include "scheduler/arena.h"

struct json_text { /* caller's memory; {.arena = a} is an empty one */
    struct arena *arena;
    char *text; /* NUL-terminated once anything was added */
    size_t len, cap;
};

void json_text_raw(struct json_text *j, const char *text);    /* as it stands */
void json_text_string(struct json_text *j, const char *text); /* quoted; NULL is null */
void json_text_integer(struct json_text *j, int64_t v);
/* `before` stands in front: json_text_field(j, ",\"msg\":", text) */
void json_text_field(struct json_text *j, const char *before, const char *text);

/* The same text with each byte that is not UTF-8 replaced by '?'; `text` itself when it is fine. */
const char *text_utf8(struct arena *a, const char *text);

#endif
