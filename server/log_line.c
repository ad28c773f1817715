/* log_line.c - texts of any bytes as JSON, or as words for a terminal. */
#include "server/log_line.h"

#include <stdio.h>
#include <string.h>

enum { END_ROOM = 16 }; /* for the mark of a cut, the brace and the newline */

static void add_char(struct log_line *l, char c)
{
    if (l->n < sizeof(l->text) - END_ROOM)
        l->text[l->n++] = c;
    else
        l->cut = true;
}

static void add_bytes(struct log_line *l, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add_char(l, s[i]);
}

static void add_text(struct log_line *l, const char *s)
{
    add_bytes(l, s, strlen(s));
}

/* Bytes of the character that begins here, at most four; 0: no UTF-8. */
static size_t character(const unsigned char *s, uint32_t *ret_code)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least;
    } kinds[] = {{0x80, 0, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t n = 0; n < ARRAY_SIZE(kinds); n++) {
        if ((s[0] & kinds[n].mask) != kinds[n].lead)
            continue;
        uint32_t code = s[0] & (unsigned char)~kinds[n].mask;
        for (size_t i = 1; i <= n; i++) {
            if ((s[i] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (s[i] & 0x3f);
        }
        *ret_code = code;
        bool surrogate = code >= 0xd800 && code <= 0xdfff;
        return code < kinds[n].least || code > 0x10ffff || surrogate ? 0 : n + 1;
    }
    return 0;
}

/* Control characters, also those of 0x80 to 0x9f, never reach a terminal either. */
static void add_character(struct log_line *l, const char *s, size_t n, uint32_t code)
{
    char escaped[8];
    if (code == '"' || code == '\\') {
        add_char(l, '\\');
        add_char(l, (char)code);
    } else if (code == '\n') {
        add_text(l, "\\n");
    } else if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
        (void)snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned)code);
        add_text(l, escaped);
    } else {
        add_bytes(l, s, n);
    }
}

static void add_quoted(struct log_line *l, const char *s)
{
    const char *from = s;
    add_char(l, '"');
    while (*s != '\0') {
        uint32_t code = 0;
        size_t n = character((const unsigned char *)s, &code);
        if ((size_t)(s - from) + n > LOG_TEXT_MAX) {
            add_char(l, '+');
            break;
        }
        if (n == 0)
            add_text(l, "\\ufffd");
        else
            add_character(l, s, n, code);
        s += n == 0 ? 1 : n;
    }
    add_char(l, '"');
}

static bool is_word(const char *s)
{
    size_t n = strcspn(s, " \"=\\");
    if (n == 0 || s[n] != '\0' || n > LOG_TEXT_MAX)
        return false;
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s <= ' ' || (unsigned char)*s >= 0x7f)
            return false;
    }
    return true;
}

static void add_field(struct log_line *l, const struct log_field *f)
{
    char number[24];
    if (l->json) {
        add_char(l, ',');
        add_quoted(l, f->key);
        add_char(l, ':');
    } else {
        add_char(l, ' ');
        add_text(l, f->key);
        add_char(l, '=');
    }
    if (f->text == NULL) {
        (void)snprintf(number, sizeof(number), "%lld", (long long)f->number);
        add_text(l, number);
    } else if (l->json || !is_word(f->text)) {
        add_quoted(l, f->text);
    } else {
        add_text(l, f->text);
    }
}

void log_line_begin(struct log_line *l, bool json, const char *time, const char *level,
                    const char *area, const char *event)
{
    l->n = 0;
    l->cut = false;
    l->json = json;
    if (!json) {
        add_text(l, time);
        add_char(l, ' ');
        add_text(l, level);
        add_char(l, ' ');
        add_text(l, area);
        add_text(l, ": ");
        add_text(l, event);
        return;
    }
    add_text(l, "{\"time\":\"");
    add_text(l, time);
    add_text(l, "\",\"level\":");
    add_quoted(l, level);
    add_text(l, ",\"event\":");
    add_quoted(l, event);
    add_text(l, ",\"area\":");
    add_quoted(l, area);
}

/* A cut JSON line must still be JSON: what was added last is left out as a whole. */
void log_line_fields(struct log_line *l, const struct log_field *f, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        size_t before = l->n;
        if (l->cut && !l->json)
            return;
        bool was_cut = l->cut;
        l->cut = false;
        add_field(l, &f[i]);
        if (l->cut && l->json)
            l->n = before;
        l->cut = l->cut || was_cut;
    }
}

size_t log_line_end(struct log_line *l)
{
    static const char json_cut[] = ",\"+\":1";
    if (l->cut && l->json) {
        memcpy(l->text + l->n, json_cut, sizeof(json_cut) - 1);
        l->n += sizeof(json_cut) - 1;
    }
    if (l->cut && !l->json)
        l->text[l->n++] = '+';
    if (l->json)
        l->text[l->n++] = '}';
    l->text[l->n++] = '\n';
    return l->n;
}
