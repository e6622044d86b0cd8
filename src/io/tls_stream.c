#include "tls_internal.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>

/* A peer that makes us derive new keys again and again (RFC 8446 section 4.6.3) has none of the reasons for
 * which it may: 2^24 records (section 5.5). */
#define KEY_UPDATES_MAX 64

struct tls_stream {
    SSL *ssl; /* owned */
    struct buffer *output;
    const unsigned char *input; /* what came and is not used up */
    size_t input_len;
    enum tls_state state;
    unsigned key_updates;
    const char *reason;
};

static int bio_write(BIO *bio, const char *bytes, size_t len, size_t *ret_written)
{
    struct tls_stream *stream = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    buffer_append(stream->output, bytes, len);
    *ret_written = len;
    return !buffer_failed(stream->output);
}

static int bio_read(BIO *bio, char *bytes, size_t size, size_t *ret_read)
{
    struct tls_stream *stream = BIO_get_data(bio);
    size_t len = stream->input_len < size ? stream->input_len : size;
    BIO_clear_retry_flags(bio);
    if (len == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(bytes, stream->input, len);
    stream->input += len;
    stream->input_len -= len;
    *ret_read = len;
    return 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH; /* there is nothing in between; all else is not known here */
}

BIO_METHOD *tls_stream_make_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "roomcast");
    if (method && BIO_meth_set_write_ex(method, bio_write) && BIO_meth_set_read_ex(method, bio_read) &&
        BIO_meth_set_ctrl(method, bio_control))
        return method;
    BIO_meth_free(method);
    return NULL;
}

/* Called for every message and record, in both directions. */
void tls_stream_note_message(int sent, int version, int type, const void *bytes, size_t len, SSL *ssl,
                             void *context)
{
    (void)version;
    (void)context;
    if (type != SSL3_RT_HANDSHAKE || sent || len == 0 || *(const unsigned char *)bytes != SSL3_MT_KEY_UPDATE)
        return;
    struct tls_stream *stream = SSL_get_app_data(ssl);
    if (++stream->key_updates > KEY_UPDATES_MAX) {
        stream->state = TLS_FAILED;
        stream->reason = "too many key updates";
    }
}

static bool has_failed(const struct tls_stream *stream)
{
    return stream->state == TLS_FAILED || stream->state == TLS_PLAIN;
}

static void note_failure(struct tls_stream *stream)
{
    if (has_failed(stream))
        return;
    unsigned long code = ERR_peek_last_error();
    const char *text = ERR_reason_error_string(code);
    bool is_http = stream->state == TLS_HANDSHAKING && ERR_GET_LIB(code) == ERR_LIB_SSL &&
                   ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST;
    stream->state = is_http ? TLS_PLAIN : TLS_FAILED;
    stream->reason = text ? text : "unknown";
}

struct tls_stream *tls_stream_new(struct tls_identity *identity, struct buffer *output)
{
    struct tls_stream *stream = calloc(1, sizeof *stream);
    SSL_CTX *context = tls_identity_context(identity);
    BIO *bio = BIO_new(tls_identity_method(identity));
    if (stream)
        stream->ssl = SSL_new(context); /* takes a reference */
    SSL_CTX_free(context);
    if (!stream || !stream->ssl || !bio) {
        BIO_free(bio);
        tls_stream_free(&stream);
        ERR_clear_error();
        return NULL;
    }
    stream->output = output;
    stream->reason = "";
    BIO_set_data(bio, stream);
    BIO_set_init(bio, 1);
    SSL_set_bio(stream->ssl, bio, bio); /* owned by it */
    SSL_set_app_data(stream->ssl, stream);
    SSL_set_accept_state(stream->ssl);
    return stream;
}

void tls_stream_free(struct tls_stream **stream)
{
    if (!*stream)
        return;
    SSL_free((*stream)->ssl);
    free(*stream);
    *stream = NULL;
}

void tls_stream_feed(struct tls_stream *stream, const void *bytes, size_t len)
{
    stream->input = bytes;
    stream->input_len = len;
    if (stream->state == TLS_NEW)
        stream->state = TLS_HANDSHAKING;
}

static enum tls_read settle(struct tls_stream *stream, int result)
{
    switch (SSL_get_error(stream->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TLS_READ_MORE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_READ_CLOSED;
    default:
        note_failure(stream);
        return TLS_READ_FAILED;
    }
}

enum tls_read tls_stream_read(struct tls_stream *stream, void *bytes, size_t size, size_t *ret_len)
{
    if (has_failed(stream))
        return TLS_READ_FAILED;
    ERR_clear_error(); /* SSL_get_error() looks at the whole queue */
    if (stream->state == TLS_HANDSHAKING) {
        int result = SSL_do_handshake(stream->ssl);
        if (result != 1)
            return settle(stream, result);
        stream->state = SSL_session_reused(stream->ssl) ? TLS_RESUMED : TLS_ESTABLISHED;
    }
    int result = SSL_read_ex(stream->ssl, bytes, size, ret_len);
    if (has_failed(stream))
        return TLS_READ_FAILED;
    return result == 1 ? TLS_READ_BYTES : settle(stream, result);
}

bool tls_stream_write(struct tls_stream *stream, const void *bytes, size_t len)
{
    size_t written;
    if (!tls_state_is_established(stream->state))
        return false;
    ERR_clear_error();
    if (len == 0 || SSL_write_ex(stream->ssl, bytes, len, &written) == 1)
        return true;
    note_failure(stream);
    return false;
}

void tls_stream_end(struct tls_stream *stream)
{
    if (!tls_state_is_established(stream->state))
        return;
    ERR_clear_error();
    if (!(SSL_get_shutdown(stream->ssl) & SSL_SENT_SHUTDOWN))
        SSL_shutdown(stream->ssl);
    ERR_clear_error();
}

enum tls_state tls_stream_state(const struct tls_stream *stream)
{
    return stream->state;
}

const char *tls_stream_reason(const struct tls_stream *stream)
{
    return stream->reason;
}
