/* user_resource_limit.c - rule 7: usage of the user + request is within the policy of the main
 * access key. */
#include "scheduler/limits.h"

static enum check_result check(const struct check *c, struct cause_list *causes)
{
    return quota_check(c, OWNER_USER, CAUSE_USER_QUOTA, "main-keypair", causes);
}

VALIDATOR(user_resource_limit, "user_resource_limit", "the user stays within its resource quota",
          NULL, .check = check);
