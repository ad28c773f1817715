/* pg_error.c - SQLSTATE to err, in one array. */
#include <string.h>

#include "repo/pg_conn.h"

/* First match wins; a state of two characters stands for its class. The message is for a client:
 * no internals; the server's own words go to err.detail. */
static const struct {
    const char *state;
    enum err_code code;
    const char *reason;
    const char *message;
} sqlstates[] = {
    {"40001", ERR_CONFLICT, "SERIALIZATION_FAILURE", "Another transaction changed the same rows."},
    {"40P01", ERR_CONFLICT, "DEADLOCK", "Two transactions waited for each other."},
    {"55P03", ERR_CONFLICT, "LOCK_TIMEOUT", "A row is locked by another transaction."},
    {"23505", ERR_CONFLICT, "UNIQUE_VIOLATION", "A row with this key exists already."},
    {"23", ERR_INTERNAL, "CONSTRAINT_VIOLATION", "The database refused a row."},
    {"57014", ERR_TIMEOUT, "STATEMENT_TIMEOUT", "The database did not finish in time."},
    {"25P03", ERR_TIMEOUT, "TRANSACTION_TIMEOUT", "The transaction stood idle for too long."},
    {"25006", ERR_UNAVAILABLE, "READ_ONLY", "The database is read-only: it may be a replica."},
    {"25P02", ERR_INTERNAL, "TRANSACTION_FAILED",
     "An earlier statement of the transaction failed."},
    {"42P01", ERR_PRECONDITION, "SCHEMA_MISSING", "A table is missing: run `berthd migrate`."},
    {"3F000", ERR_PRECONDITION, "SCHEMA_MISSING", "A schema is missing: run `berthd migrate`."},
    {"42703", ERR_PRECONDITION, "SCHEMA_MISMATCH", "A column is missing: run `berthd migrate`."},
    {"42501", ERR_PRECONDITION, "DATABASE_PERMISSION", "The database user lacks a permission."},
    {"3D000", ERR_PRECONDITION, "DATABASE_MISSING", "The database does not exist."},
    {"28", ERR_UNAVAILABLE, "DATABASE_LOGIN", "The database refused the login."},
    {"53300", ERR_UNAVAILABLE, "TOO_MANY_CONNECTIONS", "The database has no free connection."},
    {"53100", ERR_UNAVAILABLE, "DISK_FULL", "The database's disk is full."},
    {"53200", ERR_UNAVAILABLE, "DATABASE_OUT_OF_MEMORY", "The database is out of memory."},
    {"53", ERR_UNAVAILABLE, "DATABASE_EXHAUSTED", "The database is out of a resource."},
    {"58", ERR_UNAVAILABLE, "DATABASE_IO", "The database could not read or write its files."},
    {"08", ERR_UNAVAILABLE, "DATABASE_UNAVAILABLE", "The database is not reachable."},
    {"57", ERR_UNAVAILABLE, "DATABASE_UNAVAILABLE", "The database is not reachable."},
    {"22021", ERR_INVALID, "BAD_TEXT", "A text is not valid UTF-8."},
    {"22", ERR_INTERNAL, "BAD_VALUE", "The database could not read a value."},
    {"XX001", ERR_INTERNAL, "DATABASE_CORRUPTED", "The database reports corrupted data."},
    {"XX002", ERR_INTERNAL, "DATABASE_CORRUPTED", "The database reports a corrupted index."},
    {"", ERR_INTERNAL, "DATABASE_ERROR", "The database refused a statement."},
};

static int set_from_state(const char *state, struct err *e)
{
    unsigned i = 0;
    while (strncmp(state, sqlstates[i].state, strlen(sqlstates[i].state)) != 0)
        i++; /* the last row matches all */
    err_set(e, sqlstates[i].code, sqlstates[i].reason, "%s", sqlstates[i].message);
    return -1;
}

static const char *field(const PGresult *res, int code)
{
    const char *text = PQresultErrorField(res, code);
    return text != NULL ? text : "";
}

/* libpq ends its texts with a newline. */
static int detail_text(struct err *e, const char *text)
{
    return err_detail(e, "%.*s", (int)strcspn(text, "\n"), text);
}

int pg_fail(struct pg *c, const PGresult *res, struct err *e)
{
    const char *state = res != NULL ? field(res, PG_DIAG_SQLSTATE) : "";
    const char *severity = res != NULL ? field(res, PG_DIAG_SEVERITY_NONLOCALIZED) : "";
    const bool ended = c->conn == NULL || PQstatus(c->conn) == CONNECTION_BAD ||
                       strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0;
    if (*state != '\0') {
        set_from_state(state, e);
        err_detail(e, "SQLSTATE %s: %s%s%s%s%s", state, field(res, PG_DIAG_MESSAGE_PRIMARY),
                   *field(res, PG_DIAG_MESSAGE_DETAIL) != '\0' ? "; " : "",
                   field(res, PG_DIAG_MESSAGE_DETAIL),
                   *field(res, PG_DIAG_CONSTRAINT_NAME) != '\0' ? "; constraint " : "",
                   field(res, PG_DIAG_CONSTRAINT_NAME));
    } else {
        set_from_state(ended ? "08006" : "", e);
        detail_text(e, c->conn != NULL ? PQerrorMessage(c->conn) : "connection closed");
    }
    /* 57014 is what both a statement_timeout and pg_cancel_backend() give. */
    if (strcmp(state, "57014") == 0 && pg_now() < c->txn.timeout) {
        const char *words = field(res, PG_DIAG_MESSAGE_PRIMARY);
        err_set(e, ERR_UNAVAILABLE, "STATEMENT_CANCELLED", "The statement was cancelled.");
        err_detail(e, "SQLSTATE 57014: %s", words);
    }
    if (ended)
        pg_disconnect(c);
    return -1;
}

/* Five capitals and digits, one digit at least, and a colon; "FATAL:" is none. */
static bool is_state(const char *p)
{
    return strspn(p, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 && p[5] == ':' &&
           strcspn(p, "0123456789") < 5;
}

int pg_fail_connect(const PGconn *conn, struct err *e)
{
    /* Verbose texts hold the state: "...FATAL:  53300: sorry, too many clients already". */
    const char *text = conn != NULL ? PQerrorMessage(conn) : "out of memory";
    const char *state = "08001";
    for (const char *p = strchr(text, ' '); p != NULL; p = strchr(p + 1, ' '))
        if (is_state(p + 1))
            state = p + 1;
    set_from_state(state, e);
    return detail_text(e, text);
}
