#include "crowd_tls.h"

#include <errno.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum err crowd_tls_init(struct crowd *crowd)
{
    if (!crowd->options.target->is_secured)
        return ERR_OK;
    crowd->tls = SSL_CTX_new(TLS_client_method());
    if (!crowd->tls)
        return ERR_NO_MEMORY;
    SSL_CTX_set_verify(crowd->tls, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(crowd->tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                     SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(crowd->tls, 1); /* one system call for many records */
    return ERR_OK;
}

void crowd_tls_fini(struct crowd *crowd)
{
    SSL_CTX_free(crowd->tls);
    crowd->tls = NULL;
}

bool client_begin_tls(const struct crowd *crowd, struct crowd_client *client)
{
    client->tls = SSL_new(crowd->tls);
    if (!client->tls || SSL_set_fd(client->tls, client->fd) != 1)
        return false;
    SSL_set_connect_state(client->tls);
    return true;
}

int client_shake_hands(struct crowd_client *client)
{
    ERR_clear_error();
    int result = SSL_do_handshake(client->tls);
    if (result == 1)
        return 1;
    return SSL_get_error(client->tls, result) == SSL_ERROR_WANT_READ ? 0 : -1;
}

const char *client_tls_problem(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    return reason ? reason : "the connection ended";
}

void client_end_tls(struct crowd_client *client)
{
    SSL_free(client->tls);
    client->tls = NULL;
}

/* What a socket's call would have returned. */
static ssize_t translate(struct crowd_client *client, int result)
{
    switch (SSL_get_error(client->tls, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        errno = EPROTO;
        return -1;
    }
}

ssize_t client_receive(struct crowd_client *client, char *bytes, size_t size)
{
    size_t got;
    if (!client->tls)
        return recv(client->fd, bytes, size, 0);
    ERR_clear_error();
    int result = SSL_read_ex(client->tls, bytes, size, &got);
    return result == 1 ? (ssize_t)got : translate(client, result);
}

ssize_t client_transmit(struct crowd_client *client, struct slice bytes)
{
    size_t sent;
    if (!client->tls)
        return send(client->fd, bytes.data, bytes.len, MSG_NOSIGNAL);
    ERR_clear_error();
    int result = SSL_write_ex(client->tls, bytes.data, bytes.len, &sent);
    return result == 1 ? (ssize_t)sent : translate(client, result);
}

bool client_has_more(const struct crowd_client *client)
{
    return client->tls && SSL_has_pending(client->tls);
}
