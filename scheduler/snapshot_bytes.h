/* snapshot_bytes.h - the pieces of a snapshot or plan file: numbers, texts, amounts.
 *
 * A file is: 8 bytes of magic, the version (4 bytes), pieces, FNV-1a 64 of all before (8 bytes);
 * all little-endian. Numbers are varints: 7 bits a byte, lowest first, in the shortest form only;
 * signed ones are folded so that small magnitudes are short. A text is its length + 1 and its
 * bytes, 0 for NULL. An amount is one byte when it is 0 or infinite.
 *
 * A reader is sticky: the first problem is kept with its offset, and from then on every get returns
 * 0 or NULL, so that callers check once a row. Nothing is allocated that the bytes left do not pay
 * for: a count is refused when its rows cannot fit into them. */
#ifndef BERTH_SCHEDULER_SNAPSHOT_BYTES_H
#define BERTH_SCHEDULER_SNAPSHOT_BYTES_H

#include <stdbool.h>
#include <stddef.h>

#include "scheduler/arena.h"
#include "scheduler/err.h"
#include "scheduler/uuid.h"

enum { FILE_MAGIC = 8, FILE_HEAD = FILE_MAGIC + 4, FILE_CHECKSUM = 8 };

struct byte_writer {
    struct arena *arena;
    uint8_t *bytes;
    size_t n, cap;
};

void put_bytes(struct byte_writer *w, const void *bytes, size_t n);
void put_byte(struct byte_writer *w, uint8_t byte);
void put_number(struct byte_writer *w, uint64_t v);
void put_signed(struct byte_writer *w, int64_t v);
void put_difference(struct byte_writer *w, int64_t v, int64_t from); /* v - from, wrapping */
void put_fixed64(struct byte_writer *w, uint64_t v);
void put_uuid(struct byte_writer *w, const struct uuid *id);
void put_text(struct byte_writer *w, const char *text); /* NULL is kept */
void put_amounts(struct byte_writer *w, const int64_t *amounts, uint32_t n);

struct byte_writer file_begin(struct arena *a, const char magic[FILE_MAGIC], uint32_t version);
void file_end(struct byte_writer *w);

struct byte_reader {
    struct arena *arena;
    const uint8_t *bytes;
    size_t at, end;
    const char *section; /* what is being read, for the sentence */
    const char *problem; /* NULL: none so far */
    size_t problem_at;
};

void reader_fail(struct byte_reader *r, const char *problem);
void reader_section(struct byte_reader *r, const char *section); /* what comes next */
static inline bool reader_ok(const struct byte_reader *r)
{
    return r->problem == NULL;
}

uint8_t get_byte(struct byte_reader *r);
uint8_t get_flags(struct byte_reader *r, uint8_t known); /* other bits must be 0 */
uint64_t get_number(struct byte_reader *r);
uint32_t get_below(struct byte_reader *r, uint64_t bound); /* an index or an enum */
int64_t get_signed(struct byte_reader *r);
int32_t get_signed32(struct byte_reader *r);
int64_t get_sum(struct byte_reader *r, int64_t from); /* undoes put_difference() */
uint64_t get_fixed64(struct byte_reader *r);
struct uuid get_uuid(struct byte_reader *r);
const char *get_text_or_null(struct byte_reader *r); /* in the arena, without a NUL inside */
const char *get_text(struct byte_reader *r);         /* "" after a problem, never NULL */
/* Every amount must be from 0 to `most`. */
void get_amounts(struct byte_reader *r, int64_t *ret, uint32_t n, int64_t most);
int64_t get_any_amount(struct byte_reader *r);
/* A number of rows of at least `least` (> 0) bytes each. */
uint32_t get_count(struct byte_reader *r, size_t least);

/* Checks magic, version and checksum; the reader then stands on the first piece. */
int file_open(struct byte_reader *r, const uint8_t *bytes, size_t len, struct arena *a,
              const char magic[FILE_MAGIC], uint32_t version, struct err *e) MUST_CHECK;
/* Everything must have been read. -1: the first problem, as ERR_INVALID, reason BAD_FILE. */
int file_close(struct byte_reader *r, struct err *e) MUST_CHECK;

#endif
