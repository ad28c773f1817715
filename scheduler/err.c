/* err.c - fills a struct err; all text goes through err_copy(), which marks what it cuts. */
#include "scheduler/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const code_names[N_ERR_CODES] = {
    [ERR_NONE] = "NONE",           [ERR_INVALID] = "INVALID",
    [ERR_NOT_FOUND] = "NOT_FOUND", [ERR_EXISTS] = "EXISTS",
    [ERR_CONFLICT] = "CONFLICT",   [ERR_PRECONDITION] = "PRECONDITION",
    [ERR_EXHAUSTED] = "EXHAUSTED", [ERR_UNAVAILABLE] = "UNAVAILABLE",
    [ERR_TIMEOUT] = "TIMEOUT",     [ERR_OUT_OF_RANGE] = "OUT_OF_RANGE",
    [ERR_CANCELLED] = "CANCELLED", [ERR_UNKNOWN_CALLER] = "UNKNOWN_CALLER",
    [ERR_DENIED] = "DENIED",       [ERR_UNIMPLEMENTED] = "UNIMPLEMENTED",
    [ERR_INTERNAL] = "INTERNAL",
};

/* Texts are formatted aside first, because an argument may be a text of the very struct that is
 * filled; one byte longer than the longest text, so that err_copy() sees what was cut. */
struct formatted {
    char text[sizeof(((struct err *)NULL)->detail) + 1];
};

static void format(struct formatted *f, const char *fmt, va_list ap)
{
    if (vsnprintf(f->text, sizeof(f->text), fmt, ap) < 0)
        f->text[0] = '\0';
}

char *err_copy(char *ret, size_t size, const char *text)
{
    size_t len = strnlen(text, size);
    if (len < size) {
        memcpy(ret, text, len + 1);
        return ret;
    }
    size_t cut = size - 2; /* where the '+' goes: never inside a character */
    while (cut > 0 && ((unsigned char)text[cut] & 0xC0) == 0x80)
        cut--;
    memcpy(ret, text, cut);
    ret[cut] = '+';
    ret[cut + 1] = '\0';
    return ret;
}

static void start(struct err *e, enum err_code code, const char *reason, const struct formatted *f)
{
    err_copy(e->message, sizeof(e->message), f->text);
    e->code = code;
    e->reason = reason;
    e->detail[0] = '\0';
    e->n_meta = 0;
    e->retry_after_ms = 0;
}

static void set_meta(struct err *e, const char *key, const struct formatted *f)
{
    unsigned i = 0;
    while (i < e->n_meta && strcmp(e->meta[i].key, key) != 0)
        i++;
    if (i == ERR_META_MAX)
        return;
    err_copy(e->meta[i].value, sizeof(e->meta[i].value), f->text);
    e->meta[i].key = key;
    if (i == e->n_meta)
        e->n_meta++;
}

int err_set(struct err *e, enum err_code code, const char *reason, const char *fmt, ...)
{
    int saved = errno;
    struct formatted f = {""};
    va_list ap;
    va_start(ap, fmt);
    format(&f, fmt, ap);
    va_end(ap);
    if (e != NULL)
        start(e, code, reason, &f);
    errno = saved;
    return -1;
}

int err_detail(struct err *e, const char *fmt, ...)
{
    int saved = errno;
    struct formatted f = {""};
    va_list ap;
    va_start(ap, fmt);
    format(&f, fmt, ap);
    va_end(ap);
    if (e != NULL)
        err_copy(e->detail, sizeof(e->detail), f.text);
    errno = saved;
    return -1;
}

int err_meta(struct err *e, const char *key, const char *fmt, ...)
{
    int saved = errno;
    struct formatted f = {""};
    va_list ap;
    va_start(ap, fmt);
    format(&f, fmt, ap);
    va_end(ap);
    if (e != NULL)
        set_meta(e, key, &f);
    errno = saved;
    return -1;
}

int err_retry(struct err *e, unsigned after_ms)
{
    if (e != NULL)
        e->retry_after_ms = after_ms;
    return -1;
}

int err_field(struct err *e, const char *field, const char *fmt, ...)
{
    int saved = errno;
    struct formatted f = {""};
    va_list ap;
    va_start(ap, fmt);
    format(&f, fmt, ap);
    va_end(ap);
    if (e != NULL)
        start(e, ERR_INVALID, "BAD_FIELD", &f);
    errno = saved;
    return err_meta(e, "field", "%s", field);
}

const char *err_code_name(enum err_code code)
{
    return (unsigned)code < N_ERR_CODES ? code_names[code] : "UNKNOWN";
}
