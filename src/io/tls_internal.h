/* Between tls_identity.c and tls_stream.c. */
#ifndef ROOMCAST_SRC_IO_TLS_INTERNAL_H
#define ROOMCAST_SRC_IO_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include <roomcast/io/tls.h>

/* Any thread. A reference to what is current, which the caller gives back with SSL_CTX_free(). */
SSL_CTX *tls_identity_context(struct tls_identity *identity);
/* Any thread. Of the streams' BIOs; borrowed. */
const BIO_METHOD *tls_identity_method(const struct tls_identity *identity);

/* NULL: out of memory. */
BIO_METHOD *tls_stream_make_method(void);
/* For SSL_CTX_set_msg_callback. */
void tls_stream_note_message(int sent, int version, int type, const void *bytes, size_t len, SSL *ssl,
                             void *context);

#endif
