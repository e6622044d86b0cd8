/* clang-format off */
/* One client connection of a ws_server: its states, and what the parts of the server tell each other.
 *
 *   accepted
 *      |
 *    HEAD (the request; then, when it does so, waits for the caller's decision)
 *      |  |
 *      |  +--- refused, malformed, too late ----------------------------------> LINGER
 *      | 101 written, or 200 of a stream
 *      v
 *    OPEN ----- ws_connection_close -----> CLOSING
 *      |  |                                 |  |
 *      |  +--- peer closes, or is at fault -+  +- drop, TCP lost, too late --> DROPPING
 *      |                  |                                                      ^  |
 *      |                  v                                                      |  | on_closed
 *      |               ENDING --- on_closed ---> LINGER ---+                     |  v
 *      +--- drop, TCP lost ------------------------------- | --------------------+ DEAD
 *                                                          +------------------------^
 *
 * A stream has no CLOSING: it goes from OPEN to ENDING, since nobody answers its end.
 *
 *   LINGER  what is written is flushed, then what still comes is thrown away until the peer has closed or
 *           it is too late: closing earlier would reset the connection and take the answer with it
 *   DEAD    freed at the end of the turn
 *
 * HEAD and LINGER also end in DEAD when the TCP connection is lost. on_closed is called from the server's
 * work at the end of a turn only, so that no handler is called from within ws_server_send, ws_connection_close or
 * _drop. */
/* clang-format on */
#ifndef ROOMCAST_SRC_IO_WS_CONNECTION_H
#define ROOMCAST_SRC_IO_WS_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/io/deflate.h>
#include <roomcast/io/ws_server.h>

#include "ws_frame.h"
#include "ws_listen.h"

struct lws;

enum ws_state {
    WS_STATE_HEAD,
    WS_STATE_OPEN,
    WS_STATE_CLOSING,
    WS_STATE_ENDING,
    WS_STATE_DROPPING,
    WS_STATE_LINGER,
    WS_STATE_DEAD,
};

/* BLOCKED: the kernel did not take all; libwebsockets holds the rest, and nothing is read meanwhile: with
 * output waiting it would be called for every byte that can be read and not read it, a spinning loop.
 * DRAINED: the rest is out; before more is written, what has come meanwhile is read once. */
enum ws_output { WS_OUTPUT_READY, WS_OUTPUT_BLOCKED, WS_OUTPUT_DRAINED };

/* The request, while it comes and while it is decided on. */
struct ws_opening {
    struct buffer input;    /* the request so far */
    size_t scanned;         /* bytes of `input` known to hold no end of the head */
    struct ws_asked *asked; /* owned; the request is complete, and the decision is pending */
};

struct ws_connection {
    /* what a write touches */
    enum ws_state state; /* changed by set_state() only */
    enum ws_output output;
    int fd;             /* libwebsockets' socket; valid while `wsi` is */
    bool owes_writable; /* WS_BLOCKED was returned */
    bool paused;        /* by the caller */
    bool deflates;      /* permessage-deflate was agreed on */
    bool reading;       /* what libwebsockets was last told */

    struct ws_server *server; /* borrowed */
    struct lws *wsi;          /* owned by libwebsockets; NULL once it is gone */
    struct tls_stream *tls;   /* owned; NULL: none on this listener */
    void *session;            /* the caller's */
    enum ws_end end;          /* for on_closed, from CLOSING on */
    unsigned code;

    struct ws_opening *opening; /* owned; in HEAD, once the peer has said something; else NULL */
    struct buffer *unread;      /* owned; what was read before a pause; NULL: nothing */
    struct ws_decoder decoder;
    uint32_t discarded; /* bytes read and thrown away, of a stream and in LINGER */

    bool has_work;
    bool is_pending;                   /* counts in *server->pending */
    bool is_stream;                    /* no WebSocket: see struct ws_decision */
    struct ws_connection *work_next;   /* in server->work */
    struct ws_connection *prev, *next; /* in server->connections */
    struct ws_deadlines *deadlines;    /* the list it is in, or NULL */
    struct ws_connection *deadline_prev, *deadline_next;
    uint64_t deadline_ms;
    char peer[]; /* as long as it is */
};

/* What a refused peer may go on sending while it reads its answer; closing at once would reset the connection
 * and lose the answer (RFC 9112 section 9.6). */
#define WS_LINGER_BYTES (256u * 1024)

/* Connections that all wait equally long, so that appending keeps them in order. */
struct ws_deadlines {
    uint64_t wait_ms;
    struct ws_connection *first;
};

#define WS_PONGS_BYTES 4096
#define WS_URING_SENDS 256 /* in one submission */

/* What the TLS of all connections is done in; only with a certificate. */
struct ws_tls {
    struct buffer output; /* records to be sent */
    unsigned char plain[TLS_RECORD_MAX];
};

struct ws_server {
    struct loop *loop; /* borrowed */
    struct ws_server_options options;
    struct ws_handlers handlers;
    struct ws_context *context;
    struct ws_listener *listener; /* NULL when no longer accepting */
    struct ws_proxied *proxied;   /* their PROXY header is awaited */
    struct loop_timer *proxied_timer;
    struct ws_tls *tls;        /* owned; NULL: the listener speaks plain HTTP */
    struct inflater *inflater; /* of all connections; NULL: permessage-deflate is off */
    uint16_t port;
    struct ws_connection *connections;
    atomic_uint own_sockets, *sockets; /* the limit is on *sockets, which may be shared */
    atomic_uint own_pending, *pending; /* likewise */
    struct ws_deadlines handshakes, closings;
    struct loop_timer *deadline_timer;
    struct ws_connection *work, **work_tail;
    struct ws_worker *worker; /* libuv's side of the work list */
    unsigned happened;        /* on sockets, since on_busy */
    struct ws_uring *uring;   /* NULL: plain writes, because of `no_uring` */
    char no_uring[256];
    size_t pongs_len;
    unsigned char pongs[WS_PONGS_BYTES]; /* answers gathered while one read is worked on */
};

