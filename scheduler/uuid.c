/* uuid.c - text to bytes and back. */
#include "scheduler/uuid.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool dash_before(unsigned byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

bool uuid_parse(const char *text, struct uuid *ret)
{
    struct uuid u;
    const char *p = text;
    for (unsigned i = 0; i < sizeof(u.b); i++) {
        if (dash_before(i) && *p++ != '-')
            return false;
        int high = hex_value(p[0]);
        int low = high >= 0 ? hex_value(p[1]) : -1; /* p[0] may have been the NUL */
        if (low < 0)
            return false;
        u.b[i] = (uint8_t)(high * 16 + low);
        p += 2;
    }
    if (*p != '\0')
        return false;
    *ret = u;
    return true;
}

char *uuid_format(const struct uuid *u, char text[UUID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    char *p = text;
    for (unsigned i = 0; i < sizeof(u->b); i++) {
        if (dash_before(i))
            *p++ = '-';
        *p++ = digits[u->b[i] >> 4];
        *p++ = digits[u->b[i] & 15];
    }
    *p = '\0';
    return text;
}
