/* sql.h - pieces of statements that several tables share. Private to repo/. */
#ifndef BERTH_REPO_SQL_H
#define BERTH_REPO_SQL_H

/* A jsonb column with an object merged in; what is no object counts as none. */
#define SQL_MERGED(column, object)                                                                 \
    "CASE WHEN jsonb_typeof(" column ") = 'object' THEN " column " ELSE '{}' END || " object

/* The stamp of a status for status_history, made once a statement. */
#define SQL_STAMP(status) "(SELECT jsonb_build_object('" status "', now()))"

/* The data of a failure d with the retries of row u put in. */
#define SQL_FAILURE_DATA "jsonb_set(d.data, '{scheduler,retries}', to_jsonb(u.retries))"

#endif
