/* Looks up what a domain event becomes: the built-in table (event_table.h) and the operator's rows over it.
 *
 * Owns: copies of the rows.   Thread: immutable after event_map_new, any thread reads. */
#ifndef ROOMCAST_WIRE_EVENT_MAP_H
#define ROOMCAST_WIRE_EVENT_MAP_H

#include <stddef.h>

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/wire/room_key.h>

struct event_rule {
    const char *event; /* as services spell it */
    const char *type;  /* as clients read it */
    enum route route;
};

struct event_map;

/* Rows of `extra` replace built-in rows of the same event. ERR_NO_MEMORY. */
enum err event_map_new(const struct event_rule *extra, size_t extra_count,
                       struct event_map **ret_map) MUST_CHECK;
void event_map_free(struct event_map **map);
/* NULL when there is no row: the event is skipped, never guessed. */
const struct event_rule *event_map_find(const struct event_map *map, struct slice event);

#endif
