/* manual_complete.c - the completion of the shell: commands, their options, settings and words. */
#include <string.h>

#include "server/config.h"
#include "server/manual.h"

static const char head[] =
    "# bash completion of berthd; written by `berthd --manual completion`.\n"
    "_berthd() {\n"
    "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' i\n"
    "    COMPREPLY=()\n"
    "    # readline takes '=' for a word of its own\n"
    "    if [[ $word == '=' ]]; then\n"
    "        word=''\n"
    "    elif [[ $before == '=' ]]; then\n"
    "        before=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "    fi\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        [[ -z $command ]] && command=${COMP_WORDS[i]}\n"
    "    done\n"
    "    case $before in\n";

static const char tail[] = "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
                           "}\n"
                           "complete -F _berthd berthd\n";

static void put_flag(FILE *out, const char *name)
{
    fputs("--", out);
    for (; *name != '\0'; name++)
        fputc(*name == '_' ? '-' : *name, out);
}

static bool is_path(const struct config_about *s)
{
    static const char *const paths[] = {"port_file", "record",  "tls_certificate",
                                        "tls_key",   "plugins", "tls_client_ca"};
    size_t n = strlen(s->name);
    bool path = n > 5 && strcmp(s->name + n - 5, "_file") == 0;
    for (size_t i = 0; i < ARRAY_SIZE(paths) && !path; i++)
        path = strcmp(s->name, paths[i]) == 0;
    return path;
}

/* A case of the word before: what its value may be. */
static void value_case(FILE *out, const struct config_about *s)
{
    fputs("        ", out);
    put_flag(out, s->name);
    if (s->words == NULL) {
        fprintf(out, ")%s return ;;\n",
                is_path(s) ? " mapfile -t COMPREPLY < <(compgen -f -- \"$word\");" : "");
        return;
    }
    fputs(") mapfile -t COMPREPLY < <(compgen -W '", out);
    for (const char *const *w = s->words; *w != NULL; w++)
        fprintf(out, "%s%s", w == s->words ? "" : " ", *w);
    fputs("' -- \"$word\"); return ;;\n", out);
}

static void option_cases(FILE *out)
{
    for (unsigned i = 0; i < n_manual_commands; i++) {
        const struct manual_command *c = &manual_commands[i];
        for (unsigned k = 0; k < c->n_options; k++) {
            const struct manual_option *o = &c->options[k];
            if (o->value != NULL)
                fprintf(out, "        %s)%s return ;;\n", o->flag,
                        strcmp(o->value, "FILE") == 0
                            ? " mapfile -t COMPREPLY < <(compgen -f -- \"$word\");"
                            : "");
        }
    }
}

static void command_case(FILE *out, const struct manual_command *c)
{
    fprintf(out, "        %s) words=\"--help", c->name);
    for (unsigned i = 0; i < c->n_options; i++)
        fprintf(out, " %s", c->options[i].flag);
    for (const char *p = c->args; *p != '\0';) { /* the words in small letters */
        size_t n = strcspn(p, " |");
        if (n > 0 && *p >= 'a' && *p <= 'z')
            fprintf(out, " %.*s", (int)n, p);
        p += n + (p[n] != '\0');
    }
    fprintf(out, "%s\" ;;\n", c->takes_settings ? " $settings" : "");
}

void manual_completion(FILE *out)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    fputs(head, out);
    fputs("        --config) mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return ;;\n", out);
    option_cases(out);
    for (size_t i = 0; i < config_count(); i++) {
        struct config_about s;
        config_about(i, a, &s);
        value_case(out, &s);
    }
    fputs("    esac\n    local words settings='--config", out);
    for (size_t i = 0; i < config_count(); i++) {
        struct config_about s;
        config_about(i, a, &s);
        fputc(' ', out);
        put_flag(out, s.name);
    }
    fputs("'\n    local commands='", out);
    for (unsigned i = 0; i < n_manual_commands; i++)
        fprintf(out, "%s%s", i == 0 ? "" : " ", manual_commands[i].name);
    fputs("'\n    case $command in\n        '') words=\"$commands $settings\" ;;\n", out);
    for (unsigned i = 0; i < n_manual_commands; i++)
        command_case(out, &manual_commands[i]);
    fputs("        *) words=$settings ;;\n    esac\n", out);
    fputs(tail, out);
}
