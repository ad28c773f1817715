/* log.c - events as lines: "time level event key=value ..." or one JSON object. */
#include "server/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/clock.h"

enum { LINE_MAX_BYTES = 4096, MAX_ERR_FIELDS = 4 + ERR_META_MAX };

static atomic_int least_level = LOG_INFO; /* enum log_level */
static atomic_bool as_json;

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARN] = "warn",
    [LOG_ERROR] = "error",
};

/* A line under construction; room for the newline and the mark of a cut is kept. */
struct line {
    char text[LINE_MAX_BYTES];
    size_t n;
    bool cut;
    bool json; /* the format may change while it is written */
};

void log_setup(enum log_level least, enum log_format format)
{
    atomic_store(&least_level, least);
    atomic_store(&as_json,
                 format == LOG_JSON || (format == LOG_AUTO && isatty(STDERR_FILENO) == 0));
}

static void add_char(struct line *l, char c)
{
    if (l->n < sizeof(l->text) - 8)
        l->text[l->n++] = c;
    else
        l->cut = true;
}

static void add_text(struct line *l, const char *s)
{
    while (*s != '\0')
        add_char(l, *s++);
}

/* JSON's escapes; control characters never reach a terminal either. */
static void add_escaped(struct line *l, const char *s)
{
    static const char hex[] = "0123456789abcdef";
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\') {
            add_char(l, '\\');
            add_char(l, *s);
        } else if (c == '\n') {
            add_text(l, "\\n");
        } else if (c < 0x20 || c == 0x7f) {
            add_text(l, "\\u00");
            add_char(l, hex[c >> 4]);
            add_char(l, hex[c & 15]);
        } else {
            add_char(l, *s);
        }
    }
}

static void add_quoted(struct line *l, const char *s)
{
    add_char(l, '"');
    add_escaped(l, s);
    add_char(l, '"');
}

static void add_time(struct line *l)
{
    struct timespec now;
    struct tm tm;
    char text[48];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, sizeof(text) - n, ".%03ldZ", now.tv_nsec / 1000000);
    add_text(l, text);
}

static bool needs_quotes(const char *s)
{
    if (*s == '\0')
        return true;
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s <= ' ' || *s == '"' || *s == '=' || *s == '\\' || *s == 0x7f)
            return true;
    }
    return false;
}

static void add_field(struct line *l, const struct log_field *f)
{
    char number[24];
    snprintf(number, sizeof(number), "%lld", (long long)f->number);
    const char *value = f->text != NULL ? f->text : number;
    if (l->json) {
        add_char(l, ',');
        add_quoted(l, f->key);
        add_char(l, ':');
    } else {
        add_char(l, ' ');
        add_text(l, f->key);
        add_char(l, '=');
    }
    if (f->text != NULL && (l->json || needs_quotes(value)))
        add_quoted(l, value);
    else
        add_text(l, value);
}

static void begin_line(struct line *l, enum log_level level, const char *event)
{
    l->n = 0;
    l->cut = false;
    l->json = atomic_load(&as_json);
    if (l->json) {
        add_text(l, "{\"time\":\"");
        add_time(l);
        add_text(l, "\",\"level\":");
        add_quoted(l, level_names[level]);
        add_text(l, ",\"event\":");
        add_quoted(l, event);
        return;
    }
    add_time(l);
    add_char(l, ' ');
    add_text(l, level_names[level]);
    add_char(l, ' ');
    add_text(l, event);
}

/* A cut JSON line must still be JSON: what was added last is left out as a whole. */
static void add_fields(struct line *l, const struct log_field *f, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        size_t before = l->n;
        add_field(l, &f[i]);
        if (l->cut && l->json)
            l->n = before;
        if (l->cut)
            return;
    }
}

static void end_line(struct line *l)
{
    if (l->cut && !l->json)
        l->text[l->n++] = '+';
    if (l->cut && l->json) {
        memcpy(l->text + l->n, ",\"+\":1", 6);
        l->n += 6;
    }
    if (l->json)
        l->text[l->n++] = '}';
    l->text[l->n++] = '\n';
    if (write(STDERR_FILENO, l->text, l->n) < 0) {
        /* Nobody reads the log; there is no other place to say so. */
        return;
    }
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, unsigned n)
{
    if ((int)level < atomic_load(&least_level))
        return;
    struct line l;
    begin_line(&l, level, event);
    add_fields(&l, fields, n);
    end_line(&l);
}

void log_err(enum log_level level, const char *event, const struct err *e,
             const struct log_field *fields, unsigned n)
{
    if ((int)level < atomic_load(&least_level))
        return;
    struct log_field f[MAX_ERR_FIELDS];
    unsigned k = 0;
    f[k++] = LOG_STR("code", err_code_name(e->code));
    f[k++] = LOG_STR("reason", e->reason);
    f[k++] = LOG_STR("message", e->message);
    if (e->detail[0] != '\0')
        f[k++] = LOG_STR("detail", e->detail);
    for (unsigned i = 0; i < e->n_meta && i < ERR_META_MAX; i++)
        f[k++] = LOG_STR(e->meta[i].key, e->meta[i].value);
    struct line l;
    begin_line(&l, level, event);
    add_fields(&l, fields, n);
    add_fields(&l, f, k);
    end_line(&l);
}

bool log_allowed(struct log_limit *l, enum log_level level, uint64_t *ret_left_out)
{
    if ((int)level < atomic_load(&least_level))
        return false;
    int64_t now = clock_ns() / NS_PER_S;
    int64_t was = atomic_load(&l->second);
    if (now != was && atomic_compare_exchange_strong(&l->second, &was, now))
        atomic_store(&l->count, 0);
    if (atomic_fetch_add(&l->count, 1) >= l->per_second) {
        atomic_fetch_add(&l->left_out, 1);
        return false;
    }
    *ret_left_out = atomic_exchange(&l->left_out, 0);
    return true;
}
