/* authorization.mode request: what becomes of a session's chats when it has a fresh token. The test is the
 * hub.
 */
#include "worker_fixture.h"

#include <stdio.h>
#include <string.h>

#include "hub_channel.h"

#define ROOMS  8 /* the fixture's limit */
#define ERRORS 3 /* limits.errors */

static struct hub hub; /* of which only the inbox of requests is used */

static void wake_nobody(void *context)
{
    (void)context;
}

static int start_with_inbox(void **state)
{
    inbox_init(&hub.requests, wake_nobody, NULL);
    if (start(state) != 0)
        return 1;
    world.shared.hub = &hub;
    world.shared.rules.errors =
        (struct rate_limit_rule){.count = ERRORS, .period_ms = 60000, .burst = ERRORS};
    world.shared.rules.messages = (struct rate_limit_rule){.count = 1000, .period_ms = 1000, .burst = 1000};
    world.config.limits_message_depth = 8;
    return 0;
}

/* The session's next question, as the hub would take it; others are thrown away. NULL: there is none. */
static struct hub_request *take_question(void)
{
    static struct inbox_item *taken;
    for (;;) {
        if (!taken && !(taken = inbox_take(&hub.requests)))
            return NULL;
        struct hub_request *request = (struct hub_request *)taken;
        taken = taken->next;
        if (request->kind == HUB_MAY_READ)
            return request;
        if (request->kind == HUB_POSITION)
            client_forget_request(request);
        else
            hub_request_free(&request);
    }
}

static void answer(struct hub_request *request, enum err status)
{
    request->status = status;
    client_on_answer(world.worker, request);
}

static int stop_with_inbox(void **state)
{
    struct hub_request *request;
    while ((request = take_question()))
        client_forget_request(request);
    inbox_fini(&hub.requests);
    for (struct client *client = world.worker->clients; client; client = client->next)
        timer_wheel_cancel(&world.worker->wheel, &client->session.timer); /* of one that is being closed */
    return stop(state);
}

static void give_claims(struct client *client, const char *text)
{
    shared_text_unref(&client->session.claims.text);
    client->session.claims.text = shared_text_new(slice_of(text));
    assert_non_null(client->session.claims.text);
}

static struct client *client_in_rooms(unsigned count)
{
    struct client *client = client_of_nobody();
    struct room_key user, room;
    assert_int_equal(room_key_for_user(SLICE_LITERAL("anna"), &user), ERR_OK);
    client->session.claims.user = room_key_store(&user);
    assert_non_null(client->session.claims.user);
    give_claims(client, "{\"n\":0}");
    for (unsigned i = 1; i <= count; i++) {
        room = chat((unsigned char)i);
        assert_int_equal(rooms_join(world.worker->rooms, &room, &client->session.rooms), ERR_OK);
    }
    return client;
}

static void refresh(struct client *client, const char *text)
{
    give_claims(client, text);
    client_claims_changed(world.worker, client);
}

/* How many `unsubscribed` wait for the client; it takes them. */
static unsigned take_unsubscribed(struct client *client)
{
    unsigned found = 0;
    struct frame *frame;
    while (outqueue_peek(&client->session.queue, &frame, 1) == 1) {
        struct slice payload = frame_payload(frame);
        found += memmem(payload.data, payload.len, "\"MEMBERSHIP_REVOKED\"", 20) != NULL;
        world.worker->queued_bytes -= (int64_t)frame->len;
        outqueue_pop(&client->session.queue);
    }
    return found;
}

static void each_chat_is_asked_about_once_however_often_a_fresh_token_comes(void **state)
{
    (void)state;
    struct client *client = client_in_rooms(3);
    for (unsigned i = 0; i < 10; i++)
        refresh(client, "{\"n\":1}");
    assert_int_equal(client->session.requests, 3);
    assert_int_equal(take_unsubscribed(client), 0);
    assert_int_equal(client->session.rooms.count, 3);
}

static void a_denial_ends_its_chat_and_silence_ends_none(void **state)
{
    (void)state;
    struct client *client = client_in_rooms(3);
    refresh(client, "{\"n\":1}");
    answer(take_question(), ERR_FORBIDDEN);
    answer(take_question(), ERR_UNAVAILABLE);
    answer(take_question(), ERR_OK);
    assert_null(take_question());
    assert_int_equal(take_unsubscribed(client), 1);
    assert_int_equal(client->session.rooms.count, 2);
}

static void an_answer_by_an_older_token_leads_to_a_new_question(void **state)
{
    (void)state;
    struct client *client = client_in_rooms(1);
    refresh(client, "{\"n\":1}");
    refresh(client, "{\"n\":2}");
    struct hub_request *old = take_question();
    assert_true(slice_equal(shared_text_slice(old->claims), SLICE_LITERAL("{\"n\":1}")));
    answer(old, ERR_FORBIDDEN);
    assert_int_equal(client->session.rooms.count, 1);
    struct hub_request *fresh = take_question();
    assert_non_null(fresh);
    assert_true(slice_equal(shared_text_slice(fresh->claims), SLICE_LITERAL("{\"n\":2}")));
    answer(fresh, ERR_FORBIDDEN);
    assert_int_equal(take_unsubscribed(client), 1);
    assert_int_equal(client->session.rooms.count, 0);
}

