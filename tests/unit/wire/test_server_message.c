#include "wire_test.h"

#include <roomcast/wire/server_message.h>

static struct buffer out;

static int start(void **state)
{
    (void)state;
    buffer_init(&out, 64 * 1024);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    buffer_fini(&out);
    return 0;
}

/* What was written since the last call. */
static void expect(const char *text)
{
    assert_string_equal(buffer_text(&out), text);
    buffer_clear(&out);
}

static const struct request_id number = {.kind = REQUEST_ID_NUMBER, .number = 4294967295};
static const struct request_id text = {.kind = REQUEST_ID_TEXT, .text = "a\"b"};
static const struct request_id none = {.kind = REQUEST_ID_NONE};

static void connected_tells_expiry_and_notifications_only_when_known(void **state)
{
    (void)state;
    struct position position = {"k3x9", 17};
    struct server_connected message = {
        .connection_id = SLICE_LITERAL("c-1"),
        .user_id = SLICE_LITERAL("u\"1"),
        .node = SLICE_LITERAL("roomcast-0"),
        .ping_interval_ms = 25000,
        .expires_at = 1800000000,
        .notifications = &position,
    };

    server_connected(&out, &message);
    expect("{\"type\":\"connected\",\"connection_id\":\"c-1\",\"user_id\":\"u\\\"1\",\"node\":\"roomcast-0\","
           "\"ping_interval_ms\":25000,\"expires_at\":1800000000,\"notifications\":{\"epoch\":\"k3x9\","
           "\"seq\":17}}");
    message.expires_at = 0;
    message.notifications = NULL;
    server_connected(&out, &message);
    expect("{\"type\":\"connected\",\"connection_id\":\"c-1\",\"user_id\":\"u\\\"1\",\"node\":\"roomcast-0\","
           "\"ping_interval_ms\":25000}");
}

static void acks_have_the_documented_members_in_order(void **state)
{
    (void)state;
    struct room_key chat = chat_key(CHAT);
    struct position position = {"k3x9", SEQ_MAX};

    server_ack(&out, &(struct server_ack){.action = "subscribed",
                                          .chat = &chat,
                                          .id = &number,
                                          .position = &position,
                                          .was_recovering = true,
                                          .recovered = true,
                                          .replayed = 12});
    expect("{\"type\":\"ack\",\"action\":\"subscribed\",\"chat_id\":\"" CHAT
           "\",\"id\":4294967295,\"epoch\":\"k3x9\",\"seq\":9007199254740991,\"recovered\":true,\"replayed\":"
           "12}");
    server_ack(&out, &(struct server_ack){
                         .action = "subscribed", .chat = &chat, .id = &none, .position = &position});
    expect("{\"type\":\"ack\",\"action\":\"subscribed\",\"chat_id\":\"" CHAT
           "\",\"epoch\":\"k3x9\",\"seq\":9007199254740991}");
    server_ack(&out, &(struct server_ack){.action = "unsubscribed", .chat = &chat});
    expect("{\"type\":\"ack\",\"action\":\"unsubscribed\",\"chat_id\":\"" CHAT "\"}");
    server_ack(&out, &(struct server_ack){.action = "refreshed", .id = &text, .expires_at = 1800000000});
    expect("{\"type\":\"ack\",\"action\":\"refreshed\",\"id\":\"a\\\"b\",\"expires_at\":1800000000}");
    server_ack(&out, &(struct server_ack){.action = "notifications",
                                          .position = &(struct position){EPOCH_EMPTY, 0},
                                          .was_recovering = true});
    expect("{\"type\":\"ack\",\"action\":\"notifications\",\"epoch\":\"0\",\"seq\":0,\"recovered\":false,"
           "\"replayed\":0}");
}

static void errors_say_their_meaning_when_no_message_is_given(void **state)
{
    (void)state;
    struct room_key chat = chat_key(CHAT);
    const struct request_id seven = {.kind = REQUEST_ID_NUMBER, .number = 7};

    server_error(&out, ERROR_CODE_FORBIDDEN, NULL, &chat, &seven);
    expect("{\"type\":\"error\",\"code\":\"FORBIDDEN\",\"message\":\"the user may not read this chat\","
           "\"temporary\":false,\"chat_id\":\"" CHAT "\",\"id\":7}");
    server_error(&out, ERROR_CODE_RATE_LIMITED, "slow\ndown", NULL, NULL);
    expect("{\"type\":\"error\",\"code\":\"RATE_LIMITED\",\"message\":\"slow\\ndown\",\"temporary\":true}");
    server_http_error(&out, ERROR_CODE_UNAUTHORIZED, "the token has \"expired\"");
    expect("{\"success\":false,\"error\":{\"code\":\"UNAUTHORIZED\",\"message\":\"the token has "
           "\\\"expired\\\"\"}}");
    server_http_error(&out, ERROR_CODE_NOT_FOUND, NULL);
    expect("{\"success\":false,\"error\":{\"code\":\"NOT_FOUND\",\"message\":\"nothing at this path\"}}");
}

