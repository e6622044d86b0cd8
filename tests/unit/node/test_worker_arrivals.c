#include "worker_fixture.h"

#include <stdio.h>
#include <string.h>

#include <roomcast/base/hash.h>

#define LARGE 1025 /* members: one more than rooms have whose events are not held back */
#define SMALL 3

enum { HOT = 1, QUIET = 2 };

static void arrive(struct hub_output *output, size_t cost)
{
    atomic_fetch_add(&world.worker->arriving.bytes, cost);
    assert_true(inbox_put(&world.worker->arriving.inbox, &output->item));
}

static void event_arrives(unsigned char number, uint64_t seq)
{
    char text[32];
    struct hub_frame *frame = calloc(1, sizeof *frame);
    assert_non_null(frame);
    snprintf(text, sizeof text, "event %llu", (unsigned long long)seq);
    *frame = (struct hub_frame){.output.kind = HUB_OUTPUT_FRAME,
                                .room = chat(number),
                                .frame = frame_new(FRAME_TEXT, slice_of(text)),
                                .what = HUB_EVENT,
                                .position = {.epoch = "e1", .seq = seq}};
    assert_non_null(frame->frame);
    arrive(&frame->output, hub_frame_cost(frame));
}

/* The hub's answer to a client that joins: it is at `seq`. It carries `carried` bytes. */
static void answer_arrives_with(struct client *client, unsigned char number, uint64_t seq, size_t carried)
{
    struct room_key room = chat(number), user;
    assert_int_equal(room_key_for_user(SLICE_LITERAL("ann"), &user), ERR_OK);
    struct hub_request *request = hub_request_new(HUB_JOIN, 0, &room, &user);
    assert_non_null(request);
    request->session = client;
    request->purpose = FOR_SUBSCRIBE;
    request->output.kind = HUB_OUTPUT_ANSWER;
    request->status = ERR_OK;
    request->position = (struct position){.epoch = "e1", .seq = seq};
    client->open = request;
    client->session.requests = 1;
    request->carried = carried;
    arrive(&request->output, carried);
}

static void answer_arrives(struct client *client, unsigned char number, uint64_t seq)
{
    answer_arrives_with(client, number, seq, 0);
}

static void assert_queued(const struct client *client, uint32_t index, const char *text)
{
    struct frame *frames[16];
    uint32_t count = outqueue_peek(&client->session.queue, frames, 16);
    assert_true(index < count);
    struct slice payload = frame_payload(frames[index]);
    assert_non_null(memmem(payload.data, payload.len, text, strlen(text)));
}

static uint32_t queued(const struct client *client)
{
    return client->session.queue.count;
}

static uint32_t bucket(unsigned char number)
{
    struct room_key room = chat(number);
    return hash_bytes(&room, ROOM_KEY_BYTES(&room)) % ARRIVALS_BUCKETS;
}

/* A chat that does not wait for HOT: hashes have another key in each process. */
static unsigned char quiet_chat(void)
{
    unsigned char number = QUIET;
    while (bucket(number) == bucket(HOT))
        number++;
    return number;
}

static void events_of_a_large_room_let_those_behind_them_pass(void **state)
{
    (void)state;
    unsigned char number = quiet_chat();
    struct client *hot = members_of_chat(HOT, LARGE), *quiet = members_of_chat(number, SMALL);
    event_arrives(HOT, 1);
    event_arrives(number, 1);
    worker_take_arrivals(world.worker);
    assert_int_equal(queued(hot), 0);
    assert_int_equal(queued(quiet), 1);
    worker_work_on_held(world.worker);
    assert_int_equal(queued(hot), 1);
}

static void who_joins_a_large_room_gets_no_event_from_before_its_position(void **state)
{
    (void)state;
    struct client *member = members_of_chat(HOT, LARGE), *joiner = client_of_nobody();
    event_arrives(HOT, 41);
    answer_arrives(joiner, HOT, 41);
    event_arrives(HOT, 42);
    worker_take_arrivals(world.worker);
    worker_work_on_held(world.worker);
    assert_int_equal(queued(member), 2);
    assert_int_equal(queued(joiner), 2);
    assert_queued(joiner, 0, "\"subscribed\"");
    assert_queued(joiner, 1, "event 42");
}

