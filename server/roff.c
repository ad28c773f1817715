/* roff.c - see roff.h. */
#include "server/roff.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

enum { SOURCE_WIDTH = 70 };

/* n bytes of a text; begins: at the beginning of a line, where a dot or a quote would be a macro.
 */
static void escape(FILE *out, const char *text, size_t n, bool begins)
{
    if (begins && n > 0 && (*text == '.' || *text == '\''))
        fputs("\\&", out);
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\\')
            fputs("\\e", out);
        else if (text[i] == '-')
            fputs("\\-", out);
        else if (text[i] == '\'')
            fputs("\\(aq", out);
        else if (text[i] == '`')
            fputs("\\(ga", out);
        else if (text[i] == '^')
            fputs("\\(ha", out);
        else if (text[i] == '~')
            fputs("\\(ti", out);
        else
            fputc(text[i], out);
    }
}

static void in_quotes(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            fputs("\\(dq", out);
        else
            escape(out, text, 1, false);
    }
    fputc('"', out);
}

void roff_begin(FILE *out, const char *name, const char *section, const char *what)
{
    fprintf(out, ".TH %s %s \"\" \"Berth " BERTH_VERSION "\"\n.SH NAME\n", name, section);
    for (const char *p = name; *p != '\0'; p++)
        fputc(tolower((unsigned char)*p), out);
    fprintf(out, " \\- %s\n", what);
}

void roff_heading(FILE *out, const char *macro, const char *title)
{
    fprintf(out, ".%s ", macro);
    in_quotes(out, title);
    fputc('\n', out);
}

/* Where the sentence ends: behind the dot before a blank and a capital letter. */
static size_t sentence(const char *text)
{
    size_t n = 0;
    while (text[n] != '\0' &&
           !(text[n] == '.' && text[n + 1] == ' ' && isupper((unsigned char)text[n + 2])))
        n++;
    return text[n] == '\0' ? n : n + 1;
}

/* As many whole words of the n bytes as a line of the source may have; at least one. */
static size_t words(const char *text, size_t n)
{
    size_t taken = strcspn(text, " ");
    while (taken < n) {
        size_t more = taken + 1 + strcspn(text + taken + 1, " ");
        if (more > SOURCE_WIDTH)
            break;
        taken = more;
    }
    return taken < n ? taken : n;
}

void roff_text(FILE *out, const char *text)
{
    while (*text != '\0') {
        size_t left = sentence(text);
        while (left > 0) {
            size_t n = words(text, left);
            size_t blank = text[n] == ' ';
            escape(out, text, n, true);
            fputc('\n', out);
            left -= n + (left > n ? blank : 0);
            text += n + blank;
        }
    }
}

void roff_paragraph(FILE *out)
{
    fputs(".PP\n", out);
}

void roff_entry(FILE *out, const char *tag, const char *value)
{
    fputs(".TP\n", out);
    fputs(*value != '\0' ? ".BI " : ".B ", out);
    in_quotes(out, tag);
    if (*value != '\0') {
        fputs(" \" \" ", out);
        in_quotes(out, value);
    }
    fputc('\n', out);
}

void roff_lines(FILE *out, const char *lines)
{
    fputs(".RS\n.nf\n", out);
    while (*lines != '\0') {
        size_t n = strcspn(lines, "\n");
        escape(out, lines, n, true);
        fputc('\n', out);
        lines += n + (lines[n] == '\n');
    }
    fputs(".fi\n.RE\n", out);
}
