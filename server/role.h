/* role.h - what a caller of each role may call: the table of role.def. */
#ifndef BERTH_SERVER_ROLE_H
#define BERTH_SERVER_ROLE_H

#include <stdbool.h>

#include "scheduler/err.h"
#include "server/config.h"
#include "server/method.h"

enum role {
    ROLE_NOBODY,  /* neither a token nor a certificate */
    ROLE_VIEWER,  /* looks: previews, lists, watches */
    ROLE_MANAGER, /* also schedules and cancels, in its scaling groups */
    ROLE_ADMIN,   /* everything */
    N_ROLES
};

const char *role_name(enum role r);                /* "viewer" */
bool role_parse(const char *text, enum role *ret); /* viewer, manager or admin */

enum role_access { ROLE_NO, ROLE_YES, ROLE_GROUPS, ROLE_HEALTH, ROLE_REFLECTION };

/* The cell of the table; HEALTH and REFLECTION are answered as YES or NO, by the settings. g NULL:
 * both are open. */
enum role_access role_access(const struct config *g, enum role r, const struct method *m);

/* ERR_INTERNAL, reason ROLE_LIST, naming the path: the list and methods.def differ. */
int role_check(const struct methods *all, struct err *e) MUST_CHECK;

#endif
