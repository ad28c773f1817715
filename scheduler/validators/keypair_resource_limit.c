/* keypair_resource_limit.c - rule 6: usage of the access key + request is within its policy. */
#include "scheduler/limits.h"

static enum check_result check(const struct check *c, struct cause_list *causes)
{
    return quota_check(c, OWNER_KEYPAIR, CAUSE_KEYPAIR_QUOTA, "keypair", causes);
}

VALIDATOR(keypair_resource_limit, "keypair_resource_limit",
          "the access key stays within its resource quota", NULL, .check = check);
