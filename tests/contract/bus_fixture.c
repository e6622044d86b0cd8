#include "bus_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const struct bus_stream_options stream_options = {
    .replicas = 1, .max_age_s = 3600, .max_bytes = WORLD_MAX_BYTES, .max_per_subject = 1000, .dedup_s = 120};

/* --- counters --- */

void counter_add(struct counter *counter, size_t by)
{
    pthread_mutex_lock(&counter->lock);
    counter->value += by;
    pthread_cond_broadcast(&counter->changed);
    pthread_mutex_unlock(&counter->lock);
}

size_t counter_get(struct counter *counter)
{
    pthread_mutex_lock(&counter->lock);
    size_t value = counter->value;
    pthread_mutex_unlock(&counter->lock);
    return value;
}

bool counter_reaches(struct counter *counter, size_t value)
{
    struct timespec until;
    int waited = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    pthread_mutex_lock(&counter->lock);
    while (counter->value < value && waited == 0)
        waited = pthread_cond_timedwait(&counter->changed, &counter->lock, &until);
    bool reached = counter->value >= value;
    pthread_mutex_unlock(&counter->lock);
    return reached;
}

static void counter_init(struct counter *counter)
{
    *counter = (struct counter)COUNTER_INIT;
}

/* --- boxes --- */

void box_init(struct box *box)
{
    *box = (struct box){.letters = NULL};
    counter_init(&box->count);
    counter_init(&box->released);
}

void box_fini(struct box *box)
{
    for (size_t i = 0; i < box->count.value; i++) {
        free(box->letters[i].subject);
        free(box->letters[i].data);
    }
    free(box->letters);
}

static char *copy(struct slice slice)
{
    char *text = malloc(slice.len + 1);

    if (!text)
        abort();
    if (slice.len)
        memcpy(text, slice.data, slice.len);
    text[slice.len] = '\0';
    return text;
}

void box_receive(void *context, struct bus_message *message)
{
    struct box *box = context;
    struct letter letter = {.subject = copy(message->subject),
                            .data = copy(message->data),
                            .len = message->data.len,
                            .stream_seq = message->stream_seq};

    if (message->context != context)
        abort();
    bus_message_free(&message);
    pthread_mutex_lock(&box->count.lock);
    if (box->count.value == box->cap) {
        box->cap = box->cap ? box->cap * 2 : 16;
        box->letters = realloc(box->letters, box->cap * sizeof *box->letters);
        if (!box->letters)
            abort();
    }
    box->letters[box->count.value++] = letter;
    pthread_cond_broadcast(&box->count.changed);
    pthread_mutex_unlock(&box->count.lock);
}

void box_released(void *context)
{
    counter_add(&((struct box *)context)->released, 1);
}

struct letter box_letter(struct box *box, size_t index)
{
    if (!counter_reaches(&box->count, index + 1))
        fail_msg("message %zu does not come", index);
    pthread_mutex_lock(&box->count.lock);
    struct letter letter = box->letters[index];
    pthread_mutex_unlock(&box->count.lock);
    return letter;
}

struct bus_subscription *box_subscribe(struct box *box, struct bus *bus, const char *subject)
{
    struct bus_subscription *subscription = NULL;

    assert_int_equal(bus_subscribe(bus, subject, box_receive, box, &subscription), ERR_OK);
    return subscription;
}

void box_leave(struct box *box, struct bus *bus, struct bus_subscription **subscription)
{
    size_t before = counter_get(&box->released);

    bus_unsubscribe(bus, subscription, box_released);
    assert_null(*subscription);
    assert_true(counter_reaches(&box->released, before + 1));
}

/* --- worlds --- */

static void on_event(void *context, enum bus_event event)
{
    struct world *world = context;

    if (event == BUS_EVENT_UP)
        counter_add(&world->ups, 1);
    if (event == BUS_EVENT_DOWN)
        counter_add(&world->downs, 1);
}

static void on_elected(void *context, const struct bus *bus, bus_shard_set shards)
{
    struct world *world = context;

    assert_ptr_equal(bus, world->bus);
    for (unsigned shard = 0; shard < BUS_SHARDS_MAX; shard++)
        if (shards >> shard & 1)
            counter_add(&world->elections[shard], 1);
}

struct bus_callbacks world_callbacks(struct world *world)
{
    return (struct bus_callbacks){.on_event = on_event, .context = world, .on_elected = on_elected};
}

void world_connect(struct world *world, const char *url)
{
    static unsigned number;
    struct bus_callbacks callbacks = world_callbacks(world);
    char own[128], problem[256];

    if (!world->prefix[0]) {
        number++;
        snprintf(world->prefix, sizeof world->prefix, "t%u", number);
        snprintf(world->stream, sizeof world->stream, "stream_%u", number);
    }
    counter_init(&world->ups);
    counter_init(&world->downs);
    for (unsigned shard = 0; shard < BUS_SHARDS_MAX; shard++)
        counter_init(&world->elections[shard]);
    if (world->adapter == ADAPTER_MEMORY) {
        struct bus_memory_options options = {
            .prefix = world->prefix, .max_bytes = WORLD_MAX_BYTES, .shards = world->shards};
        assert_int_equal(bus_memory_new(&options, &callbacks, &world->bus), ERR_OK);
        return;
    }
    if (!url)
        nats_process_url(&world->nats, "nats", own);
    const char *urls[] = {url ? url : own};
    struct bus_nats_options options = {.urls = urls,
                                       .urls_count = 1,
                                       .name = "test",
                                       .prefix = world->prefix,
                                       .stream = world->stream,
                                       .shards = world->shards,
                                       .send_at_once = world->send_at_once};
    assert_int_equal(bus_nats_new(&options, &callbacks, &world->bus, problem), ERR_OK);
}

