/* One WebSocket connection as a client (RFC 6455), by TCP or TLS, for programs that have nothing else to do
 * than to wait for it. Text messages only; no extensions.
 *
 * Answers pings, sends one when nothing was heard for WS_CLIENT_PING_MS, and gives the connection up after
 * WS_CLIENT_SILENCE_MS of silence. The program ignores SIGPIPE, which OpenSSL would raise where the server
 * has hung up. Thread: one; blocks, until the times given. */
#ifndef ROOMCAST_IO_WS_CLIENT_H
#define ROOMCAST_IO_WS_CLIENT_H

#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>

#define WS_CLIENT_PING_MS      20000
#define WS_CLIENT_SILENCE_MS   40000
#define WS_CLIENT_MESSAGE_MAX  (16u * 1024 * 1024) /* bytes of one message from the server */
#define WS_CLIENT_PROBLEM_SIZE 320
#define WS_CLIENT_BODY_SIZE    4096
#define WS_CLIENT_NO_CODE      0 /* the connection ended without a close frame, or with one without code */

struct ws_client;

struct ws_client_options {
    const char *url;     /* ws:// or wss://, see ws_client_fault() */
    const char *token;   /* sent as `Authorization: Bearer`; "": none is */
    const char *ca_file; /* of wss://: PEM, of the authorities that are trusted; "": the system's */
    uint64_t timeout_ms; /* of connection, TLS and upgrade together */
};

/* Why there is no connection. */
struct ws_client_failure {
    unsigned status; /* HTTP, of the answer; 0: none came */
    uint64_t retry_after_s;
    char body[WS_CLIENT_BODY_SIZE]; /* of the answer, cut; NUL-terminated */
    char problem[WS_CLIENT_PROBLEM_SIZE];
};

/* NULL: `url` can be used. Otherwise a static sentence part that says what is wrong with it. A path is not
 * needed: /ws is taken. */
const char *ws_client_fault(const char *url);

/* ERR_OK, else `ret_failure` is filled. ERR_MISMATCH: the answer was no upgrade, see `status`;
 * ERR_UNAVAILABLE: nobody answers there; ERR_TIMEOUT; ERR_SIGNATURE: the certificate is not trusted;
 * ERR_CONFIG: url, token or ca_file cannot be used; ERR_NO_MEMORY. */
enum err ws_client_open(const struct ws_client_options *options, struct ws_client **ret_client,
                        struct ws_client_failure *ret_failure) MUST_CHECK;
/* The next message, borrowed until the next call. ERR_BUSY: none has come until `deadline_ms` (monotonic).
 * ERR_UNAVAILABLE: the connection is over, as ws_client_code() and ws_client_problem() tell. */
enum err ws_client_next(struct ws_client *client, uint64_t deadline_ms, struct slice *ret_text) MUST_CHECK;
/* When that is not possible any more, ws_client_next() tells so behind what the server said before. */
void ws_client_say(struct ws_client *client, struct slice text);
/* Of the server's close frame. */
unsigned ws_client_code(const struct ws_client *client);
const char *ws_client_problem(const struct ws_client *client);
/* Says goodbye (1000), without waiting for an answer. Accepts NULL, nulls. */
void ws_client_free(struct ws_client **client);

#endif
