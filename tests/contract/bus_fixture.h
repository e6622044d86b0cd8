/* What the bus tests share: a bus of either kind, a place where messages and answers arrive, waiting for them
 * with a deadline. Checks fail the test. */
#ifndef ROOMCAST_TESTS_BUS_FIXTURE_H
#define ROOMCAST_TESTS_BUS_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <nats_process.h>
#include <pthread.h>

#include <roomcast/io/bus.h>

#define WAIT_MS 20000

enum adapter { ADAPTER_MEMORY, ADAPTER_NATS };

/* --- a count that threads raise and a test waits for --- */

struct counter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t value;
};
#define COUNTER_INIT                                                                                         \
    {                                                                                                        \
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                               \
    }
void counter_add(struct counter *counter, size_t by);
size_t counter_get(struct counter *counter);
/* Until it is at least `value`; false after WAIT_MS. */
bool counter_reaches(struct counter *counter, size_t value);

/* --- a box that keeps copies of what it receives --- */

struct letter {
    char *subject, *data;
    size_t len;
    uint64_t stream_seq;
};
struct box {
    struct counter count;
    struct letter *letters; /* under count.lock */
    size_t cap;
    struct counter released;
};
void box_init(struct box *box);
void box_fini(struct box *box);
/* bus_receive, bus_unsubscribe's released; `context` is the box. */
void box_receive(void *context, struct bus_message *message);
void box_released(void *context);
/* Waits for it. Borrowed until box_fini. */
struct letter box_letter(struct box *box, size_t index);
struct bus_subscription *box_subscribe(struct box *box, struct bus *bus, const char *subject);
/* Unsubscribes and waits for the release. */
void box_leave(struct box *box, struct bus *bus, struct bus_subscription **subscription);

/* --- a world: server and bus --- */

struct world {
    enum adapter adapter;
    unsigned shards;          /* 0: one */
    bool send_at_once;        /* ADAPTER_NATS: bus_nats_options */
    struct nats_process nats; /* ADAPTER_NATS */
    struct bus *bus;
    char prefix[24], stream[24];
    struct counter ups, downs;
    struct counter elections[BUS_SHARDS_MAX];
    /* For tests that may fail while the bus still means to call back: here what it calls back into outlives
     * it, on the test's stack it would not. */
    struct box box;
    struct counter answers;
};
struct bus_callbacks world_callbacks(struct world *world);
/* The bus `world->bus`; does not wait. `url` NULL: the server's. */
void world_connect(struct world *world, const char *url);
/* ADAPTER_NATS: waits for it to be up and makes the stream. */
void world_ready(struct world *world);
/* "<prefix>.<kind>.<name>", in one of a few static buffers of this thread. */
const char *subject_of(struct world *world, const char *kind, const char *name);
/* "<name>-<n>", the first that lies in the same shard as `name`; as above. */
const char *name_beside(struct world *world, const char *name);
/* The same that lies in `shard`. */
const char *name_in(struct world *world, const char *name, unsigned shard);
extern const struct bus_stream_options stream_options;
/* What the stream keeps at most, of either adapter. */
#define WORLD_MAX_BYTES (4u << 20)

/* --- calls that wait for their answer, and check that it came once and from another thread --- */

struct bus_store_result store_now(struct world *world, const char *name, const char *id, uint64_t expect_last,
                                  const char *data);
struct bus_store_result store_request_now(struct bus *bus, const struct bus_store_request *request);
/* Stores and fails the test unless stored. */
uint64_t store_good(struct world *world, const char *name, const char *id, uint64_t expect_last,
                    const char *data);

struct last_copy {
    enum bus_last_status status;
    uint64_t stream_seq;
    char data[256];
    size_t len;
    struct bus_extent extent;
    bool is_no_stream;
};
struct last_copy extent_now(struct world *world, unsigned shard);
struct last_copy last_now(struct world *world, const char *name);
struct last_copy next_now(struct world *world, const char *name, uint64_t after);
struct last_copy read_now(struct world *world, const char *name, uint64_t stream_seq, enum bus_copy copy);

#endif
