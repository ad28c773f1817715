/* dependency.c - session_dependencies: what pending sessions wait for. */
#include <string.h>

#include "repo/snapshot_loader.h"
#include "repo/status.h"

/* In the order of the ids, so that causes list them alike everywhere. */
static const char sql_dependencies[] =
    "SELECT d.session_id, d.depends_on, t.name, t.status, t.result "
    "FROM session_dependencies d JOIN sessions s ON s.id = d.session_id "
    "LEFT JOIN sessions t ON t.id = d.depends_on "
    "WHERE s.resource_group_id = $1 AND s.status = 'PENDING' ORDER BY d.session_id, d.depends_on";

/* A session that is not there any more (status NULL) will never end as success. */
static enum dependency_state state_of(const char *status, const char *result)
{
    if (status == NULL)
        return DEPENDENCY_FAILED;
    if (strcmp(status, "TERMINATED") == 0 && result != NULL && strcmp(result, "SUCCESS") == 0)
        return DEPENDENCY_DONE;
    return session_status_is_terminal(status) ? DEPENDENCY_FAILED : DEPENDENCY_WAITING;
}

static int dependency_row(void *ctx, const struct pg_rows *r, struct err *e)
{
    (void)e;
    struct load *l = ctx;
    struct uuid id = rows_uuid(r, 0, 0);
    uint32_t session = builder_find_session(l->b, &id);
    if (session == NONE)
        return 0;
    const struct dependency d = {
        .id = rows_uuid(r, 0, 1),
        .name = rows_text(r, 0, 2),
        .state = state_of(rows_text(r, 0, 3), rows_text(r, 0, 4)),
    };
    builder_dependency(l->b, session, &d);
    return 0;
}

int dependency_load(struct load *l, struct err *e)
{
    const struct pg_param p[] = {param_uuid(&l->group_id)};
    return pg_each(l->t, sql_dependencies, "uuttt", p, ARRAY_SIZE(p), dependency_row, l, e);
}
