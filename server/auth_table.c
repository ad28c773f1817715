/* auth_table.c - lines, and a hash table of the token lines by the beginning of their digest. */
#include "server/auth_table.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

_Static_assert(SHA256_DIGEST_LENGTH == AUTH_DIGEST, "a digest is a SHA-256");

struct entry {
    struct auth_line line; /* its texts are the caller's */
    unsigned number;       /* of the line in the file, from 1 */
    struct caller *caller;
};

struct auth_table {
    struct entry *entries;
    size_t n, cap;
    uint32_t *slots; /* index + 1 of an entry; 0: free */
    size_t n_slots;  /* a power of two, at least twice the entries */
};

static void *must_alloc(size_t n, size_t size)
{
    void *p = calloc(n, size);
    if (p == NULL)
        abort();
    return p;
}

static struct caller *make_caller(const struct auth_line *l, char *memory)
{
    struct caller *c = must_alloc(1, sizeof(*c));
    c->name = l->name;
    c->role = l->role;
    c->groups = (const char *const *)l->groups;
    c->n_groups = l->n_groups;
    c->expires_s = l->expires_s;
    c->known = true;
    c->memory = memory;
    atomic_init(&c->refs, 1);
    return c;
}

static void add_entry(struct auth_table *t, const struct auth_line *l, unsigned number,
                      char *memory)
{
    if (t->n == t->cap) {
        t->cap = t->cap == 0 ? 64 : t->cap * 2;
        t->entries = realloc(t->entries, t->cap * sizeof(*t->entries));
        if (t->entries == NULL)
            abort();
    }
    t->entries[t->n++] =
        (struct entry){.line = *l, .number = number, .caller = make_caller(l, memory)};
}

/* A copy of the line that becomes the memory of its caller. The list of groups goes to its end. */
static int add_line(struct auth_table *t, const char *text, size_t n, unsigned number,
                    struct err *e)
{
    struct auth_line l = {.kind = AUTH_TOKEN};
    bool none = false;
    size_t list = AUTH_GROUPS_MOST * sizeof(char *);
    char *memory = must_alloc(1, list + n + 1);
    memcpy(memory + list, text, n);
    if (auth_line_parse(memory + list, &l, &none, e) < 0 || none) {
        free(memory);
        return none ? 0 : -1;
    }
    if (l.groups != NULL) {
        memcpy((void *)memory, (const void *)l.groups, l.n_groups * sizeof(char *));
        free(l.groups);
        l.groups = (const char **)(void *)memory;
    }
    add_entry(t, &l, number, memory);
    return 0;
}

static size_t slot_of(const struct auth_table *t, const uint8_t digest[AUTH_DIGEST])
{
    uint64_t h;
    memcpy(&h, digest, sizeof(h));
    return (size_t)h & (t->n_slots - 1);
}

static const struct entry *find_digest(const struct auth_table *t,
                                       const uint8_t digest[AUTH_DIGEST])
{
    for (size_t i = slot_of(t, digest); t->slots[i] != 0; i = (i + 1) & (t->n_slots - 1)) {
        const struct entry *x = &t->entries[t->slots[i] - 1];
        if (CRYPTO_memcmp(x->line.digest, digest, AUTH_DIGEST) == 0)
            return x;
    }
    return NULL;
}

static int refuse_twice(const char *path, const struct entry *first, const struct entry *second,
                        const char *what, struct err *e)
{
    return err_set(e, ERR_INVALID, "BAD_CALLERS_FILE",
                   "%.80s:%u: \"%.64s\" and \"%.64s\" (line %u) have the same %s", path,
                   second->number, second->line.name, first->line.name, first->number, what);
}

/* One name in a certificate, one line. */
static int check_subjects(const struct auth_table *t, const char *path, struct err *e)
{
    for (size_t k = 0; k < t->n; k++) {
        const struct auth_line *l = &t->entries[k].line;
        for (size_t i = 0; l->kind != AUTH_TOKEN && i < k; i++) {
            const struct auth_line *o = &t->entries[i].line;
            if (o->kind == l->kind && strcmp(o->subject, l->subject) == 0)
                return refuse_twice(path, &t->entries[i], &t->entries[k], "certificate", e);
        }
    }
    return 0;
}

static int index_tokens(struct auth_table *t, const char *path, struct err *e)
{
    for (t->n_slots = 16; t->n_slots < 2 * t->n; t->n_slots *= 2)
        ;
    t->slots = must_alloc(t->n_slots, sizeof(*t->slots));
    for (size_t k = 0; k < t->n; k++) {
        const struct auth_line *l = &t->entries[k].line;
        if (l->kind != AUTH_TOKEN)
            continue;
        const struct entry *twice = find_digest(t, l->digest);
        if (twice != NULL)
            return refuse_twice(path, twice, &t->entries[k], "token", e);
        size_t i = slot_of(t, l->digest);
        while (t->slots[i] != 0)
            i = (i + 1) & (t->n_slots - 1);
        t->slots[i] = (uint32_t)k + 1;
    }
    return 0;
}

