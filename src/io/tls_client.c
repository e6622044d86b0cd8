#include "tls_client.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "dial.h"

struct tls_client {
    SSL_CTX *context;
    SSL *ssl;
};

static bool is_address(const char *host)
{
    unsigned char ignored[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, ignored) == 1 || inet_pton(AF_INET6, host, ignored) == 1;
}

static enum err fail(char *problem, enum err err, const char *what)
{
    snprintf(problem, TLS_CLIENT_PROBLEM_SIZE, "%s", what);
    return err;
}

static enum err set_trust(SSL_CTX *context, const char *ca_file, char *problem)
{
    if (!ca_file[0])
        return SSL_CTX_set_default_verify_paths(context) == 1
                   ? ERR_OK
                   : fail(problem, ERR_CONFIG, "the system's certificate authorities cannot be read");
    if (SSL_CTX_load_verify_file(context, ca_file) == 1)
        return ERR_OK;
    snprintf(problem, TLS_CLIENT_PROBLEM_SIZE, "%.160s: holds no PEM certificate that can be read", ca_file);
    return ERR_CONFIG;
}

static bool expect_host(SSL *ssl, const char *host)
{
    if (is_address(host))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static enum err set_up(struct tls_client *client, const struct tls_client_options *options, char *problem)
{
    static const unsigned char http[] = "\x08http/1.1";

    client->context = SSL_CTX_new(TLS_client_method());
    if (!client->context || SSL_CTX_set_min_proto_version(client->context, TLS1_2_VERSION) != 1)
        return fail(problem, ERR_NO_MEMORY, err_text(ERR_NO_MEMORY));
    SSL_CTX_set_verify(client->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(client->context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    enum err err = set_trust(client->context, options->ca_file, problem);
    if (err != ERR_OK)
        return err;
    client->ssl = SSL_new(client->context);
    if (!client->ssl || SSL_set_fd(client->ssl, options->socket) != 1 ||
        !expect_host(client->ssl, options->host) ||
        SSL_set_alpn_protos(client->ssl, http, sizeof http - 1) != 0)
        return fail(problem, ERR_NO_MEMORY, err_text(ERR_NO_MEMORY));
    return ERR_OK;
}

static enum err judge_failure(struct tls_client *client, char *problem)
{
    long verdict = SSL_get_verify_result(client->ssl);
    const char *reason = ERR_reason_error_string(ERR_peek_error());

    if (verdict != X509_V_OK) {
        snprintf(problem, TLS_CLIENT_PROBLEM_SIZE, "its certificate is not trusted: %s",
                 X509_verify_cert_error_string(verdict));
        return ERR_SIGNATURE;
    }
    snprintf(problem, TLS_CLIENT_PROBLEM_SIZE, "the TLS handshake failed: %s",
             reason ? reason : "the connection ended");
    return ERR_UNAVAILABLE;
}

static enum err shake_hands(struct tls_client *client, const struct tls_client_options *options,
                            char *problem)
{
    for (;;) {
        ERR_clear_error();
        int result = SSL_connect(client->ssl);
        if (result == 1)
            return ERR_OK;
        int want = SSL_get_error(client->ssl, result);
        if (want != SSL_ERROR_WANT_READ && want != SSL_ERROR_WANT_WRITE)
            return judge_failure(client, problem);
        enum err err =
            dial_wait(options->socket, want == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, options->deadline_ms);
        if (err != ERR_OK)
            return fail(problem, err, "the TLS handshake was not done in time");
    }
}

enum err tls_client_new(const struct tls_client_options *options, struct tls_client **ret_client,
                        char *problem)
{
    struct tls_client *client = calloc(1, sizeof *client);

    if (!client)
        return fail(problem, ERR_NO_MEMORY, err_text(ERR_NO_MEMORY));
    ERR_clear_error();
    enum err err = set_up(client, options, problem);
    if (err == ERR_OK)
        err = shake_hands(client, options, problem);
    if (err == ERR_OK)
        *ret_client = client;
    else
        tls_client_free(&client);
    return err;
}

static enum err translate(struct tls_client *client, int result)
{
    int want = SSL_get_error(client->ssl, result);
    return want == SSL_ERROR_WANT_READ || want == SSL_ERROR_WANT_WRITE ? ERR_BUSY : ERR_UNAVAILABLE;
}

enum err tls_client_read(struct tls_client *client, void *bytes, size_t size, size_t *ret_len)
{
    ERR_clear_error();
    int result = SSL_read_ex(client->ssl, bytes, size, ret_len);
    return result == 1 ? ERR_OK : translate(client, result);
}

enum err tls_client_write(struct tls_client *client, const void *bytes, size_t len)
{
    size_t sent;
    ERR_clear_error();
    int result = SSL_write_ex(client->ssl, bytes, len, &sent);
    return result == 1 ? ERR_OK : translate(client, result);
}

void tls_client_free(struct tls_client **client)
{
    if (!*client)
        return;
    SSL_free((*client)->ssl);
    SSL_CTX_free((*client)->context);
    free(*client);
    *client = NULL;
}
