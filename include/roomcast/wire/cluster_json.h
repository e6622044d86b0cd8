/* GET /cluster of the admin listener: what a node knows of its deployment, as JSON.
 *
 *   {"self":{"instance":"...","name":"...","kind":"node","state":"serving",...},"members":[{...,"age_ms":1200}]}
 *
 * `self` is of this moment, `members` are the last beats of the others. */
#ifndef ROOMCAST_WIRE_CLUSTER_JSON_H
#define ROOMCAST_WIRE_CLUSTER_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/wire/heartbeat.h>

struct cluster_member {
    struct heartbeat beat;
    uint64_t age_ms; /* since it came */
};

/* The numbers of a beat that the JSON holds under their own names. */
#define CLUSTER_JSON_NUMBERS(ROW)                                                                            \
    ROW(number)                                                                                              \
    ROW(interval_ms)                                                                                         \
    ROW(connections)                                                                                         \
    ROW(max_connections)                                                                                     \
    ROW(rooms)                                                                                               \
    ROW(cpu_permille)                                                                                        \
    ROW(memory_bytes)                                                                                        \
    ROW(uptime_s)                                                                                            \
    ROW(accepted_total)                                                                                      \
    ROW(closed_total)                                                                                        \
    ROW(events_total)                                                                                        \
    ROW(deliveries_total)                                                                                    \
    ROW(shed_total)                                                                                          \
    ROW(queued_bytes)                                                                                        \
    ROW(lagging)                                                                                             \
    ROW(blocked)                                                                                             \
    ROW(age_ms_total)                                                                                        \
    ROW(age_count)                                                                                           \
    ROW(in_flight)                                                                                           \
    ROW(stored_total)                                                                                        \
    ROW(lag_entries)                                                                                         \
    ROW(lag_s)                                                                                               \
    ROW(dead_total)

/* "serving", "cut_off", ... */
const char *cluster_json_state(enum heartbeat_state state);
/* Appends the document. */
void cluster_json_write(struct buffer *out, const struct heartbeat *self,
                        const struct cluster_member *members, size_t count);

typedef void cluster_json_visit(void *context, const struct cluster_member *member, bool is_self);

/* Reads such a document: `visit` is called for `self`, whose age is 0, and then for each member. Entries that
 * break the rules of a beat, or are of a kind unknown here, are passed over; members of objects that are not
 * known here too. ERR_SYNTAX when it is no such document. */
enum err cluster_json_read(struct slice text, cluster_json_visit *visit, void *context) MUST_CHECK;

#endif
