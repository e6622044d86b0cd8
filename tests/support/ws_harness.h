/* A ws_server on a thread of its own, for tests: it notes every call of its handlers, and does what messages
 * of the client tell it:
 *
 *   echo:<text>            answers <text>
 *   twice:<text>           answers it in two frames by one write
 *   close:<code>:<reason>  closes
 *   drop                   drops
 *   pause / resume-next    stops reading; resumes when the test calls harness_resume()
 *   fill                   writes until WS_BLOCKED, then notes NOTED_BLOCKED
 *   fill-close             the same, then closes with 4108
 *   big                    answers a frame of HARNESS_BIG bytes, once
 *
 * Requests: /ws is accepted when well-formed; /refuse is refused by 401 with Retry-After 7; /later, one at a
 * time, is decided on by harness_decide(), by 401 when refused; /stream is a stream that begins with
 * HARNESS_STREAM and is unacknowledged for HARNESS_UNACKNOWLEDGED_MS at most; what stands behind "/stream/"
 * is done as if it were a message; others by 426, or by 400 when they have a fault. */
#ifndef ROOMCAST_TEST_WS_HARNESS_H
#define ROOMCAST_TEST_WS_HARNESS_H

#include <roomcast/io/ws_server.h>

#include "raw_client.h"

#define HARNESS_STREAM            "begin\n"
#define HARNESS_UNACKNOWLEDGED_MS 500

#define HARNESS_BIG         (3 * 1024 * 1024)
#define HARNESS_MESSAGE_MAX 65536
#define HARNESS_HEADER_MAX  16384
#define HARNESS_SOCKETS_MAX 64

enum noted {
    NOTED_REQUEST, /* text: "method path query_token subprotocols fault" */
    NOTED_PENDING, /* a request for /later waits for harness_decide() */
    NOTED_WITHDRAWN,
    NOTED_OPEN,    /* text: the peer */
    NOTED_MESSAGE, /* text, code: its length */
    NOTED_TOO_BIG,
    NOTED_PONG,
    NOTED_BLOCKED,
    NOTED_WRITABLE,
    NOTED_CLOSED,      /* end, code */
    NOTED_BAD_REQUEST, /* text, code: the HTTP status */
    NOTED_REFUSED,     /* code: enum ws_refused */
    NOTED_BUSY,
    NOTED_KINDS
};

struct note {
    enum noted kind;
    char text[256];
    enum ws_end end;
    unsigned code;
};

struct harness;

/* `port` 0: any. Timeouts in seconds. */
struct harness *harness_start(uint16_t port, unsigned handshake_timeout_s, unsigned close_timeout_s);
/* The default: long timeouts, any port. */
struct harness *harness_start_default(void);
/* The same, with permessage-deflate. */
struct harness *harness_start_deflating(void);
/* The same, with limits of connections that are not upgraded. */
struct harness_guard {
    const struct networks *proxies; /* borrowed: who must send the PROXY protocol */
    unsigned max_sockets;           /* 0: HARNESS_SOCKETS_MAX */
    unsigned max_pending;           /* 0: any */
    unsigned handshake_timeout_s;
};
struct harness *harness_start_guarded(const struct harness_guard *guard);
uint16_t harness_port(const struct harness *harness);
/* Stops the thread and frees all. Every open session must have been told closed by then: asserted. */
void harness_stop(struct harness *harness);

/* The next note of this kind, which must come within the deadline. */
struct note harness_wait(struct harness *harness, enum noted kind);
/* How many of this kind have not been waited for. */
unsigned harness_count(struct harness *harness, enum noted kind);
void harness_expect_closed(struct harness *harness, enum ws_end end, unsigned code);
/* The client says goodbye, and both ends are told so. */
void harness_finish(struct harness *harness, struct raw_client *client);
/* The server answers what was sent by a close frame with `code`, says so to its handler, and hangs up. */
void harness_expect_fault(struct harness *harness, struct raw_client *client, unsigned code);
void harness_decide(struct harness *harness, bool accept);
void harness_resume(struct harness *harness);

#endif
