/* caller.c - references, rights and counts of a caller. */
#include "server/caller.h"

#include <stdlib.h>
#include <string.h>

enum { RETRY_MS = 200, READING_LEAST = 8 };

struct caller *caller_anyone(void)
{
    static struct caller anyone = {.name = "", .role = ROLE_ADMIN};
    return &anyone;
}

struct caller *caller_ref(struct caller *c)
{
    if (c != caller_anyone())
        atomic_fetch_add(&c->refs, 1);
    return c;
}

void caller_unref(struct caller *c)
{
    if (c == NULL || c == caller_anyone() || atomic_fetch_sub(&c->refs, 1) != 1)
        return;
    free(c->memory);
    free(c);
}

int caller_check(const struct caller *c, int64_t now_s, struct err *e)
{
    if (atomic_load(&c->revoked))
        return err_set(e, ERR_UNKNOWN_CALLER, "CREDENTIALS_REVOKED",
                       "your credentials are no longer valid: ask the operator for others");
    if (c->expires_s != 0 && now_s >= c->expires_s)
        return err_set(e, ERR_UNKNOWN_CALLER, "CREDENTIALS_EXPIRED",
                       "your credentials have expired: ask the operator for others");
    return 0;
}

static int compare_group(const void *key, const void *element)
{
    return strcmp(key, *(const char *const *)element);
}

bool caller_has_group(const struct caller *c, const char *group)
{
    return c->groups == NULL ||
           bsearch(group, c->groups, c->n_groups, sizeof(*c->groups), compare_group) != NULL;
}

static int refuse(const char *setting, unsigned limit, struct err *e)
{
    err_set(e, ERR_EXHAUSTED, "CALLER_LIMIT",
            "you have %u calls in progress, as many as one caller may now (setting %s)", limit,
            setting);
    err_meta(e, "limit", "%s", setting);
    err_meta(e, "value", "%u", limit);
    return err_retry(e, RETRY_MS);
}

int caller_enter(struct caller *c, bool stream, unsigned room, struct err *e)
{
    struct caller_account *a = c->account;
    if (a == NULL)
        return 0;
    const unsigned limit = stream ? a->limits.streams : a->limits.in_flight;
    atomic_uint *count = stream ? &a->streams : &a->in_flight;
    const unsigned before = atomic_fetch_add(count, 1);
    const bool within = limit == 0 || before < limit;
    if (within && before <= room)
        return 0;
    atomic_fetch_sub(count, 1);
    if (within)
        return refuse(stream ? "max_streams" : "max_in_flight", before, e);
    return refuse(stream ? "caller_streams" : "caller_in_flight", limit, e);
}

void caller_leave(struct caller *c, bool stream)
{
    if (c->account != NULL)
        atomic_fetch_sub(stream ? &c->account->streams : &c->account->in_flight, 1);
}

unsigned caller_most_reading(const struct config *g)
{
    const int64_t n = CONFIG_NOW(g, max_requests_memory) / (2 * g->max_message);
    return n < READING_LEAST ? READING_LEAST : n > UINT16_MAX ? UINT16_MAX : (unsigned)n;
}

int caller_read_begin(struct caller *c, struct err *e)
{
    struct caller_account *a = c->account;
    if (a == NULL || atomic_fetch_add(&a->reading, 1) < a->limits.reading || a->limits.reading == 0)
        return 0;
    atomic_fetch_sub(&a->reading, 1);
    return refuse("max_requests_memory", a->limits.reading, e);
}

void caller_read_end(struct caller *c)
{
    if (c->account != NULL)
        atomic_fetch_sub(&c->account->reading, 1);
}
