/* Single fields of a client's message: reads one, or says in the fault what it must be.
 *
 * Knows jansson; only client_message.c includes it. */
#ifndef ROOMCAST_SRC_WIRE_CLIENT_FIELD_H
#define ROOMCAST_SRC_WIRE_CLIENT_FIELD_H

#include <jansson.h>

#include <roomcast/wire/client_message.h>

/* Where a field stands, for the fault's text: "" or "chats[3]." */
#define CLIENT_PATH_SIZE 32

/* Fills the fault with INVALID_MESSAGE and the text; returns `err`. */
enum err client_fault_fill(struct client_fault *fault, enum err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Also put into the fault, for the reply to this and to later errors. */
enum err client_field_id(const json_t *object, struct request_id *ret_id,
                         struct client_fault *fault) MUST_CHECK;
enum err client_field_chat(const json_t *object, const char *path, struct room_key *ret_chat,
                           struct client_fault *fault) MUST_CHECK;
/* `since` is optional: without it `ret_has` is false and `ret_since` untouched. */
enum err client_field_since(const json_t *object, const char *path, bool *ret_has, struct position *ret_since,
                            struct client_fault *fault) MUST_CHECK;

#endif