static void an_answer_about_a_chat_that_was_left_says_nothing(void **state)
{
    (void)state;
    struct client *client = client_in_rooms(1);
    struct room_key room = chat(1);
    refresh(client, "{\"n\":1}");
    struct hub_request *question = take_question();
    assert_true(client_leave(world.worker, client, &room));
    answer(question, ERR_FORBIDDEN);
    assert_int_equal(take_unsubscribed(client), 0);
}

/* Else a client could keep what it has lost by having many questions open. */
static void a_chat_that_cannot_be_asked_about_ends(void **state)
{
    (void)state;
    struct client *client = client_in_rooms(ROOMS);
    struct room_key user = client_user(client);
    while (client_ask(world.worker, client, hub_request_new(HUB_POSITION, 0, &user, &user),
                      FOR_NOTIFICATIONS) == ERR_OK)
        continue;
    refresh(client, "{\"n\":1}"); /* for these there is room on top of what the client may have open */
    assert_int_equal(take_unsubscribed(client), 0);
    client->session.requests += ROOMS; /* as with questions about chats that it was in before */
    give_claims(client, "{\"n\":2}");
    struct room_key room = chat(ROOMS);
    assert_true(client_leave(world.worker, client, &room));
    room = chat(ROOMS + 1);
    assert_int_equal(rooms_join(world.worker->rooms, &room, &client->session.rooms), ERR_OK);
    client_ask_rights(world.worker, client, &room);
    client->session.requests -= ROOMS;
    assert_int_equal(take_unsubscribed(client), 1);
    assert_int_equal(client->session.rooms.count, ROOMS - 1);
}

/* --- subscribes to chats that the service denies --- */

static void subscribe(struct client *client, unsigned char first, unsigned char count)
{
    char text[1024];
    size_t len = (size_t)snprintf(text, sizeof text, "{\"type\":\"subscribe\",\"chats\":[");
    for (unsigned char i = 0; i < count; i++) {
        struct room_key room = chat((unsigned char)(first + i));
        len += (size_t)snprintf(text + len, sizeof text - len, "%s{\"chat_id\":\"%.*s\"}", i > 0 ? "," : "",
                                SLICE_FMT(room_key_name(&room)));
    }
    snprintf(text + len, sizeof text - len, "]}");
    client_on_text(world.worker, client, slice_of(text));
}

/* Answers every join that is asked about. Returns how many. */
static unsigned answer_joins(enum err status)
{
    unsigned count = 0;
    struct inbox_item *item = inbox_take(&hub.requests);
    while (item) {
        struct hub_request *request = (struct hub_request *)item;
        item = item->next;
        assert_int_equal(request->kind, HUB_JOIN);
        answer(request, status);
        count++;
    }
    return count;
}

static struct client *client_without_rights(void)
{
    struct client *client = client_in_rooms(0);
    client->session.claims.all_chats = true; /* as far as the token says */
    return client;
}

static void who_tries_denied_chats_is_closed_as_who_talks_nonsense(void **state)
{
    (void)state;
    struct client *client = client_without_rights();
    for (unsigned char at = 1; at <= ERRORS; at++) {
        subscribe(client, at, 1);
        assert_int_equal(answer_joins(ERR_FORBIDDEN), 1);
        assert_int_equal(client->session.state, SESSION_OPEN);
    }
    subscribe(client, ERRORS + 1, 1);
    assert_int_equal(answer_joins(ERR_FORBIDDEN), 1);
    assert_int_not_equal(client->session.state, SESSION_OPEN);
    assert_int_equal(client->session.close_reason, CLOSE_PROTOCOL_VIOLATION);
}

static void many_denied_chats_of_one_message_are_one_error(void **state)
{
    (void)state;
    struct client *client = client_without_rights();
    for (unsigned at = 1; at <= ERRORS; at++) {
        subscribe(client, 1, ROOMS);
        assert_int_equal(answer_joins(ERR_FORBIDDEN), ROOMS);
    }
    assert_int_equal(client->session.state, SESSION_OPEN);
    subscribe(client, 1, ROOMS);
    assert_int_equal(answer_joins(ERR_FORBIDDEN), ROOMS);
    assert_int_equal(client->session.close_reason, CLOSE_PROTOCOL_VIOLATION);
}

static void a_service_that_is_silent_is_not_the_clients_fault(void **state)
{
    (void)state;
    struct client *client = client_without_rights();
    for (unsigned at = 1; at <= 5 * ERRORS; at++) {
        subscribe(client, 1, 1);
        assert_int_equal(answer_joins(ERR_UNAVAILABLE), 1);
    }
    assert_int_equal(client->session.state, SESSION_OPEN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_with_inbox, stop_with_inbox)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_chat_is_asked_about_once_however_often_a_fresh_token_comes),
        TEST(a_denial_ends_its_chat_and_silence_ends_none),
        TEST(an_answer_by_an_older_token_leads_to_a_new_question),
        TEST(an_answer_about_a_chat_that_was_left_says_nothing),
        TEST(a_chat_that_cannot_be_asked_about_ends),
        TEST(who_tries_denied_chats_is_closed_as_who_talks_nonsense),
        TEST(many_denied_chats_of_one_message_are_one_error),
        TEST(a_service_that_is_silent_is_not_the_clients_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
