/* trace.c - see trace.h. */
#include "server/trace.h"

#include <stddef.h>
#include <string.h>

static const char hex[] = "0123456789abcdef";

/* n digits and a dash; *text is then behind them. */
static bool has_digits(const char **text, size_t n)
{
    if (strspn(*text, hex) != n || (*text)[n] != '-')
        return false;
    *text += n + 1;
    return true;
}

static bool is_zero(const char *digits, size_t n)
{
    return strspn(digits, "0") >= n;
}

bool trace_is_parent(const char *text)
{
    const char *p = text;
    if (!has_digits(&p, 2) || strncmp(text, "ff", 2) == 0)
        return false;
    if (is_zero(p, 32) || !has_digits(&p, 32))
        return false;
    if (is_zero(p, 16) || !has_digits(&p, 16))
        return false;
    bool last = strspn(p, hex) == 2 && p[2] == '\0';
    return last || (strncmp(text, "00", 2) != 0 && has_digits(&p, 2));
}
