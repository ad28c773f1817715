/* round_report.h - what a round tells besides its answer: a line in the log, a row's JSON, metrics.
 */
#ifndef BERTH_SERVER_ROUND_REPORT_H
#define BERTH_SERVER_ROUND_REPORT_H

#include "server/round_service.h"

/* Of a round that was committed. */
void report_log(const struct round_report *r);
/* What is known when the commit begins, for berth.rounds: phase -> microseconds. */
char *report_phases_json(const struct round_report *r, struct arena *a);
/* Once a call of round_service_run(), before it is answered: how the round ended (rc, and *e when
 * that is -1), its phases and, of one that ended well, its decisions and what is left. */
void report_count(const struct round_report *r, const struct round_input *in, struct arena *a,
                  int rc, const struct err *e);

#endif
