/* scene.c - text in, snapshot out. */
#include "tests/unit/scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORDS = 48 };

struct line {
    char *words[MAX_WORDS];
    unsigned n;
};

struct scene {
    struct arena *arena;
    struct snapshot_builder *builder;
    struct snapshot head;
};

static void refuse(const char *what, const char *word)
{
    (void)fprintf(stderr, "scene: %s: %s\n", what, word);
    exit(2);
}

static const char *value_of(const struct line *l, const char *key)
{
    size_t len = strlen(key);
    for (unsigned i = 0; i < l->n; i++)
        if (strncmp(l->words[i], key, len) == 0 && l->words[i][len] == '=')
            return l->words[i] + len + 1;
    return NULL;
}

/* A word the verb cannot do without. */
static char *word_at(const struct line *l, unsigned i)
{
    if (i >= l->n)
        refuse("a word is missing after", l->n > 0 ? l->words[0] : "");
    return l->words[i];
}

static bool has(const struct line *l, const char *word)
{
    for (unsigned i = 0; i < l->n; i++)
        if (strcmp(l->words[i], word) == 0)
            return true;
    return false;
}

static const char *text_of(const struct line *l, const char *key, const char *standard)
{
    const char *v = value_of(l, key);
    return v != NULL ? v : standard;
}

static int64_t number_of(const struct line *l, const char *key, int64_t standard)
{
    const char *v = value_of(l, key);
    return v != NULL ? strtoll(v, NULL, 10) : standard;
}

/* Seconds as microseconds. */
static int64_t time_of(const struct line *l, const char *key, int64_t standard)
{
    const char *v = value_of(l, key);
    int64_t t = standard;
    bool negative = v != NULL && *v == '-';
    if (negative)
        v++;
    if (v != NULL && amount_parse(v, strlen(v), SLOT_COUNT, &t) != AMOUNT_OK)
        refuse("not a time", v);
    return negative ? -t : t;
}

struct uuid scene_uuid(uint32_t n)
{
    struct uuid u = {{0}};
    for (int i = 0; i < 4; i++)
        u.b[15 - i] = (uint8_t)(n >> (8 * i));
    return u;
}

uint32_t scene_number(const struct uuid *u)
{
    return (uint32_t)u->b[12] << 24 | (uint32_t)u->b[13] << 16 | (uint32_t)u->b[14] << 8 | u->b[15];
}

/* Every "<prefix>SLOT=AMOUNT" word into the row. */
static void amounts_into(const struct scene *x, const struct line *l, const char *prefix,
                         int64_t *row)
{
    size_t len = strlen(prefix);
    for (unsigned i = 1; i < l->n; i++) {
        const char *word = l->words[i], *equals = strchr(word, '=');
        if (equals == NULL || strncmp(word, prefix, len) != 0)
            continue;
        const char *name = arena_strndup(x->arena, word + len, (size_t)(equals - word) - len);
        uint32_t slot = builder_find_slot(x->builder, name);
        if (slot == NONE)
            continue;
        if (strcmp(equals + 1, "max") == 0)
            row[slot] = AMOUNT_MAX;
        else if (amount_parse_limit(equals + 1, strlen(equals + 1),
                                    builder_slot_type(x->builder, slot), &row[slot]) != AMOUNT_OK)
            refuse("not an amount", word);
    }
}

static void add_agent(struct scene *x, const struct line *l)
{
    int64_t *capacity = NULL, *held = NULL;
    struct agent agent = {.id = word_at(l, 1),
                          .addr = "addr",
                          .containers = (int32_t)number_of(l, "containers", 0),
                          .alive = !has(l, "dead"),
                          .schedulable = !has(l, "closed")};
    uint32_t i = builder_agent(x->builder, &agent, text_of(l, "arch", "x86_64"), &capacity, &held);
    amounts_into(x, l, "", capacity);
    amounts_into(x, l, "held.", held);
    if (has(l, "bad"))
        builder_bad_agent(x->builder, i, "agent %s is unreadable", agent.id);
}

static uint32_t owner_named(struct scene *x, enum owner_kind kind, const char *name)
{
    return builder_owner(x->builder, kind, name);
}

