#include <stdio.h>
#include <string.h>

#include "bus_contract.h"

static const enum bus_copy copies[] = {BUS_ANY_COPY, BUS_LEADER_COPY};

static void assert_read(struct world *world, const char *name, uint64_t seq, const void *data, size_t len)
{
    for (size_t i = 0; i < 2; i++) {
        struct last_copy read = read_now(world, name, seq, copies[i]);
        assert_int_equal(read.status, BUS_LAST_FOUND);
        assert_int_equal(read.stream_seq, seq);
        assert_int_equal(read.len, len);
        assert_memory_equal(read.data, data, len);
    }
}

static void assert_not_there(struct world *world, const char *name, uint64_t seq)
{
    for (size_t i = 0; i < 2; i++) {
        struct last_copy read = read_now(world, name, seq, copies[i]);
        assert_int_equal(read.status, BUS_LAST_NONE);
        assert_int_equal(read.stream_seq, 0);
        assert_int_equal(read.len, 0);
    }
}

void each_sequence_is_read_where_it_is_stored(void **state)
{
    struct world *world = *state;
    uint64_t seqs[10], expect = 0;
    char text[24], other[24];

    for (unsigned i = 0; i < 10; i++) {
        snprintf(text, sizeof text, "read-%u", i);
        snprintf(other, sizeof other, "chat.between-%u", i);
        expect = seqs[i] = store_good(world, "chat.read", text, expect, text);
        store_good(world, other, other, 0, "between");
    }
    for (unsigned i = 0; i < 10; i++) {
        snprintf(text, sizeof text, "read-%u", i);
        assert_read(world, "chat.read", seqs[i], text, strlen(text));
    }
}

/* With several servers any copy may answer "none" here. */
void one_server_reads_at_once_what_it_acknowledged(void **state)
{
    struct world *world = *state;
    uint64_t expect = 0;
    char text[24];

    for (unsigned i = 0; i < 200; i++) {
        snprintf(text, sizeof text, "at-once-%u", i);
        expect = store_good(world, "chat.at-once", text, expect, text);
        struct last_copy read = read_now(world, "chat.at-once", expect, BUS_ANY_COPY);
        assert_int_equal(read.status, BUS_LAST_FOUND);
        assert_memory_equal(read.data, text, strlen(text));
    }
}

void a_sequence_of_another_subject_is_none(void **state)
{
    struct world *world = *state;
    uint64_t ours = store_good(world, "chat.ours", "ours", 0, "ours");
    const char *other = name_beside(world, "chat.ours");
    uint64_t theirs = store_good(world, other, "theirs", 0, "theirs");

    assert_not_there(world, "chat.ours", theirs);
    assert_not_there(world, other, ours);
    assert_not_there(world, "chat.our", ours);
    assert_not_there(world, "chat.ours.1", ours);
    assert_read(world, "chat.ours", ours, "ours", 4);
}

void a_sequence_that_is_not_stored_yet_is_none(void **state)
{
    struct world *world = *state;

    assert_not_there(world, "chat.yet", 1);
    uint64_t last = store_good(world, "chat.yet", "yet-1", 0, "one");
    assert_not_there(world, "chat.yet", last + 1);
    assert_not_there(world, "chat.yet", INT64_MAX);
    assert_not_there(world, "chat.yet", (uint64_t)INT64_MAX + 1);
    assert_not_there(world, "chat.yet", UINT64_MAX);
    assert_int_equal(store_good(world, "chat.yet", "yet-2", last, "two"), last + 1);
    assert_read(world, "chat.yet", last + 1, "two", 3);
}

void a_sequence_that_was_trimmed_away_is_none(void **state)
{
    enum { LARGE = 256 * 1024 };
    static char large[LARGE];
    struct world *world = *state;
    uint64_t first = store_good(world, "chat.trim", "trim", 0, "trimmed"), expect = 0;
    const char *other = name_beside(world, "chat.trim");
    char id[24];

    assert_read(world, "chat.trim", first, "trimmed", 7);
    for (size_t i = 0; i <= WORLD_MAX_BYTES / LARGE; i++) {
        snprintf(id, sizeof id, "large-%zu", i);
        struct bus_store_request request = {.subject = subject_of(world, "ev", other),
                                            .message_id = id,
                                            .expect_last = expect,
                                            .data = {large, LARGE},
                                            .timeout_ms = 5000};
        struct bus_store_result result = store_request_now(world->bus, &request);
        assert_int_equal(result.status, BUS_STORED);
        expect = result.stream_seq;
    }
    assert_not_there(world, "chat.trim", first);
    assert_int_equal(last_now(world, "chat.trim").status, BUS_LAST_NONE);
}

