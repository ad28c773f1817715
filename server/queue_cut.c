/* queue_cut.c - a row of a page before, put back into the queue as it was. */
#include "server/queue_cut.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { WAITING_ROW, EXPIRED_ROW, UNREADABLE_ROW, N_ROW_STATES };

static int state_of(const struct snapshot *s, const struct session *x)
{
    if (s->pending_timeout > 0 && (__int128)s->observed_at - x->pending_since >= s->pending_timeout)
        return EXPIRED_ROW;
    return x->bad_data != NULL ? UNREADABLE_ROW : WAITING_ROW;
}

char *queue_cut_key(const struct snapshot *s, uint32_t session, struct arena *a)
{
    const struct session *x = &s->sessions[session];
    char id[UUID_TEXT];
    return arena_printf(a, "%s %" PRId64 " %" PRId32 " %" PRId32 " %d %d %s",
                        uuid_format(&x->id, id), x->created_at, x->priority, x->retries,
                        (int)x->type, state_of(s, x), s->owners[x->owner[OWNER_KEYPAIR]].key);
}

static bool read_number(const char **at, int64_t least, int64_t most, int64_t *ret)
{
    char *end;
    errno = 0;
    *ret = strtoll(*at, &end, 10);
    if (end == *at || *end != ' ' || errno != 0 || *ret < least || *ret > most)
        return false;
    *at = end + 1;
    return true;
}

/* false: not one of ours, or nobody has its access key any more. */
static bool read_key(const struct snapshot *s, const char *key, struct session *ret)
{
    char id[UUID_TEXT];
    int64_t created, priority, retries, type, state;
    if (strlen(key) < UUID_TEXT || key[UUID_TEXT - 1] != ' ')
        return false;
    memcpy(id, key, UUID_TEXT - 1);
    id[UUID_TEXT - 1] = '\0';
    *ret = (struct session){
        .creation_id = "", .starts_at = TIME_NONE, .group = NONE, .rare = &session_rare_none};
    key += UUID_TEXT;
    if (!uuid_parse(id, &ret->id) || !read_number(&key, INT64_MIN, INT64_MAX, &created) ||
        !read_number(&key, INT32_MIN, INT32_MAX, &priority) ||
        !read_number(&key, 0, INT32_MAX, &retries) ||
        !read_number(&key, 0, SESSION_SYSTEM, &type) ||
        !read_number(&key, 0, N_ROW_STATES - 1, &state))
        return false;
    uint32_t owner = snapshot_find_owner(s, OWNER_KEYPAIR, key);
    if (owner == NONE || s->n_sessions == 0)
        return false;
    memcpy(ret->owner, s->sessions[0].owner, sizeof(ret->owner)); /* the others decide no place */
    ret->owner[OWNER_KEYPAIR] = owner;
    ret->created_at = created;
    ret->priority = (int32_t)priority;
    ret->retries = (int32_t)retries;
    ret->type = (enum session_type)type;
    ret->pending_since = state == EXPIRED_ROW ? INT64_MIN : INT64_MAX;
    ret->bad_data = state == UNREADABLE_ROW ? "" : NULL;
    return true;
}

static bool goes_before(const struct session *a, const struct session *b)
{
    return a->created_at != b->created_at ? a->created_at < b->created_at
                                          : uuid_compare(&a->id, &b->id) < 0;
}

/* The queue with the row in it, as it was; its index. */
static uint32_t put_back(const struct snapshot *s, const struct session *row, struct arena *a,
                         struct snapshot *ret)
{
    struct session *all = arena_new(a, struct session, (size_t)s->n_sessions + 1);
    uint32_t n = 0, at = NONE;
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        if (uuid_compare(&s->sessions[i].id, &row->id) == 0)
            continue; /* as it is now */
        if (at == NONE && goes_before(row, &s->sessions[i])) {
            at = n;
            all[n++] = *row;
        }
        all[n++] = s->sessions[i];
    }
    if (at == NONE) {
        at = n;
        all[n++] = *row;
    }
    *ret = *s;
    ret->sessions = all;
    ret->n_sessions = n;
    return at;
}

int queue_cut_find(const struct snapshot *s, const struct policy *p, const uint32_t *places,
                   const struct page_token *token, struct arena *a, uint32_t *ret, struct err *e)
{
    struct session row;
    struct snapshot then;
    uint32_t *order, i = 0;
    while (i < token->n_before && !read_key(s, token->before[i], &row))
        i++;
    if (i == token->n_before) {
        *ret = token->position < s->n_sessions ? (uint32_t)token->position : s->n_sessions;
        return 0;
    }
    uint32_t index = put_back(s, &row, a, &then), before = 0;
    if (round_order(&then, p, a, &order, e) < 0)
        return -1;
    while (order[before] != index)
        before++;
    uint32_t now = snapshot_find_session(s, &row.id);
    *ret = before + (now != NONE && places[now] <= before ? 1 : 0);
    return 0;
}