void world_ready(struct world *world)
{
    char problem[256] = "";

    assert_true(counter_reaches(&world->ups, 1));
    assert_true(bus_is_up(world->bus));
    if (bus_ensure_stream(world->bus, &stream_options, problem) != ERR_OK)
        fail_msg("no stream: %s", problem);
}

const char *subject_of(struct world *world, const char *kind, const char *name)
{
    static _Thread_local char texts[4][96];
    static _Thread_local unsigned next;
    char *text = texts[next++ % 4];

    snprintf(text, sizeof texts[0], "%s.%s.%s", world->prefix, kind, name);
    return text;
}

const char *name_in(struct world *world, const char *name, unsigned shard)
{
    static _Thread_local char texts[4][48];
    static _Thread_local unsigned next;
    char *text = texts[next++ % 4];
    unsigned n = 0;

    do
        snprintf(text, sizeof texts[0], "%s-%u", name, n++);
    while (bus_shard(world->bus, subject_of(world, "ev", text)) != shard);
    return text;
}

const char *name_beside(struct world *world, const char *name)
{
    return name_in(world, name, bus_shard(world->bus, subject_of(world, "ev", name)));
}

/* --- calls --- */

struct waiting {
    struct counter answers;
    pthread_t caller;
    struct bus_store_result stored;
    struct last_copy last;
};

static void on_stored(void *context, const struct bus_store_result *result)
{
    struct waiting *waiting = context;

    if (pthread_equal(waiting->caller, pthread_self()) || !result->problem)
        abort();
    waiting->stored = *result;
    waiting->stored.problem = NULL;
    counter_add(&waiting->answers, 1);
}

struct bus_store_result store_request_now(struct bus *bus, const struct bus_store_request *request)
{
    struct waiting waiting = {.answers = COUNTER_INIT, .caller = pthread_self()};

    bus_store(bus, request, on_stored, &waiting);
    assert_true(counter_reaches(&waiting.answers, 1));
    return waiting.stored;
}

struct bus_store_result store_now(struct world *world, const char *name, const char *id, uint64_t expect_last,
                                  const char *data)
{
    struct bus_store_request request = {.subject = subject_of(world, "ev", name),
                                        .message_id = id,
                                        .expect_last = expect_last,
                                        .data = slice_of(data),
                                        .timeout_ms = 5000};

    return store_request_now(world->bus, &request);
}

uint64_t store_good(struct world *world, const char *name, const char *id, uint64_t expect_last,
                    const char *data)
{
    struct bus_store_result result = store_now(world, name, id, expect_last, data);

    assert_int_equal(result.status, BUS_STORED);
    assert_true(result.stream_seq > 0);
    return result.stream_seq;
}

static void on_last(void *context, const struct bus_last_result *result)
{
    struct waiting *waiting = context;

    if (pthread_equal(waiting->caller, pthread_self()) || result->data.len > sizeof waiting->last.data)
        abort();
    waiting->last = (struct last_copy){.status = result->status,
                                       .stream_seq = result->stream_seq,
                                       .len = result->data.len,
                                       .extent = result->extent,
                                       .is_no_stream = result->is_no_stream};
    if (result->data.len)
        memcpy(waiting->last.data, result->data.data, result->data.len);
    counter_add(&waiting->answers, 1);
}

struct last_copy last_now(struct world *world, const char *name)
{
    struct waiting waiting = {.answers = COUNTER_INIT, .caller = pthread_self()};

    bus_last(world->bus, subject_of(world, "ev", name), 5000, on_last, &waiting);
    assert_true(counter_reaches(&waiting.answers, 1));
    return waiting.last;
}

struct last_copy next_now(struct world *world, const char *name, uint64_t after)
{
    struct waiting waiting = {.answers = COUNTER_INIT, .caller = pthread_self()};

    bus_next(world->bus, subject_of(world, "ev", name), after, 5000, on_last, &waiting);
    assert_true(counter_reaches(&waiting.answers, 1));
    return waiting.last;
}

struct last_copy read_now(struct world *world, const char *name, uint64_t stream_seq, enum bus_copy copy)
{
    struct waiting waiting = {.answers = COUNTER_INIT, .caller = pthread_self()};

    bus_read(world->bus, subject_of(world, "ev", name), stream_seq, copy, 5000, on_last, &waiting);
    assert_true(counter_reaches(&waiting.answers, 1));
    return waiting.last;
}

struct last_copy extent_now(struct world *world, unsigned shard)
{
    struct waiting waiting = {.answers = COUNTER_INIT, .caller = pthread_self()};

    bus_ask_extent(world->bus, shard, 5000, on_last, &waiting);
    assert_true(counter_reaches(&waiting.answers, 1));
    return waiting.last;
}
