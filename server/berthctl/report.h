/* report.h - the answers of berthd in words and tables for a person. Text lives in the arena. */
#ifndef BERTH_BERTHCTL_REPORT_H
#define BERTH_BERTHCTL_REPORT_H

#include <stdbool.h>

#include "berth/v1/scheduler.pb-c.h"
#include "server/berthctl/table.h"

/* "on a1"; "on a1 (2 kernels), a2 and 3 more agents"; "" for none. */
const char *report_where(struct arena *a, Berth__V1__KernelAllocation *const *allocations,
                         size_t n);
/* The first cause's sentence, and how many more there are; "" for none. Causes with the same
 * sentence are one reason, here and below. */
const char *report_why(struct arena *a, Berth__V1__Cause *const *causes, size_t n);
/* "capacity 12, architecture 3", as counted. */
const char *report_kinds(struct arena *a, Berth__V1__CauseCount *const *counts, size_t n);
/* "3 scheduled, 5 waiting"; "nothing pending". */
const char *report_counts(struct arena *a, const Berth__V1__OutcomeCounts *counts);

/* Goes below report_verdict(): when there is more than one reason, a line each with the rules that
 * say so; then a table of the numbers. Each part begins with an empty line. */
void report_causes(FILE *out, struct arena *a, Berth__V1__Cause *const *causes, size_t n,
                   bool color);
/* A table of kernels and where they go. */
void report_allocations(FILE *out, struct arena *a, Berth__V1__KernelAllocation *const *allocations,
                        size_t n, bool color);

/* The answer to a preview as one or two sentences about `subject` ("It", "Session ..."). */
const char *report_verdict(struct arena *a, const char *subject, bool after_queue,
                           const Berth__V1__PreviewAllocationResponse *r);

enum style verdict_style(Berth__V1__PreviewVerdict verdict);
enum style outcome_style(Berth__V1__SessionOutcome outcome);
enum style health_style(Berth__V1__GroupHealth health);

#endif
