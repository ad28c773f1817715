/* metrics_labels.h - the values a metric's labels can have.
 *
 * What the contract or the log has a name for (outcomes, kinds of causes, codes, phases, methods)
 * is called the same here. */
#ifndef BERTH_SERVER_METRICS_LABELS_H
#define BERTH_SERVER_METRICS_LABELS_H

#include "repo/retention.h"
#include "repo/warm.h"
#include "scheduler/err.h"
#include "scheduler/plan.h"
#include "server/report_phase.h"

enum metric_round { /* how a round ended */
                    METRIC_ROUND_OK,
                    METRIC_ROUND_PLANNED,     /* validate_only */
                    METRIC_ROUND_REPEATED,    /* its request id was answered before */
                    METRIC_ROUND_CONFLICT,    /* lease busy or fenced out */
                    METRIC_ROUND_REFUSED,     /* no such group, an impossible policy, a request id
                                                 reused */
                    METRIC_ROUND_TIMEOUT,     /* the deadline */
                    METRIC_ROUND_CANCELLED,   /* the caller left */
                    METRIC_ROUND_UNAVAILABLE, /* the database, or Redis where it is needed */
                    METRIC_ROUND_FAILED,      /* anything else */
                    N_METRIC_ROUNDS
};

enum metric_lease {
    METRIC_LEASE_ACQUIRED,
    METRIC_LEASE_CONTENDED,    /* another replica, or another round, has it */
    METRIC_LEASE_LOST,         /* it was somebody else's when it was to be renewed */
    METRIC_LEASE_RENEW_FAILED, /* Redis did not answer */
    METRIC_LEASE_WITHOUT_REDIS,
    N_METRIC_LEASES
};

enum metric_sqlstate { METRIC_SQLSTATE_40001, METRIC_SQLSTATE_40P01, N_METRIC_SQLSTATES };

enum metric_agent { /* may a round place on it? */
                    METRIC_AGENT_READY,
                    METRIC_AGENT_UNSCHEDULABLE,
                    METRIC_AGENT_UNREADABLE,
                    METRIC_AGENT_AWAY,
                    N_METRIC_AGENTS
};

enum metric_connection { METRIC_CONNECTION_BUSY, METRIC_CONNECTION_IDLE, N_METRIC_CONNECTIONS };

enum metric_connect {
    METRIC_CONNECT_OK,
    METRIC_CONNECT_AGAIN,
    METRIC_CONNECT_FAILED,
    N_METRIC_CONNECTS
};

enum metric_bridge {
    METRIC_BRIDGE_TOLD,
    METRIC_BRIDGE_EXPIRED,
    METRIC_BRIDGE_LOST,
    N_METRIC_BRIDGES
};

enum { METRICS_GROUPS = 1000, METRICS_SLOTS = 16 };

/* How many values each label of metrics.def has. */
enum {
    METRIC_SIZE_NONE = 1,
    METRIC_SIZE_VERSION = 1,
    METRIC_SIZE_ROUND = N_METRIC_ROUNDS,
    METRIC_SIZE_PHASE = N_REPORT_PHASES,
    METRIC_SIZE_OUTCOME = N_OUTCOMES,
    METRIC_SIZE_CAUSE = N_CAUSE_KINDS,
    METRIC_SIZE_GRPC = 1,
    METRIC_SIZE_SQLSTATE = N_METRIC_SQLSTATES,
    METRIC_SIZE_AGENT = N_METRIC_AGENTS,
    METRIC_SIZE_CONNECTION = N_METRIC_CONNECTIONS,
    METRIC_SIZE_CONNECT = N_METRIC_CONNECTS,
    METRIC_SIZE_SLOT = METRICS_SLOTS,
    METRIC_SIZE_LEASE = N_METRIC_LEASES,
    METRIC_SIZE_LOAD = N_LOAD_KINDS,
    METRIC_SIZE_BRIDGE = N_METRIC_BRIDGES,
    METRIC_SIZE_RETENTION = N_RETENTION_KINDS,
    METRIC_SIZE_GROUP = METRICS_GROUPS,
    METRIC_SIZE_CODE = N_ERR_CODES,
#define SERVICE(descriptor)
#define RPC(method, function, kind, place) +1
    METRIC_SIZE_METHOD = 1 /* the last one: a method this server does not have */
#include "server/methods.def"
#undef RPC
#undef SERVICE
};

struct metric_label {
    const char *key; /* NULL: no label */
    /* NULL: there is no such series. Of GROUP and SLOT it is good under metrics_groups_lock(). */
    const char *(*value)(unsigned i);
};
enum metric_label_id {
    METRIC_LABEL_NONE,
    METRIC_LABEL_VERSION,
    METRIC_LABEL_ROUND,
    METRIC_LABEL_PHASE,
    METRIC_LABEL_OUTCOME,
    METRIC_LABEL_CAUSE,
    METRIC_LABEL_GRPC,
    METRIC_LABEL_SQLSTATE,
    METRIC_LABEL_AGENT,
    METRIC_LABEL_CONNECTION,
    METRIC_LABEL_CONNECT,
    METRIC_LABEL_SLOT,
    METRIC_LABEL_LEASE,
    METRIC_LABEL_LOAD,
    METRIC_LABEL_BRIDGE,
    METRIC_LABEL_RETENTION,
    METRIC_LABEL_GROUP,
    METRIC_LABEL_CODE,
    METRIC_LABEL_METHOD,
    N_METRIC_LABELS
};
extern const struct metric_label metric_labels[N_METRIC_LABELS];

/* metrics_groups.c. For who prints: the names of groups and slots stay as they are until it is
 * unlocked. */
void metrics_groups_lock(void);
void metrics_groups_unlock(void);
/* Under the lock. NULL: none has this index. */
const char *metrics_group_name(unsigned i);
const char *metrics_slot_name(unsigned i);
enum slot_type metrics_slot_type(unsigned i); /* of one that has a name */

#endif
