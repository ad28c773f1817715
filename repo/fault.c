/* fault.c - only in builds with BERTH_FAULTS. */
#include "repo/fault.h"

#ifdef BERTH_FAULTS

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[N_FAULTS] = {
#define FAULT(name, prose) #name,
#include "repo/fault.def"
#undef FAULT
};

const char *fault_name(enum fault f)
{
    return names[f];
}

void fault_point(enum fault f)
{
    static atomic_long passed; /* only the point asked for is counted */
    const char *wanted = getenv("BERTH_FAULT");
    size_t len = strlen(names[f]);
    if (wanted == NULL || strncmp(wanted, names[f], len) != 0 ||
        (wanted[len] != '\0' && wanted[len] != ':'))
        return;
    const char *when = getenv("BERTH_FAULT_WHEN");
    if (when != NULL && access(when, F_OK) != 0)
        return;
    const char *action = wanted + len;
    const char *nth = strrchr(action, ':');
    long n = nth != NULL ? strtol(nth + 1, NULL, 10) : 0; /* a word reads as 0 */
    if (atomic_fetch_add(&passed, 1) + 1 == (n > 0 ? n : 1))
        raise(strncmp(action, ":stop", 5) == 0 ? SIGSTOP : SIGKILL);
}

#else

typedef int fault_is_not_built; /* a file of its own must not be empty */

#endif
