/* WebSocket server on one loop: HTTP upgrade, frames, close handshake; nothing about rooms. A request may
 * also be answered with a stream: 200, and then whatever is sent, until one of both ends it. libwebsockets
 * carries the bytes; why it does not read them is told in src/io/ws_head.h and ws_frame.h. TLS is done here
 * and not by libwebsockets, so that certificates can be replaced under open connections, and frames go the
 * same short way (src/io/ws_tls.c).
 *
 * Several servers, one per worker thread, listen on the same address by SO_REUSEPORT.
 * Thread: the loop's, for everything; handlers are called on it. Handlers may write, close and drop, also the
 * connection they are called for; the connection stays valid until on_closed has returned.
 * RFC 6455 faults of a peer are answered here with 1002, 1003, 1007 or 1009 and reported through on_closed.
 */
#ifndef ROOMCAST_IO_WS_SERVER_H
#define ROOMCAST_IO_WS_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/address.h>
#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/io/loop.h>
#include <roomcast/io/tls.h>

#define WS_FORWARDED_MAX 8 /* lines of X-Forwarded-For: the last ones */

struct ws_server;
struct ws_connection;

/* An HTTP request that asks for, or should have asked for, an upgrade. Slices are borrowed for the call;
 * empty when absent. Percent-encoding in `path` is left as it came; `query_token` is decoded. */
struct ws_request {
    struct slice method, path;
    struct slice host, origin, authorization, user_agent;
    struct slice subprotocols;  /* the raw Sec-WebSocket-Protocol list */
    struct slice query_token;   /* ?token= */
    struct slice query[2];      /* the rest of the query, before and behind the token, as it came */
    struct slice last_event_id; /* Last-Event-ID (WHATWG HTML section 9.2.4) */
    struct slice accept_encoding, if_none_match;  /* RFC 9110 sections 12.5.3 and 13.1.2; the last line */
    struct slice peer;                            /* numeric address */
    struct slice forwarded_for[WS_FORWARDED_MAX]; /* the lines of X-Forwarded-For, in order */
    size_t forwarded_for_count;
    bool is_upgrade;   /* a well-formed RFC 6455 upgrade (section 4.2.1) */
    const char *fault; /* NULL, or what is malformed about it, for the 400 */
};

/* What an ordinary request is answered with instead of a refusal. Everything is static. */
struct ws_file {
    const char *content_type; /* NULL: there is none */
    const char *etag;         /* with its quotes */
    const char *coding;       /* of `bytes`; NULL: none */
    struct slice bytes;
    bool unchanged; /* the peer has them: 304 */
};

struct ws_decision {
    bool accept;
    bool is_stream; /* accept: not an upgrade, but 200 with `content_type` and a body that begins with
                       `body`, goes on with what is sent, and ends with the connection (RFC 9112
                       section 6.3, 8): no chunks, which proxies may hold back until they are full, and
                       which HTTP/1.0 does not have. What the peer says on it is thrown away. Messages
                       and pongs never come, and ws_connection_close() ends it without a close frame */
    bool pending;   /* neither yet: ws_connection_decide() follows, unless on_withdrawn comes */
    void *session;  /* accept: handed to on_open or on_abandoned, exactly one of them; pending: to
                       on_withdrawn */
    const char *subprotocol; /* accept: the one to answer, NULL for none */
    bool takes_binary;       /* accept: binary messages go to on_binary; otherwise they are answered 1003 */
    unsigned unacknowledged_ms; /* stream: it breaks when the peer's TCP does not acknowledge what was sent
                                   for so long; 0: when the kernel thinks so */
    const char *content_type;   /* stream: static */
    struct slice headers;   /* stream, refuse: more header lines, each with its CR LF; borrowed like `body` */
    unsigned status;        /* refuse: HTTP status */
    struct slice body;      /* refuse: JSON, borrowed until the next call of on_request */
    unsigned retry_after_s; /* refuse: Retry-After, 0 for none */
    struct ws_file file;    /* neither accept nor refuse: a file */
};

enum ws_end {
    WS_END_CLIENT, /* the peer closed (code: its close code, 1005 when it gave none) */
    WS_END_SERVER, /* we closed by ws_connection_close (code: ours) or drop (1006) */
    WS_END_LOST,   /* the TCP connection broke (1006) */
    WS_END_FAULT,  /* the peer broke the protocol (code: what it was answered: 1002, 1003, 1007, 1009) */
};

/* Why a connection was closed before it could become a request. */
enum ws_refused {
    WS_REFUSED_SOCKETS, /* there are as many sockets as there may be */
    WS_REFUSED_PENDING, /* too many have not completed their upgrade: who has waited longest makes way */
    WS_REFUSED_FAST,    /* on_accept said so */
    WS_REFUSED_PROXY,   /* a proxy did not send a proper PROXY header in time */
};

