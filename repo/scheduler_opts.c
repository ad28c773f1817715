/* scheduler_opts.c - the options of a scaling group. */
#include "repo/scheduler_opts.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_STRATEGY "dispersed"
#define SECOND_US        1e6

static void json_release(json_t *j)
{
    json_decref(j);
}
DEFINE_CLEANUP(json_t, json_release)

/* --- durations --- */

struct unit {
    char letter;
    double seconds;
};

static const struct unit date_units[] = {{'w', 604800}, {'d', 86400}};
static const struct unit time_units[] = {{'h', 3600}, {'m', 60}, {'s', 1}};
static const struct unit plain_units[] = {
    {'w', 604800}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

static int64_t to_us(double seconds)
{
    double us = seconds * SECOND_US;
    if (us >= 9.2e18)
        return INT64_MAX;
    if (us <= -9.2e18)
        return INT64_MIN + 1;
    return (int64_t)(us + (us < 0 ? -0.5 : 0.5));
}

/* Digits with at most one point: no sign, exponent, hexadecimal or "nan". */
static bool read_number(const char **text, double *ret)
{
    const char *end = *text;
    int points = 0, digits = 0;
    for (; isdigit((unsigned char)*end) || *end == '.'; end++) {
        points += *end == '.';
        digits += *end != '.';
    }
    if (digits == 0 || points > 1)
        return false;
    *ret = strtod(*text, NULL);
    *text = end;
    return true;
}

/* Reads "<number><unit>" pairs, units in falling order, up to `stop` or the end; *n counts them. */
static bool read_pairs(const char **text, char stop, const struct unit *units, size_t n_units,
                       double *seconds, int *n)
{
    size_t next = 0;
    while (**text != '\0' && tolower((unsigned char)**text) != stop) {
        double v;
        if (!read_number(text, &v))
            return false;
        int letter = tolower((unsigned char)**text);
        while (next < n_units && units[next].letter != letter)
            next++;
        if (letter == '\0' || next == n_units)
            return false;
        *seconds += v * units[next++].seconds;
        (*text)++;
        (*n)++;
    }
    return true;
}

static bool read_iso(const char *text, double *seconds)
{
    int n = 0, n_time = 0;
    if (!read_pairs(&text, 't', date_units, ARRAY_SIZE(date_units), seconds, &n))
        return false;
    if (*text == '\0')
        return n > 0;
    text++;
    return read_pairs(&text, '\0', time_units, ARRAY_SIZE(time_units), seconds, &n_time) &&
           n_time > 0;
}

bool duration_parse(const char *text, int64_t *ret_us)
{
    while (isspace((unsigned char)*text))
        text++;
    double sign = *text == '-' ? -1 : 1, seconds = 0;
    if (*text == '-' || *text == '+')
        text++;
    bool ok;
    if (*text == 'P' || *text == 'p') {
        ok = read_iso(text + 1, &seconds);
    } else {
        const char *rest = text;
        int n = 0;
        ok = read_number(&rest, &seconds) && *rest == '\0';
        if (!ok) {
            seconds = 0;
            ok = read_pairs(&text, '\0', plain_units, ARRAY_SIZE(plain_units), &seconds, &n) &&
                 n > 0;
        }
    }
    if (ok)
        *ret_us = to_us(sign * seconds);
    return ok;
}

/* --- the object --- */

static const char *sentence(struct arena *a, const char *group_name, const char *what)
{
    return arena_printf(a, "scaling_groups \"%s\": scheduler_opts%s.", group_name, what);
}

static const char *read_timeout(const json_t *v, const char *group_name, struct arena *a,
                                int64_t *ret)
{
    if (v == NULL || json_is_null(v))
        return NULL;
    if (json_is_number(v)) {
        *ret = to_us(json_number_value(v));
        return NULL;
    }
    if (json_is_string(v) && duration_parse(json_string_value(v), ret))
        return NULL;
    return sentence(a, group_name, ".pending_timeout is not a duration");
}

static const char *read_strategy(const json_t *v, const char *group_name, struct arena *a,
                                 const char **ret)
{
    if (v == NULL || json_is_null(v))
        return NULL;
    if (!json_is_string(v))
        return sentence(a, group_name, ".agent_selection_strategy is not a text");
    *ret = arena_strdup(a, json_string_value(v));
    return NULL;
}

static const char *read_config(json_t *v, const char *group_name, struct arena *a,
                               struct scheduler_opts *ret)
{
    if (v == NULL || json_is_null(v))
        return NULL;
    if (!json_is_object(v))
        return sentence(a, group_name, ".config is not an object");
    ret->options = arena_new(a, struct option, json_object_size(v));
    const char *key;
    json_t *value;
    json_object_foreach(v, key, value)
    {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        if (text == NULL)
            return sentence(a, group_name, ".config cannot be read");
        ret->options[ret->n_options++] =
            (struct option){.key = arena_strdup(a, key), .value = arena_strdup(a, text)};
        free(text);
    }
    return NULL;
}

struct scheduler_opts scheduler_opts_parse(const char *json, const char *group_name,
                                           struct arena *a)
{
    struct scheduler_opts ret = {.strategy = DEFAULT_STRATEGY};
    if (json == NULL)
        return ret;
    json_error_t why;
    CLEANUP(json_releasep) json_t *root = json_loads(json, JSON_DECODE_ANY, &why);
    if (root == NULL) /* jsonb holds numbers that jansson's integers do not */
        root = json_loads(json, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &why);
    if (json_is_null(root))
        return ret;
    if (!json_is_object(root)) {
        ret.bad = sentence(a, group_name, " is not a JSON object");
        return ret;
    }
    const char *bad[] = {
        read_timeout(json_object_get(root, "pending_timeout"), group_name, a, &ret.pending_timeout),
        read_strategy(json_object_get(root, "agent_selection_strategy"), group_name, a,
                      &ret.strategy),
        read_config(json_object_get(root, "config"), group_name, a, &ret),
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad) && ret.bad == NULL; i++)
        ret.bad = bad[i];
    return ret;
}