static int read_lines(struct auth_table *t, const char *path, const char *text, size_t n,
                      struct err *e)
{
    struct err why = {.code = ERR_NONE};
    unsigned number = 0;
    for (const char *at = text, *end = text + n; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((newline != NULL ? newline : end) - at);
        number++;
        if (number > AUTH_LINES_MOST)
            return err_set(e, ERR_INVALID, "BAD_CALLERS_FILE", "%.80s has more than %d lines", path,
                           AUTH_LINES_MOST);
        if (memchr(at, '\0', len) != NULL)
            return err_set(e, ERR_INVALID, "BAD_CALLERS_FILE", "%.80s:%u: there is a NUL", path,
                           number);
        if (add_line(t, at, len, number, &why) < 0)
            return err_set(e, ERR_INVALID, "BAD_CALLERS_FILE", "%.80s:%u: %s", path, number,
                           why.message);
        at += len + 1;
    }
    return 0;
}

int auth_table_create(const char *path, const char *text, size_t n, struct auth_table **ret,
                      struct err *e)
{
    struct auth_table *t = must_alloc(1, sizeof(*t));
    if (read_lines(t, path, text, n, e) < 0 || check_subjects(t, path, e) < 0 ||
        index_tokens(t, path, e) < 0) {
        auth_table_destroy(t);
        return -1;
    }
    *ret = t;
    return 0;
}

void auth_table_destroy(struct auth_table *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->n; i++)
        caller_unref(t->entries[i].caller);
    free(t->entries);
    free(t->slots);
    free(t);
}

size_t auth_table_count(const struct auth_table *t)
{
    return t->n;
}

struct caller *auth_table_at(const struct auth_table *t, size_t i)
{
    return t->entries[i].caller;
}

static bool same_line(const struct auth_line *a, const struct auth_line *b)
{
    bool same = a->kind == b->kind && strcmp(a->name, b->name) == 0 && a->role == b->role &&
                a->expires_s == b->expires_s && (a->groups == NULL) == (b->groups == NULL) &&
                a->n_groups == b->n_groups;
    for (uint32_t i = 0; same && a->groups != NULL && i < a->n_groups; i++)
        same = strcmp(a->groups[i], b->groups[i]) == 0;
    if (same && a->kind == AUTH_TOKEN)
        return CRYPTO_memcmp(a->digest, b->digest, AUTH_DIGEST) == 0;
    return same && strcmp(a->subject, b->subject) == 0;
}

/* The entry that decides about this proof; NULL: none. */
static struct entry *find_proof(struct auth_table *t, const struct auth_line *l)
{
    const struct entry *x = NULL;
    if (l->kind == AUTH_TOKEN)
        x = find_digest(t, l->digest);
    for (size_t k = 0; x == NULL && l->kind != AUTH_TOKEN && k < t->n; k++) {
        if (t->entries[k].line.kind == l->kind &&
            strcmp(t->entries[k].line.subject, l->subject) == 0)
            x = &t->entries[k];
    }
    return x != NULL ? &t->entries[x - t->entries] : NULL;
}

bool auth_table_inherit(struct auth_table *t, const struct auth_table *old, size_t i)
{
    const struct entry *from = &old->entries[i];
    struct entry *to = find_proof(t, &from->line);
    if (to == NULL || !same_line(&to->line, &from->line))
        return false;
    caller_unref(to->caller);
    *to = (struct entry){.line = from->line, .caller = caller_ref(from->caller)};
    return true;
}

struct caller *auth_table_token(const struct auth_table *t, const char *token, size_t n)
{
    uint8_t digest[AUTH_DIGEST];
    SHA256((const unsigned char *)token, n, digest);
    const struct entry *x = find_digest(t, digest);
    return x != NULL ? x->caller : NULL;
}

static bool is_one_of(const struct auth_line *l, const struct auth_subject *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (l->kind == names[i].kind && strlen(l->subject) == names[i].n &&
            memcmp(l->subject, names[i].text, names[i].n) == 0)
            return true;
    }
    return false;
}

struct caller *auth_table_subject(const struct auth_table *t, const struct auth_subject *names,
                                  size_t n)
{
    for (size_t k = 0; k < t->n; k++) {
        const struct auth_line *l = &t->entries[k].line;
        if (l->kind != AUTH_TOKEN && is_one_of(l, names, n))
            return t->entries[k].caller;
    }
    return NULL;
}
