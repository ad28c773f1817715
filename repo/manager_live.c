/* manager_live.c - the pending queue of each group, and the marks. */
#include "repo/manager_live.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/json_text.h"
#include "repo/manager_publish.h"
#include "repo/redis_command.h"

#define QUEUE_PREFIX    "pending_queue:"
#define POSITION_PREFIX "queue_position:"
#define EPOCH_SUFFIX    ".berth-epoch"
#define LIFE_S          "600"

enum { OLD_LIST_MOST = 16 << 20 }; /* bytes of the list that is replaced which are looked at */

int manager_live_open(const char *address, int timeout_ms, struct redis **ret, struct err *e)
{
    if (redis_create(address, timeout_ms, ret, e) < 0)
        return -1;
    redis_use(*ret, MANAGER_LIVE_DATABASE);
    return 0;
}

/* KEYS: the list, the epoch it is of. ARGV: epoch, life, list ("": none). Answers what it replaced,
 * or nothing when a newer round's is there. What is no epoch of ours (it would have a life and few
 * digits) was planted. */
static const struct redis_script queue_script = {
    .name = "pending queue",
    .text = "local seen = redis.pcall('get', KEYS[2])\n"
            "if type(seen) == 'string' and string.match(seen, '^%d+$') and #seen < 16\n"
            "  and redis.call('ttl', KEYS[2]) > 0 and tonumber(seen) > tonumber(ARGV[1]) then\n"
            "  return false\n"
            "end\n"
            "local old = redis.pcall('get', KEYS[1])\n"
            "if ARGV[3] == '' then\n"
            "  redis.call('del', KEYS[1])\n"
            "else\n"
            "  redis.call('set', KEYS[1], ARGV[3], 'ex', ARGV[2])\n"
            "end\n"
            "redis.call('set', KEYS[2], ARGV[1], 'ex', ARGV[2])\n"
            "return type(old) == 'string' and old or ''",
};

static char *list_json(const struct manager_queue *q, struct arena *a)
{
    struct json_text j = {.arena = a};
    json_text_raw(&j, "");
    for (uint32_t i = 0; i < q->n; i++) {
        char id[UUID_TEXT];
        json_text_field(&j, i == 0 ? "[" : ", ", uuid_format(&q->ids[i], id));
    }
    json_text_raw(&j, q->n > 0 ? "]" : "");
    return j.text;
}

static int compare(const void *a, const void *b)
{
    return uuid_compare(a, b);
}

/* Positions of the sessions that were in the old list and are not in the new one. */
static uint32_t add_removals(const char *old, size_t n_old, const struct manager_queue *q,
                             struct arena *a, struct redis_request **requests, size_t *cap)
{
    uint32_t n = 0;
    json_t *list = n_old <= OLD_LIST_MOST ? json_loadb(old, n_old, 0, NULL) : NULL;
    struct uuid *kept = arena_new(a, struct uuid, (size_t)q->n + 1);
    for (uint32_t i = 0; i < q->n; i++)
        kept[i] = q->ids[i];
    qsort(kept, q->n, sizeof(*kept), compare);
    for (size_t i = 0; i < json_array_size(list); i++) { /* 0: of what is no array */
        struct uuid id;
        char text[UUID_TEXT];
        const char *was = json_string_value(json_array_get(list, i));
        if (was == NULL || !uuid_parse(was, &id) ||
            bsearch(&id, kept, q->n, sizeof(*kept), compare) != NULL)
            continue;
        struct redis_arg *args = arena_new(a, struct redis_arg, 2);
        args[0] = redis_arg_text("DEL");
        args[1] = redis_arg_text(arena_printf(a, POSITION_PREFIX "%s", uuid_format(&id, text)));
        *requests = arena_grow(a, *requests, cap, (size_t)n + 1, sizeof(**requests));
        (*requests)[n++] = (struct redis_request){.args = args, .n = 2};
    }
    json_decref(list); /* NULL is fine */
    return n;
}

static int write_positions(struct redis *live, const struct manager_queue *q, const char *old,
                           size_t n_old, struct arena *a, struct err *e)
{
    struct redis_request *requests = NULL;
    struct redis_refusals refusals;
    size_t cap = 0;
    uint32_t n = add_removals(old, n_old, q, a, &requests, &cap);
    requests = arena_grow(a, requests, &cap, (size_t)n + q->n, sizeof(*requests));
    for (uint32_t i = 0; i < q->n; i++) {
        char id[UUID_TEXT];
        const struct redis_arg args[] = {
            redis_arg_text("SET"),
            redis_arg_text(arena_printf(a, POSITION_PREFIX "%s", uuid_format(&q->ids[i], id))),
            redis_arg_text(arena_printf(a, "%" PRIu32, i)),
            redis_arg_text("EX"),
            redis_arg_text(LIFE_S),
        };
        requests[n++] = (struct redis_request){
            .args = arena_memdup(a, args, sizeof(args)),
            .n = ARRAY_SIZE(args),
        };
    }
    return redis_pipeline(live, requests, n, &refusals, e);
}

int manager_queue_write(struct redis *live, const struct manager_queue *q, struct arena *a,
                        struct err *e)
{
    size_t n_old = 0;
    const struct redis_arg args[] = {
        redis_arg_text(arena_printf(a, QUEUE_PREFIX "%s", q->scaling_group)),
        redis_arg_text(arena_printf(a, QUEUE_PREFIX "%s" EPOCH_SUFFIX, q->scaling_group)),
        redis_arg_text(arena_printf(a, "%" PRId64, q->epoch)),
        redis_arg_text(LIFE_S),
        redis_arg_text(list_json(q, a)),
    };
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    if (redis_script_run(live, &queue_script, 2, args, ARRAY_SIZE(args), &reply, e) < 0)
        return -1;
    if (redis_reply_type(reply) != REDIS_TEXT)
        return 0; /* a newer round's is there */
    const char *old = redis_reply_text(reply, &n_old);
    return write_positions(live, q, old, n_old, a, e);
}

/* Of any type: only that it was there counts. */
int manager_mark_take(struct redis *live, bool *ret, struct err *e)
{
    const struct redis_arg args[] = {redis_arg_text("DEL"), redis_arg_text("schedule:schedule")};
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    if (redis_command(live, args, ARRAY_SIZE(args), &reply, e) < 0)
        return -1;
    *ret = redis_reply_int(reply) == 1;
    return 0;
}

int manager_mark_terminate(struct redis *live, struct err *e)
{
    const struct redis_arg args[] = {redis_arg_text("SET"), redis_arg_text("schedule:terminate"),
                                     redis_arg_text("1")};
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    return redis_command(live, args, ARRAY_SIZE(args), &reply, e);
}
