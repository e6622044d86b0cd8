#include "worker_fixture.h"

#define ALONE      256 /* writes of a turn */
#define SHARED     64  /* while rooms of different size have something to write */
#define SHARED_MS  1000
#define MANY       600 /* sessions */
#define LARGE_ROOM MANY
#define SMALL_ROOM 5

static void schedule(unsigned count, uint32_t audience)
{
    for (unsigned i = 0; i < count; i++)
        client_schedule(world.worker, client_of_nobody(), audience);
}

static unsigned waiting(void)
{
    unsigned count = 0;
    for (const struct client *client = world.worker->clients; client; client = client->next)
        count += client->session.place.waits;
    return count;
}

/* How many had their turn. */
static unsigned turn(void)
{
    unsigned before = waiting();
    worker_flush(world.worker);
    return before - waiting();
}

static void a_room_alone_has_long_turns(void **state)
{
    (void)state;
    schedule(MANY, LARGE_ROOM);
    assert_int_equal(turn(), ALONE);
    assert_int_equal(turn(), ALONE);
    assert_int_equal(turn(), MANY - 2 * ALONE);
    assert_int_equal(turn(), 0);
}

static void turns_are_short_while_small_rooms_write_beside_a_large_one(void **state)
{
    (void)state;
    schedule(MANY, LARGE_ROOM);
    schedule(SMALL_ROOM, SMALL_ROOM);
    assert_int_equal(turn(), SHARED);
    assert_int_equal(turn(), SHARED); /* the small room has nothing left: something may come again */
    world.worker->now_ms += SHARED_MS - 1;
    assert_int_equal(turn(), SHARED);
    world.worker->now_ms++;
    assert_int_equal(turn(), ALONE);
}

static void a_small_room_is_written_to_in_the_first_turn(void **state)
{
    (void)state;
    schedule(MANY, LARGE_ROOM);
    struct client *large = world.worker->clients;
    schedule(SMALL_ROOM, SMALL_ROOM);
    turn();
    unsigned left = 0;
    for (const struct client *client = world.worker->clients; client != large; client = client->next)
        left += client->session.place.waits;
    assert_int_equal(left, 0);
}

static void replies_and_those_behind_do_not_shorten_turns(void **state)
{
    (void)state;
    schedule(MANY, LARGE_ROOM);
    schedule(1, WRITE_ALONE);
    schedule(1, WRITE_BEHIND);
    assert_true(turn() > SHARED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_room_alone_has_long_turns),
        TEST(turns_are_short_while_small_rooms_write_beside_a_large_one),
        TEST(a_small_room_is_written_to_in_the_first_turn),
        TEST(replies_and_those_behind_do_not_shorten_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