void bytes_are_read_unchanged(void **state)
{
    static const size_t lengths[] = {256, 0, 1, 2, 3};
    struct world *world = *state;
    unsigned char bytes[256];
    uint64_t expect = 0;

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char id[24];
        snprintf(id, sizeof id, "read-bytes-%zu", i);
        struct bus_store_request request = {.subject = subject_of(world, "ev", "chat.bytes"),
                                            .message_id = id,
                                            .expect_last = expect,
                                            .data = {(const char *)bytes, lengths[i]},
                                            .timeout_ms = 5000};
        struct bus_store_result result = store_request_now(world->bus, &request);
        assert_int_equal(result.status, BUS_STORED);
        expect = result.stream_seq;
        assert_read(world, "chat.bytes", expect, bytes, lengths[i]);
    }
}

/* --- many at once --- */

#define READERS 4
#define READS   125

struct reading {
    struct counter *all;
    uint64_t seq;
    char text[24];
    unsigned answers; /* bus thread only, until the bus is freed */
    bool right;
};

struct reader {
    struct world *world;
    struct reading readings[READS];
    pthread_t thread;
};

static void on_reading(void *context, const struct bus_last_result *result)
{
    struct reading *reading = context;

    reading->answers++;
    reading->right = result->status == BUS_LAST_FOUND && result->stream_seq == reading->seq &&
                     result->data.len == strlen(reading->text) &&
                     memcmp(result->data.data, reading->text, result->data.len) == 0;
    counter_add(reading->all, 1);
}

static void *start_readings(void *arg)
{
    struct reader *reader = arg;

    for (unsigned i = 0; i < READS; i++)
        bus_read(reader->world->bus, subject_of(reader->world, "ev", "chat.many"), reader->readings[i].seq,
                 copies[i % 2], 10000, on_reading, &reader->readings[i]);
    return NULL;
}

void five_hundred_reads_of_four_threads_are_answered_once_each(void **state)
{
    static struct reader readers[READERS];
    struct counter all = COUNTER_INIT;
    struct world *world = *state;
    uint64_t expect = 0;

    for (unsigned i = 0; i < READERS * READS; i++) {
        struct reading *reading = &readers[i / READS].readings[i % READS];
        *reading = (struct reading){.all = &all};
        snprintf(reading->text, sizeof reading->text, "many-%u", i);
        expect = reading->seq = store_good(world, "chat.many", reading->text, expect, reading->text);
    }
    for (unsigned i = 0; i < READERS; i++) {
        readers[i].world = world;
        assert_int_equal(pthread_create(&readers[i].thread, NULL, start_readings, &readers[i]), 0);
    }
    for (unsigned i = 0; i < READERS; i++)
        pthread_join(readers[i].thread, NULL);
    assert_true(counter_reaches(&all, READERS * READS));
    bus_free(&world->bus); /* no answer comes after it */
    for (unsigned i = 0; i < READERS * READS; i++) {
        assert_int_equal(readers[i / READS].readings[i % READS].answers, 1);
        assert_true(readers[i / READS].readings[i % READS].right);
    }
}

static void count_read(void *context, const struct bus_last_result *result)
{
    (void)result;
    counter_add(context, 1);
}

void closing_answers_each_read_once(void **state)
{
    enum { READINGS = 400 };
    static struct counter answers[READINGS];
    struct world *world = *state;

    store_good(world, "chat.closing", "closing", 0, "x");
    for (unsigned i = 0; i < READINGS; i++) {
        answers[i] = (struct counter)COUNTER_INIT;
        bus_read(world->bus, subject_of(world, "ev", "chat.closing"), 1 + i % 3, copies[i % 2], 5000,
                 count_read, &answers[i]);
    }
    bus_free(&world->bus);
    for (unsigned i = 0; i < READINGS; i++)
        assert_int_equal(counter_get(&answers[i]), 1);
}

