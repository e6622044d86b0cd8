/* Whatever allocation fails while a message is read or written: it is right, or there was no memory. An event
 * that was taken for a bad one because of that would be lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>

#include <roomcast/wire/client_message.h>
#include <roomcast/wire/console_message.h>
#include <roomcast/wire/domain_event.h>
#include <roomcast/wire/envelope.h>
#include <roomcast/wire/heartbeat.h>
#include <roomcast/wire/signal.h>
#include <roomcast/wire/stream_request.h>
#include <roomcast/wire/token.h>

#include "every_allocation.h"

#define CHAT   "0a0b0c0d-0102-4304-8506-070809101112"
#define NOW    1700000000u
#define SECRET "0123456789abcdef0123456789abcdef"

static void assert_is(struct slice slice, const char *text)
{
    assert_int_equal(slice.len, strlen(text));
    assert_memory_equal(slice.data, text, slice.len);
}

static struct room_key chat(void)
{
    struct uuid uuid;
    struct room_key room;
    assert_int_equal(uuid_parse(SLICE_LITERAL(CHAT), &uuid), ERR_OK);
    room_key_for_chat(&uuid, &room);
    return room;
}

static enum err encode_and_decode_envelope(void)
{
    const struct envelope sent = {.room = chat(),
                                  .position = {.epoch = "e1", .seq = 7},
                                  .event_id = SLICE_LITERAL("id-7"),
                                  .client_type = SLICE_LITERAL("chat.message.posted"),
                                  .event_type = SLICE_LITERAL("message.created"),
                                  .occurred_at = SLICE_LITERAL("2026-11-23T10:15:30.123Z"),
                                  .payload = SLICE_LITERAL("{\"n\":1}"),
                                  .source = SLICE_LITERAL("s"),
                                  .correlation_id = SLICE_LITERAL("c"),
                                  .trail = {.seqs = {30, 20, 10}, .count = 3}};
    struct envelope_owned got;
    struct buffer bytes;
    buffer_init(&bytes, ENVELOPE_MAX_BYTES);
    enum err err = envelope_encode(&sent, &bytes);
    if (err == ERR_OK)
        err = envelope_decode(buffer_slice(&bytes), &sent.room, &got);
    if (err == ERR_OK) {
        assert_int_equal(got.envelope.position.seq, 7);
        assert_is(got.envelope.event_id, "id-7");
        assert_is(got.envelope.payload, "{\"n\":1}");
        assert_is(got.envelope.correlation_id, "c");
        assert_int_equal(got.envelope.trail.count, 3);
        envelope_release(&got);
    }
    buffer_fini(&bytes);
    return err;
}

/* The fault of a message that is right can only be that of this process. */
static enum err parse(const char *text, struct client_message *message)
{
    const struct client_limits limits = {.max_depth = 16, .max_chats = 8};
    struct client_fault fault;
    enum err err = client_message_parse(slice_of(text), &limits, message, &fault);
    if (err != ERR_OK)
        assert_int_equal(fault.code, ERROR_CODE_INTERNAL);
    return err;
}

static enum err parse_subscribe(void)
{
    struct client_message message;
    enum err err = parse("{\"type\":\"subscribe\",\"id\":\"r1\",\"chats\":[{\"chat_id\":\"" CHAT
                         "\",\"since\":{\"epoch\":\"e1\",\"seq\":3}},{\"chat_id\":\"" CHAT "\"}]}",
                         &message);
    if (err == ERR_OK) {
        assert_int_equal(message.type, CLIENT_SUBSCRIBE);
        assert_int_equal(message.chats_count, 2);
        assert_true(message.chats[0].has_since && message.chats[0].since.seq == 3);
        client_message_release(&message);
    }
    return err;
}

static enum err parse_refresh(void)
{
    struct client_message message;
    enum err err = parse("{\"type\":\"auth.refresh\",\"token\":\"abc\\u0041\"}", &message);
    if (err == ERR_OK) {
        assert_is(message.token, "abcA");
        client_message_release(&message);
    }
    return err;
}

/* As for every reader of server-sent events. */
static enum err read_stream_request(void)
{
    const struct slice query = SLICE_LITERAL("chats=" CHAT ":e1:3&x=1");
    const struct stream_request request = {
        .query = &query, .query_count = 1, .last_event_id = SLICE_LITERAL("v1~.e2.5"), .max_chats = 8};
    struct stream_cursor *cursor;
    enum err err = stream_request_read(&request, &cursor);
    if (err == ERR_OK) {
        assert_int_equal(cursor->count, 2);
        assert_int_equal(cursor->places[0].position.seq, 5);
        assert_int_equal(cursor->places[1].position.seq, 3);
        free(cursor);
    }
    return err;
}

static enum err console_answer(void)
{
    const struct console_message sent = {.id = 7,
                                         .kind = CONSOLE_ANSWER,
                                         .status = 200,
                                         .from = SLICE_LITERAL("a.1"),
                                         .body = SLICE_LITERAL("{\"a\":[\"b\\u0041\",1.5]}")};
    struct console_owned got;
    struct buffer bytes;
    buffer_init(&bytes, CONSOLE_MAX_BYTES);
    enum err err = console_encode(&sent, &bytes);
    if (err == ERR_OK)
        err = console_decode(buffer_slice(&bytes), &got);
    if (err == ERR_OK) {
        assert_int_equal(got.message.id, 7);
        assert_is(got.message.from, "a.1");
        assert_is(got.message.body, "{\"a\":[\"b\\u0041\",1.5]}");
        console_release(&got);
    }
    buffer_fini(&bytes);
    return err;
}

static struct event_map *map;