/* From the listener. Takes over `fd`. */
void ws_connection_accept(struct ws_server *server, int fd, const char *peer);
/* From libwebsockets: what the peer sent, as it sent it. */
void ws_connection_received(struct ws_connection *connection, unsigned char *bytes, size_t len);
void ws_connection_drained(struct ws_connection *connection);
void ws_connection_lost(struct ws_connection *connection);
/* From the server. */
void ws_connection_late(struct ws_connection *connection);
void ws_connection_work(struct ws_connection *connection);
/* Frees, after on_closed when that is still owed. */
void ws_connection_cut(struct ws_connection *connection);

/* Between ws_connection.c and ws_reading.c. */
void ws_connection_update_reading(struct ws_connection *connection);
/* The peer says nothing more. */
void ws_connection_ended(struct ws_connection *connection);
/* Is what it says still read? */
bool ws_connection_listens(const struct ws_connection *connection);
/* Plain bytes from the peer. */
void ws_connection_take(struct ws_connection *connection, unsigned char *bytes, size_t len);
/* To the peer, also while earlier ones wait. False when the connection is broken. */
bool ws_connection_put(struct ws_connection *connection, const void *bytes, size_t len);
/* The same for bytes as they go over the wire. */
bool ws_connection_put_wire(struct ws_connection *connection, const void *bytes, size_t len);
void ws_connection_open(struct ws_connection *connection, const struct ws_decision *decision);
/* The request is not needed any more. */
void ws_connection_end_opening(struct ws_connection *connection);
void ws_connection_linger(struct ws_connection *connection);
void ws_connection_discard(struct ws_connection *connection);
/* on_closed is due; `next`: ENDING or DROPPING. */
void ws_connection_end(struct ws_connection *connection, enum ws_end end, unsigned code, enum ws_state next);
void ws_connection_read_head(struct ws_connection *connection, unsigned char *bytes, size_t len);
void ws_connection_read_frames(struct ws_connection *connection, unsigned char *bytes, size_t len);
void ws_connection_refuse_late(struct ws_connection *connection);
/* It spoke HTTP where TLS is spoken. */
void ws_connection_refuse_plain(struct ws_connection *connection);
/* Tells the caller, when a decision is pending, that nobody waits for it any more. */
void ws_connection_withdraw(struct ws_connection *connection);
/* A decision is pending, and the peer has said more already. */
bool ws_connection_is_ahead(const struct ws_connection *connection);
void ws_connection_report(struct ws_connection *connection, unsigned status, const char *what);

/* In ws_pending.c: who has no upgrade yet, or was refused one and lingers. False: there is no place for one
 * more, and that was told. */
bool ws_socket_enter(struct ws_server *server); /* also the limit on all sockets */
void ws_pending_leave(struct ws_connection *connection);
void ws_connection_tell_refused(struct ws_server *server, enum ws_refused why);

/* In ws_proxied.c: from trusted proxies, whose PROXY header is to come first. */
enum err ws_proxied_init(struct ws_server *server) MUST_CHECK;
void ws_proxied_fini(struct ws_server *server);
/* False: the peer is none of them, and `fd` still the caller's. */
bool ws_proxied_accept(struct ws_server *server, int fd, const char *peer);
/* The oldest is given up. False: there is none. */
bool ws_proxied_make_way(struct ws_server *server);

/* In ws_tls.c: between the wire and everything else, where the listener has a certificate. */
enum err ws_tls_init(struct ws_server *server) MUST_CHECK;
void ws_tls_fini(struct ws_server *server);
/* False: it may not begin a handshake, and that was told. */
bool ws_tls_admits(struct ws_server *server, const char *peer);
/* False: out of memory. */
bool ws_tls_begin(struct ws_connection *connection) MUST_CHECK;
void ws_tls_received(struct ws_connection *connection, const unsigned char *bytes, size_t len);
/* Appends records to server->tls->output. False, and nothing appended, when the connection is broken or not
 * as far yet. */
bool ws_tls_wrap(struct ws_connection *connection, const void *bytes, size_t len) MUST_CHECK;
/* The output holds as much as should be sent before more is appended. */
bool ws_tls_is_full(const struct ws_server *server);
/* Empties the output, and keeps only as much storage as is often needed. */
void ws_tls_clear(struct ws_server *server);
void ws_tls_say_end(struct ws_connection *connection);
/* With the connection. */
void ws_tls_drop(struct ws_connection *connection);

/* In ws_server.c: the end-of-turn work, and the deadlines. */
void ws_server_queue_work(struct ws_connection *connection);
void ws_server_set_deadline(struct ws_connection *connection, struct ws_deadlines *deadlines);
void ws_server_clear_deadline(struct ws_connection *connection);
/* Something has happened on a socket and was worked on, which took as long as so many small events. */
void ws_server_note_events(struct ws_server *server, unsigned count);

#endif
