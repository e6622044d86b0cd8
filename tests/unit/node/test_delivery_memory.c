/* Events that go to the members of a room while an allocation fails: each member has them in order from the
 * first on, and who has not all of them is behind at the right place, or is being closed. The first of them
 * is a reader of server-sent events. */
#include <stdio.h>
#include <string.h>

#include <roomcast/io/ws_server.h>

#include "failing_heap.h"
#include "worker_fixture.h"

#define MEMBERS    3
#define EVENTS     12
#define QUEUE_MAX  8
#define CHAT       1
#define FRAMES_MAX (EVENTS + 2)

static int connection; /* of everybody: nothing is written within these tests */

static struct client *members[MEMBERS];

static struct client *new_stream(void)
{
    struct stream_cursor *cursor = stream_cursor_new(1);
    assert_non_null(cursor);
    stream_cursor_add(cursor, &(struct uuid){{[15] = CHAT}});
    return stream_of_nobody(cursor);
}

static void join_all(void)
{
    struct room_key user, room = chat(CHAT);
    assert_int_equal(room_key_for_user(SLICE_LITERAL("ada"), &user), ERR_OK);
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct client *client = members[i] = i == 0 ? new_stream() : client_of_nobody();
        client->session.claims.user = room_key_store(&user);
        assert_non_null(client->session.claims.user);
        client->session.connection = &connection;
        client->session.is_blocked = true;
        assert_int_equal(rooms_join(world.worker->rooms, &room, &client->session.rooms), ERR_OK);
    }
}

static struct hub_frame *make_event(uint64_t seq)
{
    char text[32];
    int len = snprintf(text, sizeof text, "event:%llu", (unsigned long long)seq);
    struct hub_frame *output = calloc(1, sizeof *output);
    assert_non_null(output);
    output->output.kind = HUB_OUTPUT_FRAME;
    output->room = chat(CHAT);
    output->what = HUB_EVENT;
    output->position = (struct position){.epoch = "a", .seq = seq};
    output->stream_seq = 100 + seq;
    output->frame = frame_new(FRAME_TEXT, (struct slice){text, (size_t)len});
    assert_non_null(output->frame);
    return output;
}

/* The last event in the queue; each stands behind the one before it, and nothing behind the last word. */
static uint64_t last_queued(const struct client *client)
{
    struct frame *frames[FRAMES_MAX];
    uint32_t count = outqueue_peek(&client->session.queue, frames, FRAMES_MAX);
    uint64_t last = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct slice text = frame_payload(frames[i]);
        unsigned long long seq;
        char copy[512];
        snprintf(copy, sizeof copy, "%.*s", SLICE_FMT(text));
        if (sscanf(copy, "event:%llu", &seq) == 1) {
            assert_int_equal(seq, last + 1);
            last = seq;
        } else {
            assert_non_null(strstr(copy, "\"disconnect\""));
            assert_int_equal(i, count - 1);
            assert_int_equal(client->session.state, SESSION_CLOSING);
        }
    }
    return last;
}

static void judge(struct client *client)
{
    struct room_key room = chat(CHAT);
    uint64_t last = last_queued(client);
    const struct position *cursor = client_cursor(world.worker, client, &room);
    if (client->session.state == SESSION_CLOSING)
        return;
    assert_int_equal(client->session.state, SESSION_OPEN);
    if (cursor)
        assert_int_equal(cursor->seq, last);
    else
        assert_int_equal(last, EVENTS);
}

static int stop_all(void **state)
{
    failing_heap_fail(0, false, false);
    for (struct client *client = world.worker->clients; client; client = client->next) {
        client_end_catch_ups(client);
        timer_wheel_cancel(&world.worker->wheel, &client->session.timer);
    }
    stream_fini(members[0]);
    return stop(state);
}

/* False: it has needed fewer than `n` allocations. */
static bool deliver_all(size_t n, bool lasting, uint32_t queue_max)
{
    struct hub_frame *events[EVENTS];
    assert_int_equal(start(NULL), 0);
    world.shared.rules.queue.max_frames = queue_max;
    join_all();
    for (uint64_t seq = 1; seq <= EVENTS; seq++)
        events[seq - 1] = make_event(seq);
    failing_heap_fail(n, lasting, false);
    for (unsigned i = 0; i < EVENTS; i++)
        worker_deliver(world.worker, events[i]);
    bool failed = failing_heap_has_failed();
    failing_heap_fail(0, false, false);
    for (unsigned i = 0; i < MEMBERS; i++)
        judge(members[i]);
    assert_int_equal(stop_all(NULL), 0);
    return failed;
}

static void deliver_without_memory(uint32_t queue_max)
{
    for (int lasting = 0; lasting < 2; lasting++) {
        size_t n = 1;
        while (deliver_all(n, lasting, queue_max))
            n++;
        assert_true(n > MEMBERS);
    }
}

static void members_who_can_take_them_miss_no_event_unnoticed(void **state)
{
    (void)state;
    deliver_without_memory(2 * EVENTS);
}

static void nor_do_members_who_fall_behind(void **state)
{
    (void)state;
    deliver_without_memory(QUEUE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_who_can_take_them_miss_no_event_unnoticed),
        cmocka_unit_test(nor_do_members_who_fall_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