void the_extent_grows_with_what_is_stored_and_starts_where_the_stream_does(void **state)
{
    struct world *world = *state;
    unsigned shard = bus_shard(world->bus, subject_of(world, "ev", "chat.extent"));
    struct last_copy before = extent_now(world, shard);

    assert_int_equal(before.status, BUS_LAST_FOUND);
    assert_int_equal(before.extent.last_seq, 0);
    assert_true(before.extent.has_quorum);
    assert_true(before.extent.created_s > 1700000000);
    uint64_t first = store_good(world, "chat.extent", "extent-1", 0, "one");
    uint64_t second = store_good(world, "chat.extent", "extent-2", first, "two");
    struct last_copy after = extent_now(world, shard);
    assert_int_equal(after.status, BUS_LAST_FOUND);
    assert_int_equal(after.extent.first_seq, first);
    assert_int_equal(after.extent.last_seq, second);
    assert_int_equal(after.extent.created_s, before.extent.created_s);
}

void the_extent_tells_what_was_trimmed_away(void **state)
{
    struct world *world = *state;
    static char large[200000];
    uint64_t last = 0;

    memset(large, 'x', sizeof large - 1);
    for (unsigned i = 0; i < 30; i++) {
        char id[24];
        snprintf(id, sizeof id, "trim-%u", i);
        last = store_good(world, "chat.trim", id, last, large);
    }
    struct last_copy extent = extent_now(world, bus_shard(world->bus, subject_of(world, "ev", "chat.trim")));
    assert_int_equal(extent.status, BUS_LAST_FOUND);
    assert_true(extent.extent.first_seq > 1 && extent.extent.first_seq < last);
    assert_int_equal(extent.extent.last_seq, last);
}

/* --- several streams --- */

void each_shard_numbers_what_it_holds_by_itself(void **state)
{
    struct world *world = *state;
    unsigned count = bus_shards_count(world->bus);

    for (unsigned shard = 0; shard < count; shard++) {
        char id[24], text[24];
        const char *name = name_in(world, "chat.number", shard);
        snprintf(id, sizeof id, "number-%u", shard);
        snprintf(text, sizeof text, "in %u", shard);
        assert_int_equal(store_good(world, name, id, 0, text), 1);
    }
    for (unsigned shard = 0; shard < count; shard++) {
        char text[24];
        const char *name = name_in(world, "chat.number", shard);
        snprintf(text, sizeof text, "in %u", shard);
        assert_read(world, name, 1, text, strlen(text));
        assert_int_equal(last_now(world, name).stream_seq, 1);
        assert_int_equal(next_now(world, name, 0).stream_seq, 1);
        assert_int_equal(extent_now(world, shard).extent.last_seq, 1);
        assert_string_not_equal(bus_stream_name(world->bus, shard),
                                bus_stream_name(world->bus, (shard + 1) % count));
    }
}

void the_same_id_in_two_shards_is_stored_twice(void **state)
{
    struct world *world = *state;
    const char *first = name_in(world, "chat.id", 0), *second = name_in(world, "chat.id", 1);

    store_good(world, first, "one-id", 0, "x");
    store_good(world, second, "one-id", 0, "x");
    assert_int_equal(store_now(world, second, "one-id", 0, "x").status, BUS_DUPLICATE);
}

void a_fence_holds_in_each_shard(void **state)
{
    struct world *world = *state;

    for (unsigned shard = 0; shard < bus_shards_count(world->bus); shard++) {
        const char *name = name_in(world, "chat.fence", shard);
        char id[24];
        for (uint64_t i = 0; i < 3; i++) {
            snprintf(id, sizeof id, "fence-%u-%u", shard, (unsigned)i);
            assert_int_equal(store_good(world, name, id, i, "x"), i + 1);
        }
        snprintf(id, sizeof id, "late-%u", shard);
        assert_int_equal(store_now(world, name, id, 2, "x").status, BUS_FENCED);
        assert_int_equal(store_now(world, name, id, 4, "x").status, BUS_FENCED);
        assert_int_equal(store_good(world, name, id, 3, "x"), 4);
    }
}
