/* How much a client may ask of the hub. */
#include "worker_hub_fixture.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include <roomcast/base/clock.h>

#define ROOMS     8                /* the fixture's limit */
#define QUESTIONS (2 * ROOMS + 16) /* what one session may have under way */

static struct client *client_of(const char *name)
{
    struct client *client = client_of_nobody();
    struct room_key user;
    assert_int_equal(room_key_for_user(slice_of(name), &user), ERR_OK);
    client->session.claims.user = room_key_store(&user);
    assert_non_null(client->session.claims.user);
    return client;
}

static void say(struct client *client, const char *text)
{
    client_on_text(world.worker, client, slice_of(text));
}

/* `command` for the chats 1 to ROOMS in one message. */
static void say_of_all_rooms(struct client *client, const char *command)
{
    char text[1024];
    int len = snprintf(text, sizeof text, "{\"type\":\"%s\",\"chats\":[", command);
    for (int i = 1; i <= ROOMS; i++)
        len += snprintf(text + len, sizeof text - (size_t)len,
                        "%s{\"chat_id\":\"00000000-0000-0000-0000-0000000000%02x\"}", i > 1 ? "," : "", i);
    snprintf(text + len, sizeof text - (size_t)len, "]}");
    say(client, text);
}

/* How many of the messages to the client hold all of `text`; it takes them. */
static uint32_t take_queued(struct client *client, const char *text)
{
    uint32_t found = 0;
    struct frame *frame;
    while (outqueue_peek(&client->session.queue, &frame, 1) == 1) {
        struct slice payload = frame_payload(frame);
        found += memmem(payload.data, payload.len, text, strlen(text)) != NULL;
        world.worker->queued_bytes -= (int64_t)frame->len;
        outqueue_pop(&client->session.queue);
    }
    return found;
}

static void take_answers(struct client *client)
{
    uint64_t deadline_ms = clock_monotonic_ms() + 5000;
    while (client->session.requests > 0 && clock_monotonic_ms() < deadline_ms) {
        worker_take_arrivals(world.worker);
        sched_yield();
    }
    assert_int_equal(client->session.requests, 0);
}

static void beyond_its_limit_of_open_questions_a_client_is_told_to_wait_for_answers(void **state)
{
    (void)state;
    struct client *client = client_of("anna");
    int64_t refused = metrics_get(METRIC_CLIENT_MESSAGES_OVERLOADED);

    hold_hub(world.shared.hub); /* nothing is answered */
    for (int i = 0; i < QUESTIONS / ROOMS; i++)
        say_of_all_rooms(client, "subscribe.chat");
    assert_int_equal(client->session.requests, QUESTIONS);
    assert_int_equal(take_queued(client, "error"), 0);
    say_of_all_rooms(client, "subscribe.chat");
    assert_int_equal(take_queued(client, "\"code\":\"OVERLOADED\""), ROOMS);
    say(client, "{\"type\":\"notifications.resume\",\"id\":7}");
    assert_int_equal(take_queued(client, "\"temporary\":true,\"id\":7"), 1);
    assert_int_equal(client->session.requests, QUESTIONS);
    assert_int_equal(inbox_count(&world.shared.hub->requests), QUESTIONS);
    assert_int_equal(metrics_get(METRIC_CLIENT_MESSAGES_OVERLOADED), refused + ROOMS + 1);
    release_hub();

    take_answers(client);
    assert_int_equal(take_queued(client, "\"subscribed\""), QUESTIONS);
    say_of_all_rooms(client, "subscribe.chat");
    take_answers(client);
    assert_int_equal(take_queued(client, "\"subscribed\""), ROOMS);
}

static void one_client_at_its_limit_takes_nothing_from_another(void **state)
{
    (void)state;
    struct client *eager = client_of("anna"), *other = client_of("bert");
    hold_hub(world.shared.hub);
    for (int i = 0; i <= QUESTIONS / ROOMS; i++)
        say_of_all_rooms(eager, "subscribe.chat");
    say_of_all_rooms(other, "subscribe.chat");
    assert_int_equal(eager->session.requests, QUESTIONS);
    assert_int_equal(other->session.requests, ROOMS);
    assert_int_equal(take_queued(other, "error"), 0);
    release_hub();
    take_answers(eager);
    take_answers(other);
    assert_int_equal(take_queued(other, "\"subscribed\""), ROOMS);
    take_queued(eager, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_with_hub, stop_with_hub)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(beyond_its_limit_of_open_questions_a_client_is_told_to_wait_for_answers),
        TEST(one_client_at_its_limit_takes_nothing_from_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
