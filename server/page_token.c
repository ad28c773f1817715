/* page_token.c - page tokens as text. */
#include "server/page_token.h"

#include <string.h>

#include "server/opaque.h"

enum { KEY_MAX = 256 }; /* bytes */

uint64_t page_scope(const ProtobufCMessage *request, struct arena *a)
{
    size_t len = protobuf_c_message_get_packed_size(request);
    uint8_t *bytes = arena_alloc(a, len + 1, 1);
    protobuf_c_message_pack(request, bytes);
    return opaque_hash(bytes, len) ^
           opaque_hash(request->descriptor->name, strlen(request->descriptor->name));
}

static void put_keys(struct opaque_writer *w, const char *const *keys, uint32_t n)
{
    opaque_put_number(w, n);
    for (uint32_t i = 0; i < n; i++)
        opaque_put_bytes(w, keys[i], strlen(keys[i]));
}

char *page_token_encode(uint64_t scope, const struct page_token *t, struct arena *a)
{
    struct opaque_writer w;
    opaque_begin(&w, OPAQUE_PAGE_TOKEN, a);
    opaque_put_number(&w, scope);
    opaque_put_number(&w, t->position);
    put_keys(&w, t->before, t->n_before);
    put_keys(&w, t->behind, t->n_behind);
    return opaque_end(&w);
}

static bool read_keys(struct opaque_reader *r, struct arena *a, const char *const **ret,
                      uint32_t *ret_n)
{
    uint64_t n;
    if (!opaque_get_number(r, &n) || n > PAGE_TOKEN_KEYS)
        return false;
    const char **keys = arena_new(a, const char *, n + 1);
    for (uint64_t i = 0; i < n; i++) {
        const uint8_t *key;
        size_t len;
        if (!opaque_get_bytes(r, &key, &len) || len > KEY_MAX || memchr(key, 0, len) != NULL)
            return false;
        keys[i] = arena_strndup(a, (const char *)key, len);
    }
    *ret = keys;
    *ret_n = (uint32_t)n;
    return true;
}

static int refuse(const char *why, struct err *e)
{
    err_set(e, ERR_INVALID, "BAD_PAGE_TOKEN", "page_token %s", why);
    return err_meta(e, "field", "page_token");
}

int page_token_decode(const char *text, uint64_t scope, struct arena *a, struct page_token *ret,
                      struct err *e)
{
    struct opaque_reader r;
    uint64_t its_scope;
    struct page_token t = {.position = 0};
    if (text[0] == '\0') {
        *ret = t;
        return 0;
    }
    if (strlen(text) > PAGE_TOKEN_TEXT_MAX || !opaque_open(&r, OPAQUE_PAGE_TOKEN, text, a) ||
        !opaque_get_number(&r, &its_scope) || !opaque_get_number(&r, &t.position) ||
        !read_keys(&r, a, &t.before, &t.n_before) || !read_keys(&r, a, &t.behind, &t.n_behind) ||
        !opaque_at_end(&r))
        return refuse("is not a token of this service: pass next_page_token unchanged", e);
    if (its_scope != scope)
        return refuse("belongs to another request: repeat the fields of the first page", e);
    *ret = t;
    return 0;
}
