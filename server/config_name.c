/* config_name.c - settings by their names, also by those that are nearly right. */
#include <ctype.h>
#include <string.h>

#include "server/config_internal.h"

enum { NAME_MAX_BYTES = 40, FAR = 3 };

/* A letter of a name, as config.def would spell it. */
static int letter(char c)
{
    return c == '-' ? '_' : tolower((unsigned char)c);
}

/* n: length of name. */
static bool same_name(const char *setting, const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (setting[i] != letter(name[i]))
            return false;
    }
    return setting[n] == '\0';
}

size_t config_find(const char *name, size_t n)
{
    for (size_t i = 0; i < N_CONFIG_ROWS; i++) {
        if (same_name(config_rows[i].name, name, n))
            return i;
    }
    return N_CONFIG_ROWS;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Letters to put in, to take out or to change, to make one name of the other. */
static unsigned distance(const char *setting, const char *name, size_t n)
{
    unsigned row[NAME_MAX_BYTES + 1];
    for (unsigned k = 0; k <= n; k++)
        row[k] = k;
    for (unsigned i = 1; setting[i - 1] != '\0'; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned k = 1; k <= n; k++) {
            unsigned changed = diagonal + (setting[i - 1] != letter(name[k - 1]));
            diagonal = row[k];
            row[k] = least(changed, least(row[k], row[k - 1]) + 1);
        }
    }
    return row[n];
}

size_t config_nearest(const char *name, size_t n)
{
    size_t best = N_CONFIG_ROWS;
    unsigned nearest = FAR;
    if (n < 3 || n > NAME_MAX_BYTES)
        return best;
    for (size_t i = 0; i < N_CONFIG_ROWS; i++) {
        unsigned d = distance(config_rows[i].name, name, n);
        if (d < nearest) {
            nearest = d;
            best = i;
        }
    }
    for (size_t i = 0; i < N_CONFIG_ROWS && best == N_CONFIG_ROWS; i++) {
        if (strncmp(config_rows[i].name, name, n) == 0)
            best = i;
    }
    return best;
}