static void small_messages_have_the_documented_shape(void **state)
{
    (void)state;
    struct room_key chat = chat_key(CHAT);
    struct slice users[] = {SLICE_LITERAL("a\"b"), SLICE_LITERAL("c")};

    server_pong(&out, NULL);
    expect("{\"type\":\"pong\"}");
    server_pong(&out, &text);
    expect("{\"type\":\"pong\",\"id\":\"a\\\"b\"}");
    server_typing(&out, &chat, SLICE_LITERAL("u"), true);
    expect("{\"type\":\"chat.typing\",\"chat_id\":\"" CHAT "\",\"user_id\":\"u\",\"is_typing\":true}");
    server_presence_changed(&out, &chat, SLICE_LITERAL("u"), false);
    expect("{\"type\":\"presence.changed\",\"chat_id\":\"" CHAT "\",\"user_id\":\"u\",\"is_online\":false}");
    server_presence_state(&out, &chat, users, COUNT(users), COUNT(users), NULL);
    expect("{\"type\":\"presence.state\",\"chat_id\":\"" CHAT
           "\",\"online\":[\"a\\\"b\",\"c\"],\"count\":2}");
    server_presence_state(&out, &chat, NULL, 0, 500, &text);
    expect("{\"type\":\"presence.state\",\"chat_id\":\"" CHAT
           "\",\"online\":[],\"count\":500,\"id\":\"a\\\"b\"}");
    server_unsubscribed(&out, &chat, "MEMBERSHIP_REVOKED", "gone");
    expect("{\"type\":\"unsubscribed\",\"chat_id\":\"" CHAT
           "\",\"code\":\"MEMBERSHIP_REVOKED\",\"message\":\"gone\"}");
    server_disconnect(&out, 4200, "draining", true, 4312);
    expect("{\"type\":\"disconnect\",\"code\":4200,\"reason\":\"draining\",\"reconnect\":true,\"retry_after_"
           "ms\":4312}");
    server_disconnect(&out, 4003, "revoked", false, 0);
    expect("{\"type\":\"disconnect\",\"code\":4003,\"reason\":\"revoked\",\"reconnect\":false}");
}

static void an_event_carries_the_payload_byte_for_byte(void **state)
{
    (void)state;
    struct envelope envelope = {
        .room = chat_key(CHAT),
        .position = {"k3x9", 1042},
        .event_id = SLICE_LITERAL("e-1"),
        .client_type = SLICE_LITERAL("chat.message.posted"),
        .occurred_at = SLICE_LITERAL("2026-11-23T10:15:30.123Z"),
        .payload = SLICE_LITERAL("{ \"n\": 12345678901234567890,\"x\":1.50,\n\"u\":\"\\u00fc\" }"),
    };

    server_event(&out, &envelope, false);
    expect("{\"type\":\"chat.message.posted\",\"chat_id\":\"" CHAT
           "\",\"epoch\":\"k3x9\",\"seq\":1042,\"id\":\"e-1\",\"ts\":\"2026-11-23T10:15:30.123Z\","
           "\"data\":{ \"n\": 12345678901234567890,\"x\":1.50,\n\"u\":\"\\u00fc\" }}");
    envelope.traceparent = SLICE_LITERAL("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    server_event(&out, &envelope, true);
    expect("{\"type\":\"chat.message.posted\",\"chat_id\":\"" CHAT
           "\",\"epoch\":\"k3x9\",\"seq\":1042,\"id\":\"e-1\",\"ts\":\"2026-11-23T10:15:30.123Z\","
           "\"traceparent\":\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\","
           "\"data\":{ \"n\": 12345678901234567890,\"x\":1.50,\n\"u\":\"\\u00fc\" }}");
}

static void an_event_for_a_user_names_no_chat_and_no_unknown_time(void **state)
{
    (void)state;
    struct envelope envelope = {
        .room = user_key("u-1"),
        .position = {"k3x9", 1},
        .event_id = SLICE_LITERAL("e\"1"),
        .client_type = SLICE_LITERAL("notification.new"),
        .payload = SLICE_LITERAL("null"),
    };

    server_event(&out, &envelope, false);
    expect("{\"type\":\"notification.new\",\"epoch\":\"k3x9\",\"seq\":1,\"id\":\"e\\\"1\",\"data\":null}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connected_tells_expiry_and_notifications_only_when_known),
        cmocka_unit_test(acks_have_the_documented_members_in_order),
        cmocka_unit_test(errors_say_their_meaning_when_no_message_is_given),
        cmocka_unit_test(small_messages_have_the_documented_shape),
        cmocka_unit_test(an_event_carries_the_payload_byte_for_byte),
        cmocka_unit_test(an_event_for_a_user_names_no_chat_and_no_unknown_time),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