static void add_owner(struct scene *x, enum owner_kind kind, const struct line *l)
{
    uint32_t i = owner_named(x, kind, word_at(l, 1));
    struct owner *o = builder_owner_at(x->builder, i);
    struct owner_rows rows = builder_owner_rows(x->builder, i);
    o->name = arena_strdup(x->arena, text_of(l, "name", word_at(l, 1)));
    o->max_sessions = number_of(l, "max", 0);
    o->max_sftp_sessions = number_of(l, "max_sftp", 0);
    o->max_pending = number_of(l, "max_pending", INT64_MAX);
    o->live_sessions = number_of(l, "live", 0);
    o->live_sftp_sessions = number_of(l, "live_sftp", 0);
    amounts_into(x, l, "limit.", rows.limit);
    amounts_into(x, l, "usage.", rows.usage);
    amounts_into(x, l, "here.", rows.group_usage);
    amounts_into(x, l, "pending.", rows.pending_limit);
    for (unsigned k = 1; k < l->n; k++)
        o->has_pending_limit |= strncmp(l->words[k], "pending.", 8) == 0;
    if (has(l, "missing"))
        o->missing = arena_printf(x->arena, "owner \"%s\"", word_at(l, 1));
    if (has(l, "bad"))
        builder_bad_owner(x->builder, i, "owner %s is unreadable", word_at(l, 1));
}

static uint32_t session_named(struct scene *x, const char *number)
{
    struct uuid id = scene_uuid((uint32_t)strtoul(number, NULL, 10));
    uint32_t i = builder_find_session(x->builder, &id);
    if (i == NONE)
        refuse("no such session", number);
    return i;
}

static uint32_t group_named(struct scene *x, const char *number)
{
    struct uuid id = scene_uuid((uint32_t)strtoul(number, NULL, 10));
    uint32_t i = builder_find_session_group(x->builder, &id);
    if (i == NONE)
        refuse("no such session group", number);
    return i;
}

static void add_kernel(struct scene *x, const struct line *l, uint32_t session, bool is_main)
{
    static uint32_t serial;
    int64_t *request = NULL;
    struct kernel k = {.id = scene_uuid(0x10000000u + serial++),
                       .is_main = is_main,
                       .cluster_idx = (int32_t)number_of(l, "idx", 1)};
    (void)builder_kernel(x->builder, session, &k, text_of(l, "arch", "x86_64"), &request);
    amounts_into(x, l, "", request);
}

static void add_designated(struct scene *x, uint32_t session, const char *ids)
{
    while (*ids != '\0') {
        size_t len = strcspn(ids, ",");
        builder_designated(x->builder, session, arena_strndup(x->arena, ids, len));
        ids += len + (ids[len] == ',');
    }
}

static void add_session(struct scene *x, const struct line *l)
{
    int64_t number = strtoll(word_at(l, 1), NULL, 10);
    struct session s = {
        .id = scene_uuid((uint32_t)number),
        .name = text_of(l, "name", "s"),
        .creation_id = "c",
        .created_at = time_of(l, "at", number * 1000000),
        .starts_at = time_of(l, "start", TIME_NONE),
        .priority = (int32_t)number_of(l, "prio", 10),
        .retries = (int32_t)number_of(l, "retries", 0),
        .type = has(l, "batch")       ? SESSION_BATCH
                : has(l, "inference") ? SESSION_INFERENCE
                : has(l, "private")   ? SESSION_SYSTEM
                                      : SESSION_INTERACTIVE,
        .mode = has(l, "multi") ? CLUSTER_MULTI_NODE : CLUSTER_SINGLE_NODE,
        .designated_strict = has(l, "strict"),
        .owner = {[OWNER_KEYPAIR] = owner_named(x, OWNER_KEYPAIR, text_of(l, "key", "k")),
                  [OWNER_USER] = owner_named(x, OWNER_USER, text_of(l, "user", "u")),
                  [OWNER_PROJECT] = owner_named(x, OWNER_PROJECT, text_of(l, "project", "p")),
                  [OWNER_DOMAIN] = owner_named(x, OWNER_DOMAIN, text_of(l, "domain", "d"))},
        .group = value_of(l, "in") != NULL ? group_named(x, value_of(l, "in")) : NONE,
    };
    s.pending_since = time_of(l, "since", s.created_at);
    uint32_t i = builder_session(x->builder, &s);
    if (!has(l, "empty"))
        add_kernel(x, l, i, true);
    if (value_of(l, "designated") != NULL)
        add_designated(x, i, value_of(l, "designated"));
    if (has(l, "bad"))
        builder_bad_session(x->builder, i, "session %s is unreadable", word_at(l, 1));
}

static void add_dependency(struct scene *x, const struct line *l)
{
    struct dependency d = {
        .id = scene_uuid((uint32_t)number_of(l, "on", 0)),
        .name = value_of(l, "name") != NULL ? arena_strdup(x->arena, value_of(l, "name")) : NULL,
        .state = has(l, "failed") ? DEPENDENCY_FAILED
                 : has(l, "done") ? DEPENDENCY_DONE
                                  : DEPENDENCY_WAITING};
    builder_dependency(x->builder, session_named(x, word_at(l, 1)), &d);
}

