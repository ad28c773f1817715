/* opaque.c - base64url, varints and a checksum. */
#include "server/opaque.h"

#include <string.h>

enum { CHECK_BYTES = 4 };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static char *encode(const uint8_t *bytes, size_t len, struct arena *a)
{
    char *text = arena_alloc(a, len / 3 * 4 + 5, 1);
    char *to = text;
    uint32_t bits = 0;
    unsigned n_bits = 0;
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | bytes[i];
        for (n_bits += 8; n_bits >= 6; n_bits -= 6)
            *to++ = alphabet[bits >> (n_bits - 6) & 63];
    }
    if (n_bits > 0)
        *to++ = alphabet[bits << (6 - n_bits) & 63];
    *to = '\0';
    return text;
}

static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Strict: padding, foreign characters and bits left over are refused. */
static bool decode(const char *text, struct arena *a, uint8_t **ret, size_t *ret_len)
{
    size_t len = strlen(text);
    if (len % 4 == 1)
        return false;
    uint8_t *bytes = arena_alloc(a, len / 4 * 3 + 3, 1);
    size_t n = 0;
    uint32_t bits = 0;
    unsigned n_bits = 0;
    for (size_t i = 0; i < len; i++) {
        int value = digit_value(text[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            bytes[n++] = (uint8_t)(bits >> n_bits);
        }
    }
    if ((bits & ((1U << n_bits) - 1)) != 0)
        return false;
    *ret = bytes;
    *ret_len = n;
    return true;
}

uint64_t opaque_hash(const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

static void put(struct opaque_writer *w, const void *bytes, size_t len)
{
    w->bytes = arena_grow(w->arena, w->bytes, &w->cap, w->len + len, 1);
    if (len > 0)
        memcpy(w->bytes + w->len, bytes, len);
    w->len += len;
}

void opaque_begin(struct opaque_writer *w, enum opaque_format format, struct arena *a)
{
    *w = (struct opaque_writer){.arena = a};
    uint8_t byte = (uint8_t)format;
    put(w, &byte, 1);
}

void opaque_put_number(struct opaque_writer *w, uint64_t value)
{
    uint8_t bytes[10];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[n++] = (uint8_t)(value | 0x80);
    bytes[n++] = (uint8_t)value;
    put(w, bytes, n);
}

void opaque_put_bytes(struct opaque_writer *w, const void *bytes, size_t len)
{
    opaque_put_number(w, len);
    put(w, bytes, len);
}

static void checksum(const uint8_t *bytes, size_t len, uint8_t ret[CHECK_BYTES])
{
    uint64_t h = opaque_hash(bytes, len);
    uint32_t folded = (uint32_t)(h ^ h >> 32);
    for (unsigned i = 0; i < CHECK_BYTES; i++)
        ret[i] = (uint8_t)(folded >> 8 * i);
}

char *opaque_end(struct opaque_writer *w)
{
    uint8_t check[CHECK_BYTES];
    checksum(w->bytes, w->len, check);
    put(w, check, sizeof(check));
    return encode(w->bytes, w->len, w->arena);
}

bool opaque_open(struct opaque_reader *r, enum opaque_format format, const char *text,
                 struct arena *a)
{
    uint8_t *bytes;
    size_t len;
    uint8_t check[CHECK_BYTES];
    if (!decode(text, a, &bytes, &len) || len < 1 + CHECK_BYTES || bytes[0] != (uint8_t)format)
        return false;
    len -= CHECK_BYTES;
    checksum(bytes, len, check);
    if (memcmp(check, bytes + len, CHECK_BYTES) != 0)
        return false;
    *r = (struct opaque_reader){.at = bytes + 1, .end = bytes + len};
    return true;
}

bool opaque_get_number(struct opaque_reader *r, uint64_t *ret)
{
    uint64_t value = 0;
    const uint8_t *at = r->at;
    for (unsigned shift = 0; shift < 64 && at < r->end; shift += 7) {
        uint8_t byte = *at++;
        if (shift == 63 && byte > 1)
            return false;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            r->at = at;
            *ret = value;
            return true;
        }
    }
    return false;
}

bool opaque_get_bytes(struct opaque_reader *r, const uint8_t **ret, size_t *ret_len)
{
    struct opaque_reader ahead = *r;
    uint64_t len;
    if (!opaque_get_number(&ahead, &len) || len > (uint64_t)(ahead.end - ahead.at))
        return false;
    *ret = ahead.at;
    *ret_len = (size_t)len;
    r->at = ahead.at + len;
    r->end = ahead.end;
    return true;
}

bool opaque_at_end(const struct opaque_reader *r)
{
    return r->at == r->end;
}
