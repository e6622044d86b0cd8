/* The hub over the in-process bus, with the test in the place of two workers. */
#ifndef ROOMCAST_TESTS_HUB_FIXTURE_H
#define ROOMCAST_TESTS_HUB_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/random.h>
#include <roomcast/wire/envelope.h>
#include <roomcast/wire/subject.h>

#include "hub.h"

#define WORKERS 2
#define SOON_MS 20000 /* long past what a busy machine needs */

struct fake_worker {
    struct hub_outlet outlet;
    pthread_mutex_t lock;
    pthread_cond_t came;
    struct hub_output *first; /* taken and not looked at yet */
};

static struct {
    struct config config;
    struct bus *bus;
    struct bus *hub_bus; /* the same, or what stands before it: owned */
    struct hub *hub;
    atomic_uint bus_changes, deflating;
    _Atomic bus_shard_set elected;
    struct fake_worker workers[WORKERS];
    uint64_t last_seq[256]; /* stream sequence of each test room's last event */
} world;

static inline void on_wake(void *context)
{
    struct fake_worker *worker = context;
    pthread_mutex_lock(&worker->lock);
    pthread_cond_signal(&worker->came);
    pthread_mutex_unlock(&worker->lock);
}

static inline void on_bus_event(void *context, enum bus_event event)
{
    (void)context;
    (void)event;
}

/* `adjust` and `wrap` may be NULL. */
static inline int start_behind(void (*adjust)(struct config *config), struct bus *(*wrap)(struct bus *bus))
{
    memset(&world, 0, sizeof world);
    world.config = (struct config){.nats_prefix = (char *)"test",
                                   .node_name = (char *)"node-a",
                                   .rooms_linger_ms = 60,
                                   .rooms_join_timeout_ms = 3000,
                                   .presence_max_members = 100,
                                   .websocket_compression = 6,
                                   .websocket_compress_min_bytes = 100,
                                   .limits_typing_ms = 60000,
                                   .rooms_verify_s = 30,
                                   .rooms_repair_s = 30,
                                   .cluster_heartbeat_ms = 1000,
                                   .resume_max_events = 1000,
                                   .resume_max_bytes = 1024 * 1024,
                                   .resume_cache_bytes = 4 * 1024 * 1024};
    if (adjust)
        adjust(&world.config);
    struct bus_memory_options bus_options = {
        .prefix = "test", .max_bytes = 1024 * 1024, .shards = (unsigned)world.config.stream_shards};
    struct bus_callbacks callbacks = {.on_event = on_bus_event};
    struct hub_outlet *outlets[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        struct fake_worker *worker = &world.workers[i];
        pthread_mutex_init(&worker->lock, NULL);
        pthread_cond_init(&worker->came, NULL);
        inbox_init(&worker->outlet.inbox, on_wake, worker);
        outlets[i] = &worker->outlet;
    }
    if (bus_memory_new(&bus_options, &callbacks, &world.bus) != ERR_OK)
        return 1;
    world.hub_bus = wrap ? wrap(world.bus) : world.bus;
    if (!world.hub_bus)
        return 1;
    struct hub_options options = {.config = &world.config,
                                  .instance = "node-a.itself",
                                  .bus = world.hub_bus,
                                  .bus_changes = &world.bus_changes,
                                  .elected = &world.elected,
                                  .deflating = &world.deflating,
                                  .workers = outlets,
                                  .workers_count = WORKERS};
    return hub_start(&options, &world.hub) == ERR_OK ? 0 : 1;
}

static inline int start_with(void (*adjust)(struct config *config))
{
    return start_behind(adjust, NULL);
}

static inline int start(void **state)
{
    (void)state;
    return start_with(NULL);
}

static inline void free_output(struct hub_output *output)
{
    if (output->kind == HUB_OUTPUT_ANSWER) {
        struct hub_request *request = (struct hub_request *)output;
        hub_request_free(&request);
    } else {
        struct hub_frame *frame = (struct hub_frame *)output;
        frame_unref(&frame->frame);
        free(frame);
    }
}

static inline void free_workers(void)
{
    for (int i = 0; i < WORKERS; i++) {
        struct inbox_item *lists[2] = {world.workers[i].first ? &world.workers[i].first->item : NULL,
                                       inbox_take(&world.workers[i].outlet.inbox)};
        for (int l = 0; l < 2; l++) {
            while (lists[l]) {
                struct inbox_item *next = lists[l]->next;
                free_output((struct hub_output *)lists[l]);
                lists[l] = next;
            }
        }
        inbox_fini(&world.workers[i].outlet.inbox);
    }
}

static inline int stop(void **state)
{
    (void)state;
    hub_stop(world.hub);
    bus_free(&world.hub_bus);
    hub_free(&world.hub);
    free_workers();
    return 0;
}

/* The worker's next output, or NULL when none comes in `timeout_ms`. */
static inline struct hub_output *next_output(unsigned index, unsigned timeout_ms)
{
    struct fake_worker *worker = &world.workers[index];
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += timeout_ms / 1000;
    deadline.tv_nsec += (timeout_ms % 1000) * 1000000L;
    if (deadline.tv_nsec >= 1000000000L) {
        deadline.tv_sec++;
        deadline.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&worker->lock);
    int waited = 0;
    while (!worker->first && !(worker->first = (struct hub_output *)inbox_take(&worker->outlet.inbox)) &&
           waited == 0)
        waited = pthread_cond_timedwait(&worker->came, &worker->lock, &deadline);
    pthread_mutex_unlock(&worker->lock);
    struct hub_output *output = worker->first;
    if (output)
        worker->first = (struct hub_output *)output->item.next;
    return output;
}

