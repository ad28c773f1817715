/* config_text.c - numbers with units, lists, and connection strings without their passwords. */
#include "server/config_text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* Greatest first: formatting takes the first that divides. */
static const struct unit byte_units[] = {
    {"g", INT64_C(1) << 30},
    {"m", INT64_C(1) << 20},
    {"k", INT64_C(1) << 10},
    {"", 1},
};
static const struct unit ms_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};

bool config_parse_int(const char *text, int64_t *ret)
{
    char *end = NULL;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || isspace((unsigned char)*text))
        return false;
    *ret = v;
    return true;
}

static bool parse_units(const char *text, const struct unit *u, size_t n, int64_t *ret)
{
    char *end = NULL;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno != 0 || end == text || isspace((unsigned char)*text))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (strcasecmp(end, u[i].name) != 0)
            continue;
        int64_t product = 0;
        if (__builtin_mul_overflow((int64_t)v, u[i].factor, &product))
            return false;
        *ret = product;
        return true;
    }
    return false;
}

static char *format_units(int64_t v, const struct unit *u, size_t n, struct arena *a)
{
    for (size_t i = 0; i < n; i++) {
        if (v != 0 && v % u[i].factor == 0)
            return arena_printf(a, "%" PRId64 "%s", v / u[i].factor, u[i].name);
    }
    return arena_printf(a, "%" PRId64 "%s", v, u[n - 1].name);
}

bool config_parse_bytes(const char *text, int64_t *ret)
{
    return parse_units(text, byte_units, ARRAY_SIZE(byte_units), ret);
}

bool config_parse_ms(const char *text, int64_t *ret)
{
    return parse_units(text, ms_units, ARRAY_SIZE(ms_units), ret);
}

char *config_format_bytes(int64_t bytes, struct arena *a)
{
    return format_units(bytes, byte_units, ARRAY_SIZE(byte_units), a);
}

char *config_format_ms(int64_t ms, struct arena *a)
{
    return format_units(ms, ms_units, ARRAY_SIZE(ms_units), a);
}

bool config_parse_bool(const char *text, bool *ret)
{
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return false;
    *ret = *text == 't';
    return true;
}

struct config_list config_parse_list(const char *text, struct arena *a)
{
    static const char blanks[] = " \t\n\v\f\r";
    const char **items = NULL;
    size_t cap = 0;
    uint32_t n = 0;
    const char *p = text + strspn(text, blanks);
    while (*p != '\0' || n > 0) {
        size_t len = strcspn(p, ",");
        const char *next = p + len;
        while (len > 0 && strchr(blanks, p[len - 1]) != NULL)
            len--;
        items = arena_grow(a, items, &cap, n + 1, sizeof(*items));
        items[n++] = arena_strndup(a, p, len);
        if (*next == '\0')
            break;
        p = next + 1 + strspn(next + 1, blanks);
    }
    return (struct config_list){.items = items, .n = n};
}

char *config_format_list(const struct config_list *l, struct arena *a)
{
    char *text = arena_strdup(a, "");
    for (uint32_t i = 0; i < l->n; i++)
        text = arena_printf(a, "%s%s%s", text, i > 0 ? "," : "", l->items[i]);
    return text;
}

/* End of a value in keyword/value form: to the closing quote, or to the next space. */
static const char *value_end(const char *p)
{
    bool quoted = *p == '\'';
    if (quoted)
        p++;
    while (*p != '\0') {
        if (*p == '\\' && p[1] != '\0') {
            p += 2;
            continue;
        }
        if (quoted && *p == '\'')
            return p + 1;
        if (!quoted && isspace((unsigned char)*p))
            break;
        p++;
    }
    return p;
}

/* "postgresql://user:secret@host/db?password=x": the text between the first ':' and the last '@' of
 * the authority, and every parameter whose name ends in "password". */
static char *redact_uri(const char *uri, struct arena *a)
{
    const char *authority = strstr(uri, "://") + 3;
    size_t len = strcspn(authority, "/?");
    const char *at = memrchr(authority, '@', len);
    const char *colon = at != NULL ? memchr(authority, ':', (size_t)(at - authority)) : NULL;
    char *text = arena_strdup(a, uri);
    if (colon != NULL)
        text = arena_printf(a, "%.*s***%s", (int)(colon + 1 - uri), uri, at);
    for (size_t from = 0;;) {
        char *hit = strstr(text + from, "password=");
        if (hit == NULL)
            return text;
        hit += strlen("password=");
        from = (size_t)(hit - text) + strlen("***");
        text = arena_printf(a, "%.*s***%s", (int)(hit - text), text, hit + strcspn(hit, "&"));
    }
}

static bool is_password(const char *key, size_t n)
{
    size_t k = strlen("password");
    return n >= k && strncasecmp(key + n - k, "password", k) == 0;
}

char *config_redact(const char *conninfo, struct arena *a)
{
    if (strncmp(conninfo, "postgresql://", 13) == 0 || strncmp(conninfo, "postgres://", 11) == 0)
        return redact_uri(conninfo, a);
    char *text = arena_strdup(a, "");
    const char *p = conninfo;
    while (*p != '\0') {
        const char *key = p + strspn(p, " \t\n");
        size_t n_key = strcspn(key, "= \t\n");
        const char *value = key + n_key;
        value += strspn(value, " \t\n");
        if (*value != '=')
            return arena_strdup(a, "*** (unreadable)");
        value++;
        value += strspn(value, " \t\n");
        const char *end = value_end(value);
        bool secret = is_password(key, n_key);
        text = arena_printf(a, "%s%s%.*s=%.*s", text, *text != '\0' ? " " : "", (int)n_key, key,
                            secret ? 3 : (int)(end - value), secret ? "***" : value);
        p = end + strspn(end, " \t\n");
    }
    return text;
}
