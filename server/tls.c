/* tls.c - the pair that waits for the next handshake. */
#include "server/tls.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "server/secret_file.h"
#include "server/tls_pair.h"

enum { N_FILES = 3 };

struct tls {
    const struct config *config;
    pthread_mutex_t lock;
    grpc_ssl_server_certificate_config *next; /* NULL: gRPC has what there is */
    _Atomic int64_t expires_s;
    struct file_stamp seen[N_FILES]; /* by who reloads */
};

static const grpc_ssl_client_certificate_request_type requests[] = {
    [TLS_CLIENT_NONE] = GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
    [TLS_CLIENT_REQUEST] = GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY,
    [TLS_CLIENT_REQUIRE] = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY,
};

static void look(const struct tls *t, struct file_stamp ret[N_FILES])
{
    ret[0] = file_stamp_of(t->config->tls_certificate);
    ret[1] = file_stamp_of(t->config->tls_key);
    ret[2] = file_stamp_of(t->config->tls_client_ca);
}

bool tls_changed(struct tls *t)
{
    struct file_stamp now[N_FILES];
    bool same = true;
    look(t, now);
    for (int i = 0; i < N_FILES; i++)
        same = same && file_stamp_equal(&now[i], &t->seen[i]);
    return !same;
}

int tls_reload(struct tls *t, struct err *e)
{
    struct tls_pair pair;
    look(t, t->seen); /* first: what changes while it is read is seen as a change */
    if (tls_pair_load(t->config, &pair, e) < 0)
        return -1;
    pthread_mutex_lock(&t->lock);
    grpc_ssl_server_certificate_config *unused = t->next;
    t->next = pair.config;
    pthread_mutex_unlock(&t->lock);
    if (unused != NULL)
        grpc_ssl_server_certificate_config_destroy(unused);
    atomic_store(&t->expires_s, pair.expires_s);
    return 0;
}

/* On a thread of gRPC, at the start and at each handshake. */
static grpc_ssl_certificate_config_reload_status fetch(void *ctx,
                                                       grpc_ssl_server_certificate_config **ret)
{
    struct tls *t = ctx;
    pthread_mutex_lock(&t->lock);
    grpc_ssl_server_certificate_config *next = t->next;
    t->next = NULL;
    pthread_mutex_unlock(&t->lock);
    if (next == NULL)
        return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    *ret = next;
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

grpc_server_credentials *tls_credentials(struct tls *t)
{
    return grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            requests[t->config->tls_client_auth], fetch, t));
}

int64_t tls_expires_s(const struct tls *t)
{
    return atomic_load(&t->expires_s);
}

static int bad_setting(const char *setting, const char *why, struct err *e)
{
    err_set(e, ERR_INVALID, "BAD_SETTING", "setting %s: %s", setting, why);
    return err_meta(e, "setting", "%s", setting);
}

static int check_settings(const struct config *g, struct err *e)
{
    if (*g->tls_key == '\0')
        return bad_setting("tls_key", "a certificate needs its key", e);
    if (g->tls_client_auth == TLS_CLIENT_NONE && *g->tls_client_ca != '\0')
        return bad_setting("tls_client_ca", "it is of use only with tls_client_auth", e);
    if (g->tls_client_auth != TLS_CLIENT_NONE && *g->tls_client_ca == '\0')
        return bad_setting("tls_client_ca", "tls_client_auth needs the CA of the clients", e);
    return 0;
}

int tls_create(const struct config *g, struct tls **ret, struct err *e)
{
    struct tls *t = calloc(1, sizeof(*t));
    if (t == NULL)
        abort();
    t->config = g;
    pthread_mutex_init(&t->lock, NULL);
    if (check_settings(g, e) < 0 || tls_reload(t, e) < 0) {
        tls_destroy(t);
        return -1;
    }
    *ret = t;
    return 0;
}

void tls_destroy(struct tls *t)
{
    if (t == NULL)
        return;
    if (t->next != NULL)
        grpc_ssl_server_certificate_config_destroy(t->next);
    pthread_mutex_destroy(&t->lock);
    free(t);
}
