/* log.c - events as lines: "time level area: event key=value ..." or one JSON object. */
#include "server/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/log_line.h"

enum { MAX_ERR_FIELDS = 4 + ERR_META_MAX };

static const char *const area_names[N_LOG_AREAS] = {
#define AREA(name, prose) [LOG_AREA_##name] = #name,
#include "server/log_areas.def"
#undef AREA
};
static const char *const level_names[] = {
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARN] = "warn",
    [LOG_ERROR] = "error",
};

/* The last place is for files without an area: tests. */
static atomic_int least[N_LOG_AREAS + 1] = {[0 ... N_LOG_AREAS] = LOG_INFO};
static atomic_bool as_json;

static _Thread_local struct log_scope *scopes;

/* --- levels --- */

/* Length of the first word of "hub_reader.c". */
static size_t area_length(const char *file)
{
    return strcspn(file, "_.");
}

static enum log_area find_area(const char *name, size_t n)
{
    unsigned i = 0;
    while (i < N_LOG_AREAS && (strncmp(area_names[i], name, n) != 0 || area_names[i][n] != '\0'))
        i++;
    return (enum log_area)i;
}

bool log_parse_level(const char *item, enum log_area *ret_area, enum log_level *ret_level)
{
    size_t n = strcspn(item, "=");
    enum log_area area = find_area(item, n);
    if (area == N_LOG_AREAS || item[n] == '\0')
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(level_names); i++) {
        if (strcmp(item + n + 1, level_names[i]) != 0)
            continue;
        *ret_area = area;
        *ret_level = (enum log_level)i;
        return true;
    }
    return false;
}

void log_list_areas(FILE *out)
{
#define AREA(name, prose) fprintf(out, "%-10s %s\n", #name, prose);
#include "server/log_areas.def"
#undef AREA
}

void log_setup_areas(enum log_level lowest, enum log_format format, const char *const *items,
                     unsigned n)
{
    int levels[N_LOG_AREAS + 1];
    for (unsigned i = 0; i <= N_LOG_AREAS; i++)
        levels[i] = (int)lowest;
    for (unsigned i = 0; i < n; i++) {
        enum log_area area;
        enum log_level level;
        if (log_parse_level(items[i], &area, &level))
            levels[area] = (int)level;
    }
    for (unsigned i = 0; i <= N_LOG_AREAS; i++)
        atomic_store(&least[i], levels[i]);
    atomic_store(&as_json,
                 format == LOG_JSON || (format == LOG_AUTO && isatty(STDERR_FILENO) == 0));
}

void log_setup(enum log_level lowest, enum log_format format)
{
    log_setup_areas(lowest, format, NULL, 0);
}

/* May this place write a line of this level now? *ret_left_out: how many it did not, since the last
 * it did. */
static bool is_allowed(struct log_site *s, enum log_level level, uint64_t *ret_left_out)
{
    if ((int)level < atomic_load(&least[find_area(s->file, area_length(s->file))]))
        return false;
    int64_t now = clock_ns() / NS_PER_S;
    int64_t was = atomic_load(&s->second);
    if (now != was && atomic_compare_exchange_strong(&s->second, &was, now))
        atomic_store(&s->count, 0);
    if (atomic_fetch_add(&s->count, 1) >= s->per_second) {
        atomic_fetch_add(&s->left_out, 1);
        return false;
    }
    *ret_left_out = atomic_exchange(&s->left_out, 0);
    return true;
}

/* --- scopes --- */

void log_enter(struct log_scope *s, const struct log_field *fields, unsigned n)
{
    *s = (struct log_scope){.outer = scopes, .fields = fields, .n = n};
    scopes = s;
}

void log_leave(struct log_scope *s)
{
    scopes = s->outer;
}

static bool has_key(const struct log_field *f, unsigned n, const char *key)
{
    for (unsigned i = 0; i < n; i++) {
        if (strcmp(f[i].key, key) == 0)
            return true;
    }
    return false;
}

/* Is the field of this scope said already, by the line or further in? */
static bool is_said(const struct log_scope *s, const char *key, const struct log_field *fields,
                    unsigned n)
{
    bool said = has_key(fields, n, key);
    for (const struct log_scope *in = scopes; in != s && !said; in = in->outer)
        said = has_key(in->fields, in->n, key);
    return said;
}

static void add_scopes(struct log_line *l, const struct log_field *fields, unsigned n)
{
    for (const struct log_scope *s = scopes; s != NULL; s = s->outer) {
        for (unsigned i = 0; i < s->n; i++) {
            const struct log_field *f = &s->fields[i];
            if ((f->text == NULL || *f->text != '\0') && !is_said(s, f->key, fields, n))
                log_line_fields(l, f, 1);
        }
    }
}

/* --- lines --- */

static void begin(struct log_line *l, const struct log_site *s, enum log_level level,
                  const char *event)
{
    struct timespec now;
    struct tm tm;
    char time[48];
    char area[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(time, sizeof(time), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(time + n, sizeof(time) - n, ".%03ldZ", now.tv_nsec / 1000000);
    (void)snprintf(area, sizeof(area), "%.*s", (int)area_length(s->file), s->file);
    log_line_begin(l, atomic_load(&as_json), time, level_names[level], area, event);
}

static void end(struct log_line *l, uint64_t left_out)
{
    if (left_out > 0)
        log_line_fields(l, &LOG_NUM("left_out", left_out), 1);
    size_t n = log_line_end(l);
    if (write(STDERR_FILENO, l->text, n) < 0) {
        /* Nobody reads the log; there is no other place to say so. */
        return;
    }
}

void log_write_at(struct log_site *site, enum log_level level, const char *event,
                  const struct log_field *fields, unsigned n)
{
    uint64_t left_out = 0;
    struct log_line l;
    if (!is_allowed(site, level, &left_out))
        return;
    begin(&l, site, level, event);
    log_line_fields(&l, fields, n);
    add_scopes(&l, fields, n);
    end(&l, left_out);
}

void log_err_at(struct log_site *site, enum log_level level, const char *event, const struct err *e,
                const struct log_field *fields, unsigned n)
{
    uint64_t left_out = 0;
    struct log_line l;
    struct log_field f[MAX_ERR_FIELDS];
    unsigned k = 0;
    if (!is_allowed(site, level, &left_out))
        return;
    f[k++] = LOG_STR("code", err_code_name(e->code));
    f[k++] = LOG_STR("reason", e->reason);
    f[k++] = LOG_STR("message", e->message);
    if (e->detail[0] != '\0')
        f[k++] = LOG_STR("detail", e->detail);
    for (unsigned i = 0; i < e->n_meta && i < ERR_META_MAX; i++) {
        if (!has_key(fields, n, e->meta[i].key))
            f[k++] = LOG_STR(e->meta[i].key, e->meta[i].value);
    }
    begin(&l, site, level, event);
    log_line_fields(&l, fields, n);
    add_scopes(&l, fields, n);
    log_line_fields(&l, f, k);
    end(&l, left_out);
}
