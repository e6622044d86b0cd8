/* The stream entries that the relay has read and not yet acknowledged.
 *
 * Owns: the entries and, while they are refused, their events.   Thread: the stream source's. */
#ifndef ROOMCAST_RELAY_STREAM_TABLE_H
#define ROOMCAST_RELAY_STREAM_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include <roomcast/base/hash.h>
#include <roomcast/io/redis_client.h>

#include "event.h"

enum entry_state {
    ENTRY_IN_LANES,  /* the event is the lanes' */
    ENTRY_REFUSED,   /* to be written to the dead letters */
    ENTRY_FINISHED,  /* to be acknowledged */
    ENTRY_FORGOTTEN, /* stays pending, to be read again: removed at the next flush */
};

/*   IN_LANES -> FINISHED -> (acknowledged, removed)      IN_LANES -> REFUSED -> FINISHED or FORGOTTEN
 *   new -> FINISHED (skipped, trimmed, dead letter)      IN_LANES -> FORGOTTEN (abandoned)           */
struct stream_entry {
    char id[REDIS_ID_SIZE];
    enum entry_state state;
    struct relay_event *event; /* owned while REFUSED */
    size_t bytes;
    struct stream_entry *next; /* in `settled` */
    UT_hash_handle hh;
};

struct stream_table {
    struct stream_entry *entries; /* by id */
    struct stream_entry *settled; /* all that are not IN_LANES */
    size_t count;                 /* of entries */
    size_t in_lanes, bytes_in_lanes;
};

/* NULL when out of memory. */
struct stream_entry *stream_table_add(struct stream_table *table, const char *id, enum entry_state state,
                                      size_t bytes);
bool stream_table_has(const struct stream_table *table, const char *id);
/* Out of the lanes. */
void stream_table_settle(struct stream_table *table, struct stream_entry *entry, enum entry_state state);
/* Fills `ids` with up to `max` FINISHED entries' ids, borrowed until the next change. */
size_t stream_table_finished(const struct stream_table *table, const char **ids, size_t max);
/* Removes the FORGOTTEN and, if `acknowledged`, the first `count` FINISHED. */
void stream_table_sweep(struct stream_table *table, size_t acknowledged);
void stream_table_fini(struct stream_table *table);

#endif
