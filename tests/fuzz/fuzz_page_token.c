/* fuzz_page_token.c - page tokens: as texts, and with the right checksum and scope. */
#include "server/opaque.h"
#include "server/page_token.h"
#include "tests/fuzz/fuzz.h"

static const uint64_t scope = 7;

static char *seal(const uint8_t *bytes, size_t n, struct arena *a)
{
    struct opaque_writer w;
    opaque_begin(&w, OPAQUE_PAGE_TOKEN, a);
    opaque_put_number(&w, scope);
    for (size_t i = 0; i < n; i++)
        opaque_put_number(&w, bytes[i] & 0x7f);
    return opaque_end(&w);
}

static void check_keys(const char *const *keys, const char *const *again, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        FUZZ_REQUIRE(strcmp(keys[i], again[i]) == 0, "key %u is another one", i);
}

static void check(const char *text, struct arena *a)
{
    struct page_token t, again;
    struct err e = {.code = ERR_NONE};
    if (page_token_decode(text, scope, a, &t, &e) < 0) {
        FUZZ_REQUIRE(e.code == ERR_INVALID && strcmp(e.reason, "BAD_PAGE_TOKEN") == 0,
                     "refused with %s", err_code_name(e.code));
        return;
    }
    FUZZ_REQUIRE(t.n_before <= PAGE_TOKEN_KEYS && t.n_behind <= PAGE_TOKEN_KEYS, "%u and %u keys",
                 t.n_before, t.n_behind);
    const char *encoded = page_token_encode(scope, &t, a);
    if (strlen(encoded) > PAGE_TOKEN_TEXT_MAX)
        return;
    FUZZ_REQUIRE(page_token_decode(encoded, scope, a, &again, &e) == 0,
                 "what was read cannot be read again: %s", e.message);
    FUZZ_REQUIRE(t.position == again.position && t.n_before == again.n_before &&
                     t.n_behind == again.n_behind,
                 "it reads otherwise");
    check_keys(t.before, again.before, t.n_before);
    check_keys(t.behind, again.behind, t.n_behind);
    FUZZ_REQUIRE(page_token_decode(encoded, scope + 1, a, &again, &e) < 0,
                 "a token of another request is taken");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    check(take_kind(&bytes, &n, 2) == 0 ? text_of(bytes, n, a) : seal(bytes, n, a), a);
    return 0;
}
