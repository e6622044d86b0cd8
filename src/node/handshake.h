/* Who may connect: proto/README.md. Every check is made before the upgrade, or before a stream of server-sent
 * events begins; a refusal is plain HTTP.
 *
 * Thread: any worker's. */
#ifndef ROOMCAST_NODE_HANDSHAKE_H
#define ROOMCAST_NODE_HANDSHAKE_H

#include <roomcast/io/ws_server.h>
#include <roomcast/wire/error_code.h>

#include "shared.h"

/* The token of a request, and what became of it. */
struct handshake_token {
    struct slice text;       /* borrowed from the request */
    struct address from;     /* who asks */
    const char *subprotocol; /* static; the one to answer, NULL: none */
    bool is_stream;          /* server-sent events are asked for, not a WebSocket */
    enum err err;            /* of token_verify() */
    const char *reason;      /* static; of token_verify(), unless `err` is ERR_OK */
};
struct handshake_refusal {
    unsigned status; /* HTTP; 204: no refusal, but the answer to a CORS preflight (Fetch, section 3.2.2) */
    enum error_code code;
    const char *message; /* static; NULL: the code's meaning */
    unsigned retry_after_s;
};

/* Where the listener speaks TLS: may a peer (numeric address) begin that handshake? Takes from the pace of
 * handshakes, and the request does not again. */
bool handshake_may_begin(struct node_shared *shared, const char *peer);

/* A request that needs no token: may its address ask for anything now? Takes from the pace of handshakes.
 * Counts and logs when it refuses, and then fills `ret_refusal`. */
bool handshake_may_ask(struct node_shared *shared, const struct ws_request *request,
                       struct handshake_refusal *ret_refusal);

/* Two steps, because in between the token is verified, which may take long. Each counts and logs when it
 * refuses, and then fills `ret_refusal`. */

/* What can be said without looking into the token, which is found: `text` and `subprotocol` are filled, and
 * `from` in any case. */
bool handshake_check(struct node_shared *shared, const struct ws_request *request,
                     struct handshake_token *ret_token, struct handshake_refusal *ret_refusal);
/* True: the connection is counted against the limits of node, address and user until handshake_give_back(),
 * and `claims`, meaningful when the token is good, are still the caller's; a one-time token is taken, and
 * `ret_use` for used_tell() or used_give_back(). False: they were released. */
bool handshake_admit(struct node_shared *shared, const struct handshake_token *token,
                     struct token_claims *claims, struct token_use *ret_use,
                     struct handshake_refusal *ret_refusal);
/* Is it the path of server-sent events? */
bool handshake_is_stream(struct slice path);
/* May pages of the request's origin read the answer (Fetch, section 3.2.3)? */
bool handshake_may_read(const struct node_shared *shared, const struct ws_request *request);
/* What a request for a stream names cannot be had: `err` is stream_request_read()'s. Counts and logs. */
struct handshake_refusal handshake_bad_stream(const struct address *from, enum err err);
/* Neither: this worker cannot take it on. Counts and logs. */
struct handshake_refusal handshake_overloaded(const struct address *from);
/* The connection of this user, from that address, is no more. */
void handshake_give_back(struct node_shared *shared, const struct room_key *user, const struct address *from);

#endif