static void add_session_group(struct scene *x, const struct line *l)
{
    struct session_group g = {.id = scene_uuid((uint32_t)strtoul(word_at(l, 1), NULL, 10)),
                              .direction = has(l, "spread") ? GROUP_SPREAD
                                           : has(l, "pack") ? GROUP_PACK
                                                            : GROUP_NO_DIRECTION,
                              .strict = has(l, "strict")};
    (void)builder_session_group(x->builder, &g);
}

static void add_other(struct scene *x, const struct line *l)
{
    struct other_pending o = {.keypair = owner_named(x, OWNER_KEYPAIR, text_of(l, "key", "k")),
                              .created_at = time_of(l, "at", 0),
                              .id = scene_uuid((uint32_t)strtoul(word_at(l, 1), NULL, 10))};
    amounts_into(x, l, "", builder_other_pending(x->builder, &o));
}

static void read_line(struct scene *x, const struct line *l)
{
    const char *verb = l->words[0];
    if (strcmp(verb, "option") == 0)
        builder_option(x->builder, word_at(l, 1), word_at(l, 2));
    else if (strcmp(verb, "agent") == 0)
        add_agent(x, l);
    else if (strcmp(verb, "key") == 0)
        add_owner(x, OWNER_KEYPAIR, l);
    else if (strcmp(verb, "user") == 0)
        add_owner(x, OWNER_USER, l);
    else if (strcmp(verb, "project") == 0)
        add_owner(x, OWNER_PROJECT, l);
    else if (strcmp(verb, "domain") == 0)
        add_owner(x, OWNER_DOMAIN, l);
    else if (strcmp(verb, "session") == 0)
        add_session(x, l);
    else if (strcmp(verb, "kernel") == 0)
        add_kernel(x, l, session_named(x, word_at(l, 1)), !has(l, "sub"));
    else if (strcmp(verb, "depends") == 0)
        add_dependency(x, l);
    else if (strcmp(verb, "sgroup") == 0)
        add_session_group(x, l);
    else if (strcmp(verb, "member") == 0)
        builder_group_member(x->builder, group_named(x, word_at(l, 1)),
                             builder_find_agent(x->builder, word_at(l, 2)),
                             (int32_t)strtol(word_at(l, 3), NULL, 10));
    else if (strcmp(verb, "other") == 0)
        add_other(x, l);
    else if (strcmp(verb, "cursor") == 0)
        builder_rr_cursor(x->builder, word_at(l, 1), word_at(l, 2));
    else
        refuse("unknown verb", verb);
}

/* slot and group lines go first, wherever they stand. */
static bool read_head(struct scene *x, const struct line *l)
{
    if (strcmp(l->words[0], "slot") == 0) {
        (void)builder_slot(x->builder, word_at(l, 1), has(l, "bytes") ? SLOT_BYTES : SLOT_COUNT,
                           (int32_t)number_of(l, "rank", 10));
        return true;
    }
    if (strcmp(l->words[0], "group") != 0)
        return false;
    x->head.observed_at = time_of(l, "now", 1000000000);
    x->head.scheduler = text_of(l, "scheduler", "fifo");
    x->head.strategy = text_of(l, "strategy", "concentrated");
    x->head.pending_timeout = time_of(l, "timeout", 0);
    x->head.bad_options = has(l, "bad") ? "scheduler_opts of group g is unreadable" : NULL;
    return true;
}

static struct line split_words(char *text)
{
    struct line l = {.n = 0};
    char *save = NULL;
    for (char *w = strtok_r(text, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
        if (l.n == MAX_WORDS)
            refuse("line too long", l.words[0]);
        l.words[l.n++] = w;
    }
    return l;
}

const struct snapshot *scene_snapshot(const char *text, struct arena *a)
{
    struct scene x = {.arena = a, .builder = builder_create(a)};
    x.head = (struct snapshot){.observed_at = 1000000000,
                               .group_id = scene_uuid(0xffffffff),
                               .group_name = "g",
                               .scheduler = "fifo",
                               .strategy = "concentrated"};
    (void)builder_slot(x.builder, "cpu", SLOT_COUNT, 1);
    (void)builder_slot(x.builder, "mem", SLOT_BYTES, 2);
    (void)builder_slot(x.builder, "cuda.shares", SLOT_COUNT, 3);
    size_t n = 0, cap = 0;
    struct line *lines = NULL;
    char *save = NULL, *copy = arena_strdup(a, text);
    for (char *t = strtok_r(copy, ";\n", &save); t != NULL; t = strtok_r(NULL, ";\n", &save)) {
        struct line l = split_words(t);
        if (l.n == 0 || l.words[0][0] == '#' || read_head(&x, &l))
            continue;
        lines = arena_grow(a, lines, &cap, n + 1, sizeof(*lines));
        lines[n++] = l;
    }
    builder_group(x.builder, &x.head);
    for (size_t i = 0; i < n; i++)
        read_line(&x, &lines[i]);
    return builder_finish(x.builder);
}
