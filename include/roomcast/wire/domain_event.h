/* A domain event as services publish it (PROTOCOL 2): JSON text in, checked struct out.
 *
 * `payload` is the original bytes of the member, untouched: number precision, key order, unknown fields and
 * escapes all survive. */
#ifndef ROOMCAST_WIRE_DOMAIN_EVENT_H
#define ROOMCAST_WIRE_DOMAIN_EVENT_H

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/wire/envelope.h>
#include <roomcast/wire/event_map.h>
#include <roomcast/wire/room_key.h>

#define DOMAIN_EVENT_MAX_DEPTH 512 /* levels; deeper is ERR_TOO_DEEP */

struct domain_event {
    struct slice id; /* empty when absent or null; anything that is no event id is ERR_RANGE */
    struct slice event_type;
    /* Empty when absent or not usable: no string, longer than the envelope's limit, control characters. */
    struct slice occurred_at;
    struct slice correlation_id;
    struct slice traceparent; /* only of the form of W3C Trace Context, version 00 */
    struct slice payload;     /* into `text` as given to parse; "null" when absent */
    struct room_key room;
    const struct event_rule *rule; /* borrowed from the map */
    void *document;                /* the parser's memory */
};

/* `text` must outlive the event. On an error `reason` (192 bytes) says what is wrong, naming the member.
 * ERR_UNKNOWN: valid, but the map has no row for it (`reason` names the event type). Others: bad event. */
enum err domain_event_parse(struct slice text, const struct event_map *map, struct domain_event *ret_event,
                            char *reason) MUST_CHECK;
void domain_event_release(struct domain_event *event);

#endif
