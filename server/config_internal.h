/* config_internal.h - what the files of config share: the table of rows, a generation, its store.
 *
 * config.c gives a row a value; config_name.c finds it by its name; config_source.c asks the
 * sources in their order; config_file.c is the file; config_store.c keeps the generations;
 * config_show.c writes them down. */
#ifndef BERTH_SERVER_CONFIG_INTERNAL_H
#define BERTH_SERVER_CONFIG_INTERNAL_H

#include <pthread.h>

#include "server/config.h"

enum config_type {
    TYPE_TEXT,
    TYPE_CONNINFO,
    TYPE_LIST,
    TYPE_OPTIONS,
    TYPE_LEVELS,
    TYPE_INT,
    TYPE_BYTES,
    TYPE_MS,
    TYPE_BOOL,
    TYPE_CHOICE_LEVEL, /* the first of the choices */
    TYPE_CHOICE_FORMAT,
    TYPE_CHOICE_CLIENT,
    TYPE_CHOICE_BRIDGE,
    TYPE_CHOICE_COEXIST
};

enum setting_reload { SETTING_RESTART, SETTING_RELOAD };

struct config_row {
    const char *name, *dflt, *prose;
    int64_t least, greatest;
    size_t offset, size; /* of the member in struct config */
    enum config_type type;
    enum setting_reload reload;
};

enum config_index {
#define SETTING(name, type, dflt, least, greatest, reload, prose) CONFIG_##name,
#include "server/config.def"
#undef SETTING
    N_CONFIG_ROWS
};
extern const struct config_row config_rows[N_CONFIG_ROWS];

/* Where values come from; copies, in the store's arena. */
struct config_sources {
    char *const *env; /* NULL-ended */
    char *const *argv;
    int argc;
};

struct config_store {
    struct arena *arena;
    struct config_sources sources;
    const char *file;    /* NULL: none */
    const char *replica; /* the name of this process where none is set */
    struct generation *first;
    pthread_mutex_t reload; /* one reload at a time; the listeners */
    struct config_listener *listeners;
    pthread_mutex_t lock; /* below */
    struct generation *now;
    unsigned held;
};

struct generation {
    struct config config; /* first: a struct config is one of these */
    struct config_store *store;
    struct arena *arena;
    uint64_t number;
    unsigned refs;                     /* store->lock */
    const char *origin[N_CONFIG_ROWS]; /* "default", "FILE:LINE", ... */
};

static inline struct generation *generation_of(const struct config *c)
{
    return (struct generation *)c;
}

/* config.c: a value in words. in_file: origin is "FILE:LINE". */
int config_set(struct generation *g, size_t row, const char *value, const char *origin,
               struct err *e) MUST_CHECK;
/* A list, item by item. */
int config_set_list(struct generation *g, size_t row, struct config_list items, const char *origin,
                    struct err *e) MUST_CHECK;
/* The row of a name of n bytes; letters compare without case, '-' equals '_'. N_CONFIG_ROWS: none.
 */
size_t config_find(const char *name, size_t n);
/* The row that somebody may have meant: its name is at most two letters away, or begins with this
 * one. N_CONFIG_ROWS: there is none. */
size_t config_nearest(const char *name, size_t n);
/* The sentence about a setting: "FILE:LINE: setting NAME: ..." or "setting NAME (ORIGIN): ...". */
int config_refuse_at(const char *setting, const char *origin, struct err *e, const char *sentence);
const char *const *config_choice_words(enum config_type t);
/* What a value of the row may be: "a number from 1 to 256". */
const char *config_allowed(const struct config_row *r, struct arena *a);
bool config_is_list(enum config_type t);
bool config_same_value(const struct config *a, const struct config *b, size_t row);

/* config_source.c: fills g from all sources. */
int config_read(struct generation *g, struct err *e) MUST_CHECK;
/* Which file the sources name, or NULL. */
int config_find_file(const struct config_sources *s, const char **ret, struct err *e) MUST_CHECK;

/* config_file.c: the settings of a YAML file. */
int config_read_file(struct generation *g, const char *path, struct err *e) MUST_CHECK;

#endif
