/* session_load.c - the PENDING sessions of a group. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/failure_record.h"
#include "repo/snapshot_loader.h"
#include "repo/time_text.h"

enum session_column {
    COL_ID,
    COL_NAME,
    COL_CREATION,
    COL_CREATED,
    COL_PENDING_SINCE,
    COL_STARTS,
    COL_PRIORITY,
    COL_TYPE,
    COL_MODE,
    COL_SELECTION,
    COL_GROUP,
    COL_ACCESS_KEY,
    COL_USER,
    COL_PROJECT,
    COL_DOMAIN,
    COL_DESIGNATED,
    COL_RETRIES,
    COL_DIGEST,
    COL_COUNTED
};

/* ->> gives NULL on a JSON value of another shape, never an error. */
#define SQL_SESSIONS(more)                                                                         \
    "SELECT id, name, creation_id, created_at, status_history->>'PENDING', requested_starts_at, "  \
    "priority, session_type, cluster_mode, options->>'agent_selection_policy', session_group_id, " \
    "access_key, user_uuid, group_id, domain_name, designated_agent_ids, "                         \
    "status_data->'scheduler'->>'retries', status_data->'scheduler'->>'digest', "                  \
    "status_data->'scheduler'->>'counted' "                                                        \
    "FROM sessions WHERE resource_group_id = $1 AND status = 'PENDING'" more " LIMIT $2"
static const char *const sql_sessions[] = {SQL_SESSIONS(""), SQL_SESSIONS(" AND id = ANY($3)")};

struct word { /* a text of a column and what it means */
    const char *text;
    int value;
};

static const struct word type_words[] = {
    {"INTERACTIVE", SESSION_INTERACTIVE},
    {"BATCH", SESSION_BATCH},
    {"INFERENCE", SESSION_INFERENCE},
    {"SYSTEM", SESSION_SYSTEM},
};
static const struct word mode_words[] = {
    {"single-node", CLUSTER_SINGLE_NODE},
    {"SINGLE_NODE", CLUSTER_SINGLE_NODE},
    {"multi-node", CLUSTER_MULTI_NODE},
    {"MULTI_NODE", CLUSTER_MULTI_NODE},
};
static const struct word selection_words[] = {{"preferred", false}, {"strict", true}};

/* The first thing wrong with a row: column and what it is. */
struct flaw {
    const char *column, *text; /* text NULL: is NULL */
};

static void flaw_set(struct flaw *f, const char *column, const char *text)
{
    if (f->column == NULL)
        *f = (struct flaw){.column = column, .text = text};
}

static int word_value(const struct word *words, size_t n, const char *text, const char *column,
                      struct flaw *f)
{
    for (size_t i = 0; text != NULL && i < n; i++)
        if (strcmp(words[i].text, text) == 0)
            return words[i].value;
    flaw_set(f, column, text);
    return words[0].value;
}

/* Times of the row; infinity is no time that anybody can wait for. */
static void read_times(const struct pg_rows *r, struct session *s, struct flaw *f)
{
    s->created_at = rows_time(r, 0, COL_CREATED);
    if (!time_is_finite(s->created_at)) {
        flaw_set(f, "created_at", rows_is_null(r, 0, COL_CREATED) ? NULL : "infinity");
        s->created_at = 0;
    }
    const char *since = rows_text(r, 0, COL_PENDING_SINCE);
    s->pending_since = s->created_at;
    if (since != NULL && !time_parse(since, &s->pending_since))
        flaw_set(f, "status_history.PENDING", since);
    s->starts_at = rows_time(r, 0, COL_STARTS);
    if (!rows_is_null(r, 0, COL_STARTS) && !time_is_finite(s->starts_at)) {
        flaw_set(f, "requested_starts_at", "infinity");
        s->starts_at = TIME_NONE;
    }
}

static int32_t read_retries(const char *text, struct flaw *f)
{
    if (text == NULL)
        return 0;
    char *end;
    errno = 0;
    long v = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || v < 0 || v > INT32_MAX - 1) {
        flaw_set(f, "status_data.scheduler.retries", text);
        return 0;
    }
    return (int32_t)v;
}

