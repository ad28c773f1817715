/* manual.h - what berthd can do, in words: one table that the help, the manual page and the
 * completion of the shell are made from.
 *
 * A command is an entry of manual_commands; a setting is a row of config.def. Nothing about either
 * is written a second time. */
#ifndef BERTH_SERVER_MANUAL_H
#define BERTH_SERVER_MANUAL_H

#include <stdbool.h>
#include <stdio.h>

struct manual_option {
    const char *flag;  /* "--dry-run" */
    const char *value; /* NULL: it takes none */
    const char *prose; /* a sentence */
};

struct manual_command {
    const char *name; /* "migrate", "--print-config" */
    const char *args; /* "new NAME", "" */
    int (*run)(int argc, char **argv);
    const char *summary;  /* a sentence */
    const char *details;  /* more sentences; NULL: none */
    const char *examples; /* lines; NULL: none */
    const struct manual_option *options;
    unsigned n_options;
    bool takes_settings;
};

extern const struct manual_command manual_commands[];
extern const unsigned n_manual_commands;

struct manual_exit {
    int code;
    const char *words;
};
extern const struct manual_exit manual_exits[];
extern const unsigned n_manual_exits;

extern const char manual_about[];    /* what berthd is, a paragraph */
extern const char manual_sources[];  /* where settings come from, a paragraph */
extern const char manual_secrets[];  /* a paragraph */
extern const char manual_signals[];  /* a paragraph */
extern const char manual_file[];     /* an example of a file of settings */
extern const char manual_examples[]; /* lines of a shell */

const struct manual_command *manual_find(const char *name); /* NULL: none */

void manual_help(FILE *out);                                         /* berthd --help */
void manual_help_command(FILE *out, const struct manual_command *c); /* berthd migrate --help */
bool manual_help_setting(FILE *out, const char *name); /* berthd help listen; false: no setting */

void manual_settings(FILE *out);   /* SETTINGS.md */
void manual_page(FILE *out);       /* berthd.8 */
void manual_completion(FILE *out); /* for bash */

/* Writes a text in lines of at most `width` columns; all but the first begin after `indent` blanks.
 */
void manual_wrap(FILE *out, unsigned indent, unsigned width, const char *text);

#endif
