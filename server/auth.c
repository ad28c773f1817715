/* auth.c - one table at a time, under a lock that is held for a look-up or the exchange. */
#include "server/auth.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "server/secret_file.h"

enum { ACCOUNTS_MOST = 100000, TOKEN_MOST = 512 };

struct auth {
    const struct config *config;
    pthread_mutex_t lock;
    struct auth_table *table;
    struct caller_account *accounts; /* by auth_reload() only; each stays until the end */
    unsigned n_accounts;
    struct caller nobody;
};

/* --- accounts --- */

static unsigned all_but_one(int64_t executors)
{
    return executors > 1 ? (unsigned)executors - 1 : 1;
}

static struct caller_account *make_account(struct auth *a, const char *name)
{
    const struct config *g = a->config;
    struct caller_account *x = calloc(1, sizeof(*x));
    if (x == NULL)
        abort();
    x->name = strdup(name);
    x->limits = (struct caller_limits){.in_flight = (unsigned)g->caller_in_flight,
                                       .streams = (unsigned)g->caller_streams};
    x->lane = (struct executor_lane){.queue_max = (unsigned)g->caller_queue,
                                     .running_max = g->caller_executors > 0
                                                        ? (unsigned)g->caller_executors
                                                        : all_but_one(g->executors),
                                     .name = "caller_queue"};
    x->next = a->accounts;
    a->accounts = x;
    a->n_accounts++;
    return x;
}

static int find_account(struct auth *a, const char *name, struct caller_account **ret,
                        struct err *e)
{
    struct caller_account *x = a->accounts;
    while (x != NULL && strcmp(x->name, name) != 0)
        x = x->next;
    if (x == NULL && a->n_accounts >= ACCOUNTS_MOST)
        return err_set(e, ERR_EXHAUSTED, "TOO_MANY_CALLERS",
                       "more than %d names of callers since the start: start anew", ACCOUNTS_MOST);
    *ret = x != NULL ? x : make_account(a, name);
    return 0;
}

/* --- the table --- */

static int load(struct auth *a, struct auth_table **ret, struct err *e)
{
    const char *path = a->config->callers_file;
    char *text = NULL;
    size_t n = 0;
    CLEANUP(auth_table_destroyp) struct auth_table *t = NULL;
    if (secret_read("callers_file", path, AUTH_FILE_MOST, &text, &n, e) < 0)
        return -1;
    int rc = auth_table_create(path, text, n, &t, e);
    secret_free(text, n);
    for (size_t i = 0; rc == 0 && i < auth_table_count(t); i++) {
        struct caller *c = auth_table_at(t, i);
        rc = find_account(a, c->name, &c->account, e);
    }
    if (rc == 0)
        *ret = TAKE(t);
    return rc;
}

int auth_reload(struct auth *a, struct err *e)
{
    struct auth_table *now = NULL;
    if (load(a, &now, e) < 0)
        return -1;
    struct auth_table *before = a->table; /* only this function changes it */
    size_t n = before != NULL ? auth_table_count(before) : 0;
    bool *kept = calloc(n + 1, sizeof(*kept));
    if (kept == NULL)
        abort();
    for (size_t i = 0; i < n; i++)
        kept[i] = auth_table_inherit(now, before, i);
    pthread_mutex_lock(&a->lock);
    a->table = now;
    pthread_mutex_unlock(&a->lock);
    for (size_t i = 0; i < n; i++) {
        if (!kept[i]) /* after the exchange: nobody finds it any more */
            atomic_store(&auth_table_at(before, i)->revoked, true);
    }
    free(kept);
    auth_table_destroy(before);
    return 0;
}

size_t auth_count(struct auth *a)
{
    pthread_mutex_lock(&a->lock);
    size_t n = auth_table_count(a->table);
    pthread_mutex_unlock(&a->lock);
    return n;
}

int auth_create(const struct config *g, struct auth **ret, struct err *e)
{
    struct auth *a = calloc(1, sizeof(*a));
    if (a == NULL)
        abort();
    a->config = g;
    pthread_mutex_init(&a->lock, NULL);
    a->nobody.name = "nobody";
    a->nobody.role = ROLE_NOBODY;
    atomic_init(&a->nobody.refs, 1); /* ours: it is never freed */
    if (find_account(a, "", &a->nobody.account, e) < 0 || auth_reload(a, e) < 0) {
        auth_destroy(a);
        return -1;
    }
    a->nobody.account->limits.reading = caller_most_reading(g);
    *ret = a;
    return 0;
}

void auth_destroy(struct auth *a)
{
    if (a == NULL)
        return;
    auth_table_destroy(a->table);
    for (struct caller_account *x = a->accounts, *next; x != NULL; x = next) {
        next = x->next;
        free(x->name);
        free(x);
    }
    pthread_mutex_destroy(&a->lock);
    free(a);
}

/* --- who calls --- */

static int malformed(struct err *e)
{
    return err_set(e, ERR_UNKNOWN_CALLER, "CREDENTIALS_MALFORMED",
                   "the authorization header must be there once, as: Bearer TOKEN");
}

static int read_token(const struct auth_claim *c, const char **ret, size_t *ret_n, struct err *e)
{
    static const char scheme[] = "Bearer ";
    const size_t n = sizeof(scheme) - 1;
    if (c->several || c->n_authorization <= n || c->n_authorization > n + TOKEN_MOST ||
        strncasecmp(c->authorization, scheme, n) != 0)
        return malformed(e);
    *ret = c->authorization + n;
    *ret_n = c->n_authorization - n;
    return 0;
}

static struct caller *find(struct auth *a, const struct auth_claim *c, const char *token, size_t n)
{
    pthread_mutex_lock(&a->lock);
    struct caller *found = token != NULL ? auth_table_token(a->table, token, n)
                                         : auth_table_subject(a->table, c->names, c->n_names);
    if (found != NULL)
        caller_ref(found);
    pthread_mutex_unlock(&a->lock);
    return found;
}

struct caller *auth_nobody(struct auth *a)
{
    return caller_ref(&a->nobody);
}

int auth_identify(struct auth *a, const struct auth_claim *c, struct caller **ret, struct err *e)
{
    const char *token = NULL;
    size_t n = 0;
    if (c->authorization == NULL && c->n_names == 0) {
        *ret = auth_nobody(a);
        return 0;
    }
    if (c->authorization != NULL && read_token(c, &token, &n, e) < 0)
        return -1;
    CLEANUP(caller_unrefp) struct caller *found = find(a, c, token, n);
    if (found == NULL)
        return err_set(e, ERR_UNKNOWN_CALLER, "CREDENTIALS_UNKNOWN",
                       token != NULL ? "this server does not know your token"
                                     : "this server does not know the name in your certificate");
    if (caller_check(found, time(NULL), e) < 0)
        return -1;
    *ret = TAKE(found);
    return 0;
}
