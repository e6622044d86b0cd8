/* Clients that are behind: how long they may take nothing, and how much they may hold. */
#include "worker_fixture.h"

#define GRACE_MS 5000
#define ROOM     1

static const struct position at_10 = {.epoch = "a", .seq = 10};

static int stop_behind(void **state)
{
    for (struct client *client = world.worker->clients; client; client = client->next) {
        client_end_catch_ups(client);
        timer_wheel_cancel(&world.worker->wheel, &client->session.timer);
    }
    return stop(state);
}

static struct client *member_behind(unsigned char room)
{
    struct room_key key = chat(room);
    struct client *client = members_of_chat(room, 1);
    world.shared.rules.slow_grace_ms = GRACE_MS;
    assert_true(client_fall_behind(world.worker, client, &key, &at_10, 0));
    return client;
}

static void who_is_behind_and_takes_nothing_has_the_grace_of_a_slow_reader(void **state)
{
    (void)state;
    struct client *client = member_behind(ROOM);
    client->session.is_blocked = true;
    client_note_stall(world.worker, client);
    uint64_t until_ms = world.worker->now_ms + GRACE_MS;
    assert_int_equal(client->session.stall_by, until_ms);
    world.worker->now_ms += GRACE_MS / 2; /* still: the first time counts */
    client_note_stall(world.worker, client);
    assert_int_equal(client->session.stall_by, until_ms);
    assert_int_equal(session_tick(&client->session, &world.shared.rules, until_ms - 1), SESSION_DUE_NOTHING);
    assert_int_equal(session_tick(&client->session, &world.shared.rules, until_ms), SESSION_DUE_SLOW);
}

static void who_takes_what_comes_or_is_not_behind_is_not_stalled(void **state)
{
    (void)state;
    struct client *client = member_behind(ROOM);
    client_note_stall(world.worker, client); /* its socket takes more */
    assert_int_equal(client->session.stall_by, 0);
    struct client *other = client_of_nobody();
    other->session.is_blocked = true;
    client_note_stall(world.worker, other);
    assert_int_equal(other->session.stall_by, 0);
}

/* `count` events behind 10. */
static struct replay *events(uint32_t count)
{
    struct position first = {.epoch = "a", .seq = at_10.seq + 1};
    struct frame *frame = frame_new(FRAME_TEXT, SLICE_LITERAL("an event of twenty-eight by"));
    assert_non_null(frame);
    struct replay *replay = replay_new(&first, count, count * frame->len);
    assert_non_null(replay);
    for (uint32_t i = 0; i < count; i++)
        replay->frames[i] = frame_ref(frame);
    frame_unref(&frame);
    return replay;
}

/* The answer to its resume in that room: all that it missed. */
static void resume(struct client *client, unsigned char room, struct replay *replay)
{
    struct room_key key = chat(room);
    struct hub_request *answer = hub_request_new(HUB_JOIN, 0, &key, &key);
    assert_non_null(answer);
    answer->is_recovered = answer->is_all = true;
    answer->waiter.since = at_10;
    answer->replay = replay_ref(replay);
    client_resume(world.worker, client, answer);
    assert_null(answer->replay);
    hub_request_free(&answer);
}

static void replays_beyond_the_limit_of_a_client_are_not_held_but_asked_for_later(void **state)
{
    (void)state;
    struct room_key second = chat(2);
    struct client *client = members_of_chat(1, 1);
    struct replay *replay = events(6);
    assert_int_equal(rooms_join(world.worker->rooms, &second, &client->session.rooms), ERR_OK);
    world.shared.rules.queue.max_frames = 2; /* the others are held */
    world.config.resume_max_bytes = replay->bytes - 1;

    resume(client, 1, replay);
    assert_int_equal(client->catch_ups->state, CATCH_UP_REPLAYING);
    assert_int_equal(atomic_load(&replay->refs), 2);
    client_drop_queue(world.worker, &client->session); /* what was queued has gone out */
    resume(client, 2, replay);
    const struct catch_up *behind = rooms_lag(world.worker->rooms, &second, &client->session.rooms);
    assert_int_equal(behind->state, CATCH_UP_ASK);
    assert_int_equal(behind->cursor.seq, at_10.seq);
    assert_int_equal(atomic_load(&replay->refs), 2);
    assert_null(client->open); /* nor is anything asked for while so much is held */

    client_end_catch_ups(client);
    assert_int_equal(atomic_load(&replay->refs), 1);
    replay_unref(&replay);
}

static void replays_within_the_limit_are_held_for_every_room(void **state)
{
    (void)state;
    struct room_key second = chat(2);
    struct client *client = members_of_chat(1, 1);
    struct replay *replay = events(4);
    assert_int_equal(rooms_join(world.worker->rooms, &second, &client->session.rooms), ERR_OK);
    world.shared.rules.queue.max_frames = 2;
    world.config.resume_max_bytes = replay->bytes;

    resume(client, 1, replay);
    resume(client, 2, replay);
    assert_int_equal(atomic_load(&replay->refs), 3);
    client_end_catch_ups(client);
    replay_unref(&replay);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop_behind)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_is_behind_and_takes_nothing_has_the_grace_of_a_slow_reader),
        TEST(who_takes_what_comes_or_is_not_behind_is_not_stalled),
        TEST(replays_beyond_the_limit_of_a_client_are_not_held_but_asked_for_later),
        TEST(replays_within_the_limit_are_held_for_every_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
