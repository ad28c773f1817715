/* manual.c - see manual.h. */
#include "server/berthctl/manual.h"

#include <string.h>

#include "server/roff.h"

static const char about[] =
    "berthctl asks berthd to schedule, cancel and explain, and shows what it does.";

static const struct {
    int code;
    const char *words;
} exits[] = {
#define EXIT(name, code_, words_) {.code = (code_), .words = (words_)},
#include "server/berthctl/exits.def"
#undef EXIT
};

/* --- the help --- */

static void help_exits(FILE *out)
{
    fprintf(out, "\nExit codes:\n");
    for (size_t i = 0; i < ARRAY_SIZE(exits); i++)
        fprintf(out, "  %3d  %s\n", exits[i].code, exits[i].words);
}

void manual_help(FILE *out, const struct manual *m)
{
    int widest = 0;
    fprintf(out, "%s\n\nusage: berthctl [OPTIONS] COMMAND [ARGUMENTS]\n\nCommands:\n", about);
    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < m->n_commands; i++) {
            const struct command *d = m->commands[i];
            int width = (int)(strlen(d->name) + 1 + strlen(d->args));
            if (pass == 0)
                widest = width > widest ? width : widest;
            else
                fprintf(out, "  %s %s%*s  %s\n", d->name, d->args, widest - width, "", d->summary);
        }
    fprintf(out, "\nOptions, before or after the command:\n");
    flags_help(out, m->flags, m->n_flags);
    help_exits(out);
    fprintf(out, "\nExamples:\n"
                 "  berthctl groups\n"
                 "  berthctl pending gpu\n"
                 "  berthctl explain 3fa85f64-5717-4562-b3fc-2c963f66afa6\n"
                 "  berthctl watch --group gpu\n"
                 "\nberthctl help COMMAND has the options of a command and examples.\n");
}

void manual_help_command(FILE *out, const struct manual *m, const struct command *d)
{
    fprintf(out, "usage: berthctl %s%s%s%s\n\n", d->name, d->args[0] == '\0' ? "" : " ", d->args,
            d->n_flags > 0 ? " [OPTIONS]" : "");
    fprintf(out, "%s.\n%s", d->summary, d->details == NULL ? "" : d->details);
    if (d->n_flags > 0) {
        fprintf(out, "\nOptions:\n");
        flags_help(out, d->flags, d->n_flags);
    }
    fprintf(out, "\nOptions of every command:\n");
    flags_help(out, m->flags, m->n_flags);
    help_exits(out);
    fprintf(out, "\nExamples:\n%s", d->examples);
}

/* --- berthctl.1 --- */

static void page_flags(FILE *out, const struct flag *flags, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "--%s", flags[i].name);
        roff_entry(out, name, flags[i].kind == FLAG_BOOL ? "" : flags[i].value);
        roff_text(out, flags[i].help);
    }
}

static void page_command(FILE *out, const struct command *d)
{
    char title[128];
    (void)snprintf(title, sizeof(title), "berthctl %s %s", d->name, d->args);
    roff_heading(out, "SS", title);
    roff_text(out, d->summary);
    if (d->details != NULL) {
        roff_paragraph(out);
        roff_lines(out, d->details);
    }
    page_flags(out, d->flags, d->n_flags);
    roff_paragraph(out);
    roff_lines(out, d->examples);
}

static void page(FILE *out, const struct manual *m)
{
    roff_begin(out, "BERTHCTL", "1", "asks the scheduling server of Berth");
    roff_heading(out, "SH", "SYNOPSIS");
    fprintf(out, ".B berthctl\n.RI [ options ]\n.I command\n.RI [ arguments ]\n");
    roff_heading(out, "SH", "DESCRIPTION");
    roff_text(out, about);
    roff_heading(out, "SH", "OPTIONS");
    page_flags(out, m->flags, m->n_flags);
    roff_heading(out, "SH", "COMMANDS");
    for (unsigned i = 0; i < m->n_commands; i++)
        page_command(out, m->commands[i]);
    roff_heading(out, "SH", "EXIT STATUS");
    for (size_t i = 0; i < ARRAY_SIZE(exits); i++) {
        char code[8];
        (void)snprintf(code, sizeof(code), "%d", exits[i].code);
        roff_entry(out, code, "");
        roff_text(out, exits[i].words);
    }
    roff_heading(out, "SH", "SEE ALSO");
    fprintf(out, ".BR berthd (8)\n");
}

