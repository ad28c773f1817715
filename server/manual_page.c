/* manual_page.c - the manual page and the list of settings, for files. */
#include <string.h>

#include "server/config.h"
#include "server/manual.h"
#include "server/roff.h"

/* --- berthd.8 --- */

static void settings_page(FILE *out)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char *section = "";
    for (size_t i = 0; i < config_count(); i++) {
        struct config_about s;
        config_about(i, a, &s);
        if (strcmp(section, s.section) != 0)
            roff_heading(out, "SS", s.section);
        section = s.section;
        roff_entry(out, s.name, s.value);
        roff_text(out, s.prose);
        roff_text(out, arena_printf(a, "Default: %s; %s. Changes: %s.",
                                    *s.dflt != '\0' ? s.dflt : "empty", s.allowed,
                                    s.reloads ? "at once" : "after a restart"));
    }
}

static void command_page(FILE *out, const struct manual_command *c)
{
    roff_entry(out, c->name, c->args);
    roff_text(out, c->summary);
    if (c->details != NULL)
        roff_text(out, c->details);
    if (c->n_options > 0)
        fprintf(out, ".RS\n");
    for (unsigned i = 0; i < c->n_options; i++) {
        const struct manual_option *o = &c->options[i];
        roff_entry(out, o->flag, o->value != NULL ? o->value : "");
        roff_text(out, o->prose);
    }
    if (c->n_options > 0)
        fprintf(out, ".RE\n");
}

void manual_page(FILE *out)
{
    roff_begin(out, "BERTHD", "8", "the scheduling server of Berth");
    roff_heading(out, "SH", "SYNOPSIS");
    fprintf(out, ".B berthd\n.RI [ command ]\n.RI [ options ]\n.RB [ \\-\\-config\n.IR file ]\n"
                 ".RI [ \\-\\-setting\\~value ...]\n");
    roff_heading(out, "SH", "DESCRIPTION");
    roff_text(out, manual_about);
    roff_heading(out, "SH", "COMMANDS");
    for (unsigned i = 0; i < n_manual_commands; i++)
        command_page(out, &manual_commands[i]);
    roff_heading(out, "SH", "SETTINGS");
    roff_text(out, manual_sources);
    roff_paragraph(out);
    roff_text(out, manual_secrets);
    settings_page(out);
    roff_heading(out, "SH", "SIGNALS");
    roff_text(out, manual_signals);
    roff_heading(out, "SH", "EXIT STATUS");
    for (unsigned i = 0; i < n_manual_exits; i++) {
        char code[8];
        (void)snprintf(code, sizeof(code), "%d", manual_exits[i].code);
        roff_entry(out, code, "");
        roff_text(out, manual_exits[i].words);
    }
    roff_heading(out, "SH", "EXAMPLES");
    roff_lines(out, manual_examples);
    roff_heading(out, "SS", "A file of settings");
    roff_lines(out, manual_file);
    roff_heading(out, "SH", "SEE ALSO");
    fprintf(out, ".BR berthctl (1)\n");
}

/* --- SETTINGS.md --- */

/* A text in a cell: '|' would end it, and what is between '<' and '>' would vanish. */
static void cell(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (strchr("|<>", *text) != NULL)
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void row(FILE *out, const struct config_about *s)
{
    fprintf(out, "| `%s` | ", s->name);
    if (*s->dflt != '\0')
        fprintf(out, "`%s`", s->dflt);
    fprintf(out, " | ");
    cell(out, s->allowed);
    fprintf(out, " | %s | ", s->reloads ? "at once" : "restart");
    cell(out, s->prose);
    fprintf(out, " |\n");
}

void manual_settings(FILE *out)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char *section = "";
    fprintf(out,
            "# Settings of berthd\n\nWritten by `berthd --manual settings` from "
            "`server/config.def`; do not edit.\n\n%s\n\n%s\n\n%s\n\n```yaml\n%s```\n",
            manual_sources, manual_secrets, manual_signals, manual_file);
    for (size_t i = 0; i < config_count(); i++) {
        struct config_about s;
        config_about(i, a, &s);
        if (strcmp(section, s.section) != 0)
            fprintf(out,
                    "\n## %s\n\n| setting | default | value | changes | what it is |\n"
                    "|---|---|---|---|---|\n",
                    s.section);
        section = s.section;
        row(out, &s);
    }
}
