/* json_text.c - JSON text, built piece by piece. */
#include "repo/json_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Length of the UTF-8 sequence at s, 0: not one (RFC 3629: no overlong forms, no surrogates). */
static size_t utf8_length(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xC2 && s[0] <= 0xDF)
        return (s[1] & 0xC0) == 0x80 ? 2 : 0;
    if (s[0] >= 0xE0 && s[0] <= 0xEF) {
        unsigned char low = s[0] == 0xE0 ? 0xA0 : 0x80, high = s[0] == 0xED ? 0x9F : 0xBF;
        return s[1] >= low && s[1] <= high && (s[2] & 0xC0) == 0x80 ? 3 : 0;
    }
    if (s[0] >= 0xF0 && s[0] <= 0xF4) {
        unsigned char low = s[0] == 0xF0 ? 0x90 : 0x80, high = s[0] == 0xF4 ? 0x8F : 0xBF;
        return s[1] >= low && s[1] <= high && (s[2] & 0xC0) == 0x80 && (s[3] & 0xC0) == 0x80 ? 4
                                                                                             : 0;
    }
    return 0;
}

static void add(struct json_text *j, const char *bytes, size_t n)
{
    if (j->text == NULL || j->len + n + 1 > j->cap)
        j->text = arena_grow(j->arena, j->text, &j->cap, j->len + n + 1, 1);
    for (size_t i = 0; i < n; i++)
        j->text[j->len + i] = bytes[i];
    j->len += n;
    j->text[j->len] = '\0';
}

void json_text_raw(struct json_text *j, const char *text)
{
    add(j, text, strlen(text));
}

static void add_escaped(struct json_text *j, unsigned char c)
{
    char hex[8];
    switch (c) {
    case '"':
        add(j, "\\\"", 2);
        break;
    case '\\':
        add(j, "\\\\", 2);
        break;
    case '\n':
        add(j, "\\n", 2);
        break;
    case '\t':
        add(j, "\\t", 2);
        break;
    default:
        (void)snprintf(hex, sizeof(hex), "\\u%04x", c);
        add(j, hex, 6);
    }
}

void json_text_string(struct json_text *j, const char *text)
{
    if (text == NULL) {
        json_text_raw(j, "null");
        return;
    }
    add(j, "\"", 1);
    const unsigned char *s = (const unsigned char *)text;
    while (*s != '\0') {
        const unsigned char *from = s;
        size_t n = 0;
        while (*s >= 0x20 && *s != '"' && *s != '\\' && (n = utf8_length(s)) > 0)
            s += n;
        add(j, (const char *)from, (size_t)(s - from));
        if (*s == '\0')
            break;
        if (*s >= 0x80)
            add(j, "?", 1);
        else
            add_escaped(j, *s);
        s++;
    }
    add(j, "\"", 1);
}

void json_text_integer(struct json_text *j, int64_t v)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%" PRId64, v);
    json_text_raw(j, text);
}

void json_text_field(struct json_text *j, const char *before, const char *text)
{
    json_text_raw(j, before);
    json_text_string(j, text);
}

const char *text_utf8(struct arena *a, const char *text)
{
    if (text == NULL)
        return NULL;
    const unsigned char *s = (const unsigned char *)text;
    size_t n;
    while (*s != '\0' && (n = utf8_length(s)) > 0)
        s += n;
    if (*s == '\0')
        return text;
    char *copy = arena_strdup(a, text);
    for (unsigned char *p = (unsigned char *)copy; *p != '\0'; p += n > 0 ? n : 1)
        if ((n = utf8_length(p)) == 0)
            *p = '?';
    return copy;
}
