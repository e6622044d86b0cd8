/* What a client may send (proto/README.md): JSON text in, struct out. */
#ifndef ROOMCAST_WIRE_CLIENT_MESSAGE_H
#define ROOMCAST_WIRE_CLIENT_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/wire/error_code.h>
#include <roomcast/wire/position.h>
#include <roomcast/wire/request_id.h>
#include <roomcast/wire/room_key.h>

enum client_message_type {
    CLIENT_SUBSCRIBE,            /* subscribe.chat, subscribe */
    CLIENT_UNSUBSCRIBE,          /* unsubscribe.chat, unsubscribe */
    CLIENT_TYPING,               /* chat.typing */
    CLIENT_PING,                 /* ping */
    CLIENT_PRESENCE_GET,         /* presence.get */
    CLIENT_AUTH_REFRESH,         /* auth.refresh */
    CLIENT_NOTIFICATIONS_RESUME, /* notifications.resume */
};

struct chat_request {
    struct room_key chat;
    bool has_since;
    struct position since;
};

struct client_message {
    enum client_message_type type;
    struct request_id id;
    struct chat_request *chats; /* owned; one for `chat_id`, several for `chats` */
    size_t chats_count;
    bool is_typing;     /* CLIENT_TYPING */
    struct slice token; /* CLIENT_AUTH_REFRESH; owned through `document` */
    bool has_since;     /* CLIENT_NOTIFICATIONS_RESUME */
    struct position since;
    void *document; /* the parser's memory */
};

struct client_limits {
    size_t max_depth; /* levels of nesting */
    size_t max_chats; /* elements of `chats` */
};

/* What was wrong with a message, in the words of the reply. */
struct client_fault {
    enum error_code code;
    char message[192];    /* names the field and what is allowed; never echoes long input */
    struct request_id id; /* when it could be read */
    bool has_chat;
    struct room_key chat;
};

/* The text's length was limited by the WebSocket layer. On an error `ret_fault` is filled, `ret_message` not.
 */
enum err client_message_parse(struct slice text, const struct client_limits *limits,
                              struct client_message *ret_message, struct client_fault *ret_fault) MUST_CHECK;
void client_message_release(struct client_message *message);

#endif