/* 16 hexadecimal digits as plan_commit wrote them; anything else is "none recorded". */
static uint64_t read_digest(const char *text)
{
    if (text == NULL || strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
        return 0;
    return strtoull(text, NULL, 16);
}

static void read_owners(struct load *l, const struct pg_rows *r, struct session *s, struct flaw *f)
{
    static const struct {
        const char *name;
        int col;
        bool is_uuid;
    } columns[N_OWNER_KINDS] = {
        [OWNER_KEYPAIR] = {"access_key", COL_ACCESS_KEY, false},
        [OWNER_USER] = {"user_uuid", COL_USER, true},
        [OWNER_PROJECT] = {"group_id", COL_PROJECT, true},
        [OWNER_DOMAIN] = {"domain_name", COL_DOMAIN, false},
    };
    for (int k = 0; k < N_OWNER_KINDS; k++) {
        bool null = rows_is_null(r, 0, columns[k].col);
        if (null)
            flaw_set(f, columns[k].name, NULL);
        if (columns[k].is_uuid && !null) {
            struct uuid id = rows_uuid(r, 0, columns[k].col);
            s->owner[k] = owner_intern_uuid(l, (enum owner_kind)k, &id);
        } else {
            s->owner[k] =
                owner_intern(l, (enum owner_kind)k, null ? NULL : rows_text(r, 0, columns[k].col));
        }
    }
}

static void add_designated(struct load *l, const struct pg_rows *r, uint32_t session,
                           struct flaw *f)
{
    uint32_t n = 0;
    if (rows_is_null(r, 0, COL_DESIGNATED))
        return;
    const char *const *ids = rows_text_array(r, 0, COL_DESIGNATED, l->a, &n);
    for (uint32_t i = 0; i < n; i++) {
        if (ids[i] != NULL)
            builder_designated(l->b, session, ids[i]);
        else
            flaw_set(f, "designated_agent_ids", "{NULL}");
    }
}

static void add_grouping(struct load *l, const struct pg_rows *r, uint32_t session)
{
    if (rows_is_null(r, 0, COL_GROUP))
        return;
    l->groupings = arena_grow(l->a, l->groupings, &l->cap_groupings, (size_t)l->n_groupings + 1,
                              sizeof(*l->groupings));
    l->groupings[l->n_groupings++] =
        (struct session_grouping){.session = session, .group = rows_uuid(r, 0, COL_GROUP)};
}

static void report_flaw(struct load *l, uint32_t session, const struct uuid *id,
                        const struct flaw *f)
{
    char text[UUID_TEXT];
    if (f->column != NULL && f->text == NULL)
        builder_bad_session(l->b, session, "sessions %s: %s is NULL.", uuid_format(id, text),
                            f->column);
    else if (f->column != NULL)
        builder_bad_session(l->b, session, "sessions %s: %s \"%.64s\" cannot be read.",
                            uuid_format(id, text), f->column, f->text);
}

static void set_odd(struct load *l, uint32_t session)
{
    l->odd = arena_grow(l->a, l->odd, &l->cap_odd, (size_t)session + 1, sizeof(*l->odd));
    l->odd[session] = 1;
    l->n_odd++;
}

static int session_row(void *ctx, const struct pg_rows *r, struct err *e)
{
    (void)e;
    struct load *l = ctx;
    struct flaw flaw = {.column = NULL};
    struct session_rare rare = {.cause_digest = read_digest(rows_text(r, 0, COL_DIGEST))};
    struct session s = {
        .id = rows_uuid(r, 0, COL_ID),
        .name = rows_text(r, 0, COL_NAME),
        .creation_id = rows_is_null(r, 0, COL_CREATION) ? "" : rows_text(r, 0, COL_CREATION),
        .priority = (int32_t)rows_int(r, 0, COL_PRIORITY),
        .retries = read_retries(rows_text(r, 0, COL_RETRIES), &flaw),
        .type = (enum session_type)word_value(type_words, ARRAY_SIZE(type_words),
                                              rows_text(r, 0, COL_TYPE), "session_type", &flaw),
        .mode = (enum cluster_mode)word_value(mode_words, ARRAY_SIZE(mode_words),
                                              rows_text(r, 0, COL_MODE), "cluster_mode", &flaw),
        .group = NONE,
        .rare = &rare,
    };
    if (!rows_is_null(r, 0, COL_SELECTION))
        s.designated_strict =
            word_value(selection_words, ARRAY_SIZE(selection_words), rows_text(r, 0, COL_SELECTION),
                       "options.agent_selection_policy", &flaw) != 0;
    if (rows_is_null(r, 0, COL_PRIORITY))
        flaw_set(&flaw, "priority", NULL);
    read_times(r, &s, &flaw);
    read_owners(l, r, &s, &flaw);
    if (rare.cause_digest != 0)
        failure_counted_read(rows_text(r, 0, COL_COUNTED), &l->group_id, l->failure_rounds, &s,
                             &rare);
    uint32_t i = builder_session(l->b, &s);
    if (rare.cause_digest != 0 && rare.record_digest == 0 && !rows_is_null(r, 0, COL_COUNTED))
        set_odd(l, i);
    add_designated(l, r, i, &flaw);
    add_grouping(l, r, i);
    report_flaw(l, i, &s.id, &flaw);
    return 0;
}

int session_load(struct load *l, struct err *e)
{
    const struct pg_param p[] = {param_uuid(&l->group_id), load_limit(l),
                                 l->only != NULL ? l->only->sessions : param_uuid(NULL)};
    return pg_each(l->t, sql_sessions[LOAD_SOME(l)], "uttstsitttutuutTttt", p, 2 + LOAD_SOME(l),
                   session_row, l, e);
}
