/* reference_internal.h - what the files of the reference share. */
#ifndef BERTH_TESTS_REFERENCE_INTERNAL_H
#define BERTH_TESTS_REFERENCE_INTERNAL_H

#include <string.h>

#include "tests/reference/reference.h"

enum { MAX_CAUSES = 64, MAX_PLACE_CAUSES = 16 };

struct state { /* what the round has placed so far, on top of the snapshot */
    const struct snapshot *s;
    const struct policy_config *c;
    struct arena *a;
    bool empty;          /* the INFEASIBLE question: as if nothing ran anywhere */
    int64_t *placed;     /* agents x slots */
    int32_t *containers; /* agents */
    int32_t *members;    /* session groups x agents */
    int64_t *owner_used; /* owners x slots, not private */
    int64_t *owner_live, *owner_live_sftp;
    const char **cursor; /* per architecture */
};

struct requirement {
    int64_t want[REF_MAX_SLOTS];
    uint32_t arch;
    int32_t containers;
    uint32_t first, n; /* kernels it covers */
};

enum filter { F_ARCH, F_DESIGNATED, F_GROUP, F_RESOURCES, F_CONTAINERS, N_FILTERS };

/* --- reference_cause.c --- */
int64_t request_of(const struct snapshot *s, const struct session *w, uint32_t slot);
struct ref_cause *add_cause(struct ref_decision *d, enum cause_kind kind, const char *plugin,
                            const char *subject, bool retryable);
void add_shortage(struct ref_cause *c, uint32_t slot, int64_t requested, int64_t available,
                  int64_t limit);
const char *uuid_text(struct arena *a, const struct uuid *u);
bool fraction_less(int64_t a, int64_t b, int64_t c, int64_t d); /* a/b < c/d, all positive */

/* --- reference_validate.c: step 6 --- */
bool expired(const struct snapshot *s, const struct session *w);
void validate(struct state *st, const struct session *w, struct ref_decision *d);

/* --- reference_filter.c: step 7, who can take a requirement; `mine[agent]`: an earlier kernel of w
 * is there already --- */
int64_t remaining(const struct state *st, uint32_t agent, uint32_t slot);
int32_t members_on(const struct state *st, const struct session *w, const bool *mine,
                   uint32_t agent);
bool is_designated(const struct snapshot *s, const struct session *w, uint32_t agent);
bool filter_keeps(const struct state *st, const struct session *w, const struct requirement *r,
                  const bool *mine, enum filter f, uint32_t agent);
void explain_filter(struct state *st, const struct session *w, const struct requirement *r,
                    enum filter f, const bool *entered, struct ref_decision *d);

/* --- reference_select.c: step 7, who of them takes it --- */
uint32_t choose(const struct state *st, const struct session *w, const struct requirement *r,
                const bool *mine, const bool *fits);

/* --- reference_place.c: step 7 as a whole --- */
void place(struct state *st, const struct session *w, struct ref_decision *d);

#endif
