/* config.c - the rows of config.def as a table; one function gives a setting a value, whatever the
 * source. */
#include "server/config.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/config_text.h"
#include "server/log.h"

enum type {
    TYPE_TEXT,
    TYPE_CONNINFO,
    TYPE_LIST,
    TYPE_INT,
    TYPE_BYTES,
    TYPE_MS,
    TYPE_BOOL,
    TYPE_CHOICE_LEVEL,
    TYPE_CHOICE_FORMAT
};

enum setting_reload { SETTING_RESTART, SETTING_RELOAD };

static const struct row {
    const char *name;
    enum type type;
    const char *dflt;
    int64_t least, greatest;
    enum setting_reload reload;
    const char *prose;
    size_t offset; /* of the member in struct config */
} rows[] = {
#define SETTING(name, type, dflt, least, greatest, reload, prose)                                  \
    {#name,    TYPE_##type,      dflt,  least,                                                     \
     greatest, SETTING_##reload, prose, offsetof(struct config, name)},
#include "server/config.def"
#undef SETTING
};
enum { N_ROWS = ARRAY_SIZE(rows) };

static const char *const level_words[] = {"debug", "info", "warn", "error", NULL};
static const char *const format_words[] = {"auto", "text", "json", NULL};

struct holder { /* what config_create() really makes */
    struct config config;
    struct arena *arena;
    const char *origin[N_ROWS]; /* "default", "environment", "command line" */
};

/* --- one value --- */

static const char *const *choice_words(enum type t)
{
    return t == TYPE_CHOICE_LEVEL ? level_words : format_words;
}

static int bad_value(const struct row *r, const char *value, const char *origin, struct err *e,
                     const char *allowed)
{
    err_set(e, ERR_INVALID, "BAD_SETTING", "setting %s (%s): \"%.60s\" is not %s", r->name, origin,
            value, allowed);
    return err_meta(e, "setting", "%s", r->name);
}

static int set_number(struct holder *h, const struct row *r, const char *value, const char *origin,
                      struct err *e)
{
    int64_t v = 0;
    bool ok = r->type == TYPE_INT     ? config_parse_int(value, &v)
              : r->type == TYPE_BYTES ? config_parse_bytes(value, &v)
                                      : config_parse_ms(value, &v);
    if (ok && v >= r->least && v <= r->greatest) {
        memcpy((char *)&h->config + r->offset, &v, sizeof(v));
        return 0;
    }
    const char *allowed =
        r->type == TYPE_INT
            ? arena_printf(h->arena, "a number from %" PRId64 " to %" PRId64, r->least, r->greatest)
        : r->type == TYPE_BYTES
            ? arena_printf(h->arena, "a size from %s to %s (like 64k, 4m or 1g)",
                           config_format_bytes(r->least, h->arena),
                           config_format_bytes(r->greatest, h->arena))
            : arena_printf(h->arena, "a time from %s to %s (like 500ms, 10s, 5m or 1h)",
                           config_format_ms(r->least, h->arena),
                           config_format_ms(r->greatest, h->arena));
    return bad_value(r, value, origin, e, allowed);
}

static int set_choice(struct holder *h, const struct row *r, const char *value, const char *origin,
                      struct err *e)
{
    const char *const *words = choice_words(r->type);
    struct config_list l = {.items = words};
    for (int i = 0; words[i] != NULL; i++, l.n++) {
        if (strcmp(words[i], value) == 0) {
            memcpy((char *)&h->config + r->offset, &i, sizeof(i));
            return 0;
        }
    }
    return bad_value(r, value, origin, e,
                     arena_printf(h->arena, "one of %s", config_format_list(&l, h->arena)));
}

static int set_text(struct holder *h, const struct row *r, const char *value, const char *origin,
                    struct err *e)
{
    int64_t len = (int64_t)strlen(value);
    if (len < r->least || len > r->greatest) {
        const char *shown = r->type == TYPE_CONNINFO ? "***" : value;
        return bad_value(r, shown, origin, e,
                         arena_printf(h->arena, "a text of %" PRId64 " to %" PRId64 " bytes",
                                      r->least, r->greatest));
    }
    const char *copy = arena_strdup(h->arena, value);
    memcpy((char *)&h->config + r->offset, (void *)&copy, sizeof(copy));
    return 0;
}

static int set_list(struct holder *h, const struct row *r, const char *value, const char *origin,
                    struct err *e)
{
    struct config_list l = config_parse_list(value, h->arena);
    bool ok = l.n >= r->least && l.n <= r->greatest;
    for (uint32_t i = 0; ok && i < l.n; i++)
        ok = *l.items[i] != '\0';
    if (!ok)
        return bad_value(r, value, origin, e,
                         arena_printf(h->arena, "%" PRId64 " to %" PRId64 " items, none empty",
                                      r->least, r->greatest));
    memcpy((char *)&h->config + r->offset, &l, sizeof(l));
    return 0;
}

static int set_value(struct holder *h, size_t i, const char *value, const char *origin,
                     struct err *e)
{
    const struct row *r = &rows[i];
    bool flag = false;
    h->origin[i] = origin;
    switch (r->type) {
    case TYPE_TEXT:
    case TYPE_CONNINFO:
        return set_text(h, r, value, origin, e);
    case TYPE_LIST:
        return set_list(h, r, value, origin, e);
    case TYPE_INT:
    case TYPE_BYTES:
    case TYPE_MS:
        return set_number(h, r, value, origin, e);
    case TYPE_CHOICE_LEVEL:
    case TYPE_CHOICE_FORMAT:
        return set_choice(h, r, value, origin, e);
    case TYPE_BOOL:
        break;
    }
    if (!config_parse_bool(value, &flag))
        return bad_value(r, value, origin, e, "true or false");
    memcpy((char *)&h->config + r->offset, &flag, sizeof(flag));
    return 0;
}

/* --- sources --- */

/* Letters compare without case, '-' equals '_'. n: length of name. */
static bool same_name(const char *setting, const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int c = name[i] == '-' ? '_' : tolower((unsigned char)name[i]);
        if (setting[i] != c)
            return false;
    }
    return setting[n] == '\0';
}

