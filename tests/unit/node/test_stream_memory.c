/* What a reader of server-sent events has asked for in its request is asked of the hub while an allocation
 * fails: all of it is, or the stream ends and comes back. It cannot ask again, so none stays open without a
 * chat. */
#include "worker_hub_fixture.h"

#include <string.h>

#include "failing_heap.h"

#define CHATS 3

static int connection; /* nothing is written within these tests */

static struct client *new_stream(void)
{
    struct stream_cursor *cursor = stream_cursor_new(CHATS);
    struct room_key user;
    assert_non_null(cursor);
    for (unsigned char number = 1; number <= CHATS; number++)
        stream_cursor_add(cursor, &(struct uuid){{[15] = number}});
    assert_true(stream_cursor_set(cursor, SLICE_LITERAL(""), SLICE_LITERAL("k"), SLICE_LITERAL("3")));
    struct client *client = stream_of_nobody(cursor);
    assert_int_equal(room_key_for_user(SLICE_LITERAL("ada"), &user), ERR_OK);
    client->session.claims.user = room_key_store(&user);
    assert_non_null(client->session.claims.user);
    client->session.connection = &connection;
    client->session.is_blocked = true;
    return client;
}

/* They are not worked on: the user's own channel is not followed here, as it would be. */
static void take_questions(void)
{
    struct inbox_item *item = inbox_take(&world.shared.hub->requests);
    while (item) {
        struct inbox_item *next = item->next;
        client_forget_request((struct hub_request *)(void *)item);
        item = next;
    }
}

/* False: it has needed fewer than `n` allocations. */
static bool follow(size_t n, bool lasting)
{
    assert_int_equal(start_with_hub(NULL), 0);
    struct client *client = new_stream();
    hold_hub(world.shared.hub);
    failing_heap_fail(n, lasting, false);
    stream_follow(world.worker, client);
    bool failed = failing_heap_has_failed();
    failing_heap_fail(0, false, false);
    if (client->session.state == SESSION_OPEN)
        assert_int_equal(client->session.requests, CHATS + 1); /* the notifications too */
    else
        assert_int_equal(client->session.close_reason, CLOSE_OVERLOADED);
    assert_true(failed || client->session.state == SESSION_OPEN);
    take_questions();
    timer_wheel_cancel(&world.worker->wheel, &client->session.timer);
    stream_fini(client);
    assert_int_equal(stop_with_hub(NULL), 0);
    return failed;
}

static void a_stream_is_in_all_its_chats_or_ends(void **state)
{
    (void)state;
    for (int lasting = 0; lasting < 2; lasting++) {
        size_t n = 1;
        while (follow(n, lasting))
            n++;
        assert_true(n > CHATS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_in_all_its_chats_or_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