static enum err parse_event(const char *text, enum event_change change, const char *payload)
{
    struct domain_event event;
    char reason[192];
    enum err err = domain_event_parse(slice_of(text), map, &event, reason);
    if (err == ERR_OK) {
        assert_int_equal(event.change, change);
        assert_is(event.payload, payload);
        enum err change_err = event.change_failed ? ERR_NO_MEMORY : ERR_OK;
        domain_event_release(&event);
        return change_err;
    }
    return err;
}

static enum err parse_message_created(void)
{
    return parse_event("{\"id\":\"e-1\",\"event_type\":\"message.created\",\"aggregate_id\":\"" CHAT
                       "\",\"aggregate_type\":\"Message\",\"occurred_at\":\"2026-11-23T10:15:30.123Z\","
                       "\"metadata\":{\"correlation_id\":\"c\"},\"payload\":{\"ChatID\":\"" CHAT
                       "\",\"Content\":\"\\u00e9\",\"deep\":[[1,2],{\"a\":null}]}}",
                       EVENT_CHANGES_NOTHING,
                       "{\"ChatID\":\"" CHAT "\",\"Content\":\"\\u00e9\",\"deep\":[[1,2],{\"a\":null}]}");
}

static enum err parse_member_removed(void)
{
    return parse_event("{\"id\":\"e-2\",\"event_type\":\"chat.member_removed\",\"aggregate_id\":\"" CHAT
                       "\",\"aggregate_type\":\"chat\",\"payload\":{\"user_id\":\"ada\"}}",
                       EVENT_REMOVES_MEMBER, "{\"user_id\":\"ada\"}");
}

static enum err parse_access_revoked(void)
{
    return parse_event("{\"id\":\"e-3\",\"event_type\":\"access.revoked\",\"payload\":{\"user_id\":\"ada\"}}",
                       EVENT_REVOKES_ACCESS, "{\"user_id\":\"ada\"}");
}

static struct token_verifier *verifier;
static char *token;

/* libjwt loses what it has when jansson has no memory. */
static enum err verify(void)
{
    struct token_claims claims;
    const char *reason;
    enum err err = token_verify(verifier, slice_of(token), NOW, &claims, &reason);
    if (err == ERR_OK) {
        struct uuid uuid;
        struct room_key user = token_claims_user(&claims);
        assert_string_equal(user.name, "ada");
        assert_int_equal(claims.chats_count, 2);
        assert_int_equal(uuid_parse(SLICE_LITERAL(CHAT), &uuid), ERR_OK);
        assert_true(token_claims_allow(&claims, &uuid));
        assert_false(claims.all_chats);
        assert_int_equal(claims.expires_at, NOW + 60);
        assert_non_null(claims.text);
        token_claims_release(&claims);
    }
    return err;
}

static const struct token_options options = {.hmac_secret = SLICE_LITERAL(SECRET),
                                             .hmac_previous = SLICE_LITERAL("previous-" SECRET),
                                             .issuer = "",
                                             .audience = "",
                                             .user_claim = "sub",
                                             .chats_claim = "chats",
                                             .require_expiry = true,
                                             .keep_claims_max = 4096};

static enum err heartbeat(void)
{
    struct heartbeat sent = {.kind = HEARTBEAT_OF_NODE,
                             .state = HEARTBEAT_SERVING,
                             .instance = "a.1",
                             .name = "a",
                             .release = "1",
                             .admin = "127.0.0.1:1",
                             .interval_ms = 1000,
                             .number = 3,
                             .rooms = 12};
    struct heartbeat got;
    struct buffer bytes;
    buffer_init(&bytes, HEARTBEAT_MAX_BYTES);
    enum err err = heartbeat_encode(&sent, &bytes);
    if (err == ERR_OK)
        err = heartbeat_decode(buffer_slice(&bytes), &got);
    if (err == ERR_OK) {
        assert_int_equal(got.rooms, 12);
        assert_string_equal(got.instance, "a.1");
    }
    buffer_fini(&bytes);
    return err;
}

static int start(void **state)
{
    const struct token_mint mint = {.hmac_secret = SLICE_LITERAL(SECRET),
                                    .user = "ada",
                                    .chats = CHAT ",0a0b0c0d-0102-4304-8506-070809101113",
                                    .user_claim = "sub",
                                    .chats_claim = "chats",
                                    .issued_at = NOW,
                                    .lifetime_s = 60};
    char problem[256];
    (void)state;
    if (event_map_new(NULL, 0, &map) != ERR_OK || token_verifier_new(&options, &verifier, problem) != ERR_OK)
        return 1;
    return token_mint(&mint, &token) == ERR_OK ? 0 : 1;
}

static int stop(void **state)
{
    (void)state;
    event_map_free(&map);
    token_verifier_free(&verifier);
    free(token);
    return 0;
}

#define SCENARIOS(S)                                                                                         \
    S(encode_and_decode_envelope)                                                                            \
    S(parse_subscribe)                                                                                       \
    S(parse_refresh)                                                                                         \
    S(read_stream_request)                                                                                   \
    S(console_answer)                                                                                        \
    S(parse_message_created)                                                                                 \
    S(parse_member_removed)                                                                                  \
    S(parse_access_revoked)                                                                                  \
    S(verify)                                                                                                \
    S(heartbeat)

#define SCENARIO(name)                                                                                       \
    static void name##_is_right_or_says_that_memory_is_out(void **state)                                     \
    {                                                                                                        \
        (void)state;                                                                                         \
        every_allocation_fails(name, false, name != verify);                                                 \
        every_allocation_fails(name, true, name != verify);                                                  \
    }
SCENARIOS(SCENARIO)

int main(void)
{
#define TEST(name) cmocka_unit_test(name##_is_right_or_says_that_memory_is_out),
    const struct CMUnitTest tests[] = {SCENARIOS(TEST)};
    return cmocka_run_group_tests(tests, start, stop);
}
