/* flags.c - the command line as tables, see flags.h. */
#include "server/berthctl/flags.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/amount.h"

/* A whole decimal number between min and max; no blanks, no sign but '-'. */
static bool parse_integer(const char *text, int64_t min, int64_t max, int64_t *ret)
{
    char *end = NULL;
    const char *digits = text[0] == '-' ? text + 1 : text;
    if (digits[0] < '0' || digits[0] > '9')
        return false;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0' || n < min || n > max)
        return false;
    *ret = n;
    return true;
}

static int set_number(const struct flag *f, const char *text, void *field, struct err *e)
{
    int64_t n = 0;
    if (f->kind == FLAG_SECONDS) {
        if (amount_parse(text, strlen(text), SLOT_COUNT, &n) != AMOUNT_OK || n <= 0)
            return err_set(e, ERR_INVALID, "USAGE",
                           "--%s takes seconds greater than 0, like 2.5, not \"%s\"", f->name,
                           text);
        *(int64_t *)field = n;
        return 0;
    }
    int64_t min = f->kind == FLAG_INT32 ? INT32_MIN : 0;
    int64_t max = f->kind == FLAG_INT32 ? INT32_MAX : UINT32_MAX;
    if (!parse_integer(text, min, max, &n))
        return err_set(e, ERR_INVALID, "USAGE", "--%s takes a whole number%s, not \"%s\"", f->name,
                       min == 0 ? ", 0 or more" : "", text);
    if (f->kind == FLAG_INT32)
        *(int32_t *)field = (int32_t)n;
    else
        *(uint32_t *)field = (uint32_t)n;
    return 0;
}

static int set_value(const struct flag *f, char *text, void *field, struct arena *a, struct err *e)
{
    struct list *list = field;
    switch (f->kind) {
    case FLAG_BOOL:
        *(bool *)field = true;
        return 0;
    case FLAG_TEXT:
        if (text[0] == '\0')
            return err_set(e, ERR_INVALID, "USAGE", "--%s needs a value that is not empty",
                           f->name);
        *(char **)field = text;
        return 0;
    case FLAG_LIST:
        list->items = arena_grow(a, list->items, &list->cap, list->n + 1, sizeof(*list->items));
        list->items[list->n++] = text;
        return 0;
    case FLAG_UINT32:
    case FLAG_INT32:
    case FLAG_SECONDS:
        return set_number(f, text, field, e);
    }
    assert(!"a flag kind without a case");
    return -1;
}

void flags_init(const struct flag *flags, unsigned n, void *values)
{
    for (unsigned i = 0; i < n; i++)
        if (flags[i].kind == FLAG_UINT32)
            *(uint32_t *)((char *)values + flags[i].offset) = flags[i].initial;
}

static const struct flag *flag_find(const struct flag_set *sets, unsigned n_sets, const char *name,
                                    size_t len, void **ret_values)
{
    for (unsigned s = 0; s < n_sets; s++)
        for (unsigned i = 0; i < sets[s].n_flags; i++) {
            const struct flag *f = &sets[s].flags[i];
            if (strlen(f->name) == len && memcmp(f->name, name, len) == 0) {
                *ret_values = sets[s].values;
                return f;
            }
        }
    return NULL;
}

int flags_take(const struct flag_set *sets, unsigned n_sets, struct arena *a, char *const *argv,
               unsigned argc, unsigned *i, struct err *e)
{
    char *name = argv[*i] + 2;
    size_t len = strcspn(name, "=");
    char *value = name[len] == '=' ? name + len + 1 : NULL;
    void *values = NULL;
    unsigned next = *i + 1;

    assert(strncmp(argv[*i], "--", 2) == 0);
    const struct flag *f = flag_find(sets, n_sets, name, len, &values);
    if (f == NULL)
        return err_set(e, ERR_INVALID, "USAGE", "unknown option --%.*s", (int)len, name);
    if (f->kind == FLAG_BOOL && value != NULL)
        return err_set(e, ERR_INVALID, "USAGE", "--%s takes no value", f->name);
    if (f->kind != FLAG_BOOL && value == NULL) {
        if (next >= argc)
            return err_set(e, ERR_INVALID, "USAGE", "--%s needs a value: --%s %s", f->name, f->name,
                           f->value);
        value = argv[next++];
    }
    if (set_value(f, value, (char *)values + f->offset, a, e) < 0)
        return -1;
    *i = next;
    return 0;
}

void flags_help(FILE *out, const struct flag *flags, unsigned n)
{
    int widest = 0;
    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < n; i++) {
            const struct flag *f = &flags[i];
            bool bare = f->kind == FLAG_BOOL;
            int width = (int)(strlen(f->name) + (bare ? 0 : strlen(f->value) + 1));
            if (pass == 0)
                widest = width > widest ? width : widest;
            else
                fprintf(out, "  --%s%s%s%*s  %s\n", f->name, bare ? "" : " ", bare ? "" : f->value,
                        widest - width, "", f->help);
        }
}
