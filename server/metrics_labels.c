/* metrics_labels.c - the values of labels, and the table of group names. */
#include "server/metrics_labels.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/metrics.h"
#include "server/status.h"

static const char *version_value(unsigned i)
{
    (void)i;
    return BERTH_VERSION;
}

static const char *round_value(unsigned i)
{
    static const char *const names[N_METRIC_ROUNDS] = {
        [METRIC_ROUND_OK] = "ok",
        [METRIC_ROUND_PLANNED] = "planned",
        [METRIC_ROUND_REPEATED] = "repeated",
        [METRIC_ROUND_CONFLICT] = "conflict",
        [METRIC_ROUND_REFUSED] = "refused",
        [METRIC_ROUND_TIMEOUT] = "timeout",
        [METRIC_ROUND_CANCELLED] = "cancelled",
        [METRIC_ROUND_UNAVAILABLE] = "unavailable",
        [METRIC_ROUND_FAILED] = "failed",
    };
    return names[i];
}

static const char *phase_value(unsigned i)
{
    return report_phase_name((enum report_phase)i);
}

static const char *outcome_value(unsigned i)
{
    return i == OUTCOME_NONE ? NULL : outcome_name((enum outcome)i);
}

/* Of rounds: AGENT_UNAVAILABLE is said in previews only. */
static const char *cause_value(unsigned i)
{
    bool is_said = i != CAUSE_NONE && i != CAUSE_AGENT_UNAVAILABLE;
    return is_said ? cause_kind_name((enum cause_kind)i) : NULL;
}

static const char *retry_value(unsigned i)
{
    static const char *const names[N_METRIC_RETRIES] = {
        [METRIC_RETRY_SERIALIZATION_FAILURE] = "serialization_failure",
        [METRIC_RETRY_DEADLOCK] = "deadlock",
    };
    return names[i];
}

static const char *lease_value(unsigned i)
{
    static const char *const names[N_METRIC_LEASES] = {
        [METRIC_LEASE_ACQUIRED] = "acquired",
        [METRIC_LEASE_CONTENDED] = "contended",
        [METRIC_LEASE_LOST] = "lost",
        [METRIC_LEASE_RENEW_FAILED] = "renew_failed",
        [METRIC_LEASE_WITHOUT_REDIS] = "without_redis",
    };
    return names[i];
}

static const char *retention_value(unsigned i)
{
    return retention_kind_name((enum retention_kind)i);
}

static const char *code_value(unsigned i)
{
    return status_code_name(status_code((enum err_code)i));
}

/* --- methods ---------------------------------------------------------------------------------- */

static const char *const methods[METRIC_SIZE_METHOD] = {
#define SERVICE(descriptor)
#define RPC(method, function, kind, place) #method,
#include "server/methods.def"
#undef RPC
#undef SERVICE
    "unknown",
};

unsigned metrics_method(const char *name)
{
    unsigned i = 0;
    while (i < METRICS_UNKNOWN_METHOD && strcmp(methods[i], name) != 0)
        i++;
    return i;
}

static const char *method_value(unsigned i)
{
    return metrics_method(methods[i]) == i ? methods[i] : NULL; /* the first of its name */
}

/* --- groups ----------------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    char *names[METRICS_GROUPS]; /* NULL: free */
} groups = {.lock = PTHREAD_MUTEX_INITIALIZER};

void metrics_groups_lock(void)
{
    pthread_mutex_lock(&groups.lock);
}

void metrics_groups_unlock(void)
{
    pthread_mutex_unlock(&groups.lock);
}

static const char *group_value(unsigned i)
{
    return groups.names[i];
}

/* Its place, or else the first free one; METRICS_GROUPS: there is neither. Under the lock. */
static unsigned group_place(const char *name)
{
    unsigned unused = METRICS_GROUPS;
    for (unsigned i = METRICS_GROUPS; i-- > 0;) {
        if (groups.names[i] == NULL)
            unused = i;
        else if (strcmp(groups.names[i], name) == 0)
            return i;
    }
    return unused;
}

void metrics_group_set(const char *name, const struct metrics_group *g)
{
    metrics_groups_lock();
    unsigned i = group_place(name);
    if (i < METRICS_GROUPS) {
        metric_set(METRIC_pending_sessions, i, g->pending);
        metric_set(METRIC_oldest_pending_seconds, i, g->oldest_ns);
        metric_set(METRIC_last_round_timestamp_seconds, i, g->seen_at_ns);
        if (groups.names[i] == NULL && (groups.names[i] = strdup(name)) == NULL)
            abort(); /* out of memory */
    } else {
        metric_add(METRIC_groups_left_out_total, 0, 1);
    }
    metrics_groups_unlock();
}

void metrics_group_forget(const char *name)
{
    metrics_groups_lock();
    unsigned i = group_place(name);
    if (i < METRICS_GROUPS)
        free(TAKE(groups.names[i])); /* a free place is NULL */
    metrics_groups_unlock();
}

/* --- the table -------------------------------------------------------------------------------- */

const struct metric_label metric_labels[N_METRIC_LABELS] = {
    [METRIC_LABEL_NONE] = {.key = NULL},
    [METRIC_LABEL_VERSION] = {.key = "version", .value = version_value},
    [METRIC_LABEL_ROUND] = {.key = "outcome", .value = round_value},
    [METRIC_LABEL_PHASE] = {.key = "phase", .value = phase_value},
    [METRIC_LABEL_OUTCOME] = {.key = "outcome", .value = outcome_value},
    [METRIC_LABEL_CAUSE] = {.key = "kind", .value = cause_value},
    [METRIC_LABEL_RETRY] = {.key = "reason", .value = retry_value},
    [METRIC_LABEL_LEASE] = {.key = "event", .value = lease_value},
    [METRIC_LABEL_RETENTION] = {.key = "table", .value = retention_value},
    [METRIC_LABEL_GROUP] = {.key = "group", .value = group_value},
    [METRIC_LABEL_CODE] = {.key = "code", .value = code_value},
    [METRIC_LABEL_METHOD] = {.key = "method", .value = method_value},
};
