/* group_watch.c - what the loop wants to know of all groups at once. */
#include "repo/group_watch.h"

#include "repo/pg_query.h"

static const char sql_list[] =
    "SELECT g.name, (extract(epoch FROM now() - s.round_started_at) * 1000000)::bigint "
    "FROM scaling_groups g LEFT JOIN berth.group_state s ON s.scaling_group_id = g.id "
    "ORDER BY g.name COLLATE \"C\" LIMIT $1";

int group_watch_list(struct txn *t, uint32_t max, struct arena *a, struct watched_group **ret,
                     uint32_t *ret_n, struct err *e)
{
    const struct pg_param p[] = {param_int8(max)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, sql_list, "ti", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    const uint32_t n = rows_count(r);
    struct watched_group *list = arena_new(a, struct watched_group, n);
    for (uint32_t i = 0; i < n; i++)
        list[i] = (struct watched_group){
            .name = arena_strdup(a, rows_text(r, i, 0)),
            .round_age_us = rows_is_null(r, i, 1) ? INT64_MAX : rows_int(r, i, 1),
        };
    *ret = list;
    *ret_n = n;
    return 0;
}
