/* metrics.h - what operators can count on: the metrics of metrics.def.
 *
 * There is one set a process, as there is one log. Counting is one atomic addition and waits for
 * nobody; any thread may do it. metrics_http.h serves them. */
#ifndef BERTH_SERVER_METRICS_H
#define BERTH_SERVER_METRICS_H

#include <stdint.h>
#include <stdio.h>

#include <grpc/status.h>

#include "server/metrics_labels.h"

/* clang-format off */
enum metric {
#define METRIC(name, type, first, second, help) METRIC_##name,
#include "server/metrics.def"
#undef METRIC
    N_METRICS
};
/* clang-format on */

/* first, second: index of the label's value, 0 where the metric has no label; a SECONDS gauge is in
 * nanoseconds, an AMOUNT as in scheduler/amount.h. A counter never goes down. */
void metric_add(enum metric m, unsigned first, int64_t n);
void metric_add2(enum metric m, unsigned first, unsigned second, int64_t n);
void metric_set(enum metric m, unsigned first, int64_t value);
void metric_set2(enum metric m, unsigned first, unsigned second, int64_t value);
/* A counter that is kept elsewhere stands at `value` now. */
void metric_counted(enum metric m, unsigned first, int64_t value);
void metric_observe(enum metric m, unsigned first, int64_t ns); /* HISTOGRAM, WAITS */

/* The index of a method of methods.def, for metrics_rpc(); those of one name share one. */
unsigned metrics_method(const char *name);
enum { METRICS_UNKNOWN_METHOD = METRIC_SIZE_METHOD - 1 };
/* A call was answered, ns after it arrived. */
void metrics_rpc(unsigned method, grpc_status_code code, int64_t ns);

/* After a round of the group. Takes a lock. */
struct metrics_group {
    uint32_t pending;
    int64_t oldest_ns;  /* how long the oldest of them has waited; 0: none */
    int64_t seen_at_ns; /* since the Unix epoch */
    uint32_t agents[N_METRIC_AGENTS];
    uint32_t n_slots;
    const struct slot *slots;       /* n_slots */
    const int64_t *capacity, *held; /* of the ready agents together, n_slots each */
};
void metrics_group_set(const char *name, const struct metrics_group *g);
/* By the loop; both as in metrics.def. */
void metrics_group_failures(const char *name, unsigned n);
void metrics_group_health(const char *name, int health);
void metrics_group_forget(const char *name); /* the group is no more */

/* All of them, those of the process too, in Prometheus' text format, version 0.0.4. */
void metrics_print(FILE *out);
/* What there is: one line a metric. */
void metrics_list(FILE *out);

#endif
