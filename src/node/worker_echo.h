/* The endpoint /echo, for conformance suites (ROOMCAST_CONFORMANCE; otherwise none of this exists): everybody
 * may connect, and what he says comes back, read and written as on /ws. It knows no chats, no messages, no
 * limits of messages.
 *
 * Thread: the worker's. */
#ifndef ROOMCAST_NODE_WORKER_ECHO_H
#define ROOMCAST_NODE_WORKER_ECHO_H

#include "worker_internal.h"

#ifdef ROOMCAST_CONFORMANCE

#define ECHO_MESSAGE_MAX (32u * 1024 * 1024) /* bytes; the suites send 16 MiB */

/* Is the request a proper upgrade for this endpoint? */
bool echo_is_asked(const struct ws_request *request);
/* Of a user of its own. False: out of memory. */
bool echo_claims(struct token_claims *ret_claims);
/* Instead of asking for the user's channel and saying `connected`. */
void echo_open(struct worker *worker, struct client *client);
/* True: the client is one of this endpoint, and the message goes back to it. */
bool echo_take(struct worker *worker, struct client *client, enum frame_opcode opcode, struct slice payload);

#endif
#endif
