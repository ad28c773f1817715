/* auth_table.h - the callers file, read: who has which token or certificate. Immutable. */
#ifndef BERTH_SERVER_AUTH_TABLE_H
#define BERTH_SERVER_AUTH_TABLE_H

#include <stddef.h>

#include "server/auth_line.h"
#include "server/caller.h"

struct auth_table;

enum { AUTH_LINES_MOST = 10000, AUTH_FILE_MOST = 8 << 20 };

/* text: the file's content, `n` bytes; `path` is for messages. ERR_INVALID, reason
 * BAD_CALLERS_FILE, naming file and line. The callers have no account yet. */
int auth_table_create(const char *path, const char *text, size_t n, struct auth_table **ret,
                      struct err *e) MUST_CHECK;
void auth_table_destroy(struct auth_table *t); /* NULL is fine */
DEFINE_CLEANUP(struct auth_table, auth_table_destroy)

size_t auth_table_count(const struct auth_table *t);
struct caller *auth_table_at(const struct auth_table *t, size_t i);
/* Does the table have a line that says the same of the same proof as line i of `old`? Then it takes
 * over its caller, so that there is one caller for one line, however often the file is read. Before
 * *t is used by anybody else. */
bool auth_table_inherit(struct auth_table *t, const struct auth_table *old, size_t i);

/* The caller with this token, or NULL. The time it takes tells at most how the hash of the guess
 * begins, from which nothing follows about any token. */
struct caller *auth_table_token(const struct auth_table *t, const char *token, size_t n);

/* A name in a verified client certificate. */
struct auth_subject {
    enum auth_kind kind; /* not AUTH_TOKEN */
    const char *text;
    size_t n;
};
/* The first line of the file with one of these names, or NULL. */
struct caller *auth_table_subject(const struct auth_table *t, const struct auth_subject *names,
                                  size_t n);

#endif
