/* Where one stream of server-sent events stands: in each of its chats and in the notifications of its user.
 *
 * A client of such a stream keeps one thing only, the last `id` that it was sent, and sends that back as
 * Last-Event-ID when it comes again, perhaps to another node (WHATWG HTML, section 9.2 "Server-sent events":
 * 9.2.4 "The Last-Event-ID header", 9.2.6 for the field `id`). So every id holds the whole cursor:
 *
 *     v1~.k3x9.5~bxwre1jTTgmcHg0vSmuMHQ.k3x9.1042~...
 *
 * a version, then for each place whose position is known "~", its name, ".", the epoch, ".", and the number.
 * The name of a chat is its UUID in base64url (RFC 4648 section 5) without padding; that of the notifications
 * is empty. All of it may stand in a header field and in a URL as it is. Clients are to take it for opaque.
 *
 * Pure.   Thread: its owner's. */
#ifndef ROOMCAST_WIRE_STREAM_CURSOR_H
#define ROOMCAST_WIRE_STREAM_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/slice.h>
#include <roomcast/base/uuid.h>
#include <roomcast/wire/position.h>
#include <roomcast/wire/room_key.h>

#define STREAM_CHATS_MAX 128 /* of one stream: an id then has at most about 8 KiB, usually half */
#define STREAM_NAME_LEN  22  /* 16 bytes in base64url */

struct stream_place {
    char name[STREAM_NAME_LEN + 1]; /* "" for the notifications */
    bool is_known;                  /* it has a position */
    struct uuid chat;
    struct position position; /* the last event that was sent; epoch "-": one of no room */
};

struct stream_cursor {
    uint32_t count;
    struct stream_place places[]; /* places[0]: the notifications; the others are chats, each once */
};

/* A cursor that knows no position, in no chat yet and with room for `max_chats`. The caller frees it. NULL
 * when out of memory. */
struct stream_cursor *stream_cursor_new(size_t max_chats);
bool stream_cursor_has(const struct stream_cursor *cursor, const struct uuid *chat);
/* It is not there yet, and the cursor has room. */
void stream_cursor_add(struct stream_cursor *cursor, const struct uuid *chat);

/* What a message tells of a position, to be kept beside it (base/frame.h): which room, and where a client
 * stands there that has taken the message in. Returned as bytes of `scratch`. */
struct stream_mark {
    struct position position;
    struct uuid chat; /* of a chat; left out for notifications */
};
struct slice stream_mark_make(const struct room_key *room, const struct position *position,
                              struct stream_mark *scratch);

/* The message with that mark goes out. False: it moves nothing here. */
bool stream_cursor_move(struct stream_cursor *cursor, struct slice mark);

/* As an id. */
void stream_cursor_write(const struct stream_cursor *cursor, struct buffer *out);

/* A place in a text from outside: `name` is compared with those of the cursor, and places that it does not
 * have are passed over. False: the text is no position. */
bool stream_cursor_set(struct stream_cursor *cursor, struct slice name, struct slice epoch, struct slice seq);
/* None of its positions can be known any more: what the client sent cannot be read. It is told of each place
 * that it is not recovered. */
void stream_cursor_lose(struct stream_cursor *cursor);

#endif
