/* text.c - text for a terminal, see text.h. */
#include "server/berthctl/text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { REPLACEMENT = 0xFFFD };

struct range {
    uint32_t first, last;
};

/* Marks that stand on the character before them. */
static const struct range zero_width[] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x064B, 0x065F}, {0x0900, 0x0902},
    {0x093C, 0x093C}, {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF},
    {0x200B, 0x200D}, {0x20D0, 0x20F0}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F},
};
/* East Asian wide and emoji. */
static const struct range double_width[] = {
    {0x1100, 0x115F},   {0x231A, 0x231B},   {0x2E80, 0x303E},   {0x3041, 0x33FF},
    {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},   {0xAC00, 0xD7A3},
    {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},
    {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD},
};
/* C0, DEL and C1 controls, and what sets the reading direction. */
static const struct range unprintable[] = {
    {0x0000, 0x001F}, {0x007F, 0x009F}, {0x200E, 0x200F},
    {0x2028, 0x202E}, {0x2066, 0x2069}, {0xFEFF, 0xFEFF},
};

static bool range_has(const struct range *ranges, size_t n, uint32_t point)
{
    for (size_t i = 0; i < n; i++)
        if (point >= ranges[i].first && point <= ranges[i].last)
            return true;
    return false;
}

uint32_t utf8_next(const char **p)
{
    const unsigned char *s = (const unsigned char *)*p;
    /* Continuation bytes and smallest code point by length, so that an overlong form is refused. */
    unsigned more = s[0] < 0x80 ? 0 : (s[0] & 0xE0) == 0xC0 ? 1 : (s[0] & 0xF0) == 0xE0 ? 2 : 3;
    static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
    static const unsigned char lead_bits[] = {0x7F, 0x1F, 0x0F, 0x07};
    uint32_t point = s[0] & lead_bits[more];

    *p += 1;
    if (more == 3 && (s[0] & 0xF8) != 0xF0)
        return REPLACEMENT;
    for (unsigned i = 1; i <= more; i++) {
        if ((s[i] & 0xC0) != 0x80) /* the NUL stops it too */
            return REPLACEMENT;
        point = point << 6 | (s[i] & 0x3F);
    }
    if (point < smallest[more] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
        return REPLACEMENT;
    *p += more;
    return point;
}

unsigned text_width(const char *s)
{
    unsigned width = 0;
    while (*s != '\0') {
        uint32_t point = utf8_next(&s);
        if (range_has(double_width, ARRAY_SIZE(double_width), point))
            width += 2;
        else if (!range_has(zero_width, ARRAY_SIZE(zero_width), point))
            width += 1;
    }
    return width;
}

static char *text_room(struct text *t, size_t more)
{
    t->chars = arena_grow(t->arena, t->chars, &t->cap, t->n + more + 1, 1);
    return t->chars + t->n;
}

void text_addf(struct text *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    assert(n >= 0);
    char *at = text_room(t, (size_t)n);
    va_start(args, fmt);
    vsnprintf(at, (size_t)n + 1, fmt, args);
    va_end(args);
    t->n += (size_t)n;
}

static void text_add_bytes(struct text *t, const char *s, size_t n)
{
    char *at = text_room(t, n);
    memcpy(at, s, n);
    at[n] = '\0';
    t->n += n;
}

void text_add_clean(struct text *t, const char *s)
{
    while (s != NULL && *s != '\0') {
        const char *start = s;
        uint32_t point = utf8_next(&s);
        if (point == '\t' || point == '\n' || point == '\r')
            text_add_bytes(t, " ", 1);
        else if (point == REPLACEMENT || range_has(unprintable, ARRAY_SIZE(unprintable), point))
            text_add_bytes(t, "\xEF\xBF\xBD", 3);
        else
            text_add_bytes(t, start, (size_t)(s - start));
    }
}

const char *text_chars(const struct text *t)
{
    return t->chars == NULL ? "" : t->chars;
}

char *text_clean(struct arena *a, const char *s)
{
    struct text t = {.arena = a};
    text_add_clean(&t, s);
    return t.chars == NULL ? arena_strdup(a, "") : t.chars;
}
