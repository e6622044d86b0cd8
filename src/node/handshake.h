/* Who may connect: PROTOCOL 1.1. Every check is made before the upgrade; a refusal is plain HTTP.
 *
 * Thread: any worker's. */
#ifndef ROOMCAST_NODE_HANDSHAKE_H
#define ROOMCAST_NODE_HANDSHAKE_H

#include <roomcast/io/ws_server.h>
#include <roomcast/wire/error_code.h>

#include "shared.h"

/* What an accepted client brings. */
struct handshake_grant {
    struct token_claims claims; /* owned by the receiver */
    const char *subprotocol;    /* static; NULL: none */
};
struct handshake_refusal {
    unsigned status; /* HTTP */
    enum error_code code;
    const char *message; /* static; NULL: the code's meaning */
    unsigned retry_after_s;
};

/* True: `ret_grant` is filled, and the connection is counted against the node's and the user's limits until
 * handshake_give_back(). False: `ret_refusal` is filled. Counts and logs the outcome. */
bool handshake_decide(struct node_shared *shared, const struct ws_request *request,
                      struct handshake_grant *ret_grant, struct handshake_refusal *ret_refusal);
/* The connection of this user is no more. */
void handshake_give_back(struct node_shared *shared, const struct room_key *user);

#endif
