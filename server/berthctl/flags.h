/* flags.h - the command line as tables.
 *
 * A command lists its options in an array of struct flag and gets them in its own struct; what is
 * not given is zero or its `initial`. "--name value" and "--name=value" are the same; "--" ends the
 * options. */
#ifndef BERTH_BERTHCTL_FLAGS_H
#define BERTH_BERTHCTL_FLAGS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "scheduler/arena.h"
#include "scheduler/err.h"

enum flag_kind {
    FLAG_BOOL,    /* bool; takes no value */
    FLAG_TEXT,    /* char *; not empty */
    FLAG_LIST,    /* struct list; may be given several times */
    FLAG_UINT32,  /* uint32_t */
    FLAG_INT32,   /* int32_t */
    FLAG_SECONDS, /* int64_t microseconds, > 0; written as seconds, "2.5" */
};

struct list {
    char **items;
    size_t n, cap;
};

struct flag {
    const char *name;  /* without the dashes */
    const char *value; /* what the help calls the value; NULL for FLAG_BOOL */
    const char *help;
    size_t offset; /* in the command's struct */
    enum flag_kind kind;
    uint32_t initial; /* FLAG_UINT32: its value when not given */
};

struct flag_set {
    const struct flag *flags;
    unsigned n_flags;
    void *values;
};

#define FLAG(owner, field, kind_, name_, value_, help_, ...)                                       \
    {                                                                                              \
        .name = (name_), .kind = FLAG_##kind_, .offset = offsetof(owner, field),                   \
        .value = (value_), .help = (help_), __VA_ARGS__                                            \
    }

void flags_init(const struct flag *flags, unsigned n, void *values);

/* Takes the option at argv[*i], and its value when that stands apart; *i is then past both. The
 * first set that knows the name gets it. ERR_INVALID (reason USAGE) names the option. */
int flags_take(const struct flag_set *sets, unsigned n_sets, struct arena *a, char *const *argv,
               unsigned argc, unsigned *i, struct err *e) MUST_CHECK;

void flags_help(FILE *out, const struct flag *flags, unsigned n);

#endif
