/* password.h - who we are to PostgreSQL and Redis, when a file knows the password.
 *
 * Set at start, before the first connection, for the whole process; after that read only, so any
 * thread may connect. The file holds the password alone, with or without a newline behind it. It is
 * read anew for each connection, so that a password can be changed without a restart, and is never
 * kept longer than that. No error repeats it. */
#ifndef BERTH_REPO_PASSWORD_H
#define BERTH_REPO_PASSWORD_H

#include "scheduler/err.h"

enum { PASSWORD_MAX = 1024, REDIS_LOGINS_MAX = 4 };

/* For every connection of pg.h whose connection string has no password. NULL or "": none.
 * ERR_INVALID, reason BAD_PASSWORD_FILE: the file cannot be read. */
int password_for_pg(const char *file, struct err *e) MUST_CHECK;
/* For every connection to the Redis of this address, as given to redis_create(). user "": the
 * default user. file "": no password, and no login. ERR_INVALID as above, or BAD_REDIS_ADDRESS. */
int password_for_redis(const char *address, const char *user, const char *file,
                       struct err *e) MUST_CHECK;

/* --- for pg.c, redis.c and fanout.c --- */

struct redis_address;

/* The text in ret, wiped by the caller (password_wipe()). 0 with "": there is none.
 * ERR_UNAVAILABLE, reason BAD_PASSWORD_FILE. */
int password_of_pg(char ret[PASSWORD_MAX + 1], struct err *e) MUST_CHECK;

struct redis_login {
    unsigned n;           /* words of the AUTH command; 0: nothing to say */
    const char *words[3]; /* of this struct, or lent for ever */
    char password[PASSWORD_MAX + 1];
};
int password_of_redis(const struct redis_address *a, struct redis_login *ret,
                      struct err *e) MUST_CHECK;
void password_wipe(char password[PASSWORD_MAX + 1]);

#endif
