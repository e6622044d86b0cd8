/* Where a client is in each chat, and in its notifications: the client's half of resume (proto/README.md:
 * Resume). Pure.
 *
 * Owns: the positions.   Thread: one. */
#ifndef ROOMCAST_LISTEN_PLACES_H
#define ROOMCAST_LISTEN_PLACES_H

#include <stdbool.h>
#include <stddef.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/command.h>
#include <roomcast/wire/heard_message.h>

struct place {
    struct room_key room; /* of a chat; the notifications' has no name */
    bool is_known;        /* `at` was told, or an event has come */
    struct heard_position at;
    bool is_asked;  /* a subscribe is on its way: what comes out of turn will come again behind its ack */
    bool was_heard; /* it was acknowledged on this connection */
    bool is_over;   /* the server will not let us in (again) */
};

struct places {
    struct place notifications;
    struct place chats[COMMAND_LIST_MAX];
    size_t chats_count;
};

/* Nothing is known. */
void places_init(struct places *places);
/* ERR_SYNTAX: no UUID; ERR_BUSY: too many. Once more the same is no error. */
enum err places_add_chat(struct places *places, const char *chat) MUST_CHECK;
/* "epoch:seq", of the one chat there is. ERR_SYNTAX. */
enum err places_set_since(struct places *places, const char *since) MUST_CHECK;
/* NULL: it concerns none of ours. Without a chat the notifications are meant. */
struct place *places_find(struct places *places, const struct heard_message *message);

enum place_verdict {
    PLACE_NEXT,     /* new: the place has moved on to it */
    PLACE_REPEATED, /* was there before */
    PLACE_GAP,      /* something is missing before it: subscribe again, and it comes again in its turn */
};
/* An event. */
enum place_verdict place_take(struct place *place, const struct heard_position *at);
/* An ack, of which `recovered` says whether what was missed follows. False: something was missed for good. */
bool place_settle(struct place *place, const struct heard_message *ack);

/* Appends the frame that subscribes to all chats, or to those that ask for it: `again`. False: to none. */
bool places_append_subscribe(struct places *places, bool again, struct buffer *out);
/* Appends the frame that asks for what was missed of the notifications. */
void places_append_resume(struct places *places, struct buffer *out);
/* On a new connection nothing is subscribed to. */
void places_begin(struct places *places);
/* Is there a chat left that may be heard, or was there none from the start? */
bool places_any_left(const struct places *places);
/* Is everything subscribed to? */
bool places_all_heard(const struct places *places);

#endif
