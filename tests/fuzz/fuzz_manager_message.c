/* fuzz_manager_message.c - messages to a Manager: the input, cut at 0xff, is the arguments. They
 * are read back with libmsgpack, and the broadcast with jansson. */
#include <jansson.h>
#include <msgpack.h>
#include <openssl/evp.h>

#include "repo/json_text.h"
#include "repo/manager_message.h"
#include "tests/fuzz/fuzz.h"

enum { MOST_TEXTS = 64 };

static uint32_t cut(const uint8_t *bytes, size_t n, struct arena *a, const char **ret)
{
    uint32_t n_texts = 0;
    for (size_t from = 0, i = 0; i <= n && n_texts < MOST_TEXTS; i++)
        if (i == n || bytes[i] == 0xff) {
            ret[n_texts++] = text_utf8(a, text_of(bytes + from, i - from, a));
            from = i + 1;
        }
    return n_texts;
}

static void check_args(const struct manager_message *m, const char *const *texts, uint32_t n)
{
    msgpack_unpacked u;
    size_t at = 0;
    msgpack_unpacked_init(&u);
    FUZZ_REQUIRE(msgpack_unpack_next(&u, m->args, m->n_args, &at) == MSGPACK_UNPACK_SUCCESS &&
                     at == m->n_args,
                 "the arguments are not one MessagePack object");
    FUZZ_REQUIRE(u.data.type == MSGPACK_OBJECT_ARRAY && u.data.via.array.size == n,
                 "the arguments are not an array of %u", n);
    for (uint32_t i = 0; i < n; i++) {
        const msgpack_object *o = &u.data.via.array.ptr[i];
        FUZZ_REQUIRE(
            o->type == MSGPACK_OBJECT_STR && o->via.str.size == strlen(texts[i]) &&
                (o->via.str.size == 0 || memcmp(o->via.str.ptr, texts[i], o->via.str.size) == 0),
            "argument %u is another text", i);
    }
    msgpack_unpacked_destroy(&u);
}

static void check_broadcast(const struct manager_message *m, struct arena *a)
{
    json_error_t why;
    const char *text = manager_message_broadcast(m, a);
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    FUZZ_REQUIRE(root != NULL, "the broadcast is no JSON: %s: %s", why.text, text);
    const char *args = json_string_value(json_object_get(root, "args"));
    const char *name = json_string_value(json_object_get(root, "name"));
    FUZZ_REQUIRE(args != NULL && name != NULL && strcmp(name, m->name) == 0, "members: %s", text);
    uint8_t *bytes = arena_alloc(a, strlen(args) + 1, 1);
    const int n = EVP_DecodeBlock(bytes, (const uint8_t *)args, (int)strlen(args));
    FUZZ_REQUIRE(n >= 0 && (size_t)n >= m->n_args && memcmp(bytes, m->args, m->n_args) == 0,
                 "the arguments in base64 are others");
    json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char *texts[MOST_TEXTS];
    const uint32_t n_texts = cut(bytes, n, a, texts);
    const struct manager_message m = manager_message_make("session_scheduled", texts, n_texts, a);
    check_args(&m, texts, n_texts);
    check_broadcast(&m, a);
    return 0;
}
