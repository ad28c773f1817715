/* redis.c - one Redis connection: opened when needed, dropped at the first error. */
#include "repo/redis_command.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "repo/password.h"
#include "repo/pool.h"
#include "repo/redis_address.h"

enum { ARGS_MAX = 512, SHA1_BYTES = 20, SHA1_TEXT = 41, PIPELINE_MAX = 1000 };

struct redis {
    struct redis_address address;
    unsigned database;
    struct timeval timeout;
    redisContext *context; /* NULL: not connected */
    bool is_counted;       /* pool.h knows of the context */
    bool was_open;         /* pool.h */
};

int redis_create(const char *address, int timeout_ms, struct redis **ret, struct err *e)
{
    struct redis *r = calloc(1, sizeof(*r));
    if (r == NULL)
        abort();
    if (redis_address_init(&r->address, address, e) < 0) {
        redis_destroy(r);
        return -1;
    }
    r->timeout = (struct timeval){.tv_sec = timeout_ms / 1000,
                                  .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
    *ret = r;
    return 0;
}

static void disconnect(struct redis *r)
{
    redisFree(r->context); /* NULL is fine */
    r->context = NULL;
    if (r->is_counted)
        pool_closed(POOL_REDIS);
    r->is_counted = false;
}

void redis_use(struct redis *r, unsigned database)
{
    assert(r->context == NULL);
    r->database = database;
}

void redis_destroy(struct redis *r)
{
    if (r == NULL)
        return;
    disconnect(r);
    redis_address_finish(&r->address);
    free(r);
}

/* After any error of the wire a hiredis context is dead. */
static int fail_wire(struct redis *r, struct err *e)
{
    err_set(e, ERR_UNAVAILABLE, "REDIS_UNAVAILABLE", "Redis is not reachable.");
    err_detail(e, "%s, port %d: %s", r->address.host, r->address.port,
               r->context != NULL ? r->context->errstr : "out of memory");
    disconnect(r);
    return -1;
}

/* An idle connection has nothing to read, unless the server has closed it. */
static bool is_usable(const struct redis *r)
{
    if (r->context == NULL)
        return false;
    struct pollfd fd = {.fd = r->context->fd, .events = POLLIN};
    return poll(&fd, 1, 0) == 0;
}

/* Says who we are, where a password is set for this server. */
static int log_in(struct redis *r, struct err *e)
{
    struct redis_login login;
    if (password_of_redis(&r->address, &login, e) < 0) {
        disconnect(r);
        return -1;
    }
    if (login.n == 0)
        return 0;
    redisReply *reply = redisCommandArgv(r->context, (int)login.n, login.words, NULL);
    password_wipe(login.password);
    if (reply == NULL)
        return fail_wire(r, e);
    const bool refused = reply->type == REDIS_REPLY_ERROR;
    if (refused) {
        /* Its first word: of a command it does not know Redis repeats the arguments. */
        err_set(e, ERR_UNAVAILABLE, "REDIS_UNAVAILABLE", "Redis refused the user or the password.");
        err_detail(e, "%s, port %d: %.*s", r->address.host, r->address.port,
                   (int)strcspn(reply->str, " "), reply->str);
        disconnect(r);
    }
    freeReplyObject(reply);
    return refused ? -1 : 0;
}

static int select_database(struct redis *r, struct err *e)
{
    if (r->database == 0)
        return 0;
    redisReply *reply = redisCommand(r->context, "SELECT %u", r->database);
    if (reply == NULL)
        return fail_wire(r, e);
    const bool refused = reply->type == REDIS_REPLY_ERROR;
    if (refused) {
        err_set(e, ERR_UNAVAILABLE, "REDIS_UNAVAILABLE", "Redis has no database %u.", r->database);
        err_detail(e, "%s", reply->str);
        disconnect(r);
    }
    freeReplyObject(reply);
    return refused ? -1 : 0;
}

static int connect_once(struct redis *r, struct err *e)
{
    if (is_usable(r))
        return 0;
    disconnect(r);
    r->context = r->address.port == 0
                     ? redisConnectUnixWithTimeout(r->address.host, r->timeout)
                     : redisConnectWithTimeout(r->address.host, r->address.port, r->timeout);
    if (r->context == NULL || r->context->err != 0 ||
        redisSetTimeout(r->context, r->timeout) != REDIS_OK) {
        pool_failed(POOL_REDIS);
        return fail_wire(r, e);
    }
    pool_opened(POOL_REDIS, &r->was_open);
    r->is_counted = true;
    return log_in(r, e) < 0 ? -1 : select_database(r, e);
}

/* Words of an error reply that mean "not now" rather than "wrong". */
static bool is_away(const char *words)
{
    static const char *const prefixes[] = {
        "LOADING",  "READONLY", "OOM",  "MASTERDOWN", "CLUSTERDOWN",
        "TRYAGAIN", "NOAUTH",   "BUSY", "MISCONF",    "ERR max number of clients"};
    for (unsigned i = 0; i < ARRAY_SIZE(prefixes); i++)
        if (strncmp(words, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

static int fail_reply(struct redis *r, const redisReply *reply, struct err *e)
{
    if (is_away(reply->str)) {
        err_set(e, ERR_UNAVAILABLE, "REDIS_UNAVAILABLE", "Redis cannot serve now.");
        err_detail(e, "%s", reply->str);
        disconnect(r); /* perhaps another server takes over behind the address */
        return -1;
    }
    err_set(e, ERR_INTERNAL, "REDIS_ERROR", "Redis refused a command.");
    return err_detail(e, "%s", reply->str);
}

/* Puts a command into the connection's buffer. */
static void append(struct redis *r, const struct redis_arg *args, uint32_t n)
{
    const char *data[ARGS_MAX];
    size_t lengths[ARGS_MAX];
    assert(n > 0 && n <= ARGS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        data[i] = args[i].data;
        lengths[i] = args[i].len;
    }
    if (redisAppendCommandArgv(r->context, (int)n, data, lengths) != REDIS_OK)
        abort(); /* out of memory */
}

/* One round trip; an error reply is a reply. */
static int round_trip(struct redis *r, const struct redis_arg *args, uint32_t n, redisReply **ret,
                      struct err *e)
{
    void *reply = NULL;
    if (connect_once(r, e) < 0)
        return -1;
    append(r, args, n);
    pool_busy(POOL_REDIS);
    const int rc = redisGetReply(r->context, &reply);
    pool_idle(POOL_REDIS);
    if (rc != REDIS_OK)
        return fail_wire(r, e);
    *ret = reply;
    return 0;
}

/* Keeps an error reply out of the callers' way. */
static int take_reply(struct redis *r, redisReply *reply, struct redis_reply **ret, struct err *e)
{
    if (reply->type == REDIS_REPLY_ERROR) {
        fail_reply(r, reply, e);
        freeReplyObject(reply);
        return -1;
    }
    *ret = (struct redis_reply *)reply;
    return 0;
}

int redis_command(struct redis *r, const struct redis_arg *args, uint32_t n,
                  struct redis_reply **ret, struct err *e)
{
    redisReply *reply = NULL;
    if (round_trip(r, args, n, &reply, e) < 0)
        return -1;
    return take_reply(r, reply, ret, e);
}

/* The answers of a part of a pipeline. "Away" drops the connection, and with it the other answers:
 * whatever refuses one command for that reason refuses the rest. */
static int read_answers(struct redis *r, uint32_t n, struct redis_refusals *refusals, struct err *e)
{
    for (uint32_t i = 0; i < n; i++) {
        void *got = NULL;
        if (redisGetReply(r->context, &got) != REDIS_OK)
            return fail_wire(r, e);
        redisReply *reply = got;
        const bool refused = reply->type == REDIS_REPLY_ERROR;
        const bool away = refused && is_away(reply->str);
        if (away)
            fail_reply(r, reply, e);
        else if (refused && refusals->n++ == 0)
            (void)snprintf(refusals->words, sizeof(refusals->words), "%s", reply->str);
        freeReplyObject(reply);
        if (away)
            return -1;
    }
    return 0;
}

int redis_pipeline(struct redis *r, const struct redis_request *requests, uint32_t n,
                   struct redis_refusals *ret, struct err *e)
{
    *ret = (struct redis_refusals){.n = 0};
    for (uint32_t from = 0, part; from < n; from += part) {
        part = n - from < PIPELINE_MAX ? n - from : PIPELINE_MAX;
        if (connect_once(r, e) < 0)
            return -1;
        for (uint32_t i = 0; i < part; i++)
            append(r, requests[from + i].args, requests[from + i].n);
        pool_busy(POOL_REDIS);
        const int rc = read_answers(r, part, ret, e);
        pool_idle(POOL_REDIS);
        if (rc < 0)
            return -1;
    }
    return 0;
}

int redis_ping(struct redis *r, struct err *e)
{
    const struct redis_arg args[] = {redis_arg_text("PING")};
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    return redis_command(r, args, ARRAY_SIZE(args), &reply, e);
}

/* The name Redis gives a script: SHA-1 of its text. */
static void script_digest(const char *text, char ret[SHA1_TEXT])
{
    uint8_t sum[SHA1_BYTES];
    if (EVP_Digest(text, strlen(text), sum, NULL, EVP_sha1(), NULL) != 1)
        abort(); /* out of memory */
    for (unsigned i = 0; i < SHA1_BYTES; i++)
        (void)snprintf(ret + 2 * (size_t)i, 3, "%02x", sum[i]);
}

int redis_script_run(struct redis *r, const struct redis_script *s, uint32_t n_keys,
                     const struct redis_arg *args, uint32_t n, struct redis_reply **ret,
                     struct err *e)
{
    char digest[SHA1_TEXT], keys[12];
    struct redis_arg all[ARGS_MAX];
    redisReply *reply = NULL;
    assert(n_keys <= n && n + 3 <= ARGS_MAX);
    script_digest(s->text, digest);
    (void)snprintf(keys, sizeof(keys), "%u", n_keys);
    all[0] = redis_arg_text("EVALSHA");
    all[1] = redis_arg_text(digest);
    all[2] = redis_arg_text(keys);
    for (uint32_t i = 0; i < n; i++)
        all[3 + i] = args[i];
    if (round_trip(r, all, n + 3, &reply, e) < 0)
        return -1;
    if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOSCRIPT", 8) == 0) {
        freeReplyObject(reply); /* a restarted server: it keeps the text from now on */
        all[0] = redis_arg_text("EVAL");
        all[1] = redis_arg_text(s->text);
        if (round_trip(r, all, n + 3, &reply, e) < 0)
            return -1;
    }
    if (take_reply(r, reply, ret, e) < 0)
        return err_meta(e, "script", "%s", s->name);
    return 0;
}

struct redis_arg redis_arg_text(const char *s)
{
    return (struct redis_arg){.data = s, .len = strlen(s)};
}

/* --- Replies: hiredis's own, under our name so that its header stays in here --------------------
 */

static const redisReply *inside(const struct redis_reply *r)
{
    return (const redisReply *)r;
}

void redis_reply_free(struct redis_reply *r)
{
    freeReplyObject(r); /* NULL is fine */
}

enum redis_reply_type redis_reply_type(const struct redis_reply *r)
{
    switch (inside(r)->type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
        return REDIS_TEXT;
    case REDIS_REPLY_INTEGER:
        return REDIS_INT;
    case REDIS_REPLY_ARRAY:
        return REDIS_LIST;
    default:
        return REDIS_NIL;
    }
}

const char *redis_reply_text(const struct redis_reply *r, size_t *ret_len)
{
    const bool is_text = redis_reply_type(r) == REDIS_TEXT;
    if (ret_len != NULL)
        *ret_len = is_text ? inside(r)->len : 0;
    return is_text ? inside(r)->str : "";
}

int64_t redis_reply_int(const struct redis_reply *r)
{
    return redis_reply_type(r) == REDIS_INT ? inside(r)->integer : 0;
}

size_t redis_reply_count(const struct redis_reply *r)
{
    return redis_reply_type(r) == REDIS_LIST ? inside(r)->elements : 0;
}

const struct redis_reply *redis_reply_at(const struct redis_reply *r, size_t i)
{
    assert(i < redis_reply_count(r));
    return (const struct redis_reply *)inside(r)->element[i];
}
