/* metrics_labels.c - the values of labels. */
#include "server/metrics_labels.h"

#include <string.h>

#include <grpc/grpc.h>

#include "server/metrics.h"
#include "server/status.h"

static const char *version_value(unsigned i)
{
    (void)i;
    return BERTH_VERSION;
}

static const char *grpc_value(unsigned i)
{
    (void)i;
    return grpc_version_string();
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

static const char *sqlstate_value(unsigned i)
{
    static const char *const names[N_METRIC_SQLSTATES] = {
        [METRIC_SQLSTATE_40001] = "40001",
        [METRIC_SQLSTATE_40P01] = "40P01",
    };
    return names[i];
}

static const char *agent_value(unsigned i)
{
    static const char *const names[N_METRIC_AGENTS] = {
        [METRIC_AGENT_READY] = "ready",
        [METRIC_AGENT_UNSCHEDULABLE] = "unschedulable",
        [METRIC_AGENT_UNREADABLE] = "unreadable",
        [METRIC_AGENT_AWAY] = "away",
    };
    return names[i];
}

static const char *connection_value(unsigned i)
{
    static const char *const names[N_METRIC_CONNECTIONS] = {
        [METRIC_CONNECTION_BUSY] = "busy",
        [METRIC_CONNECTION_IDLE] = "idle",
    };
    return names[i];
}

static const char *connect_value(unsigned i)
{
    static const char *const names[N_METRIC_CONNECTS] = {
        [METRIC_CONNECT_OK] = "ok",
        [METRIC_CONNECT_AGAIN] = "again",
        [METRIC_CONNECT_FAILED] = "failed",
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

static const char *load_value(unsigned i)
{
    static const char *const names[N_LOAD_KINDS] = {
        [LOAD_FULL] = "full",
        [LOAD_DELTA] = "delta",
        [LOAD_UNCHANGED] = "unchanged",
    };
    return names[i];
}

static const char *bridge_value(unsigned i)
{
    static const char *const names[N_METRIC_BRIDGES] = {
        [METRIC_BRIDGE_TOLD] = "told",
        [METRIC_BRIDGE_EXPIRED] = "expired",
        [METRIC_BRIDGE_LOST] = "lost",
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

/* --- the table -------------------------------------------------------------------------------- */

const struct metric_label metric_labels[N_METRIC_LABELS] = {
    [METRIC_LABEL_NONE] = {.key = NULL},
    [METRIC_LABEL_VERSION] = {.key = "version", .value = version_value},
    [METRIC_LABEL_ROUND] = {.key = "outcome", .value = round_value},
    [METRIC_LABEL_PHASE] = {.key = "phase", .value = phase_value},
    [METRIC_LABEL_OUTCOME] = {.key = "outcome", .value = outcome_value},
    [METRIC_LABEL_CAUSE] = {.key = "kind", .value = cause_value},
    [METRIC_LABEL_GRPC] = {.key = "grpc", .value = grpc_value},
    [METRIC_LABEL_SQLSTATE] = {.key = "sqlstate", .value = sqlstate_value},
    [METRIC_LABEL_AGENT] = {.key = "state", .value = agent_value},
    [METRIC_LABEL_CONNECTION] = {.key = "state", .value = connection_value},
    [METRIC_LABEL_CONNECT] = {.key = "result", .value = connect_value},
    [METRIC_LABEL_SLOT] = {.key = "slot", .value = metrics_slot_name},
    [METRIC_LABEL_LEASE] = {.key = "event", .value = lease_value},
    [METRIC_LABEL_BRIDGE] = {.key = "result", .value = bridge_value},
    [METRIC_LABEL_LOAD] = {.key = "kind", .value = load_value},
    [METRIC_LABEL_RETENTION] = {.key = "table", .value = retention_value},
    [METRIC_LABEL_GROUP] = {.key = "group", .value = metrics_group_name},
    [METRIC_LABEL_CODE] = {.key = "code", .value = code_value},
    [METRIC_LABEL_METHOD] = {.key = "method", .value = method_value},
};
