/* fuzz_redis_reply.c - bytes from a Redis: through hiredis's reader into the replies repo/ looks
 * at, each of them asked for everything whatever its type; texts in them as hints. */
#include <ctype.h>
#include <hiredis/hiredis.h>

#include "repo/fanout_text.h"
#include "repo/redis_command.h"
#include "tests/fuzz/fuzz.h"

/* hiredis takes memory for as many elements as are announced. Redis is trusted that far, so counts
 * of eight digits and more are not what is looked at here. */
static bool announces_too_much(const uint8_t *bytes, size_t n)
{
    enum { LONG = 8 };
    for (size_t i = 0, digits = 0; i < n; i++) {
        digits = isdigit(bytes[i]) ? digits + 1 : 0;
        if (digits >= LONG)
            return true;
    }
    return false;
}

static void look_at(const struct redis_reply *r, unsigned depth)
{
    static const char sender[] = "0123456789abcdef";
    enum { MOST_DEPTH = 16 };
    size_t len = 99;
    const char *text = redis_reply_text(r, &len);
    const enum redis_reply_type type = redis_reply_type(r);
    struct fanout_hint hint;
    bool own;
    FUZZ_REQUIRE(text != NULL && (type == REDIS_TEXT || len == 0), "text of a type that has none");
    FUZZ_REQUIRE(type == REDIS_INT || redis_reply_int(r) == 0, "number of a type that has none");
    FUZZ_REQUIRE(type == REDIS_LIST || redis_reply_count(r) == 0, "list of a type that has none");
    (void)fanout_text_read(text, len, sender, &hint, &own);
    for (size_t i = 0; i < redis_reply_count(r) && depth < MOST_DEPTH; i++)
        look_at(redis_reply_at(r, i), depth + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (announces_too_much(bytes, n))
        return 0;
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    FUZZ_REQUIRE(reader != NULL, "redisReaderCreate");
    redisReaderFeed(reader, (const char *)bytes, n);
    while (redisReaderGetReply(reader, &reply) == REDIS_OK && reply != NULL) {
        look_at(reply, 0);
        redis_reply_free(reply);
    }
    redisReaderFree(reader);
    return 0;
}
