/* tls_pair.c - OpenSSL says whether the files go together. */
#include "server/tls_pair.h"

#include <stdbool.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "server/secret_file.h"

enum { PEM_MOST = 1 << 20 };

struct files { /* each ends in a NUL */
    char *chain, *key, *ca;
    size_t n_chain, n_key, n_ca;
};

static void free_files(struct files *f)
{
    secret_free(f->chain, f->n_chain);
    secret_free(f->key, f->n_key);
    secret_free(f->ca, f->n_ca);
}

static int read_files(const struct config *g, struct files *f, struct err *e)
{
    if (secret_read("tls_certificate", g->tls_certificate, PEM_MOST, &f->chain, &f->n_chain, e) <
            0 ||
        secret_read("tls_key", g->tls_key, PEM_MOST, &f->key, &f->n_key, e) < 0)
        return -1;
    return *g->tls_client_ca == '\0'
               ? 0
               : secret_read("tls_client_ca", g->tls_client_ca, PEM_MOST, &f->ca, &f->n_ca, e);
}

/* OpenSSL's own words go to the detail: they name what it did not like, never a key's bytes. */
static int refuse(const char *setting, const char *path, const char *why, struct err *e)
{
    char words[160];
    unsigned long code = ERR_get_error();
    ERR_error_string_n(code, words, sizeof(words));
    ERR_clear_error();
    err_set(e, ERR_INVALID, "BAD_CERTIFICATE", "file \"%.90s\" (setting %s): %s", path, setting,
            why);
    err_meta(e, "setting", "%s", setting);
    return code != 0 ? err_detail(e, "%s", words) : -1;
}

/* A key with a passphrase is refused; OpenSSL would ask for it on the terminal. */
static int no_passphrase(char *to, int size, int writes, void *ctx)
{
    (void)to;
    (void)size;
    (void)writes;
    (void)ctx;
    return 0;
}

static void free_bio(BIO **b)
{
    BIO_free(*b);
}

static void free_context(SSL_CTX **c)
{
    SSL_CTX_free(*c);
}

static void free_key(EVP_PKEY **k)
{
    EVP_PKEY_free(*k);
}

static void free_certificate(X509 **x)
{
    X509_free(*x);
}

static bool expiry_of(const X509 *x, int64_t *ret)
{
    struct tm t;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(x), &t) != 1)
        return false;
    *ret = timegm(&t);
    return true;
}

/* The first certificate is the server's; those that follow lead to its CA. */
static int use_chain(SSL_CTX *c, const struct config *g, const struct files *f,
                     int64_t *ret_expires, struct err *e)
{
    CLEANUP(free_bio) BIO *b = BIO_new_mem_buf(f->chain, (int)f->n_chain);
    CLEANUP(free_certificate) X509 *first = PEM_read_bio_X509_AUX(b, NULL, no_passphrase, NULL);
    if (first == NULL)
        return refuse("tls_certificate", g->tls_certificate, "there is no PEM certificate in it",
                      e);
    if (SSL_CTX_use_certificate(c, first) != 1 || !expiry_of(first, ret_expires))
        return refuse("tls_certificate", g->tls_certificate, "the certificate cannot be used", e);
    X509 *next;
    while ((next = PEM_read_bio_X509(b, NULL, no_passphrase, NULL)) != NULL) {
        if (SSL_CTX_add0_chain_cert(c, next) != 1) {
            X509_free(next);
            return refuse("tls_certificate", g->tls_certificate, "its chain cannot be used", e);
        }
    }
    ERR_clear_error(); /* the end of the file is one */
    return 0;
}

static int use_key(SSL_CTX *c, const struct config *g, const struct files *f, struct err *e)
{
    CLEANUP(free_bio) BIO *b = BIO_new_mem_buf(f->key, (int)f->n_key);
    CLEANUP(free_key) EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, no_passphrase, NULL);
    if (key == NULL)
        return refuse("tls_key", g->tls_key, "there is no PEM key without passphrase in it", e);
    if (SSL_CTX_use_PrivateKey(c, key) != 1 || SSL_CTX_check_private_key(c) != 1)
        return refuse("tls_key", g->tls_key, "it is not the key of the certificate", e);
    return 0;
}

static int use_ca(const struct config *g, const struct files *f, struct err *e)
{
    if (f->ca == NULL)
        return 0;
    CLEANUP(free_bio) BIO *b = BIO_new_mem_buf(f->ca, (int)f->n_ca);
    CLEANUP(free_certificate) X509 *x = PEM_read_bio_X509(b, NULL, no_passphrase, NULL);
    return x != NULL
               ? 0
               : refuse("tls_client_ca", g->tls_client_ca, "there is no PEM certificate in it", e);
}

static int try_files(const struct config *g, const struct files *f, int64_t *ret_expires,
                     struct err *e)
{
    CLEANUP(free_context) SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    if (c == NULL)
        return refuse("tls_certificate", g->tls_certificate, "OpenSSL cannot be used", e);
    ERR_clear_error();
    if (use_chain(c, g, f, ret_expires, e) < 0 || use_key(c, g, f, e) < 0 || use_ca(g, f, e) < 0)
        return -1;
    if (*ret_expires <= time(NULL))
        return refuse("tls_certificate", g->tls_certificate, "the certificate has expired", e);
    return 0;
}

int tls_pair_load(const struct config *g, struct tls_pair *ret, struct err *e)
{
    struct files f = {.chain = NULL};
    int64_t expires = 0;
    int rc = read_files(g, &f, e);
    if (rc == 0)
        rc = try_files(g, &f, &expires, e);
    if (rc == 0) {
        grpc_ssl_pem_key_cert_pair pair = {.private_key = f.key, .cert_chain = f.chain};
        /* gRPC aborts on a fetched config without roots. Nothing is checked by them when clients
         * are not asked for certificates; the server's own is one that is there. */
        ret->config =
            grpc_ssl_server_certificate_config_create(f.ca != NULL ? f.ca : f.chain, &pair, 1);
        ret->expires_s = expires;
    }
    free_files(&f);
    return rc;
}
