#include <roomcast/wire/domain_event.h>

#include "fuzz.h"

/* A payload that was cut out of an event must be a JSON value of its own: an event made of it is valid too.
 */
static void check_payload(const struct event_map *map, struct slice payload)
{
    static const char head[] =
        "{\"event_type\":\"notification.created\",\"metadata\":{\"user_id\":\"u\"},\"x\":";
    char reason[192];
    struct domain_event event;
    size_t len = sizeof head - 1 + payload.len + 1;
    char *text = malloc(len);

    must(text);
    memcpy(text, head, sizeof head - 1);
    memcpy(text + sizeof head - 1, payload.data, payload.len);
    text[len - 1] = '}';
    must(domain_event_parse((struct slice){text, len}, map, &event, reason) == ERR_OK);
    domain_event_release(&event);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct event_map *map;
    struct domain_event event;
    char reason[192] = "";

    if (!map)
        must(event_map_new(NULL, 0, &map) == ERR_OK);
    if (domain_event_parse(fuzz_slice(data, size), map, &event, reason)) {
        must(reason[0] != '\0');
        return 0;
    }
    must(event.change_failed ? reason[0] != '\0' : true);
    must(event.rule ? event.room.len > 0 : event.change == EVENT_REVOKES_ACCESS);
    must((event.change == EVENT_CHANGES_NOTHING) == (event.revocation.kind == 0));
    check_payload(map, event.payload);
    domain_event_release(&event);
    return 0;
}
