/* A domain event as services publish it (proto/README.md: Publishing): JSON text in, checked struct out.
 *
 * `payload` is the original bytes of the member, untouched: number precision, key order, unknown fields and
 * escapes all survive. */
#ifndef ROOMCAST_WIRE_DOMAIN_EVENT_H
#define ROOMCAST_WIRE_DOMAIN_EVENT_H

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/wire/envelope.h>
#include <roomcast/wire/event_map.h>
#include <roomcast/wire/revocation.h>
#include <roomcast/wire/room_key.h>

#define DOMAIN_EVENT_MAX_DEPTH 512 /* levels; deeper is ERR_TOO_DEEP */

/* What an event changes in who may read what, by its own type, not by the map's. */
enum event_change {
    EVENT_CHANGES_NOTHING,
    EVENT_REVOKES_ACCESS, /* access.revoked: a request (revocation_request.h) in the payload; nobody hears it
                           */
    EVENT_REMOVES_MEMBER, /* chat.member_removed: payload.user_id (UserID, userId, member_id, ...) */
    EVENT_ADDS_MEMBER,    /* chat.member_added: the same; lifts what an earlier removal has revoked */
    EVENT_DELETES_CHAT,   /* chat.deleted */
};

struct domain_event {
    struct slice id; /* empty when absent or null; anything that is no event id is ERR_RANGE */
    struct slice event_type;
    /* Empty when absent or not usable: no string, longer than the envelope's limit, control characters. */
    struct slice occurred_at;
    struct slice correlation_id;
    struct slice traceparent; /* only of the form of W3C Trace Context, version 00 */
    struct slice payload;     /* into `text` as given to parse; "null" when absent */
    struct room_key room;
    const struct event_rule *rule; /* borrowed from the map; NULL: only `change` is to be done */
    enum event_change change;
    bool change_failed;           /* it would change something and does not say what: `reason` tells */
    struct revocation revocation; /* of `change`: kind, chat and id; at_s and until_s if said; order is 0 */
    void *document;               /* the parser's memory */
};

/* `text` must outlive the event. On an error, and with change_failed, `reason` (192 bytes) says what is
 * wrong, naming the member. ERR_UNKNOWN: valid, but the map has no row for it (`reason` names the event
 * type). Others: bad event. */
enum err domain_event_parse(struct slice text, const struct event_map *map, struct domain_event *ret_event,
                            char *reason) MUST_CHECK;
void domain_event_release(struct domain_event *event);

#endif
