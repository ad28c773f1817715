/* snapshot_bytes.c - writing and distrustful reading of the pieces of a file. */
#include "scheduler/snapshot_bytes.h"

#include "scheduler/amount.h"
#include "scheduler/fnv.h"

void put_bytes(struct byte_writer *w, const void *bytes, size_t n)
{
    w->bytes = arena_grow(w->arena, w->bytes, &w->cap, w->n + n, 1);
    if (n > 0)
        memcpy(w->bytes + w->n, bytes, n);
    w->n += n;
}

void put_byte(struct byte_writer *w, uint8_t byte)
{
    put_bytes(w, &byte, 1);
}

void put_number(struct byte_writer *w, uint64_t v)
{
    uint8_t bytes[10];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        bytes[n++] = (uint8_t)(v | 0x80);
    bytes[n++] = (uint8_t)v;
    put_bytes(w, bytes, n);
}

/* 0, -1, 1, -2, ... become 0, 1, 2, 3, ... */
static uint64_t fold(int64_t v)
{
    return ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0);
}

static int64_t unfold(uint64_t v)
{
    return (int64_t)((v >> 1) ^ (v & 1 ? UINT64_MAX : 0));
}

void put_signed(struct byte_writer *w, int64_t v)
{
    put_number(w, fold(v));
}

void put_difference(struct byte_writer *w, int64_t v, int64_t from)
{
    put_signed(w, (int64_t)((uint64_t)v - (uint64_t)from));
}

static void store64(uint8_t bytes[8], uint64_t v)
{
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t load(const uint8_t *bytes, int n)
{
    uint64_t v = 0;
    for (int i = 0; i < n; i++)
        v |= (uint64_t)bytes[i] << (8 * i);
    return v;
}

void put_fixed64(struct byte_writer *w, uint64_t v)
{
    uint8_t bytes[8];
    store64(bytes, v);
    put_bytes(w, bytes, sizeof(bytes));
}

void put_uuid(struct byte_writer *w, const struct uuid *id)
{
    put_bytes(w, id->b, sizeof(id->b));
}

void put_text(struct byte_writer *w, const char *text)
{
    size_t n = text != NULL ? strlen(text) : 0;
    put_number(w, text != NULL ? n + 1 : 0);
    put_bytes(w, text, n);
}

/* Infinity, unknown and 0 become 0, 1 and 2: the folded numbers, turned round by two. */
enum { AMOUNT_TURN = 2 };

void put_amounts(struct byte_writer *w, const int64_t *amounts, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        put_number(w, fold(amounts[i]) + AMOUNT_TURN);
}

struct byte_writer file_begin(struct arena *a, const char magic[FILE_MAGIC], uint32_t version)
{
    uint8_t bytes[8];
    struct byte_writer w = {.arena = a};
    put_bytes(&w, magic, FILE_MAGIC);
    store64(bytes, version);
    put_bytes(&w, bytes, FILE_HEAD - FILE_MAGIC);
    return w;
}

void file_end(struct byte_writer *w)
{
    put_fixed64(w, fnv_bytes(FNV_START, w->bytes, w->n));
}

/* --- reading --- */

void reader_fail(struct byte_reader *r, const char *problem)
{
    if (r->problem != NULL)
        return;
    r->problem = problem;
    r->problem_at = r->at;
}

void reader_section(struct byte_reader *r, const char *section)
{
    if (reader_ok(r))
        r->section = section;
}

/* NULL unless n bytes are left. */
static const uint8_t *take(struct byte_reader *r, size_t n)
{
    if (!reader_ok(r))
        return NULL;
    if (r->end - r->at < n) {
        reader_fail(r, "the bytes end too early");
        return NULL;
    }
    r->at += n;
    return r->bytes + r->at - n;
}

uint8_t get_byte(struct byte_reader *r)
{
    const uint8_t *p = take(r, 1);
    return p != NULL ? *p : 0;
}

uint8_t get_flags(struct byte_reader *r, uint8_t known)
{
    uint8_t flags = get_byte(r);
    if ((flags & ~known) != 0)
        reader_fail(r, "an unknown flag is set");
    return flags & known;
}

uint64_t get_number(struct byte_reader *r)
{
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        uint8_t byte = get_byte(r);
        uint64_t bits = byte & 0x7F;
        if ((bits << shift) >> shift != bits)
            break;
        v |= bits << shift;
        if (byte < 0x80) {
            if (byte == 0 && shift > 0)
                reader_fail(r, "a number is longer than it need be");
            return reader_ok(r) ? v : 0;
        }
    }
    reader_fail(r, "a number is larger than 64 bits");
    return 0;
}