struct ws_handlers {
    /* Fills `decision`. For every HTTP request on the listener, upgrades and others. `connection`: for
     * ws_connection_decide() and ws_connection_peer() only. */
    void (*on_request)(void *context, struct ws_connection *connection, const struct ws_request *request,
                       struct ws_decision *decision);
    /* Nobody waits for a pending decision any more: the connection broke, the time for the handshake is over
     * (the peer was answered 503), or the server is freed. May be NULL when no decision ever is pending. */
    void (*on_withdrawn)(void *context, void *session);
    void (*on_open)(void *context, struct ws_connection *connection, void *session);
    /* An accepted upgrade that never opened. */
    void (*on_abandoned)(void *context, void *session);
    /* One complete text message, valid UTF-8, at most max_message_bytes; borrowed for the call. */
    void (*on_message)(void *context, struct ws_connection *connection, struct slice text);
    /* The same of a binary one. May be NULL when no decision takes them. */
    void (*on_binary)(void *context, struct ws_connection *connection, struct slice bytes);
    /* A message longer than max_message_bytes was begun; the rest is discarded unread. The handler answers
     * and closes with a code of its own. */
    void (*on_too_big)(void *context, struct ws_connection *connection);
    void (*on_pong)(void *context, struct ws_connection *connection);
    /* After WS_BLOCKED: may write again. */
    void (*on_writable)(void *context, struct ws_connection *connection);
    /* The peer has closed, or broke the protocol: what is sent now still leaves before the close frame that
     * answers it. May be NULL. */
    void (*on_ending)(void *context, struct ws_connection *connection);
    /* The last call for this connection. */
    void (*on_closed)(void *context, struct ws_connection *connection, enum ws_end end, unsigned code);
    /* A connection ended before it became a request, or before that was decided on: the HTTP status that it
     * was answered, or would have been if it were still there or had begun to speak, and what was wrong
     * (static text). For a counter. May be NULL. */
    void (*on_bad_request)(void *context, unsigned status, const char *what);
    /* For a counter. May be NULL. */
    void (*on_refused)(void *context, enum ws_refused why);
    /* With TLS: may one who comes from `peer` begin a handshake, which costs more than a refusal? False: it
     * is closed at once. May be NULL. */
    bool (*on_accept)(void *context, const char *peer);
    /* A TLS handshake is over: how (TLS_HANDSHAKING: the peer did not go on with it). Once more with
     * TLS_FAILED when it succeeded and TLS broke later. `reason` of that: static. May be NULL. */
    void (*on_tls)(void *context, struct ws_connection *connection, enum tls_state outcome,
                   const char *reason);
    /* Many sockets have been read or have ended since the last time, and more may wait in this turn: a chance
     * to see to what cannot wait for the turn's end. May be NULL. */
    void (*on_busy)(void *context);
    void *context;
};

struct ws_server_options {
    struct loop *loop;
    const char *host; /* numeric or name; "::" listens on IPv6 and IPv4 */
    uint16_t port;    /* 0: any free one */
    size_t max_message_bytes;
    size_t max_header_bytes;
    unsigned handshake_timeout_s;
    unsigned close_timeout_s; /* wait for the peer's close frame */
    bool io_uring;            /* send by io_uring where the kernel lets us */
    bool permessage_deflate;  /* agree on RFC 7692 with clients that offer it, without context takeover */
    struct tls_identity *tls; /* borrowed: the listener speaks TLS, and nothing else; NULL: it does not */
    const struct networks *proxies; /* borrowed: these send the PROXY protocol, and must; NULL: nobody does */
    unsigned max_sockets;           /* a further one is closed at once */
    unsigned max_pending; /* connections that are not upgraded: beyond, the oldest makes way; 0: any */
    atomic_uint
        *sockets; /* borrowed: how many there are, shared by servers that share the limit; NULL: own */
    atomic_uint *pending; /* likewise, for max_pending */
};

/* ERR_IO with `problem` (256 bytes): which address, why. */
enum err ws_server_new(const struct ws_server_options *options, const struct ws_handlers *handlers,
                       struct ws_server **ret_server, char *problem) MUST_CHECK;
uint16_t ws_server_port(const struct ws_server *server);
/* Drops what is still open (on_closed is called for each), then frees. Not from within a handler. The sockets
 * are closed when the loop turns again, or is freed. Accepts NULL, nulls. */
void ws_server_free(struct ws_server **server);

/* What a pending request is answered; `decision` is not pending. Calls on_open, or on_abandoned. Not from
 * within a handler of this connection. */
void ws_connection_decide(struct ws_connection *connection, const struct ws_decision *decision);

void *ws_connection_session(const struct ws_connection *connection);
/* Frames with RSV1, whose payload is compressed by itself (io/deflate.h), may be written beside others. */
bool ws_connection_takes_deflated(const struct ws_connection *connection);
/* Opened by a decision that says so: what is written goes out as it is. */
bool ws_connection_is_stream(const struct ws_connection *connection);
/* Numeric peer address; borrowed from the connection. */
const char *ws_connection_peer(const struct ws_connection *connection);

enum ws_write {
    WS_WRITTEN, /* the kernel took everything: write again at will */
    WS_BLOCKED, /* everything was taken over, but waits: no further write before on_writable */
    WS_GONE,    /* the connection is broken or closing; nothing was taken; on_closed follows */
};
/* One or more complete, ready-made frames (base/frame.h) for a connection that is not blocked. The bytes are
 * never changed and need not live on after the call. */
struct ws_send {
    struct ws_connection *connection;
    const void *bytes;
    size_t len;
    enum ws_write result; /* out */
};
/* Sends each, all in one system call where io_uring may be used, otherwise one for each. The connections are
 * of this server, and each stands there once. */
void ws_server_send(struct ws_server *server, struct ws_send *sends, size_t count);
/* NULL: ws_server_send uses io_uring. Otherwise why not; borrowed from the server. */
const char *ws_server_plain_writes(const struct ws_server *server);
/* Sends what is taken over, then the close frame, waits for the peer's, ends. `reason` at most 123 bytes.
 * Later writes are WS_GONE, later messages are discarded. */
void ws_connection_close(struct ws_connection *connection, unsigned code, const char *reason);
/* Ends at the end of this turn without any ceremony. */
void ws_connection_drop(struct ws_connection *connection);
/* Stops and resumes reading from the peer. While paused no message is delivered, not even one that was read
 * already. What wakes it up is called later in the turn, never from within this call. */
void ws_connection_pause(struct ws_connection *connection, bool paused);

#endif
