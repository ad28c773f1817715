/* sql.h - pieces of statements that several tables share. Private to repo/. */
#ifndef BERTH_REPO_SQL_H
#define BERTH_REPO_SQL_H

/* A jsonb column with an object merged in; what is no object counts as none. */
#define SQL_MERGED(column, object)                                                                 \
    "CASE WHEN jsonb_typeof(" column ") = 'object' THEN " column " ELSE '{}' END || " object

/* The stamp of a status for status_history, made once a statement. */
#define SQL_STAMP(status) "(SELECT jsonb_build_object('" status "', now()))"

/* A new id that begins with the time of the transaction (UUID version 7): rows that are only ever
 * added go to the right end of their primary key, not each to a page of its own. The time is made
 * once a statement. */
#define SQL_NEW_ID                                                                                 \
    "((SELECT regexp_replace(lpad(to_hex((extract(epoch FROM now()) * 1000)::int8), 12, '0'), "    \
    "'^(.{8})(.{4})$', '\\1-\\2-7')) || substr(gen_random_uuid()::text, 16))::uuid"

/* The data of a failure d with the retries of row u put in. */
#define SQL_FAILURE_DATA "jsonb_set(d.data, '{scheduler,retries}', to_jsonb(u.retries))"

/* What a ledger row r holds; NaN and negative amounts, which nobody should write, hold nothing. */
#define SQL_SANE(x) "CASE WHEN " x " > 0 AND " x " <> 'NaN' THEN " x " ELSE 0 END"
#define SQL_BUCKETS                                                                                \
    SQL_SANE("r.prereserved")                                                                      \
    " AS prereserved, " SQL_SANE("r.reserved") " AS reserved, " SQL_SANE(                          \
        "coalesce(r.used, 0)") " AS used"

#endif
