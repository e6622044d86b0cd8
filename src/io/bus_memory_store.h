/* Stored events of one shard of the in-process bus: what JetStream keeps for us, in memory. Numbered from 1;
 * the last event of each subject; message ids for a while; a ceiling in bytes, the oldest go first.
 *
 * Owns: copies of everything.   Thread: one at a time.   Never blocks, never calls back. */
#ifndef ROOMCAST_IO_BUS_MEMORY_STORE_H
#define ROOMCAST_IO_BUS_MEMORY_STORE_H

#include <roomcast/base/hash.h>
#include <roomcast/io/bus.h>

#define MEMORY_STORE_IDS_MAX 65536 /* message ids remembered; the oldest go first */

struct memory_event {
    struct memory_event *prev, *next; /* in stored order */
    struct memory_subject *subject;
    uint64_t seq;
    size_t len;
    char data[];
};

struct memory_subject {
    UT_hash_handle hh;
    struct memory_event *last;
    char name[];
};

struct memory_id {
    UT_hash_handle hh; /* uthash keeps the order of insertion */
    uint64_t seq;
    char id[];
};

struct memory_store {
    struct memory_event *events; /* utlist */
    struct memory_subject *subjects;
    struct memory_id *ids;
    size_t bytes, max_bytes; /* of data and subjects */
    uint64_t last_seq;
};

void memory_store_init(struct memory_store *store, size_t max_bytes);
void memory_store_fini(struct memory_store *store);

/* The rules of BUS_STORED, BUS_DUPLICATE, BUS_FENCED; BUS_REFUSED when larger than max_bytes; BUS_UNAVAILABLE
 * without memory. A known id is a duplicate whatever is expected, as on a JetStream server. */
struct bus_store_result memory_store_put(struct memory_store *store, const struct bus_store_request *request);
/* NULL when there is none. Borrowed until the next put. */
const struct memory_event *memory_store_last(const struct memory_store *store, const char *subject);
/* The subject's first event behind sequence `after`; walks the store. */
const struct memory_event *memory_store_next(const struct memory_store *store, const char *subject,
                                             uint64_t after);
/* The event at sequence `seq`, when it is one of this subject; walks the store from its end. */
const struct memory_event *memory_store_at(const struct memory_store *store, const char *subject,
                                           uint64_t seq);

#endif
