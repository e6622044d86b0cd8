/* A domain event as JSON text, made of what somebody typed.   Thread: any. */
#ifndef ROOMCAST_PUBLISH_EVENT_TEXT_H
#define ROOMCAST_PUBLISH_EVENT_TEXT_H

#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>
#include <roomcast/wire/event_map.h>

#define EVENT_TEXT_PROBLEM_SIZE 320
#define EVENT_TEXT_ID_SIZE      256

struct event_parts {
    const char *chat; /* NULL: it goes to `user` */
    const char *user; /* NULL: it goes to `chat` */
    const char *type;
    const char *id; /* NULL: a new UUID */
    struct slice data;
};

/* Appends the event with the data as its payload, byte for byte; chat and user stand beside it. */
void event_text_make(const struct event_parts *parts, uint64_t now_ms, struct buffer *out);
/* Appends the event `text`, which event_text_check() has taken, with a new UUID as its id when it has none.
 */
void event_text_complete(struct slice text, struct buffer *out);

struct event_facts {
    char id[EVENT_TEXT_ID_SIZE];
    bool has_row;                          /* in the map that was asked */
    char warning[EVENT_TEXT_PROBLEM_SIZE]; /* what it will not do though it may be meant to; or "" */
};
/* Would a relay take it? `parts`: it was made of them; NULL: it goes wherever it says. Errors with `problem`
 * (EVENT_TEXT_PROBLEM_SIZE): as of domain_event_parse(), but ERR_UNKNOWN, which `has_row` tells;
 * ERR_MISMATCH: it goes elsewhere than `parts` say; ERR_SYNTAX: the data is not one JSON value. */
enum err event_text_check(struct slice text, const struct event_parts *parts, const struct event_map *map,
                          struct event_facts *ret_facts, char *problem) MUST_CHECK;

#endif
