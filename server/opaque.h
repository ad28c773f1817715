/* opaque.h - values a client keeps for us and hands back: cursors and page tokens.
 *
 * The text is base64url without padding (RFC 4648 section 5) of: one byte that says which format
 * and version it is, the fields, and a 32-bit checksum against cuts and typing errors. It protects
 * against accidents, not against forgery: whoever reads a field checks it like any other input.
 * Equal values have equal texts. All memory is the arena's. */
#ifndef BERTH_SERVER_OPAQUE_H
#define BERTH_SERVER_OPAQUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scheduler/arena.h"

/* Formats. A format that changes gets a new number; the old one is then refused. */
enum opaque_format { OPAQUE_CURSOR = 1, OPAQUE_PAGE_TOKEN = 2, OPAQUE_CURSOR_AFTER_GAP = 3 };

struct opaque_writer {
    struct arena *arena;
    uint8_t *bytes;
    size_t len, cap;
};

void opaque_begin(struct opaque_writer *w, enum opaque_format format, struct arena *a);
void opaque_put_number(struct opaque_writer *w, uint64_t value);
void opaque_put_bytes(struct opaque_writer *w, const void *bytes, size_t len);
char *opaque_end(struct opaque_writer *w); /* the text */

struct opaque_reader {
    const uint8_t *at, *end;
};

/* false: not a text of opaque_end() of that format. */
bool opaque_open(struct opaque_reader *r, enum opaque_format format, const char *text,
                 struct arena *a);
/* false: not there or malformed; outputs are then untouched. */
bool opaque_get_number(struct opaque_reader *r, uint64_t *ret);
bool opaque_get_bytes(struct opaque_reader *r, const uint8_t **ret, size_t *ret_len);
bool opaque_at_end(const struct opaque_reader *r);

/* 64-bit FNV-1a, for checksums and fingerprints. */
uint64_t opaque_hash(const void *bytes, size_t len);

#endif
