/* limits.h - resource limits: the slot maps of policies, projects and domains. Private to repo/. */
#ifndef BERTH_REPO_LIMITS_H
#define BERTH_REPO_LIMITS_H

#include "repo/snapshot_loader.h"

struct limit_use { /* an owner whose limits are those of a keypair policy */
    uint32_t owner;
    const char *policy; /* name; lives until the load ends */
};

/* Fills the limit rows and the max_* fields of these owners; users take the total limit only. A
 * policy that is not there becomes their `missing`. */
int policy_limits_load(struct load *l, const struct limit_use *uses, uint32_t n,
                       struct err *e) MUST_CHECK;

/* Puts one entry of a slot map into a row of limits. Slots that are unknown or disabled are
 * dropped. NULL, or what is wrong with it: "cpu \"x\" cannot be read as an amount". */
const char *limit_put(struct load *l, int64_t *row, const char *slot, const char *text);

/* SQL: the entries of a jsonb column that is an object, else none. */
#define SQL_ENTRIES(column)                                                                        \
    "jsonb_each_text(CASE WHEN jsonb_typeof(" column ") = 'object' THEN " column " ELSE '{}' END)"

#endif
