/* request.c - rows of berth.requests. */
#include "repo/request.h"

#include <string.h>

#include "repo/pg_query.h"

enum { RETRY_MS = 50 };

static int race(const struct request_key *k, struct err *e)
{
    err_set(e, ERR_CONFLICT, "REQUEST_RACE", "The same request was answered meanwhile.");
    err_meta(e, "request_id", "%s", k->id);
    return err_retry(e, RETRY_MS);
}

static const char sql_find[] =
    "SELECT method, body_hash, answer FROM berth.requests WHERE request_id = $1";

int request_find(struct txn *t, const struct request_key *k, struct arena *a, uint8_t **ret,
                 size_t *ret_len, struct err *e)
{
    const struct pg_param p[] = {param_text(k->id)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, sql_find, "txx", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    if (rows_count(r) == 0) {
        *ret = NULL;
        *ret_len = 0;
        return 0;
    }
    size_t n, len;
    const uint8_t *hash = rows_bytea(r, 0, 1, &n);
    if (strcmp(rows_text(r, 0, 0), k->method) != 0 || n != sizeof(k->body_hash) ||
        memcmp(hash, k->body_hash, n) != 0) {
        err_set(e, ERR_EXISTS, "REQUEST_ID_REUSED",
                "The request id was used for another request; choose a new one.");
        return err_meta(e, "request_id", "%s", k->id);
    }
    const uint8_t *answer = rows_bytea(r, 0, 2, &len);
    *ret = arena_memdup(a, answer, len);
    *ret_len = len;
    return 0;
}

int request_check(struct txn *t, const struct request_key *k, struct err *e)
{
    if (k->id == NULL)
        return 0;
    const struct pg_param p[] = {param_text(k->id)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, "SELECT method FROM berth.requests WHERE request_id = $1", "t", p,
                 ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    return rows_count(r) == 0 ? 0 : race(k, e);
}

static const char sql_store[] =
    "INSERT INTO berth.requests (request_id, method, body_hash, answer) VALUES ($1, $2, $3, $4) "
    "ON CONFLICT (request_id) DO NOTHING";

int request_store(struct txn *t, const struct request_key *k, const uint8_t *answer, size_t len,
                  struct err *e)
{
    if (k->id == NULL)
        return 0;
    const struct pg_param p[] = {
        param_text(k->id),
        param_text(k->method),
        param_bytea(k->body_hash, sizeof(k->body_hash)),
        param_bytea(answer != NULL ? answer : (const uint8_t *)"", len),
    };
    int64_t n;
    if (pg_exec(t, sql_store, p, ARRAY_SIZE(p), &n, e) < 0)
        return -1;
    return n == 1 ? 0 : race(k, e);
}