static inline struct room_key chat(unsigned number)
{
    struct room_key key;
    struct uuid uuid = {{0}};
    uuid.bytes[15] = (unsigned char)number;
    room_key_for_chat(&uuid, &key);
    return key;
}

static inline struct room_key user(const char *name)
{
    struct room_key key;
    assert_int_equal(room_key_for_user(slice_of(name), &key), ERR_OK);
    return key;
}

static inline void ask(enum hub_request_kind kind, unsigned worker, unsigned room, const char *name,
                       bool flag)
{
    struct room_key room_key = chat(room), user_key = user(name);
    struct hub_request *request = hub_request_new(kind, worker, &room_key, &user_key);
    assert_non_null(request);
    request->flag = flag;
    hub_ask(world.hub, request);
}

/* Presence frames that come before it are skipped. */
static inline struct hub_request *next_answer(unsigned worker)
{
    for (;;) {
        struct hub_output *output = next_output(worker, SOON_MS);
        assert_non_null(output);
        if (output->kind == HUB_OUTPUT_ANSWER)
            return (struct hub_request *)output;
        assert_int_equal(((struct hub_frame *)output)->what, HUB_SIGNAL);
        free_output(output);
    }
}

/* Joins and returns the answered position. */
static inline struct position join(unsigned worker, unsigned room, const char *name)
{
    ask(HUB_JOIN, worker, room, name, false);
    struct hub_request *answer = next_answer(worker);
    assert_int_equal(answer->status, ERR_OK);
    struct position position = answer->position;
    hub_request_free(&answer);
    return position;
}

static struct {
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
    uint64_t stream_seq;
} stored = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

static inline void on_stored(void *context, const struct bus_store_result *result)
{
    (void)context;
    assert_int_equal(result->status, BUS_STORED);
    pthread_mutex_lock(&stored.lock);
    stored.is_done = true;
    stored.stream_seq = result->stream_seq;
    pthread_cond_signal(&stored.done);
    pthread_mutex_unlock(&stored.lock);
}

static inline void publish(unsigned room, uint64_t seq)
{
    char id[32], subject[SUBJECT_SIZE];
    snprintf(id, sizeof id, "%u-%llu", room, (unsigned long long)seq);
    struct envelope envelope = {.room = chat(room),
                                .position = {.epoch = "e1", .seq = seq},
                                .event_id = slice_of(id),
                                .client_type = SLICE_LITERAL("chat.message.posted"),
                                .event_type = SLICE_LITERAL("message.created"),
                                .payload = SLICE_LITERAL("{\"n\":1}")};
    struct buffer bytes;
    buffer_init(&bytes, 4096);
    assert_int_equal(envelope_encode(&envelope, &bytes), ERR_OK);
    subject_format("test", SUBJECT_EVENT, &envelope.room, subject);
    struct bus_store_request request = {.subject = subject,
                                        .message_id = id,
                                        .expect_last = world.last_seq[room],
                                        .data = buffer_slice(&bytes),
                                        .timeout_ms = 1000};
    stored.is_done = false;
    bus_store(world.bus, &request, on_stored, NULL);
    pthread_mutex_lock(&stored.lock);
    while (!stored.is_done)
        pthread_cond_wait(&stored.done, &stored.lock);
    pthread_mutex_unlock(&stored.lock);
    world.last_seq[room] = stored.stream_seq;
    buffer_fini(&bytes);
}

/* The worker's next event, presence left aside: was it also made compressed? */
static inline bool next_event_is_deflated(unsigned worker)
{
    for (;;) {
        struct hub_output *output = next_output(worker, SOON_MS);
        assert_non_null(output);
        assert_int_equal(output->kind, HUB_OUTPUT_FRAME);
        const struct hub_frame *frame = (struct hub_frame *)output;
        bool is_event = frame->what == HUB_EVENT, is_deflated = frame->frame->deflated != NULL;
        free_output(output);
        if (is_event)
            return is_deflated;
    }
}

/* The worker's next event, presence left aside. */
static inline void expect_event(unsigned worker, uint64_t seq, bool has_frame)
{
    for (;;) {
        struct hub_output *output = next_output(worker, SOON_MS);
        assert_non_null(output);
        assert_int_equal(output->kind, HUB_OUTPUT_FRAME);
        struct hub_frame frame = *(struct hub_frame *)output;
        bool is_event = frame.what == HUB_EVENT, is_there = frame.frame != NULL;
        free_output(output);
        if (!is_event)
            continue;
        assert_int_equal(frame.position.seq, seq);
        assert_int_equal(is_there, has_frame);
        return;
    }
}

/* The next frame for the worker whose text holds `text`; others are skipped. */
static inline void expect_frame(unsigned worker, const char *text)
{
    for (;;) {
        struct hub_output *output = next_output(worker, SOON_MS);
        assert_non_null(output);
        bool found = false;
        if (output->kind == HUB_OUTPUT_FRAME) {
            struct slice payload = frame_payload(((struct hub_frame *)output)->frame);
            found = memmem(payload.data, payload.len, text, strlen(text)) != NULL;
        }
        free_output(output);
        if (found)
            return;
    }
}

#endif
