/* The client's side of TLS 1.2 and 1.3 over a connected socket (OpenSSL). Certificate and host name are
 * checked, always.   Thread: one at a time. */
#ifndef ROOMCAST_SRC_IO_TLS_CLIENT_H
#define ROOMCAST_SRC_IO_TLS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/err.h>

#define TLS_CLIENT_PROBLEM_SIZE 256

struct tls_client;

struct tls_client_options {
    int socket;           /* non-blocking; stays the caller's, and open */
    const char *host;     /* a name or an address, without brackets: whose certificate it must be */
    const char *ca_file;  /* PEM, of the authorities that are trusted; "": the system's */
    uint64_t deadline_ms; /* monotonic, of the handshake */
};

/* Blocks until the handshake is done. Errors with `problem` (TLS_CLIENT_PROBLEM_SIZE): ERR_CONFIG: ca_file;
 * ERR_SIGNATURE: the certificate is not trusted, or another host's; ERR_UNAVAILABLE: no TLS is spoken there,
 * or the connection broke; ERR_TIMEOUT; ERR_NO_MEMORY. */
enum err tls_client_new(const struct tls_client_options *options, struct tls_client **ret_client,
                        char *problem) MUST_CHECK;
/* Does not block. ERR_BUSY: nothing is there now; ERR_UNAVAILABLE: the connection is over. */
enum err tls_client_read(struct tls_client *client, void *bytes, size_t size, size_t *ret_len) MUST_CHECK;
/* All or nothing. ERR_BUSY: call again with the same bytes when the socket can be written to;
 * ERR_UNAVAILABLE. */
enum err tls_client_write(struct tls_client *client, const void *bytes, size_t len) MUST_CHECK;
/* Accepts NULL, nulls. */
void tls_client_free(struct tls_client **client);

#endif
