/* domain_resource_limit.c - rule 9: usage of the domain + request is within its quota. */
#include "scheduler/limits.h"

static enum check_result check(const struct check *c, struct cause_list *causes)
{
    return quota_check(c, OWNER_DOMAIN, CAUSE_DOMAIN_QUOTA, "domain", causes);
}

VALIDATOR(domain_resource_limit, "domain_resource_limit",
          "the domain stays within its resource quota", NULL, .check = check);
