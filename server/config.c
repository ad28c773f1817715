/* config.c - the rows of config.def as a table; one function gives a setting a value, whatever the
 * source. */
#include "server/config.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "server/config_internal.h"
#include "server/config_text.h"
#include "server/log.h"

const struct config_row config_rows[N_CONFIG_ROWS] = {
#define SETTING(name_, type_, dflt_, least_, greatest_, reload_, prose_)                           \
    [CONFIG_##name_] = {.name = #name_,                                                            \
                        .dflt = (dflt_),                                                           \
                        .prose = (prose_),                                                         \
                        .least = (least_),                                                         \
                        .greatest = (greatest_),                                                   \
                        .offset = offsetof(struct config, name_),                                  \
                        .size = sizeof(((struct config *)0)->name_),                               \
                        .type = TYPE_##type_,                                                      \
                        .reload = SETTING_##reload_},
#include "server/config.def"
#undef SETTING
};

static const char *const level_words[] = {"debug", "info", "warn", "error", NULL};
static const char *const format_words[] = {"auto", "text", "json", NULL};
static const char *const client_words[] = {"none", "request", "require", NULL};
static const char *const coexist_words[] = {"off", "manager-lock", NULL};
static const char *const bridge_words[] = {"off", "25", NULL};

const char *const *config_choice_words(enum config_type t)
{
    switch (t) {
    case TYPE_CHOICE_LEVEL:
        return level_words;
    case TYPE_CHOICE_CLIENT:
        return client_words;
    case TYPE_CHOICE_BRIDGE:
        return bridge_words;
    case TYPE_CHOICE_COEXIST:
        return coexist_words;
    default:
        return format_words;
    }
}

bool config_is_list(enum config_type t)
{
    return t == TYPE_LIST || t == TYPE_OPTIONS || t == TYPE_LEVELS;
}

static void put(struct generation *g, const struct config_row *r, const void *value)
{
    memcpy((char *)&g->config + r->offset, value, r->size);
}

static const void *member(const struct config *c, const struct config_row *r)
{
    return (const char *)c + r->offset;
}

/* --- refusing --- */

int config_refuse_at(const char *setting, const char *origin, struct err *e, const char *sentence)
{
    if (strrchr(origin, ':') != NULL)
        err_set(e, ERR_INVALID, "BAD_SETTING", "%s: setting %s: %s", origin, setting, sentence);
    else
        err_set(e, ERR_INVALID, "BAD_SETTING", "setting %s (%s): %s", setting, origin, sentence);
    return err_meta(e, "setting", "%s", setting);
}

int config_refuse(const struct config *c, const char *setting, struct err *e, const char *fmt, ...)
{
    char sentence[sizeof(e->message)];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(sentence, sizeof(sentence), fmt, args);
    va_end(args);
    return config_refuse_at(setting, config_origin(c, setting), e, sentence);
}

static int bad_value(struct generation *g, const struct config_row *r, const char *value,
                     const char *origin, struct err *e, const char *allowed)
{
    return config_refuse_at(r->name, origin, e,
                            arena_printf(g->arena, "\"%.60s\" is not %s", value, allowed));
}

/* --- one value --- */

static const char *allowed_words(const struct config_row *r, struct arena *a)
{
    struct config_list l = {.items = config_choice_words(r->type)};
    while (l.items[l.n] != NULL)
        l.n++;
    return arena_printf(a, "one of %s", config_format_list(&l, a));
}

const char *config_allowed(const struct config_row *r, struct arena *a)
{
    switch (r->type) {
    case TYPE_TEXT:
    case TYPE_CONNINFO:
        return arena_printf(a, "a text of %" PRId64 " to %" PRId64 " bytes", r->least, r->greatest);
    case TYPE_LIST:
    case TYPE_OPTIONS:
    case TYPE_LEVELS:
        return arena_printf(a, "%" PRId64 " to %" PRId64 " items, none empty", r->least,
                            r->greatest);
    case TYPE_INT:
        return arena_printf(a, "a number from %" PRId64 " to %" PRId64, r->least, r->greatest);
    case TYPE_BYTES:
        return arena_printf(a, "a size from %s to %s (like 64k, 4m or 1g)",
                            config_format_bytes(r->least, a), config_format_bytes(r->greatest, a));
    case TYPE_MS:
        return arena_printf(a, "a time from %s to %s (like 500ms, 10s, 5m or 1h)",
                            config_format_ms(r->least, a), config_format_ms(r->greatest, a));
    case TYPE_BOOL:
        return "true or false";
    default:
        return allowed_words(r, a);
    }
}

static int set_number(struct generation *g, const struct config_row *r, const char *value,
                      const char *origin, struct err *e)
{
    int64_t v = 0;
    bool ok = r->type == TYPE_INT     ? config_parse_int(value, &v)
              : r->type == TYPE_BYTES ? config_parse_bytes(value, &v)
                                      : config_parse_ms(value, &v);
    if (!ok || v < r->least || v > r->greatest)
        return bad_value(g, r, value, origin, e, config_allowed(r, g->arena));
    put(g, r, &v);
    return 0;
}

static int set_choice(struct generation *g, const struct config_row *r, const char *value,
                      const char *origin, struct err *e)
{
    const char *const *words = config_choice_words(r->type);
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], value) == 0) {
            put(g, r, &i);
            return 0;
        }
    }
    return bad_value(g, r, value, origin, e, config_allowed(r, g->arena));
}