static size_t find_row(const char *name, size_t n)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        if (same_name(rows[i].name, name, n))
            return i;
    }
    return N_ROWS;
}

static int read_defaults(struct holder *h, struct err *e)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        if (set_value(h, i, rows[i].dflt, "default", e) < 0)
            return -1;
    }
    return 0;
}

static int read_env(struct holder *h, char *const *env, struct err *e)
{
    for (; env != NULL && *env != NULL; env++) {
        const char *equals = strchr(*env, '=');
        if (equals == NULL || strncmp(*env, "BERTH_", 6) != 0)
            continue;
        size_t i = find_row(*env + 6, (size_t)(equals - *env) - 6);
        if (i < N_ROWS && set_value(h, i, equals + 1, "environment", e) < 0)
            return -1;
    }
    return 0;
}

static int read_flags(struct holder *h, int argc, char *const *argv, struct err *e)
{
    for (int k = 0; k < argc; k++) {
        const char *flag = argv[k];
        if (strncmp(flag, "--", 2) != 0)
            return err_set(e, ERR_INVALID, "BAD_FLAG", "unexpected argument \"%.60s\": try --help",
                           flag);
        size_t n = strcspn(flag + 2, "=");
        size_t i = find_row(flag + 2, n);
        if (i == N_ROWS)
            return err_set(e, ERR_INVALID, "BAD_FLAG", "unknown flag \"%.60s\": try --help", flag);
        const char *value = flag[2 + n] == '=' ? flag + 3 + n : NULL;
        if (value == NULL && ++k == argc)
            return err_set(e, ERR_INVALID, "BAD_FLAG", "flag \"%.60s\" needs a value", flag);
        if (value == NULL)
            value = argv[k];
        if (set_value(h, i, value, "command line", e) < 0)
            return -1;
    }
    return 0;
}

static void name_replica(struct holder *h)
{
    char host[40] = "";
    if (*h->config.replica != '\0')
        return;
    if (gethostname(host, sizeof(host) - 1) != 0 || *host == '\0')
        host[0] = '?';
    h->config.replica = arena_printf(h->arena, "%s-%d", host, (int)getpid());
}

int config_create(char *const *env, int argc, char *const *argv, struct config **ret, struct err *e)
{
    struct holder *h = calloc(1, sizeof(*h));
    if (h == NULL)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    h->arena = arena_create();
    if (read_defaults(h, e) < 0 || read_env(h, env, e) < 0 || read_flags(h, argc, argv, e) < 0) {
        config_destroy(&h->config);
        return -1;
    }
    name_replica(h);
    *ret = &h->config;
    return 0;
}

void config_destroy(struct config *c)
{
    struct holder *h = (struct holder *)c;
    if (h == NULL)
        return;
    arena_destroy(h->arena);
    free(h);
}

/* --- showing them --- */

static const char *show_value(const struct config *c, const struct row *r, struct arena *a)
{
    const char *member = (const char *)c + r->offset;
    switch (r->type) {
    case TYPE_TEXT:
        return *(const char *const *)(const void *)member;
    case TYPE_CONNINFO:
        return config_redact(*(const char *const *)(const void *)member, a);
    case TYPE_LIST:
        return config_format_list((const struct config_list *)(const void *)member, a);
    case TYPE_INT:
        return arena_printf(a, "%" PRId64, *(const int64_t *)(const void *)member);
    case TYPE_BYTES:
        return config_format_bytes(*(const int64_t *)(const void *)member, a);
    case TYPE_MS:
        return config_format_ms(*(const int64_t *)(const void *)member, a);
    case TYPE_BOOL:
        return *(const bool *)member ? "true" : "false";
    case TYPE_CHOICE_LEVEL:
    case TYPE_CHOICE_FORMAT:
        break;
    }
    return choice_words(r->type)[*(const int *)(const void *)member];
}

void config_print(const struct config *c, FILE *out)
{
    const struct holder *h = (const struct holder *)c;
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    for (size_t i = 0; i < N_ROWS; i++) {
        const char *value = show_value(c, &rows[i], a);
        fprintf(out, "%-24s = %-28s # %s\n", rows[i].name, value, h->origin[i]);
    }
}

void config_help(FILE *out)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        char flag[64];
        snprintf(flag, sizeof(flag), "--%s", rows[i].name);
        for (char *p = flag; *p != '\0'; p++)
            *p = (char)(*p == '_' ? '-' : *p);
        fprintf(out, "  %-28s %s Default: %s\n", flag, rows[i].prose,
                *rows[i].dflt != '\0' ? rows[i].dflt : "(empty)");
    }
}
