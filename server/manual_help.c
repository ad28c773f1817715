/* manual_help.c - the help, for a terminal. */
#include <ctype.h>
#include <string.h>

#include "server/config.h"
#include "server/manual.h"

enum { WIDTH = 100, NAME_COLUMN = 34 };

void manual_wrap(FILE *out, unsigned indent, unsigned width, const char *text)
{
    unsigned column = indent;
    while (*text != '\0') {
        unsigned n = (unsigned)strcspn(text, " ");
        if (column > indent && column + 1 + n > width) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', out);
            column++;
        }
        fwrite(text, 1, n, out);
        column += n;
        text += n + (text[n] == ' ');
    }
    fputc('\n', out);
}

static void paragraph(FILE *out, const char *text)
{
    manual_wrap(out, 0, WIDTH, text);
}

/* "  --flag VALUE    prose", the prose on the next line when the flag is long. */
static void entry(FILE *out, const char *flag, const char *value, const char *prose)
{
    int n = fprintf(out, "  %s%s%s", flag, *value != '\0' ? " " : "", value);
    if (n >= NAME_COLUMN)
        fprintf(out, "\n%*s", NAME_COLUMN, "");
    else
        fprintf(out, "%*s", NAME_COLUMN - n, "");
    manual_wrap(out, NAME_COLUMN, WIDTH, prose);
}

static void lines(FILE *out, const char *text)
{
    while (*text != '\0') {
        int n = (int)strcspn(text, "\n");
        fprintf(out, "  %.*s\n", n, text);
        text += n + (text[n] == '\n');
    }
}

static void flag_of(const char *name, char flag[64])
{
    (void)snprintf(flag, 64, "--%s", name);
    for (char *p = flag; *p != '\0'; p++)
        *p = (char)(*p == '_' ? '-' : *p);
}

static void settings(FILE *out)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char *section = "";
    for (size_t i = 0; i < config_count(); i++) {
        struct config_about s;
        char flag[64];
        config_about(i, a, &s);
        if (strcmp(section, s.section) != 0)
            fprintf(out, "\n%s:\n", s.section);
        section = s.section;
        flag_of(s.name, flag);
        entry(out, flag, s.value,
              *s.dflt == '\0' ? s.prose : arena_printf(a, "%s Default: %s", s.prose, s.dflt));
    }
}

static void options(FILE *out, const struct manual_command *c)
{
    for (unsigned i = 0; i < c->n_options; i++) {
        const struct manual_option *o = &c->options[i];
        entry(out, o->flag, o->value != NULL ? o->value : "", o->prose);
    }
}

static void exits(FILE *out)
{
    fprintf(out, "\nExit codes:\n");
    for (unsigned i = 0; i < n_manual_exits; i++)
        fprintf(out, "  %3d  %s\n", manual_exits[i].code, manual_exits[i].words);
}

void manual_help(FILE *out)
{
    fprintf(out, "usage: berthd [COMMAND] [OPTIONS] [--setting value ...]\n\n");
    paragraph(out, manual_about);
    fprintf(out, "\nCommands:\n");
    for (unsigned i = 0; i < n_manual_commands; i++)
        entry(out, manual_commands[i].name, manual_commands[i].args, manual_commands[i].summary);
    fprintf(out, "\nExamples:\n");
    lines(out, manual_examples);
    exits(out);
    fprintf(out, "\n");
    paragraph(out, manual_sources);
    fprintf(out, "\n");
    paragraph(out, manual_secrets);
    fprintf(out, "\n");
    paragraph(out, manual_signals);
    settings(out);
    fprintf(out, "\nberthd help COMMAND and berthd help SETTING say more about one.\n");
}

void manual_help_command(FILE *out, const struct manual_command *c)
{
    fprintf(out, "usage: berthd %s%s%s%s%s\n\n", c->name, *c->args != '\0' ? " " : "", c->args,
            c->n_options > 0 ? " [OPTIONS]" : "",
            c->takes_settings ? " [--config FILE] [--setting value ...]" : "");
    paragraph(out, c->summary);
    if (c->details != NULL)
        paragraph(out, c->details);
    if (c->n_options > 0)
        fprintf(out, "\nOptions:\n");
    options(out, c);
    if (c->takes_settings)
        fprintf(out, "\nThe settings are those of berthd --help.\n");
    exits(out);
    if (c->examples != NULL) {
        fprintf(out, "\nExamples:\n");
        lines(out, c->examples);
    }
}

bool manual_help_setting(FILE *out, const char *name)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct config_about s;
    char flag[64];
    char variable[64];
    size_t i = config_index(name + (strncmp(name, "--", 2) == 0 ? 2 : 0));
    if (i == config_count())
        return false;
    config_about(i, a, &s);
    flag_of(s.name, flag);
    (void)snprintf(variable, sizeof(variable), "BERTH_%s", s.name);
    for (char *p = variable; *p != '\0'; p++)
        *p = (char)toupper((unsigned char)*p);
    fprintf(out, "%s (%s)\n\n", s.name, s.section);
    paragraph(out, s.prose);
    fprintf(out, "\nValue:        %s\nDefault:      %s\n", s.allowed,
            *s.dflt != '\0' ? s.dflt : "(empty)");
    fprintf(out, "File:         %s: %s\nEnvironment:  %s\nCommand line: %s %s\n", s.name,
            s.is_list ? "[...]" : s.value, variable, flag, s.value);
    fprintf(out, "A change:     takes effect %s\n", s.reloads ? "at SIGHUP" : "after a restart");
    return true;
}
