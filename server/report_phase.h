/* report_phase.h - the phases of a round, in order; each has its own clock. */
#ifndef BERTH_SERVER_REPORT_PHASE_H
#define BERTH_SERVER_REPORT_PHASE_H

enum report_phase {
    REPORT_LOCK, /* lease and epoch */
    REPORT_LOAD,
    REPORT_EXPIRE,
    REPORT_ORDER,
    REPORT_VALIDATE,
    REPORT_PLACE,
    REPORT_COMMIT,  /* of a stored answer: until the answer was fixed */
    REPORT_PUBLISH, /* of a stored answer: 0, it was fixed before */
    N_REPORT_PHASES
};
const char *report_phase_name(enum report_phase p); /* "lock" */

#endif
