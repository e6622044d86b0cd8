/* Revocations in parsed JSON.   Private to src/wire. */
#ifndef ROOMCAST_SRC_WIRE_REVOCATION_JSON_H
#define ROOMCAST_SRC_WIRE_REVOCATION_JSON_H

#include <jansson.h>

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/wire/domain_event.h>

/* A request in `object`, whose own text is `text`; `owner` ("payload.", "") stands before members in
 * `reason`. As revocation_request_parse(). */
enum err revocation_read_request(const json_t *object, struct slice text, const char *owner,
                                 struct revocation *ret_revocation, char *reason) MUST_CHECK;
/* Fills event->revocation by event->change, whatever the map makes of the event. `text` is the event's. */
enum err revocation_read_event(const json_t *document, struct slice text, struct domain_event *event,
                               char *reason) MUST_CHECK;

/* domain_event.c: the chat that the event is about. ERR_MISSING, ERR_RANGE. */
enum err domain_event_find_chat(const json_t *event, struct room_key *ret_room, char *reason) MUST_CHECK;

#endif
