/* A relay over an in-process bus and, when wanted, a real redis-server; and everything that it stores, as a
 * node would hear it. */
#ifndef ROOMCAST_TESTS_RELAY_FIXTURE_H
#define ROOMCAST_TESTS_RELAY_FIXTURE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/config/config.h>
#include <roomcast/io/bus.h>
#include <roomcast/relay/relay.h>
#include <roomcast/wire/position.h>

#include "redis_process.h"

#define FIXTURE_KEY   "test-key"
#define FIXTURE_ROOMS 64
#define FIXTURE_WAIT  30000 /* ms, for anything that has to happen */

struct heard {
    unsigned room;
    struct position position;
    char id[129];
    char source[257];
    char client_type[129];
    char *payload; /* owned */
};

struct relay_fixture {
    struct redis_process redis;
    bool has_redis;
    struct config *config;
    struct bus *bus, *revocations_bus; /* faulty_buses */
    struct relay *relay;
    struct bus_subscription *subscriptions[FIXTURE_ROOMS];
    pthread_mutex_t lock;
    pthread_cond_t cond;
    struct heard *heard; /* under lock */
    size_t heard_count, heard_cap;
};

/* `settings`: NAME=value of ROOMCAST_ variables on top of the fixture's own, up to NULL; NULL for none. */
void fixture_start(struct relay_fixture *fixture, bool with_redis, const char *const *settings);
void fixture_stop(struct relay_fixture *fixture);
/* Ends and starts the relay; bus and Redis stay. */
void fixture_stop_relay(struct relay_fixture *fixture, uint64_t timeout_ms);
void fixture_start_relay(struct relay_fixture *fixture);

/* The id of chat `room`. */
const char *room_id(unsigned room);
/* {"id":...,"event_type":"message.created","payload":<payload with chat_id>} ; the caller frees. `id` NULL:
 * none. */
char *make_event(const char *id, unsigned room, const char *content);
void add_event(const struct relay_fixture *fixture, const char *id, unsigned room, const char *content);

/* Fail the test when it does not come to that in time. */
void wait_heard(struct relay_fixture *fixture, size_t count);
size_t wait_heard_least(struct relay_fixture *fixture, size_t count);
void wait_acknowledged(const struct relay_fixture *fixture);
void wait_dead(const struct relay_fixture *fixture, long long count);
void wait_ready(const struct relay_fixture *fixture);
/* Every room's events: contiguous from 1, in one epoch, no id twice. */
void assert_heard_in_order(struct relay_fixture *fixture);

/* Status code; *ret_reply is the whole reply and is freed by the caller (may be NULL). */
int http(const struct relay_fixture *fixture, const char *method, const char *path, const char *key,
         const char *body, char **ret_reply);

/* True until `deadline`; sleeps a little. */
bool not_yet(uint64_t deadline_ms);

#endif
