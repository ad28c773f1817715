/* report_phase.c - the names of the phases of a round. */
#include "server/report_phase.h"

const char *report_phase_name(enum report_phase p)
{
    static const char *const names[] = {
        [REPORT_LOCK] = "lock",     [REPORT_LOAD] = "load",         [REPORT_EXPIRE] = "expire",
        [REPORT_ORDER] = "order",   [REPORT_VALIDATE] = "validate", [REPORT_PLACE] = "place",
        [REPORT_COMMIT] = "commit", [REPORT_PUBLISH] = "publish",
    };
    return names[p];
}