static void what_is_held_stays_ahead_when_the_room_has_become_small(void **state)
{
    (void)state;
    struct client *member = members_of_chat(HOT, LARGE);
    struct room_key room = chat(HOT);
    event_arrives(HOT, 1);
    worker_take_arrivals(world.worker);
    assert_true(rooms_leave(world.worker->rooms, &room, &member->next->session.rooms));
    event_arrives(HOT, 2);
    worker_take_arrivals(world.worker);
    worker_work_on_held(world.worker);
    assert_queued(member, 0, "event 1");
    assert_queued(member, 1, "event 2");
}

static void held_events_take_several_turns(void **state)
{
    (void)state;
    struct client *member = members_of_chat(HOT, LARGE);
    for (uint64_t seq = 1; seq <= 10; seq++)
        event_arrives(HOT, seq);
    worker_take_arrivals(world.worker);
    unsigned turns = 0;
    for (uint32_t before = 0; queued(member) < 10; before = queued(member), turns++) {
        worker_work_on_held(world.worker);
        assert_in_range(queued(member) - before, 1, 4); /* 4096 pushes */
    }
    assert_int_equal(turns, 3);
}

static void who_is_not_given_an_event_falls_behind_at_the_place_before_it(void **state)
{
    (void)state;
    struct client *member = members_of_chat(QUIET, SMALL);
    struct room_key room = chat(QUIET);
    event_arrives(QUIET, 41);
    struct hub_frame *left_out = calloc(1, sizeof *left_out);
    assert_non_null(left_out);
    *left_out = (struct hub_frame){.output.kind = HUB_OUTPUT_FRAME,
                                   .room = room,
                                   .what = HUB_EVENT,
                                   .position = {.epoch = "e1", .seq = 42}};
    arrive(&left_out->output, hub_frame_cost(left_out));
    event_arrives(QUIET, 45);
    worker_take_arrivals(world.worker);
    assert_int_equal(queued(member), 1);
    assert_queued(member, 0, "event 41");
    const struct position *cursor = client_cursor(world.worker, member, &room);
    assert_non_null(cursor);
    assert_int_equal(cursor->seq, 41);
    assert_true(member->session.place.waits); /* in its turn it asks */
    assert_int_equal(world.worker->arriving.bytes, 0);
    for (struct client *client = world.worker->clients; client; client = client->next)
        client_end_catch_ups(client);
}

static void what_an_answer_carries_counts_until_it_is_worked_on(void **state)
{
    (void)state;
    members_of_chat(HOT, LARGE);
    answer_arrives_with(client_of_nobody(), QUIET, 1, 1000);
    worker_take_arrivals(world.worker);
    assert_int_equal(world.worker->arriving.bytes, 0);
    event_arrives(HOT, 1);
    size_t of_event = world.worker->arriving.bytes;
    answer_arrives_with(client_of_nobody(), HOT, 1, 1000);
    worker_take_arrivals(world.worker);
    assert_int_equal(world.worker->arriving.bytes, of_event + 1000); /* held behind the event */
    worker_work_on_held(world.worker);
    assert_int_equal(world.worker->arriving.bytes, 0);
}

static void what_is_held_when_the_worker_ends_is_freed(void **state)
{
    (void)state;
    members_of_chat(HOT, LARGE);
    event_arrives(HOT, 1);
    answer_arrives(client_of_nobody(), HOT, 1);
    worker_take_arrivals(world.worker);
    event_arrives(HOT, 2); /* and this is in the inbox */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(events_of_a_large_room_let_those_behind_them_pass),
        TEST(who_joins_a_large_room_gets_no_event_from_before_its_position),
        TEST(what_is_held_stays_ahead_when_the_room_has_become_small),
        TEST(held_events_take_several_turns),
        TEST(who_is_not_given_an_event_falls_behind_at_the_place_before_it),
        TEST(what_an_answer_carries_counts_until_it_is_worked_on),
        TEST(what_is_held_when_the_worker_ends_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
