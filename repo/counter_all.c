/* counter_all.c - all mirrors made anew, and the mark that says so.
 *
 * The mark berth.counters is "whole <run id of the Redis server>". It is set last, and only where
 * it still is the "filling <random>" set first: what was erased in between is not called whole. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "repo/counter.h"
#include "repo/pg_query.h"
#include "repo/redis_command.h"
#include "repo/status.h"

#define MARK_KEY "berth.counters"

enum { MARK_TEXT = 128 };

/* KEYS: the mark. ARGV: what it must be, what it becomes. A key of another type is not it. */
static const struct redis_script finish_script = {
    .name = "counter mark",
    .text = "if redis.pcall('get', KEYS[1]) == ARGV[1] then\n"
            "  redis.call('set', KEYS[1], ARGV[2])\n"
            "  return 1\n"
            "end\n"
            "return 0",
};

/* 0: the wire is fine, whatever the server says: *ret_reply is NULL when it refused. */
static int ask(struct redis *r, const char *verb, const char *of, struct redis_reply **ret_reply,
               struct err *e)
{
    struct err why = {.code = ERR_NONE};
    const struct redis_arg args[] = {redis_arg_text(verb), redis_arg_text(of)};
    *ret_reply = NULL;
    if (redis_command(r, args, ARRAY_SIZE(args), ret_reply, &why) == 0 ||
        why.code != ERR_UNAVAILABLE)
        return 0;
    if (e != NULL)
        *e = why;
    return -1;
}

/* The mark of a server that has all. One that does not tell its run id is known by the mark alone.
 */
static int whole_mark(struct redis *r, char ret[MARK_TEXT], struct err *e)
{
    static const char before[] = "\nrun_id:";
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    if (ask(r, "INFO", "server", &reply, e) < 0)
        return -1;
    const char *at = reply != NULL ? strstr(redis_reply_text(reply, NULL), before) : NULL;
    const char *id = at != NULL ? at + strlen(before) : "";
    (void)snprintf(ret, MARK_TEXT, "whole %.*s", (int)strcspn(id, "\r\n"), id);
    return 0;
}

/* A mark of another type is one that somebody planted. */
int counter_is_whole(struct redis *r, bool *ret, struct err *e)
{
    char mark[MARK_TEXT];
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    if (whole_mark(r, mark, e) < 0 || ask(r, "GET", MARK_KEY, &reply, e) < 0)
        return -1;
    *ret = reply != NULL && strcmp(redis_reply_text(reply, NULL), mark) == 0;
    return 0;
}

static int begin_mark(struct redis *r, char filling[MARK_TEXT], struct err *e)
{
    uint64_t token = 0;
    if (getrandom(&token, sizeof(token), 0) != sizeof(token))
        return err_set(e, ERR_INTERNAL, "NO_RANDOMNESS", "The system has no random numbers.");
    (void)snprintf(filling, MARK_TEXT, "filling %016" PRIx64, token);
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    const struct redis_arg args[] = {redis_arg_text("SET"), redis_arg_text(MARK_KEY),
                                     redis_arg_text(filling)};
    return redis_command(r, args, ARRAY_SIZE(args), &reply, e);
}

static int finish_mark(struct redis *r, const char *filling, const char *whole, struct err *e)
{
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    const struct redis_arg args[] = {redis_arg_text(MARK_KEY), redis_arg_text(filling),
                                     redis_arg_text(whole)};
    return redis_script_run(r, &finish_script, 1, args, ARRAY_SIZE(args), &reply, e);
}

/* --- the counts --- */

static const char sql_count_all[] =
    "SELECT coalesce(l.access_key, v.owner_id), coalesce(l.sessions, 0), coalesce(l.sftp, 0), "
    "coalesce(v.version, 0) FROM (SELECT access_key::text, "
    "count(*) FILTER (WHERE session_type IS DISTINCT FROM 'SYSTEM') AS sessions, "
    "count(*) FILTER (WHERE session_type = 'SYSTEM') AS sftp FROM sessions "
    "WHERE status IN (" SQL_SESSION_OCCUPYING ") AND access_key IS NOT NULL GROUP BY 1) l "
    "FULL JOIN (SELECT owner_id, version FROM berth.owner_versions WHERE owner_kind = 0) v "
    "ON v.owner_id = l.access_key";

struct all_counts {
    struct arena *a;
    struct owner_count *v;
    uint32_t n;
};

static int count_all(struct txn *t, void *ctx, struct err *e)
{
    struct all_counts *all = ctx;
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, sql_count_all, "tiii", NULL, 0, &r, e) < 0)
        return -1;
    all->n = rows_count(r);
    all->v = arena_new(all->a, struct owner_count, all->n);
    for (uint32_t i = 0; i < all->n; i++)
        all->v[i] = (struct owner_count){
            .access_key = arena_strdup(all->a, rows_text(r, i, 0)),
            .sessions = rows_int(r, i, 1),
            .sftp_sessions = rows_int(r, i, 2),
            .version = rows_int(r, i, 3),
        };
    return 0;
}

int counter_mirror_all(struct pg *c, struct redis *r, uint32_t *ret_keys, struct err *e)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct all_counts all = {.a = a};
    char whole[MARK_TEXT], filling[MARK_TEXT];
    if (whole_mark(r, whole, e) < 0 || begin_mark(r, filling, e) < 0 ||
        txn_run(c, TXN_READ_SNAPSHOT, count_all, &all, e) < 0 ||
        counter_mirror(r, all.v, all.n, e) < 0 || finish_mark(r, filling, whole, e) < 0)
        return -1;
    *ret_keys = all.n;
    return 0;
}
