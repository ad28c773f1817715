/* auth_line.c - words of a line, one after the other. */
#include "server/auth_line.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int bad(struct err *e, const char *what)
{
    return err_set(e, ERR_INVALID, "BAD_CALLERS_FILE", "%s", what);
}

/* The next word, ended by a NUL in place; NULL: no more. */
static char *take_word(char **at)
{
    char *begin = *at + strspn(*at, " \t\r");
    if (*begin == '\0' || *begin == '#')
        return NULL;
    char *end = begin + strcspn(begin, " \t\r");
    *at = *end == '\0' ? end : end + 1;
    *end = '\0';
    return begin;
}

bool auth_name_good(const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)text[i]) && strchr("._@:/+-", text[i]) == NULL)
            return false;
    }
    return n > 0 && n <= AUTH_NAME_MOST;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_byte(const char *text, uint8_t *ret)
{
    int high = hex_digit(text[0]);
    int low = high < 0 ? -1 : hex_digit(text[1]);
    if (low < 0)
        return false;
    *ret = (uint8_t)(high << 4 | low);
    return true;
}

/* Replaces %XX in place. */
static bool decode(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        uint8_t byte = (uint8_t)*from;
        if (*from == '%') {
            if (!hex_byte(from + 1, &byte) || byte == 0)
                return false;
            from += 2;
        }
        *to++ = (char)byte;
    }
    *to = '\0';
    return true;
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int read_groups(char *text, struct auth_line *l, struct err *e)
{
    uint32_t n = 0;
    if (strcmp(text, "*") == 0)
        return 0;
    l->groups = calloc(AUTH_GROUPS_MOST, sizeof(*l->groups));
    if (l->groups == NULL)
        abort();
    for (char *next = text; next != NULL;) {
        char *group = strsep(&next, ",");
        if (n == AUTH_GROUPS_MOST)
            return bad(e, "more than 256 scaling groups");
        if (!decode(group) || *group == '\0' || strlen(group) > AUTH_GROUP_BYTES)
            return bad(e, "a scaling group's name is empty, too long or badly written");
        if (strcmp(group, "*") == 0)
            return bad(e, "* stands alone: it means all scaling groups");
        l->groups[n++] = group;
    }
    qsort(l->groups, n, sizeof(*l->groups), compare_text);
    for (uint32_t i = 0; i < n; i++) {
        if (l->n_groups == 0 || strcmp(l->groups[l->n_groups - 1], l->groups[i]) != 0)
            l->groups[l->n_groups++] = l->groups[i];
    }
    return 0;
}

static bool read_digest(const char *text, uint8_t digest[AUTH_DIGEST])
{
    if (strlen(text) != (size_t)2 * AUTH_DIGEST)
        return false;
    for (unsigned i = 0; i < AUTH_DIGEST; i++) {
        if (!hex_byte(text + (size_t)2 * i, &digest[i]))
            return false;
    }
    return true;
}

static int read_proof(char *text, bool token, struct auth_line *l, struct err *e)
{
    static const struct {
        const char *prefix;
        enum auth_kind kind;
    } kinds[] = {{"uri:", AUTH_URI}, {"dns:", AUTH_DNS}, {"cn:", AUTH_CN}};
    if (token) {
        if (strncmp(text, "sha256:", 7) != 0 || !read_digest(text + 7, l->digest))
            return bad(e, "a token line needs sha256: and 64 hexadecimal digits");
        l->kind = AUTH_TOKEN;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        size_t n = strlen(kinds[i].prefix);
        if (strncmp(text, kinds[i].prefix, n) != 0)
            continue;
        l->kind = kinds[i].kind;
        l->subject = text + n;
        return decode(text + n) && text[n] != '\0' ? 0 : bad(e, "the certificate's name is empty");
    }
    return bad(e, "a cert line needs uri:, dns: or cn: and the name in the certificate");
}

static bool all_digits(const char *text, const char *shape)
{
    for (; *shape != '\0'; shape++, text++) {
        if (*shape == '0' ? !isdigit((unsigned char)*text) : *text != *shape)
            return false;
    }
    return *text == '\0';
}

bool auth_time_parse(const char *text, int64_t *ret)
{
    struct tm t = {.tm_isdst = 0};
    bool day = all_digits(text, "0000-00-00");
    if (!day && !all_digits(text, "0000-00-00T00:00:00Z"))
        return false;
    const char *end = strptime(text, day ? "%Y-%m-%d" : "%Y-%m-%dT%H:%M:%SZ", &t);
    int asked = t.tm_mday;
    if (end == NULL || *end != '\0')
        return false;
    time_t at = timegm(&t); /* also puts right what is no day of its month */
    if (at <= 0 || t.tm_mday != asked)
        return false;
    *ret = at;
    return true;
}

static int read_words(char *text, bool token, struct auth_line *l, struct err *e)
{
    char *name = take_word(&text);
    char *role = take_word(&text);
    char *groups = take_word(&text);
    char *proof = take_word(&text);
    char *expires = take_word(&text);
    if (proof == NULL)
        return bad(e, "a line is: token|cert NAME ROLE GROUPS PROOF [expires:TIME]");
    if (!auth_name_good(name))
        return bad(e, "the name has a character that names cannot have, or more than 64");
    if (!role_parse(role, &l->role))
        return bad(e, "the role is not viewer, manager or admin");
    l->name = name;
    if (read_groups(groups, l, e) < 0 || read_proof(proof, token, l, e) < 0)
        return -1;
    if (l->role == ROLE_ADMIN && l->groups != NULL)
        return bad(e, "an admin is one of all scaling groups: write * for them");
    if (expires == NULL)
        return 0;
    if (strncmp(expires, "expires:", 8) != 0 || !auth_time_parse(expires + 8, &l->expires_s))
        return bad(e, "the last word is not expires:2027-01-31 or expires:2027-01-31T12:00:00Z");
    return take_word(&text) == NULL ? 0 : bad(e, "there are too many words");
}

/* Has somebody put a token itself into the file, be it in a comment? */
static bool holds_token(const char *text)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (const char *at = strstr(text, AUTH_TOKEN_PREFIX); at != NULL;
         at = strstr(at + 1, AUTH_TOKEN_PREFIX)) {
        if (strspn(at + strlen(AUTH_TOKEN_PREFIX), alphabet) >= AUTH_TOKEN_LETTERS)
            return true;
    }
    return false;
}

int auth_line_parse(char *text, struct auth_line *ret, bool *ret_none, struct err *e)
{
    struct auth_line l = {.kind = AUTH_TOKEN};
    if (holds_token(text))
        return bad(e, "there is a token where its hash should be: it is no secret any more, make "
                      "another with berthd token new");
    char *kind = take_word(&text);
    *ret_none = kind == NULL;
    if (kind == NULL)
        return 0;
    bool token = strcmp(kind, "token") == 0;
    if (!token && strcmp(kind, "cert") != 0)
        return bad(e, "a line begins with token or cert");
    if (read_words(text, token, &l, e) < 0) {
        free(l.groups);
        return -1;
    }
    *ret = l;
    return 0;
}
