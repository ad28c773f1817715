/* fuzz_request.c - the messages of every RPC at the door. The first byte says which.
 *
 * What is let in can be packed, is let in again, and then packs to the same bytes: a request that
 * says a field twice does not get past a limit by being merged. */
#include "server/inbound.h"
#include "server/method.h"
#include "server/page_token.h"
#include "tests/fuzz/fuzz.h"

enum { CAP = 1 << 20 };

static ProtobufCMessage *unpack(const struct method *m, const uint8_t *bytes, size_t n,
                                struct arena *a, struct err *e)
{
    struct inbound_memory memory = {.arena = a, .cap = CAP};
    ProtobufCMessage *message = NULL;
    if (inbound_unpack(m->input, m->rules, bytes, n, &memory, &message, e) == 0)
        return message;
    FUZZ_REQUIRE(e->code == ERR_INVALID || (e->code == ERR_EXHAUSTED && memory.full),
                 "%s is refused with %s", m->name, err_code_name(e->code));
    FUZZ_REQUIRE(e->message[0] != '\0' && e->reason != NULL, "%s is refused without a word",
                 m->name);
    return NULL;
}

static uint8_t *pack(const ProtobufCMessage *m, struct arena *a, size_t *ret_n)
{
    *ret_n = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = arena_alloc(a, *ret_n + 1, 1);
    FUZZ_REQUIRE(protobuf_c_message_pack(m, bytes) == *ret_n, "packed size of %s",
                 m->descriptor->name);
    return bytes;
}

static void check(const struct method *m, const uint8_t *bytes, size_t n, struct arena *a)
{
    struct err e = {.code = ERR_NONE};
    size_t n_first, n_second;
    const ProtobufCMessage *message = unpack(m, bytes, n, a, &e);
    if (message == NULL)
        return;
    const uint8_t *first = pack(message, a, &n_first);
    const ProtobufCMessage *again = unpack(m, first, n_first, a, &e);
    FUZZ_REQUIRE(again != NULL, "%s is let in, but not when packed anew: %s", m->name, e.message);
    const uint8_t *second = pack(again, a, &n_second);
    FUZZ_REQUIRE(n_first == n_second && memcmp(first, second, n_first) == 0,
                 "%s packs to other bytes the second time", m->name);
    FUZZ_REQUIRE(page_scope(message, a) == page_scope(again, a), "%s has two scopes", m->name);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static struct methods *methods;
    struct err e = {.code = ERR_NONE};
    if (methods == NULL)
        FUZZ_REQUIRE(methods_create(&methods, &e) == 0, "methods_create: %s", e.message);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const uint32_t kind = take_kind(&bytes, &n, (uint32_t)methods_count(methods));
    check(methods_at(methods, kind), bytes, n, a);
    return 0;
}
