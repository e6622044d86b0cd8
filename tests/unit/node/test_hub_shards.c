/* A hub whose rooms lie in several streams. */
#include "hub_fixture.h"

#include <roomcast/base/metrics.h>

#define SHARDS 4
#define ROOMS  24

static void use_shards(struct config *config)
{
    config->stream_shards = SHARDS;
}

static int64_t extents_before;

static int start_sharded(void **state)
{
    (void)state;
    extents_before = metrics_get(METRIC_READS_EXTENT);
    return start_with(use_shards);
}

static unsigned shard_of(unsigned room)
{
    char subject[SUBJECT_SIZE];
    struct room_key key = chat(room);

    subject_format("test", SUBJECT_EVENT, &key, subject);
    return bus_shard(world.bus, subject);
}

static unsigned rooms_in(unsigned shard)
{
    unsigned count = 0;

    for (unsigned room = 0; room < ROOMS; room++)
        count += shard_of(room) == shard;
    return count;
}

static void pause_ms(unsigned ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static void wait_for_heads(int64_t count)
{
    uint64_t deadline = clock_monotonic_ms() + 20000;

    while (metrics_get(METRIC_READS_HEAD) < count) {
        assert_true(clock_monotonic_ms() < deadline);
        pause_ms(1);
    }
}

static void an_election_makes_the_rooms_of_its_stream_ask_anew_and_no_others(void **state)
{
    (void)state;
    unsigned first = rooms_in(1), second = rooms_in(3);

    assert_true(first > 0 && second > 0 && first + second < ROOMS);
    for (unsigned room = 0; room < ROOMS; room++)
        join(0, room, "anna");
    int64_t asked = metrics_get(METRIC_READS_HEAD);
    atomic_fetch_or(&world.elected, 1u << 1);
    wait_for_heads(asked + first);
    atomic_fetch_or(&world.elected, 1u << 3);
    wait_for_heads(asked + first + second); /* a second later: more would have come of the first by now */
    assert_int_equal(metrics_get(METRIC_READS_HEAD), asked + first + second);
    assert_int_equal(atomic_load(&world.elected), 0);
}

#define HERE 0u

/* The first room that lies in another stream than HERE. */
static unsigned there(void)
{
    unsigned room = HERE + 1;

    while (shard_of(room) == shard_of(HERE))
        room++;
    return room;
}

/* Before the hub starts: what it has heard of a stream may be 2 s old (feed_extent.c). */
static struct bus *with_events_there(struct bus *bus)
{
    for (uint64_t seq = 1; seq <= 9; seq++)
        publish(there(), seq);
    return bus;
}

static int start_with_events_there(void **state)
{
    (void)state;
    return start_behind(use_shards, with_events_there);
}

/* A position of an empty room tells how far its own stream went. */
static void an_empty_room_tells_of_its_own_stream(void **state)
{
    (void)state;
    struct position position = join(0, HERE, "anna");
    struct position_empty empty;
    assert_true(position_parse_empty(&position, &empty));
    assert_int_equal(empty.last_seq, 0);
    unsigned beside = there() + 1;
    while (shard_of(beside) != shard_of(there()))
        beside++;
    position = join(0, beside, "anna");
    assert_true(position_parse_empty(&position, &empty));
    assert_int_equal(empty.last_seq, 9);
}

static void it_is_ready_when_each_stream_has_answered(void **state)
{
    (void)state;
    uint64_t deadline = clock_monotonic_ms() + 20000;
    struct buffer missing;

    buffer_init(&missing, 1024);
    while (!hub_streams_ready(world.hub, &missing)) {
        assert_true(clock_monotonic_ms() < deadline);
        assert_non_null(strstr(buffer_text(&missing), "was not asked for yet"));
        buffer_clear(&missing);
        pause_ms(1);
    }
    assert_true(metrics_get(METRIC_READS_EXTENT) >= extents_before + SHARDS);
    buffer_fini(&missing);
}

int main(void)
{
    if (random_init() != ERR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_election_makes_the_rooms_of_its_stream_ask_anew_and_no_others,
                                        start_sharded, stop),
        cmocka_unit_test_setup_teardown(an_empty_room_tells_of_its_own_stream, start_with_events_there, stop),
        cmocka_unit_test_setup_teardown(it_is_ready_when_each_stream_has_answered, start_sharded, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
