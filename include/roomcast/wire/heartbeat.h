/* roomcast.v1.Heartbeat, as a struct: what a process says of itself to the others (core/membership.h). */
#ifndef ROOMCAST_WIRE_HEARTBEAT_H
#define ROOMCAST_WIRE_HEARTBEAT_H

#include <stdbool.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>

#define HEARTBEAT_VERSION         1
#define HEARTBEAT_MAX_BYTES       4096u /* of an encoded beat */
#define HEARTBEAT_INSTANCE_MAX    96    /* bytes */
#define HEARTBEAT_NAME_MAX        128   /* bytes */
#define HEARTBEAT_ADMIN_MAX       272   /* bytes: a DNS name, a colon and a port fit */
#define HEARTBEAT_RELEASE_MAX     64    /* bytes */
#define HEARTBEAT_INTERVAL_MIN_MS 100u
#define HEARTBEAT_INTERVAL_MAX_MS 60000u
#define HEARTBEAT_COUNT_MAX       1000000000u /* connections, rooms: sums of them over a cluster fit easily */

enum heartbeat_kind { HEARTBEAT_OF_NODE = 1, HEARTBEAT_OF_RELAY };

/* The numbers are those of the protocol. A state that a newer release has added is read as UNKNOWN. */
enum heartbeat_state {
    HEARTBEAT_UNKNOWN,
    HEARTBEAT_STARTING, /* takes no clients yet */
    HEARTBEAT_SERVING,
    HEARTBEAT_CUT_OFF,  /* was without NATS when it wrote this */
    HEARTBEAT_ISOLATED, /* and for so long that it sends its clients away */
    HEARTBEAT_DRAINING,
    HEARTBEAT_LEAVING, /* the last beat of this instance */
};

struct heartbeat {
    char instance[HEARTBEAT_INSTANCE_MAX + 1]; /* plain text, not empty */
    char name[HEARTBEAT_NAME_MAX + 1];         /* plain text; may be empty, as the next two */
    char admin[HEARTBEAT_ADMIN_MAX + 1];       /* graphic ASCII: host:port of the admin listener */
    char release[HEARTBEAT_RELEASE_MAX + 1];   /* graphic ASCII */
    enum heartbeat_kind kind;
    enum heartbeat_state state;
    uint64_t number;      /* 1, 2, 3 ... per instance */
    uint64_t interval_ms; /* HEARTBEAT_INTERVAL_MIN_MS..HEARTBEAT_INTERVAL_MAX_MS */

    uint64_t connections, max_connections, rooms; /* at most HEARTBEAT_COUNT_MAX */
    uint64_t cpu_permille;                        /* since the last beat; 1000: one core was busy */
    uint64_t memory_bytes, uptime_s;

    uint64_t accepted_total, closed_total, events_total, deliveries_total; /* since the start */
    uint64_t shed_total;                                                   /* closed by rebalancing */

    uint64_t queued_bytes;
    uint64_t lagging;                 /* connections that are served by their place in the room */
    uint64_t blocked;                 /* connections that take nothing now */
    uint64_t age_ms_total, age_count; /* of events when they were sent: the sum, and how many */

    bool active;                      /* relay: holds the lease */
    uint64_t in_flight, stored_total; /* relay */
    uint64_t lag_entries, lag_s;      /* relay: of the Redis stream, not acknowledged, and the oldest's age */
    uint64_t dead_total;              /* relay: dead letters written */
};

/* Whether the fields obey the rules above. */
bool heartbeat_is_valid(const struct heartbeat *beat);

/* Appends the encoding. ERR_RANGE when a field breaks the rules above; ERR_TOO_BIG; ERR_NO_MEMORY. */
enum err heartbeat_encode(const struct heartbeat *beat, struct buffer *out) MUST_CHECK;
/* ERR_VERSION: made by a newer release that says old readers must not judge it. ERR_UNKNOWN: of a kind of
 * process that is not known here. Also ERR_SYNTAX, ERR_RANGE, ERR_TOO_BIG and ERR_NO_MEMORY. */
enum err heartbeat_decode(struct slice bytes, struct heartbeat *ret_beat) MUST_CHECK;

#endif
