/* lease.c - SET NX PX with a random token; only its owner renews or releases it. */
#include "repo/lease.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "repo/redis_command.h"

#define KEY_PREFIX "berth.lease."

enum { TOKEN_BYTES = 16, MILLISECONDS_TEXT = 12 };

/* Both compare before they act; the comparison and the act are one step in Redis. 1: done. */
static const struct redis_script renew_script = {
    .name = "lease renew",
    .text = "if redis.call('get', KEYS[1]) == ARGV[1] then"
            " return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0",
};
static const struct redis_script release_script = {
    .name = "lease release",
    .text = "if redis.call('get', KEYS[1]) == ARGV[1] then"
            " return redis.call('del', KEYS[1]) end return 0",
};

/* A group name is at most 64 characters in the database; a longer one would share its key with
 * another group's, which costs a round, not safety. */
static void lease_key(const char *scaling_group, char ret[LEASE_TEXT])
{
    (void)snprintf(ret, LEASE_TEXT, KEY_PREFIX "%.*s", LEASE_TEXT - (int)sizeof(KEY_PREFIX),
                   scaling_group);
}

static int make_token(const char *replica, char ret[LEASE_TEXT], struct err *e)
{
    uint8_t bytes[TOKEN_BYTES];
    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes)) {
        err_set(e, ERR_INTERNAL, "NO_RANDOMNESS", "The system has no random numbers.");
        return err_detail(e, "getrandom: %s", strerror(errno));
    }
    int at = snprintf(ret, LEASE_TEXT, "%.*s/", LEASE_TEXT - 2 * TOKEN_BYTES - 2, replica);
    for (unsigned i = 0; i < TOKEN_BYTES; i++)
        at += snprintf(ret + at, (size_t)(LEASE_TEXT - at), "%02x", bytes[i]);
    return 0;
}

/* "<replica>/<token>": the replica may hold a slash itself. */
static int replica_length(const char *token)
{
    const char *slash = strrchr(token, '/');
    return slash != NULL ? (int)(slash - token) : (int)strlen(token);
}

/* Milliseconds the lease has left, -1 when it is gone; -2 on failure. */
static int64_t time_left(struct redis *r, const char *key)
{
    const struct redis_arg args[] = {redis_arg_text("PTTL"), redis_arg_text(key)};
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    if (redis_command(r, args, ARRAY_SIZE(args), &reply, NULL) < 0)
        return -1;
    return redis_reply_int(reply);
}

static int fail_busy(struct redis *r, const struct lease *l, const char *scaling_group,
                     struct err *e)
{
    enum { ASK_AGAIN_MS = 1000 };
    char holder[LEASE_TEXT] = "";
    if (lease_holder(r, scaling_group, holder, e) < 0)
        return -1;
    const int64_t left = time_left(r, l->key);
    err_set(e, ERR_CONFLICT, "LEASE_BUSY", "Scaling group %s is being scheduled by %s.",
            scaling_group, *holder != '\0' ? holder : "another replica");
    err_meta(e, "holder", "%s", holder);
    return err_retry(e, left > 0 && left < ASK_AGAIN_MS ? (unsigned)left : ASK_AGAIN_MS);
}

int lease_acquire(struct redis *r, const char *scaling_group, const char *replica, int ttl_ms,
                  struct lease *ret, struct err *e)
{
    struct lease l;
    char ttl[MILLISECONDS_TEXT];
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    lease_key(scaling_group, l.key);
    if (make_token(replica, l.token, e) < 0)
        return -1;
    (void)snprintf(ttl, sizeof(ttl), "%d", ttl_ms);
    const struct redis_arg args[] = {redis_arg_text("SET"),   redis_arg_text(l.key),
                                     redis_arg_text(l.token), redis_arg_text("NX"),
                                     redis_arg_text("PX"),    redis_arg_text(ttl)};
    if (redis_command(r, args, ARRAY_SIZE(args), &reply, e) < 0)
        return -1;
    if (redis_reply_type(reply) == REDIS_NIL)
        return fail_busy(r, &l, scaling_group, e);
    *ret = l;
    return 0;
}

static int run_if_ours(struct redis *r, const struct redis_script *script, const struct lease *l,
                       const char *ttl, struct err *e)
{
    const struct redis_arg args[] = {redis_arg_text(l->key), redis_arg_text(l->token),
                                     redis_arg_text(ttl)};
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    if (redis_script_run(r, script, 1, args, ARRAY_SIZE(args), &reply, e) < 0)
        return -1;
    if (redis_reply_int(reply) == 1)
        return 0;
    return err_set(e, ERR_CONFLICT, "LEASE_LOST", "The lease %s is not ours any more.",
                   l->key + strlen(KEY_PREFIX));
}

int lease_renew(struct redis *r, const struct lease *l, int ttl_ms, struct err *e)
{
    char ttl[MILLISECONDS_TEXT];
    (void)snprintf(ttl, sizeof(ttl), "%d", ttl_ms);
    return run_if_ours(r, &renew_script, l, ttl, e);
}

int lease_release(struct redis *r, const struct lease *l, struct err *e)
{
    return run_if_ours(r, &release_script, l, "0", e);
}

int lease_holder(struct redis *r, const char *scaling_group, char ret[LEASE_TEXT], struct err *e)
{
    char key[LEASE_TEXT];
    size_t len;
    lease_key(scaling_group, key);
    const struct redis_arg args[] = {redis_arg_text("GET"), redis_arg_text(key)};
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    if (redis_command(r, args, ARRAY_SIZE(args), &reply, e) < 0)
        return -1;
    const char *token = redis_reply_text(reply, &len);
    (void)snprintf(ret, LEASE_TEXT, "%.*s", replica_length(token), token);
    return 0;
}
