/* Objects by the room key that names them: a hash table with chains that grows by one bucket at a time
 * (linear hashing, Litwin 1980), so that adding, finding and removing are O(1) and no single addition pays
 * for moving all the others.
 *
 * Intrusive, for tables with an entry per connection or room: 16 bytes in each object and about 4 beside it,
 * where uthash takes 56. The hash is keyed (base/hash.h): nobody can aim for one bucket.
 * Borrows the objects.   Thread: its owner's. */
#ifndef ROOMCAST_CORE_ROOM_TABLE_H
#define ROOMCAST_CORE_ROOM_TABLE_H

#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/wire/room_key.h>

/* Embedded in the object. */
struct room_entry {
    struct room_entry *next; /* in its bucket */
    const char *key;         /* as it is stored (wire/room_key.h), in the object; does not change meanwhile */
};

struct room_table {
    struct room_entry **buckets; /* owned */
    uint32_t count;              /* of entries */
    uint32_t size, capacity;     /* of buckets: in use, and allocated */
};

/* ERR_NO_MEMORY. */
enum err room_table_init(struct room_table *table) MUST_CHECK;
/* Accepts a zeroed table. `free_entry` is called for what is left in it; NULL: nothing is. */
void room_table_fini(struct room_table *table, void (*free_entry)(struct room_entry *entry));
/* NULL when there is none. */
struct room_entry *room_table_find(const struct room_table *table, const struct room_key *key);
/* `entry->key` is set, and not in the table. Needs no memory: without it the chains get longer. */
void room_table_add(struct room_table *table, struct room_entry *entry);
/* It is in the table. */
void room_table_remove(struct room_table *table, struct room_entry *entry);

#endif
