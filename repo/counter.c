/* counter.c - mirrors of session counts, written as absolute values with a version guard. */
#include "repo/counter.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "repo/redis_command.h"

/* KEYS: four an owner (count, version of the count, the same for file transfer sessions); ARGV: the
 * value and the version of each pair. A key of a wrong type, or a version that is no number, is
 * what somebody planted: it is replaced. Versions are compared as texts of digits, because Lua's
 * numbers are doubles. Answers how many were written. */
static const struct redis_script mirror_script = {
    .name = "counter mirror",
    .text = "local written = 0\n"
            "for i = 1, #KEYS, 2 do\n"
            "  local new = ARGV[i + 1]\n"
            "  local old = redis.pcall('get', KEYS[i + 1])\n"
            "  local is_newer = type(old) ~= 'string' or not string.match(old, '^%d+$')\n"
            "    or #old > 19"
            "    or #old < #new or (#old == #new and old <= new)\n"
            "  if is_newer then\n"
            "    redis.call('set', KEYS[i], ARGV[i])\n"
            "    redis.call('set', KEYS[i + 1], new)\n"
            "    written = written + 1\n"
            "  end\n"
            "end\n"
            "return written",
};

enum { BATCH = 32, KEYS_EACH = 4, KEY_TEXT = 192, NUMBER_TEXT = 24 };

static const struct {
    const char *prefix, *suffix;
} keys[KEYS_EACH] = {
    {"keypair.concurrency_used.", ""},
    {"keypair.concurrency_used.", ".berth-version"},
    {"keypair.sftp_concurrency_used.", ""},
    {"keypair.sftp_concurrency_used.", ".berth-version"},
};

static int mirror_batch(struct redis *r, const struct owner_count *c, uint32_t n, struct err *e)
{
    char key_text[BATCH * KEYS_EACH][KEY_TEXT], numbers[BATCH * KEYS_EACH][NUMBER_TEXT];
    struct redis_arg args[2 * BATCH * KEYS_EACH];
    const uint32_t n_keys = n * KEYS_EACH;
    for (uint32_t i = 0; i < n_keys; i++) {
        const struct owner_count *owner = &c[i / KEYS_EACH];
        const int64_t values[KEYS_EACH] = {owner->sessions, owner->version, owner->sftp_sessions,
                                           owner->version};
        (void)snprintf(key_text[i], KEY_TEXT, "%s%.*s%s", keys[i % KEYS_EACH].prefix, KEY_TEXT / 2,
                       owner->access_key, keys[i % KEYS_EACH].suffix);
        (void)snprintf(numbers[i], NUMBER_TEXT, "%" PRId64, values[i % KEYS_EACH]);
        args[i] = redis_arg_text(key_text[i]);
        args[n_keys + i] = redis_arg_text(numbers[i]);
    }
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    return redis_script_run(r, &mirror_script, n_keys, args, 2 * n_keys, &reply, e);
}

int counter_mirror(struct redis *r, const struct owner_count *c, uint32_t n, struct err *e)
{
    for (uint32_t i = 0; i < n; i += BATCH)
        if (mirror_batch(r, c + i, n - i < BATCH ? n - i : BATCH, e) < 0)
            return -1;
    return 0;
}