uint32_t get_below(struct byte_reader *r, uint64_t bound)
{
    uint64_t v = get_number(r);
    if (v < bound)
        return (uint32_t)v;
    reader_fail(r, "a number is out of its range");
    return 0;
}

int64_t get_signed(struct byte_reader *r)
{
    return unfold(get_number(r));
}

int32_t get_signed32(struct byte_reader *r)
{
    int64_t v = get_signed(r);
    if (v >= INT32_MIN && v <= INT32_MAX)
        return (int32_t)v;
    reader_fail(r, "a number is out of its range");
    return 0;
}

int64_t get_sum(struct byte_reader *r, int64_t from)
{
    return (int64_t)((uint64_t)get_signed(r) + (uint64_t)from);
}

uint64_t get_fixed64(struct byte_reader *r)
{
    const uint8_t *p = take(r, 8);
    return p != NULL ? load(p, 8) : 0;
}

struct uuid get_uuid(struct byte_reader *r)
{
    struct uuid id = {{0}};
    const uint8_t *p = take(r, sizeof(id.b));
    if (p != NULL)
        memcpy(id.b, p, sizeof(id.b));
    return id;
}

const char *get_text_or_null(struct byte_reader *r)
{
    uint64_t n = get_number(r);
    if (n == 0)
        return NULL;
    const uint8_t *p = take(r, n - 1);
    if (p == NULL)
        return NULL;
    if (memchr(p, 0, n - 1) != NULL) {
        reader_fail(r, "a text has a NUL in it");
        return NULL;
    }
    return arena_strndup(r->arena, (const char *)p, n - 1);
}

const char *get_text(struct byte_reader *r)
{
    const char *text = get_text_or_null(r);
    if (text == NULL)
        reader_fail(r, "a text is missing");
    return text != NULL ? text : "";
}

int64_t get_any_amount(struct byte_reader *r)
{
    return unfold(get_number(r) - AMOUNT_TURN);
}

void get_amounts(struct byte_reader *r, int64_t *ret, uint32_t n, int64_t most)
{
    for (uint32_t i = 0; i < n && reader_ok(r); i++) {
        int64_t amount = get_any_amount(r);
        if (amount < 0 || amount > most)
            reader_fail(r, "an amount is out of its range");
        else
            ret[i] = amount;
    }
}

uint32_t get_count(struct byte_reader *r, size_t least)
{
    uint64_t n = get_number(r);
    if (n <= (r->end - r->at) / least && n < NONE)
        return (uint32_t)n;
    reader_fail(r, "there are fewer bytes than rows");
    return 0;
}

static int bad_file(struct err *e, size_t at, const char *section, const char *problem)
{
    return err_set(e, ERR_INVALID, "BAD_FILE", "byte %zu (%s): %s", at, section, problem);
}

int file_open(struct byte_reader *r, const uint8_t *bytes, size_t len, struct arena *a,
              const char magic[FILE_MAGIC], uint32_t version, struct err *e)
{
    if (len < FILE_HEAD + FILE_CHECKSUM)
        return bad_file(e, len, "head", "the bytes end too early");
    if (memcmp(bytes, magic, FILE_MAGIC) != 0)
        return bad_file(e, 0, "head", "it is another kind of file");
    uint64_t written = load(bytes + FILE_MAGIC, FILE_HEAD - FILE_MAGIC);
    if (written != version)
        return err_set(e, ERR_INVALID, "BAD_FILE",
                       "byte %d (head): version %u of the file, this program reads version %u",
                       FILE_MAGIC, (unsigned)written, version);
    size_t end = len - FILE_CHECKSUM;
    if (load(bytes + end, FILE_CHECKSUM) != fnv_bytes(FNV_START, bytes, end))
        return bad_file(e, end, "checksum", "the bytes were damaged");
    *r = (struct byte_reader){
        .arena = a, .bytes = bytes, .at = FILE_HEAD, .end = end, .section = "head"};
    return 0;
}

int file_close(struct byte_reader *r, struct err *e)
{
    if (r->at < r->end)
        reader_fail(r, "more bytes than rows");
    if (reader_ok(r))
        return 0;
    return bad_file(e, r->problem_at, r->section, r->problem);
}