static int set_bool(struct generation *g, const struct config_row *r, const char *value,
                    const char *origin, struct err *e)
{
    bool flag = false;
    if (!config_parse_bool(value, &flag))
        return bad_value(g, r, value, origin, e, config_allowed(r, g->arena));
    put(g, r, &flag);
    return 0;
}

static int set_text(struct generation *g, const struct config_row *r, const char *value,
                    const char *origin, struct err *e)
{
    int64_t len = (int64_t)strlen(value);
    if (len < r->least || len > r->greatest) {
        const char *shown = r->type == TYPE_CONNINFO ? "***" : value;
        return bad_value(g, r, shown, origin, e, config_allowed(r, g->arena));
    }
    const char *copy = arena_strdup(g->arena, value);
    put(g, r, (const void *)&copy);
    return 0;
}

static bool is_option(const char *item)
{
    for (const char *p = item; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20)
            return false;
    }
    const char *equals = strchr(item, '=');
    const char *dot = strchr(item, '.');
    return equals != NULL && dot != NULL && dot != item && dot + 1 < equals;
}

static const char *refuse_item(enum config_type t, const char *item)
{
    enum log_area area;
    enum log_level level;
    if (t == TYPE_OPTIONS && !is_option(item))
        return "of the form plugin.key=value";
    if (t == TYPE_LEVELS && !log_parse_level(item, &area, &level))
        return "of the form area=level, with an area and a level there are";
    return NULL;
}

int config_set_list(struct generation *g, size_t row, struct config_list items, const char *origin,
                    struct err *e)
{
    const struct config_row *r = &config_rows[row];
    bool ok = items.n >= r->least && items.n <= r->greatest;
    for (uint32_t i = 0; ok && i < items.n; i++)
        ok = *items.items[i] != '\0';
    if (!ok)
        return bad_value(g, r, config_format_list(&items, g->arena), origin, e,
                         config_allowed(r, g->arena));
    for (uint32_t i = 0; i < items.n; i++) {
        const char *allowed = refuse_item(r->type, items.items[i]);
        if (allowed != NULL)
            return bad_value(g, r, items.items[i], origin, e, allowed);
    }
    g->origin[row] = origin;
    put(g, r, &items);
    return 0;
}

int config_set(struct generation *g, size_t row, const char *value, const char *origin,
               struct err *e)
{
    const struct config_row *r = &config_rows[row];
    g->origin[row] = origin;
    switch (r->type) {
    case TYPE_TEXT:
    case TYPE_CONNINFO:
        return set_text(g, r, value, origin, e);
    case TYPE_LIST:
    case TYPE_OPTIONS:
    case TYPE_LEVELS:
        return config_set_list(g, row, config_parse_list(value, g->arena), origin, e);
    case TYPE_INT:
    case TYPE_BYTES:
    case TYPE_MS:
        return set_number(g, r, value, origin, e);
    case TYPE_CHOICE_LEVEL:
    case TYPE_CHOICE_FORMAT:
    case TYPE_CHOICE_CLIENT:
    case TYPE_CHOICE_BRIDGE:
    case TYPE_CHOICE_COEXIST:
        return set_choice(g, r, value, origin, e);
    case TYPE_BOOL:
        break;
    }
    return set_bool(g, r, value, origin, e);
}

/* --- rows --- */

static bool same_list(const struct config_list *a, const struct config_list *b)
{
    bool same = a->n == b->n;
    for (uint32_t i = 0; same && i < a->n; i++)
        same = strcmp(a->items[i], b->items[i]) == 0;
    return same;
}

bool config_same_value(const struct config *a, const struct config *b, size_t row)
{
    const struct config_row *r = &config_rows[row];
    const void *x = member(a, r);
    const void *y = member(b, r);
    if (config_is_list(r->type))
        return same_list(x, y);
    if (r->type == TYPE_TEXT || r->type == TYPE_CONNINFO)
        return strcmp(*(const char *const *)x, *(const char *const *)y) == 0;
    return memcmp(x, y, r->size) == 0;
}

const char *config_origin(const struct config *c, const char *setting)
{
    size_t row = config_find(setting, strlen(setting));
    assert(row < N_CONFIG_ROWS);
    return generation_of(c)->origin[row];
}
