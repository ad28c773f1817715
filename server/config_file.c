/* config_file.c - the file of settings: one YAML mapping, from names of settings to values.
 *
 *     listen: 0.0.0.0:50061
 *     executors: 8
 *     slot_priority: [cuda, cpu, mem]
 *
 * Flat: a setting is a key of the one mapping, spelt as in config.def. A list is a sequence; every
 * other value is a scalar. What YAML could mean in more than one way is refused with its line: a
 * key twice, a value missing, a number in quotes, anchors, aliases, tags, a second document. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <yaml.h>

#include "server/config_internal.h"

enum { FILE_MAX_BYTES = 1 << 20, PATH_SHOWN = 80, ITEMS_MAX = 1024 };

struct file {
    struct generation *g;
    const char *shown; /* the path, its end when it is long */
    yaml_parser_t parser;
    unsigned lines[N_CONFIG_ROWS]; /* where each setting stands; 0: not yet */
};

/* --- the bytes --- */

static int cannot_read(const char *shown, const char *why, struct err *e)
{
    return err_set(e, ERR_INVALID, "BAD_FILE", "%s: cannot read the settings: %s", shown, why);
}

/* As many bytes as the file has, and one more if it grew meanwhile. */
static int read_all(int fd, char *bytes, size_t most, size_t *ret_n)
{
    size_t n = 0;
    while (n < most) {
        ssize_t got = read(fd, bytes + n, most - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    *ret_n = n;
    return 0;
}

static int read_open(const struct file *f, int fd, char **ret, size_t *ret_n, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return cannot_read(f->shown, "not a file", e);
    if (st.st_size > FILE_MAX_BYTES)
        return cannot_read(f->shown, "it is larger than 1 MiB", e);
    size_t size = (size_t)st.st_size;
    char *bytes = arena_new(f->g->arena, char, size + 1);
    if (read_all(fd, bytes, size + 1, ret_n) < 0)
        return cannot_read(f->shown, strerror(errno), e);
    if (*ret_n > size)
        return cannot_read(f->shown, "it grows while it is read", e);
    *ret = bytes;
    return 0;
}

static int read_bytes(const struct file *f, const char *path, char **ret, size_t *ret_n,
                      struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return cannot_read(f->shown, strerror(errno), e);
    int rc = read_open(f, fd, ret, ret_n, e);
    close(fd);
    return rc;
}

/* --- events --- */

static int bad_line(const struct file *f, size_t line, struct err *e, const char *sentence)
{
    return err_set(e, ERR_INVALID, "BAD_FILE", "%s:%zu: %s", f->shown, line, sentence);
}

static size_t line_of(const yaml_event_t *ev)
{
    return ev->start_mark.line + 1;
}

static int next(struct file *f, yaml_event_t *ret, struct err *e)
{
    if (yaml_parser_parse(&f->parser, ret) != 0)
        return 0;
    const char *why = f->parser.problem != NULL ? f->parser.problem : "out of memory";
    return bad_line(f, f->parser.problem_mark.line + 1, e,
                    arena_printf(f->g->arena, "not YAML: %s", why));
}

/* The next event, which must be of this type; its texts are in the arena or not needed. */
static int expect(struct file *f, yaml_event_type_t type, const char *sentence, struct err *e)
{
    yaml_event_t ev;
    if (next(f, &ev, e) < 0)
        return -1;
    bool good = ev.type == type;
    size_t line = line_of(&ev);
    yaml_event_delete(&ev);
    return good ? 0 : bad_line(f, line, e, sentence);
}

/* What is wrong with a scalar whatever the setting, or NULL. */
static const char *refuse_scalar(const yaml_event_t *ev)
{
    if (ev->data.scalar.anchor != NULL)
        return "anchors are not read here";
    if (ev->data.scalar.tag != NULL)
        return "tags are not read here";
    if (memchr(ev->data.scalar.value, '\0', ev->data.scalar.length) != NULL)
        return "the value has a NUL in it";
    return NULL;
}

static bool is_plain(const yaml_event_t *ev)
{
    return ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static bool is_null(const yaml_event_t *ev)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; is_plain(ev) && i < ARRAY_SIZE(nulls); i++) {
        if (strcmp((const char *)ev->data.scalar.value, nulls[i]) == 0)
            return true;
    }
    return false;
}

/* --- values --- */

static int read_scalar(struct file *f, size_t row, const yaml_event_t *ev, const char *origin,
                       struct err *e)
{
    const struct config_row *r = &config_rows[row];
    const char *wrong = refuse_scalar(ev);
    if (wrong == NULL && is_null(ev))
        wrong = r->type == TYPE_TEXT || r->type == TYPE_CONNINFO
                    ? "there is no value; an empty text is \"\""
                    : "there is no value";
    if (wrong == NULL && config_is_list(r->type))
        wrong = "a list is wanted, like [one, two]";
    if (wrong == NULL && !is_plain(ev) && r->type == TYPE_INT)
        wrong = "a number is wanted, and what stands in quotes is a text";
    if (wrong == NULL && !is_plain(ev) && r->type == TYPE_BOOL)
        wrong = "true or false is wanted, and what stands in quotes is a text";
    if (wrong != NULL)
        return config_refuse_at(r->name, origin, e, wrong);
    return config_set(f->g, row, (const char *)ev->data.scalar.value, origin, e);
}

static const char *refuse_item(const yaml_event_t *ev)
{
    if (ev->type != YAML_SCALAR_EVENT)
        return "an item of the list is no text";
    if (is_null(ev))
        return "an item of the list has no value";
    if (strchr((const char *)ev->data.scalar.value, ',') != NULL)
        return "an item of the list has a comma in it";
    return refuse_scalar(ev);
}

static int read_sequence(struct file *f, size_t row, const char *origin, struct err *e)
{
    const char **items = arena_new(f->g->arena, const char *, ITEMS_MAX);
    struct config_list l = {.items = items};
    for (;;) {
        yaml_event_t ev;
        if (next(f, &ev, e) < 0)
            return -1;
        bool end = ev.type == YAML_SEQUENCE_END_EVENT;
        const char *wrong = end ? NULL : refuse_item(&ev);
        if (!end && wrong == NULL && l.n == ITEMS_MAX)
            wrong = "the list is too long";
        if (!end && wrong == NULL)
            items[l.n++] = arena_strdup(f->g->arena, (const char *)ev.data.scalar.value);
        size_t line = line_of(&ev);
        yaml_event_delete(&ev);
        if (wrong != NULL)
            return config_refuse_at(config_rows[row].name,
                                    arena_printf(f->g->arena, "%s:%zu", f->shown, line), e, wrong);
        if (end)
            return config_set_list(f->g, row, l, origin, e);
    }
}

static int read_value(struct file *f, size_t row, const yaml_event_t *ev, struct err *e)
{
    const struct config_row *r = &config_rows[row];
    size_t line = ev->type == YAML_SEQUENCE_START_EVENT ? f->lines[row] : line_of(ev);
    const char *origin = arena_printf(f->g->arena, "%s:%zu", f->shown, line);
    if (ev->type == YAML_SCALAR_EVENT)
        return read_scalar(f, row, ev, origin, e);
    if (ev->type == YAML_ALIAS_EVENT)
        return config_refuse_at(r->name, origin, e, "aliases are not read here");
    if (ev->type != YAML_SEQUENCE_START_EVENT)
        return config_refuse_at(r->name, origin, e, "one value is wanted, and here is a mapping");
    if (!config_is_list(r->type))
        return config_refuse_at(r->name, origin, e, "one value is wanted, and here is a list");
    if (ev->data.sequence_start.anchor != NULL || ev->data.sequence_start.tag != NULL)
        return config_refuse_at(r->name, origin, e, "anchors and tags are not read here");
    return read_sequence(f, row, origin, e);
}

/* --- the mapping --- */

/* row: of the setting it is but for its spelling, or none. */
static int unknown_key(const struct file *f, size_t line, const char *name, size_t row,
                       struct err *e)
{
    struct arena *a = f->g->arena;
    size_t near = config_nearest(name, strlen(name));
    const char *help =
        row < N_CONFIG_ROWS    ? arena_printf(a, "it is spelt %s", config_rows[row].name)
        : near < N_CONFIG_ROWS ? arena_printf(a, "is %s meant?", config_rows[near].name)
                               : "try berthd --help";
    return bad_line(f, line, e, arena_printf(a, "unknown setting \"%.60s\": %s", name, help));
}

static int read_key(struct file *f, const yaml_event_t *ev, size_t *ret_row, struct err *e)
{
    struct arena *a = f->g->arena;
    size_t line = line_of(ev);
    const char *wrong = ev->type == YAML_SCALAR_EVENT ? refuse_scalar(ev) : NULL;
    if (ev->type != YAML_SCALAR_EVENT || wrong != NULL)
        return bad_line(f, line, e, wrong != NULL ? wrong : "the name of a setting is wanted");
    const char *name = (const char *)ev->data.scalar.value;
    size_t row = config_find(name, strlen(name));
    if (row == N_CONFIG_ROWS || strcmp(config_rows[row].name, name) != 0)
        return unknown_key(f, line, name, row, e);
    if (f->lines[row] != 0)
        return bad_line(
            f, line, e,
            arena_printf(a, "setting %s: it stands in line %u already", name, f->lines[row]));
    f->lines[row] = (unsigned)line;
    *ret_row = row;
    return 0;
}

/* One pair; *ret_end: there was none. */
static int read_pair(struct file *f, bool *ret_end, struct err *e)
{
    yaml_event_t ev;
    size_t row = 0;
    if (next(f, &ev, e) < 0)
        return -1;
    *ret_end = ev.type == YAML_MAPPING_END_EVENT;
    int rc = *ret_end ? 0 : read_key(f, &ev, &row, e);
    yaml_event_delete(&ev);
    if (rc < 0 || *ret_end)
        return rc;
    if (next(f, &ev, e) < 0)
        return -1;
    rc = read_value(f, row, &ev, e);
    yaml_event_delete(&ev);
    return rc;
}

static int read_mapping(struct file *f, struct err *e)
{
    bool end = false;
    while (!end) {
        if (read_pair(f, &end, e) < 0)
            return -1;
    }
    if (expect(f, YAML_DOCUMENT_END_EVENT, "one mapping is all a file may have", e) < 0)
        return -1;
    return expect(f, YAML_STREAM_END_EVENT, "a second document is not read", e);
}

/* The document's beginning: a mapping, or nothing at all (*ret_empty). */
static int read_begin(struct file *f, bool *ret_empty, struct err *e)
{
    static const char wanted[] = "a mapping is wanted: lines like \"log_level: info\"";
    yaml_event_t ev;
    if (expect(f, YAML_STREAM_START_EVENT, wanted, e) < 0 || next(f, &ev, e) < 0)
        return -1;
    *ret_empty = ev.type == YAML_STREAM_END_EVENT;
    yaml_event_delete(&ev);
    return *ret_empty ? 0 : expect(f, YAML_MAPPING_START_EVENT, wanted, e);
}

int config_read_file(struct generation *g, const char *path, struct err *e)
{
    struct file f = {.g = g, .shown = path};
    char *bytes = NULL;
    size_t n = 0;
    bool empty = false;
    if (strlen(path) > PATH_SHOWN)
        f.shown = arena_printf(g->arena, "...%s", path + strlen(path) - PATH_SHOWN);
    if (read_bytes(&f, path, &bytes, &n, e) < 0)
        return -1;
    if (yaml_parser_initialize(&f.parser) == 0)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    yaml_parser_set_input_string(&f.parser, (const unsigned char *)bytes, n);
    int rc = read_begin(&f, &empty, e);
    if (rc == 0 && !empty)
        rc = read_mapping(&f, e);
    yaml_parser_delete(&f.parser);
    return rc;
}
