/* group_resource_limit.c - rule 8: usage of the project + request is within its quota. */
#include "scheduler/limits.h"

static enum check_result check(const struct check *c, struct cause_list *causes)
{
    return quota_check(c, OWNER_PROJECT, CAUSE_GROUP_QUOTA, "group", causes);
}

VALIDATOR(group_resource_limit, "group_resource_limit",
          "the project stays within its resource quota", NULL, .check = check);
