/* guard.c - what a call shows, and the thread that keeps the files. */
#include "server/guard.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security_constants.h>

#include "server/auth.h"
#include "server/clock.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/secret_file.h"
#include "server/tls.h"

enum { SUBJECTS_MOST = 32 };

struct guard {
    const struct config *config;
    struct tls *tls;                /* NULL: plaintext */
    struct auth *auth;              /* NULL: nobody is asked */
    struct file_stamp callers_seen; /* by the keeper */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool asked, ends; /* under the lock */
    pthread_t keeper;
    bool has_keeper;
    struct config_listener listener;
    struct caller prober; /* whoever comes by health_listen: one caller, with its limits */
    struct caller_account prober_account;
};

/* --- the files --- */

static void log_reload(const char *what, int rc, const struct err *e)
{
    metric_add(rc == 0 ? METRIC_credentials_reloads_total : METRIC_credentials_refused_total, 0, 1);
    if (rc == 0)
        log_info("credentials are replaced", LOG_STR("what", what));
    else
        log_err(LOG_ERROR, "credentials are not replaced, the old ones stay", e,
                LOG_FIELDS(LOG_STR("what", what)));
}

static void keep_tls(struct guard *d, bool asked)
{
    struct err e = {.code = ERR_NONE};
    if (d->tls == NULL || (!asked && !tls_changed(d->tls)))
        return;
    int rc = tls_reload(d->tls, &e);
    log_reload("certificate", rc, &e);
}

static void keep_auth(struct guard *d, bool asked)
{
    struct err e = {.code = ERR_NONE};
    struct file_stamp now = file_stamp_of(d->config->callers_file);
    if (d->auth == NULL || (!asked && file_stamp_equal(&now, &d->callers_seen)))
        return;
    d->callers_seen = now;
    int rc = auth_reload(d->auth, &e);
    log_reload("callers", rc, &e);
}

