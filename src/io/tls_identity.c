#include "tls_internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#define PROBLEM_SIZE 256
/* Forward secrecy and authenticated encryption only: what Mozilla calls "intermediate", without finite-field
 * Diffie-Hellman, which costs the server the most. Those of TLS 1.3 are all of this kind. The client chooses
 * among them: it knows what its processor is good at. */
#define TLS12_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
#define TICKETS       1 /* of a full handshake: a client opens one connection here and no second */

static const unsigned char http_1_1[] = "\x08http/1.1"; /* as RFC 7301 section 3.1 spells a list of one */

struct tls_identity {
    char *cert_file, *key_file; /* owned */
    bool needs_tls13;
    BIO_METHOD *method;   /* owned */
    pthread_mutex_t lock; /* for `context`, held for taking a reference only */
    SSL_CTX *context;     /* a reference */
    int64_t expires_at;   /* under `lock` */
};

/* The oldest entry of OpenSSL's queue says what is wrong, the others who was told of it. */
static const char *reason(void)
{
    unsigned long code = ERR_peek_error();
    const char *text =
        ERR_GET_LIB(code) == ERR_LIB_SYS ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
    return text ? text : "unknown";
}

/* A key with a password cannot be read without somebody who types it. */
static int refuse_password(char *text, int size, int for_writing, void *context)
{
    (void)text;
    (void)size;
    (void)for_writing;
    *(bool *)context = true;
    return -1;
}

static enum err fail(char *problem, const char *option, const char *file, const char *what)
{
    snprintf(problem, PROBLEM_SIZE, "%s = \"%.120s\": %.100s", option, file, what);
    return ERR_CONFIG;
}

static bool is_readable(const char *file, const char **ret_why)
{
    FILE *opened = fopen(file, "rb");
    *ret_why = opened ? NULL : strerror(errno);
    if (opened)
        fclose(opened);
    return opened;
}

static enum err load_certificate(SSL_CTX *context, const char *file, char *problem)
{
    const char *why;
    if (!is_readable(file, &why))
        return fail(problem, "tls.cert_file", file, why);
    if (SSL_CTX_use_certificate_chain_file(context, file) == 1)
        return ERR_OK;
    if (ERR_GET_REASON(ERR_peek_error()) == PEM_R_NO_START_LINE)
        return fail(problem, "tls.cert_file", file,
                    "holds no certificate in PEM (-----BEGIN CERTIFICATE-----)");
    return fail(problem, "tls.cert_file", file, reason());
}

static enum err load_key(SSL_CTX *context, const char *file, char *problem)
{
    const char *why;
    bool has_password = false;
    if (!is_readable(file, &why))
        return fail(problem, "tls.key_file", file, why);
    SSL_CTX_set_default_passwd_cb(context, refuse_password);
    SSL_CTX_set_default_passwd_cb_userdata(context, &has_password);
    int loaded = SSL_CTX_use_PrivateKey_file(context, file, SSL_FILETYPE_PEM);
    SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
    if (has_password)
        return fail(problem, "tls.key_file", file, "is protected by a password: give one that is not");
    unsigned long code = ERR_peek_last_error();
    if (loaded != 1 && ERR_GET_LIB(code) == ERR_LIB_X509)
        return fail(problem, "tls.key_file", file, "is not the key of the certificate in tls.cert_file");
    if (loaded != 1)
        return fail(problem, "tls.key_file", file,
                    "holds no private key in PEM (-----BEGIN PRIVATE KEY-----)");
    if (SSL_CTX_check_private_key(context) != 1)
        return fail(problem, "tls.key_file", file, "is not the key of the certificate in tls.cert_file");
    return ERR_OK;
}

