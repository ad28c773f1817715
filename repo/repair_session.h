/* repair_session.h - half scheduled sessions, between looking and mending. Private to
 * repair_session.c and repair_session_mend.c. */
#ifndef BERTH_REPO_REPAIR_SESSION_H
#define BERTH_REPO_REPAIR_SESSION_H

#include "repo/repair_pass.h"

struct half_kernel {
    struct uuid id;
    const char *status, *agent, *addr;
    bool is_over, has_started, is_young;
    bool stands;  /* the ledger reserves exactly what the kernel asks for */
    bool stamped; /* a live ledger row holds something */
};

enum half_verdict { HALF_HEALTHY, HALF_STARTED, HALF_OVER, HALF_YOUNG, HALF_COMPLETE, HALF_UNDO };

struct half_session {
    struct uuid id;
    const char *name, *creation_id;
    const char *owners[N_OWNER_KINDS]; /* keys, NULL: none */
    struct half_kernel *kernels;
    uint32_t n_kernels;
    size_t cap_kernels;
    enum half_verdict verdict;
};

struct halves {
    struct repair_pass *p;
    struct half_session *v;
    uint32_t n;
};

static inline bool half_is_mended(enum half_verdict v)
{
    return v == HALF_COMPLETE || v == HALF_UNDO;
}

/* Writes what the verdicts say; all rows are locked. Fills the pass's events and owners. */
int half_mend(struct halves *h, struct err *e) MUST_CHECK;

#endif
