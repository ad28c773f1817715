/* snapshot_text.c - see snapshot_text.h. */
#include "scheduler/snapshot_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void put_text(struct text_out *o, const char *s, size_t n)
{
    o->text = arena_grow(o->arena, o->text, &o->cap, o->len + n + 1, 1);
    memcpy(o->text + o->len, s, n);
    o->len += n;
    o->text[o->len] = '\0';
}

void text_put(struct text_out *o, const char *fmt, ...)
{
    enum { MOST = 512 }; /* callers put numbers and short words here, the rest through text_quote */
    char piece[MOST];
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(piece, sizeof(piece), fmt, ap);
    va_end(ap);
    if (len < 0 || len >= MOST)
        abort();
    put_text(o, piece, (size_t)len);
}

void text_quote(struct text_out *o, const char *s)
{
    if (s == NULL) {
        text_put(o, "null");
        return;
    }
    text_put(o, "\"");
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            text_put(o, "\\%c", c);
        else if (c == '\n')
            text_put(o, "\\n");
        else if (c < ' ' || c == 0x7F)
            text_put(o, "\\x%02X", c);
        else
            put_text(o, s, 1);
    }
    text_put(o, "\"");
}

void text_word(struct text_out *o, const char *s)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t n = s != NULL ? strspn(s, plain) : 0;
    if (n > 0 && s[n] == '\0')
        put_text(o, s, n);
    else
        text_quote(o, s);
}

void text_uuid(struct text_out *o, const struct uuid *id)
{
    char text[UUID_TEXT];
    text_put(o, "%s", uuid_format(id, text));
}

void text_amounts(struct text_out *o, const struct snapshot *s, const char *key,
                  const int64_t *amounts, int64_t usual)
{
    bool any = false;
    for (uint32_t i = 0; i < s->n_slots; i++) {
        char text[AMOUNT_TEXT];
        if (amounts[i] == usual)
            continue;
        if (!any)
            text_put(o, " %s", key);
        any = true;
        text_put(o, " ");
        text_word(o, s->slots[i].name);
        text_put(o, "=%s", amount_format(amounts[i], s->slots[i].type, text));
    }
}