static int choose_protocol(SSL *ssl, const unsigned char **ret_chosen, unsigned char *ret_len,
                           const unsigned char *offered, unsigned offered_len, void *context)
{
    (void)ssl;
    (void)context;
    int found = SSL_select_next_proto((unsigned char **)ret_chosen, ret_len, http_1_1, sizeof http_1_1 - 1,
                                      offered, offered_len);
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool set_rules(const struct tls_identity *identity, SSL_CTX *context)
{
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS); /* 33 KB of an idle connection's 44 */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    SSL_CTX_set_msg_callback(context, tls_stream_note_message);
    return SSL_CTX_set_min_proto_version(context, identity->needs_tls13 ? TLS1_3_VERSION : TLS1_2_VERSION) &&
           SSL_CTX_set_cipher_list(context, TLS12_CIPHERS) && SSL_CTX_set_num_tickets(context, TICKETS) &&
           SSL_CTX_set_session_id_context(context, http_1_1, sizeof http_1_1 - 1);
}

static int64_t expiry_of(SSL_CTX *context)
{
    struct tm parts;
    const X509 *certificate = SSL_CTX_get0_certificate(context);
    return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

static enum err load(const struct tls_identity *identity, SSL_CTX **ret_context, char *problem)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context || !set_rules(identity, context)) {
        SSL_CTX_free(context);
        snprintf(problem, PROBLEM_SIZE, "TLS: %.200s", reason());
        return ERR_NO_MEMORY;
    }
    enum err err = load_certificate(context, identity->cert_file, problem);
    if (err == ERR_OK)
        err = load_key(context, identity->key_file, problem);
    ERR_clear_error();
    if (err != ERR_OK) {
        SSL_CTX_free(context);
        return err;
    }
    *ret_context = context;
    return ERR_OK;
}

enum err tls_identity_reload(struct tls_identity *identity, char *problem)
{
    SSL_CTX *fresh;
    enum err err = load(identity, &fresh, problem);
    if (err != ERR_OK)
        return err;
    pthread_mutex_lock(&identity->lock);
    SSL_CTX *stale = identity->context;
    identity->context = fresh;
    identity->expires_at = expiry_of(fresh);
    pthread_mutex_unlock(&identity->lock);
    SSL_CTX_free(stale); /* connections hold references of their own */
    return ERR_OK;
}

int64_t tls_identity_expires_at(const struct tls_identity *identity)
{
    struct tls_identity *locked = (struct tls_identity *)identity;
    pthread_mutex_lock(&locked->lock);
    int64_t expires_at = locked->expires_at;
    pthread_mutex_unlock(&locked->lock);
    return expires_at;
}

enum err tls_identity_new(const struct tls_identity_options *options, struct tls_identity **ret_identity,
                          char *problem)
{
    struct tls_identity *identity = calloc(1, sizeof *identity);
    snprintf(problem, PROBLEM_SIZE, "out of memory");
    if (!identity)
        return ERR_NO_MEMORY;
    pthread_mutex_init(&identity->lock, NULL);
    identity->needs_tls13 = options->needs_tls13;
    identity->cert_file = strdup(options->cert_file);
    identity->key_file = strdup(options->key_file);
    identity->method = tls_stream_make_method();
    enum err err = ERR_NO_MEMORY;
    if (identity->cert_file && identity->key_file && identity->method)
        err = tls_identity_reload(identity, problem);
    if (err != ERR_OK) {
        tls_identity_free(&identity);
        return err;
    }
    *ret_identity = identity;
    return ERR_OK;
}

SSL_CTX *tls_identity_context(struct tls_identity *identity)
{
    pthread_mutex_lock(&identity->lock);
    SSL_CTX *context = identity->context;
    SSL_CTX_up_ref(context);
    pthread_mutex_unlock(&identity->lock);
    return context;
}

const BIO_METHOD *tls_identity_method(const struct tls_identity *identity)
{
    return identity->method;
}

void tls_identity_free(struct tls_identity **identity)
{
    struct tls_identity *i = *identity;
    if (!i)
        return;
    SSL_CTX_free(i->context);
    BIO_meth_free(i->method);
    pthread_mutex_destroy(&i->lock);
    free(i->cert_file);
    free(i->key_file);
    free(i);
    *identity = NULL;
}