static void *keep(void *arg)
{
    struct guard *d = arg;
    pthread_mutex_lock(&d->lock);
    while (!d->ends) {
        int64_t until = clock_ns() + CONFIG_NOW(d->config, credentials_interval) * NS_PER_MS;
        while (!d->asked && !d->ends && clock_ns() < until)
            clock_cond_wait(&d->wake, &d->lock, until);
        bool asked = d->asked;
        d->asked = false;
        if (d->ends)
            break;
        pthread_mutex_unlock(&d->lock);
        keep_tls(d, asked);
        keep_auth(d, asked);
        pthread_mutex_lock(&d->lock);
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

/* A reload of the settings looks at the files too. It does not wait for what is found: a wrong
 * certificate is no reason to refuse a new log level. */
static void on_reload(void *ctx, const struct config *now, void *made)
{
    (void)now;
    (void)made;
    guard_reload(ctx);
}

static void wake(struct guard *d, bool *flag)
{
    pthread_mutex_lock(&d->lock);
    *flag = true;
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
}

void guard_reload(struct guard *d)
{
    if (d != NULL && d->has_keeper)
        wake(d, &d->asked);
}

void guard_collect(struct guard *d)
{
    if (d != NULL && d->tls != NULL)
        metric_set(METRIC_tls_certificate_expires_seconds, 0,
                   (tls_expires_s(d->tls) - (int64_t)time(NULL)) * NS_PER_S);
}

/* --- making --- */

static void warn(const struct config *g)
{
    if (*g->tls_key != '\0' && secret_is_public(g->tls_key))
        log_warn("every user of this machine may read the key: give it mode 0600 or 0640",
                 LOG_STR("file", g->tls_key));
    if (*g->callers_file == '\0' && *g->tls_certificate != '\0')
        log_warn("nobody is asked who they are: everybody who can connect may do everything",
                 LOG_STR("setting", "callers_file"));
    if (*g->callers_file != '\0' && *g->tls_certificate == '\0' && g->insecure_listen)
        log_warn("tokens cross the network in plaintext", LOG_STR("setting", "insecure_listen"));
}

static int start_keeper(struct guard *d, struct err *e)
{
    if (d->tls == NULL && d->auth == NULL)
        return 0;
    if (pthread_create(&d->keeper, NULL, keep, d) != 0)
        return err_set(e, ERR_EXHAUSTED, "NO_THREAD", "cannot start the thread of credentials");
    d->has_keeper = true;
    d->listener = (struct config_listener){.name = "guard", .apply = on_reload, .ctx = d};
    config_listen(d->config, &d->listener);
    return 0;
}

static void init_prober(struct guard *d)
{
    d->prober_account.limits =
        (struct caller_limits){.in_flight = (unsigned)d->config->caller_in_flight,
                               .streams = (unsigned)d->config->caller_streams,
                               .reading = caller_most_reading(d->config)};
    d->prober.name = "health_listen";
    d->prober.role = ROLE_NOBODY;
    d->prober.account = &d->prober_account;
    atomic_init(&d->prober.refs, 1); /* ours: it is never freed */
}

int guard_create(const struct config *g, struct guard **ret, struct err *e)
{
    struct guard *d = calloc(1, sizeof(*d));
    if (d == NULL)
        abort();
    d->config = g;
    pthread_mutex_init(&d->lock, NULL);
    clock_cond_init(&d->wake);
    d->callers_seen = file_stamp_of(g->callers_file);
    init_prober(d);
    if ((*g->tls_certificate != '\0' && tls_create(g, &d->tls, e) < 0) ||
        (*g->callers_file != '\0' && auth_create(g, &d->auth, e) < 0) || start_keeper(d, e) < 0) {
        guard_destroy(d);
        return -1;
    }
    warn(g);
    *ret = d;
    return 0;
}

void guard_destroy(struct guard *d)
{
    if (d == NULL)
        return;
    if (d->has_keeper) {
        config_unlisten(d->config, &d->listener);
        wake(d, &d->ends);
        pthread_join(d->keeper, NULL);
    }
    auth_destroy(d->auth);
    tls_destroy(d->tls);
    pthread_cond_destroy(&d->wake);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

grpc_server_credentials *guard_credentials(struct guard *d)
{
    return d != NULL && d->tls != NULL ? tls_credentials(d->tls)
                                       : grpc_insecure_server_credentials_create();
}

/* --- a call --- */

static bool is_key(const grpc_metadata *m, const char *key)
{
    return GRPC_SLICE_LENGTH(m->key) == strlen(key) &&
           memcmp(GRPC_SLICE_START_PTR(m->key), key, strlen(key)) == 0;
}

static void claim_header(const grpc_metadata_array *metadata, struct auth_claim *c)
{
    for (size_t i = 0; i < metadata->count; i++) {
        const grpc_metadata *m = &metadata->metadata[i];
        if (!is_key(m, "authorization"))
            continue;
        c->several = c->authorization != NULL;
        c->authorization = (const char *)GRPC_SLICE_START_PTR(m->value);
        c->n_authorization = GRPC_SLICE_LENGTH(m->value);
    }
}

static bool is_tls(const grpc_auth_context *x)
{
    grpc_auth_property_iterator i =
        grpc_auth_context_find_properties_by_name(x, GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME);
    const grpc_auth_property *p = grpc_auth_property_iterator_next(&i);
    return p != NULL && strcmp(p->value, GRPC_SSL_TRANSPORT_SECURITY_TYPE) == 0;
}

/* The names of the client's certificate, which gRPC has verified against tls_client_ca. */
static size_t read_subjects(const grpc_auth_context *x, struct auth_subject names[SUBJECTS_MOST])
{
    static const struct {
        const char *property;
        enum auth_kind kind;
    } kinds[] = {{GRPC_PEER_URI_PROPERTY_NAME, AUTH_URI},
                 {GRPC_PEER_DNS_PROPERTY_NAME, AUTH_DNS},
                 {GRPC_X509_CN_PROPERTY_NAME, AUTH_CN}};
    size_t n = 0;
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        grpc_auth_property_iterator i =
            grpc_auth_context_find_properties_by_name(x, kinds[k].property);
        const grpc_auth_property *p;
        while (n < SUBJECTS_MOST && (p = grpc_auth_property_iterator_next(&i)) != NULL)
            names[n++] = (struct auth_subject){
                .kind = kinds[k].kind, .text = p->value, .n = p->value_length};
    }
    return n;
}

static int identify(struct guard *d, const grpc_auth_context *x,
                    const grpc_metadata_array *metadata, struct caller **ret, struct err *e)
{
    struct auth_subject names[SUBJECTS_MOST];
    struct auth_claim c = {.names = names};
    claim_header(metadata, &c);
    if (d->config->tls_client_auth != TLS_CLIENT_NONE && d->tls != NULL)
        c.n_names = read_subjects(x, names);
    return auth_identify(d->auth, &c, ret, e);
}

static int refuse_role(const struct caller *c, const struct method *m, struct err *e)
{
    if (c->role == ROLE_NOBODY)
        return err_set(e, ERR_UNKNOWN_CALLER, "CREDENTIALS_MISSING",
                       "this server must know who calls: send a token or a client certificate");
    if (m == NULL)
        return 0; /* there is no such method: the machine says so */
    err_set(e, ERR_DENIED, "ROLE_FORBIDS", "the role %s may not call %s", role_name(c->role),
            m->name);
    err_meta(e, "role", "%s", role_name(c->role));
    return err_meta(e, "method", "%s", m->name);
}

static bool is_health(const struct method *m)
{
    return m != NULL && strncmp(m->path, "/grpc.health.v1.Health/", 23) == 0;
}

static bool is_open(const struct guard *d, const struct method *m)
{
    return m != NULL && role_access(d->config, ROLE_NOBODY, m) != ROLE_NO;
}

/* A call in plaintext to a server with TLS came by health_listen. */
static int admit_plain(const struct method *m, struct err *e)
{
    return is_health(m) ? 0
                        : err_set(e, ERR_DENIED, "HEALTH_ONLY",
                                  "this address serves health checks alone: use the one with TLS");
}

static int admit(struct guard *d, const grpc_auth_context *x, const grpc_metadata_array *metadata,
                 const struct method *m, struct caller **ret, struct err *e)
{
    if (d->tls != NULL && !is_tls(x)) {
        *ret = caller_ref(&d->prober);
        return admit_plain(m, e);
    }
    if (d->auth == NULL) {
        *ret = caller_anyone();
        return 0;
    }
    if (identify(d, x, metadata, ret, e) < 0) {
        if (!is_open(d, m))
            return -1;
        *ret = auth_nobody(d->auth);
    }
    if (m != NULL && role_access(d->config, (*ret)->role, m) != ROLE_NO)
        return 0;
    return refuse_role(*ret, m, e);
}

int guard_admit(struct guard *d, grpc_call *call, const grpc_metadata_array *metadata,
                const struct method *m, struct caller **ret_caller, struct err *e)
{
    *ret_caller = NULL;
    if (d == NULL) {
        *ret_caller = caller_anyone();
        return 0;
    }
    grpc_auth_context *x = grpc_call_auth_context(call);
    int rc = admit(d, x, metadata, m, ret_caller, e);
    grpc_auth_context_release(x);
    return rc;
}
