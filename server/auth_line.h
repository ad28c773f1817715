/* auth_line.h - one line of the callers file.
 *
 *     token NAME ROLE GROUPS sha256:HEX [expires:TIME]
 *     cert  NAME ROLE GROUPS uri:TEXT | dns:TEXT | cn:TEXT [expires:TIME]
 *
 * Words are parted by blanks; '#' begins a comment. NAME: letters, digits and . _ @ : / + -, at
 * most 64. ROLE: viewer, manager or admin. GROUPS: names of scaling groups parted by commas, or *
 * for all; a blank, a comma, '#' or '%' in a name is written as %XX; an admin has *. TIME:
 * 2027-01-31 or 2027-01-31T12:00:00Z, from when on the line is good no more.
 *
 * HEX is the SHA-256 of the token. A plain hash is right here, where it would be wrong for a
 * password: a token is 256 random bits (berthd token new), so there is nothing to guess, and slow
 * hashing would only make each call slow. */
#ifndef BERTH_SERVER_AUTH_LINE_H
#define BERTH_SERVER_AUTH_LINE_H

#include <stdint.h>

#include "server/role.h"

/* A token: the prefix, by which scanners for leaked secrets know it, and 32 random bytes in
 * base64url without padding. */
#define AUTH_TOKEN_PREFIX "berth_"
enum { AUTH_TOKEN_BYTES = 32, AUTH_TOKEN_LETTERS = 43 };

enum { AUTH_DIGEST = 32, AUTH_NAME_MOST = 64, AUTH_GROUPS_MOST = 256, AUTH_GROUP_BYTES = 256 };

enum auth_kind { AUTH_TOKEN, AUTH_URI, AUTH_DNS, AUTH_CN };

struct auth_line {
    enum auth_kind kind;
    const char *name;
    enum role role;
    const char **groups; /* in byte order, each once; NULL: all */
    uint32_t n_groups;
    uint8_t digest[AUTH_DIGEST]; /* AUTH_TOKEN */
    const char *subject;         /* the others */
    int64_t expires_s;           /* Unix time; 0: never */
};

/* Parses the line in place: what *ret points to is in `text`, but for groups, which is to be
 * freed. *ret_none: it holds nothing but a comment. ERR_INVALID, reason BAD_CALLERS_FILE; the
 * message says what is wrong, without the line's number and never with what may be a secret. */
int auth_line_parse(char *text, struct auth_line *ret, bool *ret_none, struct err *e) MUST_CHECK;

/* "2027-01-31" or "2027-01-31T12:00:00Z" as Unix time. */
bool auth_time_parse(const char *text, int64_t *ret);
/* Can it be the name of a caller? */
bool auth_name_good(const char *text);

#endif
