/* status.h - the statuses of sessions and kernels: the only place where their sets are written
 * down.
 *
 * A status is varchar in the tables; a text that is none of these (a newer Manager's) is a live
 * status that holds nothing. Sets are also there as SQL text, for `status IN (...)`. What Berth
 * moves:
 *
 *   session  PENDING -> SCHEDULED                    a round (plan_commit)
 *            PENDING -> CANCELLED                    a round (pending timeout), session_cancel
 *            SCHEDULED -> CANCELLED                  session_cancel, while nothing has started
 *            any other live status -> TERMINATING    session_cancel
 *   kernel   as its session; only those that are not over
 *
 * Everything else is the Manager's. Terminal statuses never change. */
#ifndef BERTH_REPO_STATUS_H
#define BERTH_REPO_STATUS_H

#include <stdbool.h>

/* What CancelSession does to a session in that status. */
enum cancel_effect {
    CANCEL_AT_ONCE, /* CANCELLED */
    CANCEL_RELEASE, /* CANCELLED and the reservation given back; TERMINATING if a kernel started */
    CANCEL_TERMINATE, /* TERMINATING: the Manager stops the containers */
    CANCEL_UNDER_WAY, /* nothing: it is TERMINATING already */
    CANCEL_OVER       /* nothing: it is over */
};

/* occupying: counts as one of its owner's sessions. */
#define SESSION_STATUSES(X)                                                                        \
    /* name            occupying terminal cancel */                                                \
    X(PENDING, no, no, AT_ONCE)                                                                    \
    X(DEPRIORITIZING, no, no, TERMINATE)                                                           \
    X(RESERVED, yes, no, TERMINATE)                                                                \
    X(SCHEDULED, yes, no, RELEASE)                                                                 \
    X(PREPARING, yes, no, TERMINATE)                                                               \
    X(PULLING, yes, no, TERMINATE)                                                                 \
    X(PREPARED, yes, no, TERMINATE)                                                                \
    X(CREATING, yes, no, TERMINATE)                                                                \
    X(RUNNING, yes, no, TERMINATE)                                                                 \
    X(RESTARTING, yes, no, TERMINATE)                                                              \
    X(RUNNING_DEGRADED, yes, no, TERMINATE)                                                        \
    X(PREEMPTED, no, no, TERMINATE)                                                                \
    X(RESCHEDULING, no, no, TERMINATE)                                                             \
    X(TERMINATING, yes, no, UNDER_WAY)                                                             \
    X(TERMINATED, no, yes, OVER)                                                                   \
    X(ERROR, no, yes, OVER)                                                                        \
    X(CANCELLED, no, yes, OVER)

/* holding: its amounts are taken from its agent and count in quotas. started: a container may
 * exist. */
#define KERNEL_STATUSES(X)                                                                         \
    /* name       holding started terminal */                                                      \
    X(PENDING, no, no, no)                                                                         \
    X(RESERVED, yes, no, no)                                                                       \
    X(SCHEDULED, yes, no, no)                                                                      \
    X(PREPARING, yes, yes, no)                                                                     \
    X(BUILDING, no, yes, no)                                                                       \
    X(PULLING, yes, yes, no)                                                                       \
    X(PREPARED, yes, yes, no)                                                                      \
    X(CREATING, yes, yes, no)                                                                      \
    X(RUNNING, yes, yes, no)                                                                       \
    X(RESTARTING, no, yes, no)                                                                     \
    X(RESIZING, no, yes, no)                                                                       \
    X(SUSPENDED, no, yes, no)                                                                      \
    X(TERMINATING, yes, yes, no)                                                                   \
    X(TERMINATED, no, no, yes)                                                                     \
    X(ERROR, no, no, yes)                                                                          \
    X(CANCELLED, no, no, yes)

/* Sets as SQL: "status IN (" SQL_SESSION_OCCUPYING ")". The empty text in front saves the comma. */
#define STATUS_SQL_yes(name) ",'" #name "'"
#define STATUS_SQL_no(name)
#define STATUS_SQL_OCCUPYING_(name, occupying, terminal, cancel)  STATUS_SQL_##occupying(name)
#define STATUS_SQL_OVER_(name, occupying, terminal, cancel)       STATUS_SQL_##terminal(name)
#define STATUS_SQL_HOLDING_(name, holding, started, terminal)     STATUS_SQL_##holding(name)
#define STATUS_SQL_STARTED_(name, holding, started, terminal)     STATUS_SQL_##started(name)
#define STATUS_SQL_KERNEL_OVER_(name, holding, started, terminal) STATUS_SQL_##terminal(name)
#define SQL_SESSION_OCCUPYING                                     "''" SESSION_STATUSES(STATUS_SQL_OCCUPYING_)
#define SQL_SESSION_TERMINAL                                      "''" SESSION_STATUSES(STATUS_SQL_OVER_)
#define SQL_KERNEL_HOLDING                                        "''" KERNEL_STATUSES(STATUS_SQL_HOLDING_)
#define SQL_KERNEL_STARTED                                        "''" KERNEL_STATUSES(STATUS_SQL_STARTED_)
#define SQL_KERNEL_TERMINAL                                       "''" KERNEL_STATUSES(STATUS_SQL_KERNEL_OVER_)

/* An unknown or NULL status is neither occupying nor terminal, and a cancel terminates it. */
bool session_status_is_occupying(const char *status);
bool session_status_is_terminal(const char *status);
enum cancel_effect session_status_on_cancel(const char *status);
bool kernel_status_is_holding(const char *status);
bool kernel_status_is_started(const char *status);
bool kernel_status_is_terminal(const char *status);

#endif
