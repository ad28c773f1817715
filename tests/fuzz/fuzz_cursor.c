/* fuzz_cursor.c - cursors: as texts, and as bytes with the right checksum. What is read encodes to
 * a text that reads the same. The first byte says which. */
#include "server/cursor.h"
#include "server/opaque.h"
#include "tests/fuzz/fuzz.h"

/* The bytes as the fields of an opaque value. */
static char *seal(const uint8_t *bytes, size_t n, enum opaque_format format, struct arena *a)
{
    struct opaque_writer w;
    opaque_begin(&w, format, a);
    for (size_t i = 0; i < n; i++) { /* a byte below 128 is a number; others are put in two */
        if (bytes[i] < 0x80)
            opaque_put_number(&w, bytes[i]);
        else if (i + 1 < n)
            opaque_put_number(&w, (uint64_t)(bytes[i] & 0x7f) | (uint64_t)bytes[i + 1] << 7);
    }
    return opaque_end(&w);
}

static void check(const char *text, struct arena *a)
{
    struct cursor_entry *entries = NULL, *again = NULL;
    uint32_t n = 0, n_again = 0;
    struct err e = {.code = ERR_NONE};
    if (cursor_decode("cursor", text, a, &entries, &n, &e) < 0) {
        FUZZ_REQUIRE(e.code == ERR_INVALID && strcmp(e.reason, "BAD_CURSOR") == 0,
                     "refused with %s", err_code_name(e.code));
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        FUZZ_REQUIRE(i == 0 || strcmp(entries[i - 1].group, entries[i].group) < 0,
                     "groups out of order");
        FUZZ_REQUIRE(entries[i].sequence >= 0, "sequence %lld", (long long)entries[i].sequence);
        FUZZ_REQUIRE(cursor_find(entries, n, entries[i].group) == entries[i].sequence,
                     "group %s is not found", entries[i].group);
    }
    const char *encoded = cursor_is_after_gap(text, a) ? cursor_encode_after_gap(entries, n, a)
                                                       : cursor_encode(entries, n, a);
    FUZZ_REQUIRE(cursor_is_after_gap(text, a) == cursor_is_after_gap(encoded, a),
                 "the gap got lost");
    FUZZ_REQUIRE(cursor_decode("cursor", encoded, a, &again, &n_again, &e) == 0 && n == n_again,
                 "what was read cannot be read again");
    for (uint32_t i = 0; i < n; i++)
        FUZZ_REQUIRE(strcmp(entries[i].group, again[i].group) == 0 &&
                         entries[i].sequence == again[i].sequence,
                     "entry %u is another one", i);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const uint32_t kind = take_kind(&bytes, &n, 3);
    const enum opaque_format format = kind == 1 ? OPAQUE_CURSOR : OPAQUE_CURSOR_AFTER_GAP;
    check(kind == 0 ? text_of(bytes, n, a) : seal(bytes, n, format, a), a);
    return 0;
}