/* --- the completion --- */

static void complete_flags(FILE *out, const struct flag *flags, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        fprintf(out, " --%s", flags[i].name);
}

static bool has_flag(const struct flag *flags, unsigned n, const char *name)
{
    for (unsigned i = 0; i < n; i++) {
        if (strcmp(flags[i].name, name) == 0)
            return true;
    }
    return false;
}

/* Was the option written for one of the first n commands already? */
static bool is_written(const struct manual *m, unsigned n, const char *name)
{
    for (unsigned i = 0; i < n; i++) {
        if (has_flag(m->commands[i]->flags, m->commands[i]->n_flags, name))
            return true;
    }
    return false;
}

/* After an option that takes a value: files, or nothing. */
static void complete_value(FILE *out, const struct flag *f)
{
    if (f->kind != FLAG_BOOL)
        fprintf(out, "        --%s)%s return ;;\n", f->name,
                strcmp(f->value, "FILE") == 0
                    ? " mapfile -t COMPREPLY < <(compgen -f -- \"$word\");"
                    : "");
}

static void complete_values(FILE *out, const struct manual *m)
{
    for (unsigned i = 0; i < m->n_flags; i++)
        complete_value(out, &m->flags[i]);
    for (unsigned i = 0; i < m->n_commands; i++) {
        const struct command *d = m->commands[i];
        for (unsigned k = 0; k < d->n_flags; k++) {
            if (!is_written(m, i, d->flags[k].name))
                complete_value(out, &d->flags[k]);
        }
    }
}

static void completion(FILE *out, const struct manual *m)
{
    fputs("# bash completion of berthctl; written by `berthctl --manual completion`.\n"
          "_berthctl() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
          "    local command='' words i\n"
          "    COMPREPLY=()\n"
          "    # readline takes '=' for a word of its own\n"
          "    if [[ $word == '=' ]]; then\n"
          "        word=''\n"
          "    elif [[ $before == '=' ]]; then\n"
          "        before=${COMP_WORDS[COMP_CWORD - 2]}\n"
          "    fi\n"
          "    case $before in\n",
          out);
    complete_values(out, m);
    fputs("    esac\n    local commands='help", out);
    for (unsigned i = 0; i < m->n_commands; i++)
        fprintf(out, " %s", m->commands[i]->name);
    fputs("' options='", out);
    complete_flags(out, m->flags, m->n_flags);
    fputs("'\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        [[ -z $command && \" $commands \" == *\" ${COMP_WORDS[i]} \"* ]] && "
          "command=${COMP_WORDS[i]}\n"
          "    done\n"
          "    case $command in\n"
          "        '') words=\"$commands $options\" ;;\n"
          "        help) words=$commands ;;\n",
          out);
    for (unsigned i = 0; i < m->n_commands; i++) {
        const struct command *d = m->commands[i];
        fprintf(out, "        %s) words=\"$options", d->name);
        complete_flags(out, d->flags, d->n_flags);
        fputs("\" ;;\n", out);
    }
    fputs("    esac\n"
          "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
          "    if [[ $command == replay && $word != -* ]]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
          "    fi\n"
          "}\n"
          "complete -F _berthctl berthctl\n",
          out);
}

bool manual_write(FILE *out, const struct manual *m, const char *what)
{
    if (strcmp(what, "page") == 0)
        page(out, m);
    else if (strcmp(what, "completion") == 0)
        completion(out, m);
    else
        return false;
    return true;
}
