/* TLS 1.2 and 1.3 of a server (RFC 5246, RFC 8446; OpenSSL), over bytes that somebody else reads and writes.
 *
 * Application protocol http/1.1 only (RFC 7301): WebSocket over HTTP/2 (RFC 8441) is not spoken. No
 * renegotiation, no compression, no early data, no session cache; sessions resume by tickets, whose keys live
 * as long as the certificate is not replaced. */
#ifndef ROOMCAST_IO_TLS_H
#define ROOMCAST_IO_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>

#define TLS_RECORD_MAX 16384 /* bytes of plain text in a record (RFC 8446 section 5.1) */

/* Certificate and key of a listener, replaceable while connections use them: a connection keeps what it began
 * with.   Thread: any. */
struct tls_identity;

struct tls_identity_options {
    const char *cert_file; /* borrowed: PEM, the certificate first, then those that lead to its root */
    const char *key_file;  /* borrowed: PEM, without a password */
    bool needs_tls13;      /* refuse TLS 1.2 */
};

/* ERR_CONFIG with `problem` (256 bytes): which file, and what is wrong with it; ERR_NO_MEMORY. */
enum err tls_identity_new(const struct tls_identity_options *options, struct tls_identity **ret_identity,
                          char *problem) MUST_CHECK;
/* Reads the files again. When that fails, as above, everything stays as it is. One at a time. */
enum err tls_identity_reload(struct tls_identity *identity, char *problem) MUST_CHECK;
/* Unix seconds: from when on clients refuse the certificate. */
int64_t tls_identity_expires_at(const struct tls_identity *identity);
/* Its streams have gone. Accepts NULL, nulls. */
void tls_identity_free(struct tls_identity **identity);

/* One connection.   Thread: one at a time. */
struct tls_stream;

enum tls_read {
    TLS_READ_BYTES,  /* *ret_len bytes are there */
    TLS_READ_MORE,   /* everything that came is used up */
    TLS_READ_CLOSED, /* the peer has said that nothing more will come */
    TLS_READ_FAILED, /* the peer broke the protocol, or memory is out: the stream is of no more use */
};

enum tls_state {
    TLS_NEW, /* the peer has said nothing */
    TLS_HANDSHAKING,
    TLS_ESTABLISHED,
    TLS_RESUMED, /* established, by the ticket of an earlier connection */
    TLS_PLAIN,   /* failed: the first bytes were an HTTP request */
    TLS_FAILED,
};

static inline bool tls_state_is_established(enum tls_state state)
{
    return state == TLS_ESTABLISHED || state == TLS_RESUMED;
}

/* `output`: borrowed, may be shared by streams of one thread: what is to be sent is appended there, also by
 * reading. Its owner sends it, and clears it before the next call. NULL: out of memory. */
struct tls_stream *tls_stream_new(struct tls_identity *identity, struct buffer *output);
/* Accepts NULL, nulls. */
void tls_stream_free(struct tls_stream **stream);

/* What came from the peer; borrowed until tls_stream_read() has not returned TLS_READ_BYTES. */
void tls_stream_feed(struct tls_stream *stream, const void *bytes, size_t len);
/* The next plain bytes, at most `size`; goes on with the handshake first. */
enum tls_read tls_stream_read(struct tls_stream *stream, void *bytes, size_t size, size_t *ret_len);
/* All of it, as records. False: the handshake is not done, the stream has failed, or memory is out; what was
 * appended until then must not be sent. */
bool tls_stream_write(struct tls_stream *stream, const void *bytes, size_t len) MUST_CHECK;
/* Says that nothing more will come (close_notify, RFC 8446 section 6.1). Nothing when it has been said, or
 * cannot be. */
void tls_stream_end(struct tls_stream *stream);

enum tls_state tls_stream_state(const struct tls_stream *stream);
/* Of a failed one: OpenSSL's words, static; "" otherwise. */
const char *tls_stream_reason(const struct tls_stream *stream);

#endif
