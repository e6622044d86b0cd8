/* The relay: reads domain events from Redis and HTTP, numbers them per room, stores them on the bus.
 *
 *   Redis stream --\                              one lane per room,
 *   Redis Pub/Sub --> intake: check, map, seal --> one store in flight each --> bus
 *   HTTP ----------/         \--> dead letters
 *
 * What takes rights away is told to the nodes at once and stored in a stream of its own
 * (src/relay/revoker.h). An event is acknowledged to its source only after the bus has stored it. Order
 * within a room is the order of arrival, through faults too. Of several relays one works, by a lease on the
 * bus, and the others stand by. Memory is bounded: above relay.max_in_flight reading stops. Thread: start and
 * stop on the main thread; the relay has threads of its own. */
#ifndef ROOMCAST_RELAY_RELAY_H
#define ROOMCAST_RELAY_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>
#include <roomcast/config/config.h>
#include <roomcast/io/bus.h>
#include <roomcast/wire/event_map.h>

struct relay;

/* What spans several options: NULL, or what is wrong, naming the keys (static text). For
 * config_request.check. */
const char *relay_check(const struct config *config);

/* What events become: the built-in table, and the configuration's rows over it. For event_map_free(). */
enum err relay_event_map(const struct config *config, struct event_map **ret_map) MUST_CHECK;

struct relay_options {
    const struct config *config; /* borrowed; outlives the relay */
    struct bus *bus;             /* borrowed; outlives the relay */
    struct bus *revocations_bus; /* borrowed; outlives the relay: its prefix is that of
                                    subject_format_revocations(), its stream "<stream.name>_revocations" */
    bool redis_optional;         /* --dev: Redis is used when it answers, and not missed in relay_ready */
};

/* Returns at once; reaches for Redis and the bus in the background, for ever. ERR_IO with `problem` (256
 * bytes) when relay.listen cannot be opened, ERR_CONFIG when redis.url cannot be understood. */
enum err relay_start(const struct relay_options *options, struct relay **ret_relay, char *problem) MUST_CHECK;
/* To be called from the bus's on_event, on any thread. */
void relay_on_bus_event(struct relay *relay, enum bus_event event);
void relay_on_revocations_bus_event(struct relay *relay, enum bus_event event);
/* The same for their on_elected: who waits for a leader need not wait any more. */
void relay_on_elected(struct relay *relay);
void relay_on_revocations_elected(struct relay *relay);
/* True when it can do its work now; otherwise appends what is missing: "redis: connection refused".
 * `ret_standby`, always written: it could work, and waits while another relay does. Any thread. */
bool relay_ready(struct relay *relay, struct buffer *missing, bool *ret_standby);
uint16_t relay_http_port(const struct relay *relay);
/* Stops reading (of Redis Pub/Sub: takes what Redis had sent by then), lets what is in flight finish for at
 * most `timeout_ms`, gives the lease up, ends its threads. Events not stored by then stay unacknowledged in
 * Redis. Accepts NULL, nulls. */
void relay_stop(struct relay **relay, uint64_t timeout_ms);

#endif
