#include "wire_test.h"

#include <stdio.h>
#include <stdlib.h>

#include <roomcast/wire/domain_event.h>

#include <mutate.h>

#define REASON_SIZE 192
#define POSTED      "\"event_type\":\"message.created\""
#define NOTIFIED    "\"event_type\":\"notification.created\""

static struct event_map *map;

static int start(void **state)
{
    (void)state;
    return event_map_new(NULL, 0, &map) == ERR_OK ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    event_map_free(&map);
    return 0;
}

static struct domain_event accept(const char *text)
{
    struct domain_event event;
    char reason[REASON_SIZE];

    if (domain_event_parse(slice_of(text), map, &event, reason))
        fail_msg("refused: %s", reason);
    return event;
}

static void refuse(const char *text, enum err expected, const char *words)
{
    struct domain_event event = {.payload = SLICE_LITERAL("untouched")};
    char reason[REASON_SIZE] = "";

    assert_int_equal(domain_event_parse(slice_of(text), map, &event, reason), expected);
    assert_slice(event.payload, "untouched");
    if (!strstr(reason, words))
        fail_msg("\"%s\" does not say \"%s\"", reason, words);
}

static void the_documented_envelope_is_read_whole(void **state)
{
    (void)state;
    struct domain_event event =
        accept("{\"id\":\"e-1\",\"event_type\":\"message.created\",\"aggregate_id\":\"x\",\"aggregate_type\":"
               "\"Message\","
               "\"occurred_at\":\"2026-11-23T10:15:30.123Z\",\"version\":1,"
               "\"metadata\":{\"user_id\":\"u\",\"correlation_id\":\"c-1\","
               "\"traceparent\":\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\"},"
               "\"payload\":{\"ChatID\":\"" CHAT_UPPER "\",\"AuthorID\":\"a\",\"Content\":\"Hello\"}}");

    assert_slice(event.id, "e-1");
    assert_slice(event.event_type, "message.created");
    assert_string_equal(event.rule->type, "chat.message.posted");
    assert_slice(event.occurred_at, "2026-11-23T10:15:30.123Z");
    assert_slice(event.correlation_id, "c-1");
    assert_slice(event.traceparent, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    assert_slice(room_key_name(&event.room), CHAT);
    assert_int_equal(event.room.route, ROUTE_TO_CHAT);
    assert_slice(event.payload, "{\"ChatID\":\"" CHAT_UPPER "\",\"AuthorID\":\"a\",\"Content\":\"Hello\"}");
    domain_event_release(&event);
    assert_null(event.document);
}

static void payload_bytes_are_never_touched(void **state)
{
    (void)state;
    static const char *const payloads[] = {
        "{\"chat_id\":\"" CHAT
        "\",\"n\":12345678901234567890123,\"m\":-9223372036854775809,\"x\":1.10,\"e\":1E5}",
        "{ \"z\" : 1,\r\n\t\"chat_id\":\"" CHAT "\", \"a\":\"\\u00fc\\u0000\\/\\ud83d\\ude00\xc3\xbc\" }",
        "{\"chat_id\":\"" CHAT "\",\"a\":1,\"a\":2,\"b\":{\"payload\":3}}",
        "{\"chat_id\":\"" CHAT "\",\"\":[],\"text\":\"}{][\\\"\\\\\"}",
    };
    char text[512];

    for (size_t i = 0; i < COUNT(payloads); i++) {
        snprintf(text, sizeof text, "{" POSTED ",\"payload\" : %s ,\"version\":1}", payloads[i]);
        struct domain_event event = accept(text);
        assert_slice(event.payload, payloads[i]);
        assert_true(event.payload.data > text && event.payload.data < text + sizeof text);
        domain_event_release(&event);
    }
}

static void the_last_of_two_payloads_counts_for_room_and_bytes_alike(void **state)
{
    (void)state;
    struct domain_event event = accept("{" POSTED ",\"payload\":{\"chat_id\":\"" OTHER_CHAT "\"},"
                                       "\"p\\u0061yload\":{\"chat_id\":\"" CHAT "\"}}");

    assert_slice(room_key_name(&event.room), CHAT);
    assert_slice(event.payload, "{\"chat_id\":\"" CHAT "\"}");
    domain_event_release(&event);
}

static void expect_room(const char *text, const char *name, enum route route)
{
    struct domain_event event = accept(text);

    assert_slice(room_key_name(&event.room), name);
    assert_int_equal(event.room.route, route);
    domain_event_release(&event);
}

static void the_chat_is_found_in_every_documented_place(void **state)
{
    (void)state;
    expect_room("{" POSTED ",\"payload\":{\"chat_id\":\"" CHAT "\"}}", CHAT, ROUTE_TO_CHAT);
    expect_room("{" POSTED ",\"payload\":{\"ChatID\":\"" CHAT "\"}}", CHAT, ROUTE_TO_CHAT);
    expect_room("{" POSTED ",\"payload\":{\"chatId\":\"" CHAT "\"}}", CHAT, ROUTE_TO_CHAT);
    expect_room("{" POSTED ",\"payload\":{\"chatId\":\"" OTHER_CHAT "\",\"chat_id\":\"" CHAT "\"}}", CHAT,
                ROUTE_TO_CHAT);
    expect_room("{" POSTED ",\"payload\":{\"chat_id\":null,\"ChatID\":\"" CHAT "\"}}", CHAT, ROUTE_TO_CHAT);
    expect_room("{" POSTED ",\"aggregate_type\":\"Chat\",\"aggregate_id\":\"" CHAT "\",\"payload\":{}}", CHAT,
                ROUTE_TO_CHAT);
    expect_room("{" POSTED ",\"aggregate_type\":\"TASK\",\"aggregate_id\":\"" CHAT "\",\"payload\":[1]}",
                CHAT, ROUTE_TO_CHAT);
    expect_room("{" POSTED ",\"aggregate_type\":\"chat\",\"aggregate_id\":\"" OTHER_CHAT
                "\",\"payload\":{\"ChatID\":\"" CHAT "\"}}",
                CHAT, ROUTE_TO_CHAT);
}

static void an_event_without_a_usable_chat_is_bad(void **state)
{
    (void)state;
    refuse("{" POSTED "}", ERR_MISSING, "no chat");
    refuse("{" POSTED ",\"payload\":null}", ERR_MISSING, "no chat");
    refuse("{" POSTED ",\"aggregate_type\":\"Message\",\"aggregate_id\":\"" CHAT "\"}", ERR_MISSING,
           "no chat");
    refuse("{" POSTED ",\"aggregate_type\":\"chats\",\"aggregate_id\":\"" CHAT "\"}", ERR_MISSING, "no chat");
    refuse("{" POSTED ",\"aggregate_type\":7,\"aggregate_id\":\"" CHAT "\"}", ERR_MISSING, "no chat");
    refuse("{" POSTED ",\"aggregate_type\":\"chat\"}", ERR_MISSING, "no chat");
    refuse("{" POSTED ",\"aggregate_type\":\"chat\",\"aggregate_id\":7}", ERR_RANGE,
           "aggregate_id is not a UUID");
    refuse("{" POSTED ",\"payload\":{\"ChatID\":\"general\"}}", ERR_RANGE, "payload.ChatID is not a UUID");
    refuse("{" POSTED ",\"payload\":{\"chat_id\":7}}", ERR_RANGE, "payload.chat_id is not a UUID");
    refuse("{" POSTED ",\"payload\":{\"chat_id\":\"" CHAT "\\u0000\"}}", ERR_RANGE, "payload.chat_id");
}

static void the_user_is_found_in_every_documented_place(void **state)
{
    (void)state;
    expect_room("{" NOTIFIED ",\"payload\":{\"user_id\":\"u-1\"}}", "u-1", ROUTE_TO_USER);
    expect_room("{" NOTIFIED ",\"payload\":{\"UserID\":\"" CHAT_UPPER "\"}}", CHAT, ROUTE_TO_USER);
    expect_room("{" NOTIFIED ",\"payload\":{\"userId\":\"u\"},\"metadata\":{\"user_id\":\"m\"}}", "u",
                ROUTE_TO_USER);
    expect_room("{" NOTIFIED ",\"payload\":{},\"metadata\":{\"user_id\":\"m\"}}", "m", ROUTE_TO_USER);
    expect_room("{" NOTIFIED ",\"metadata\":{\"user_id\":\"m\"}}", "m", ROUTE_TO_USER);
}

static void numeric_user_ids_are_exact_and_spelled_as_a_token_would(void **state)
{
    (void)state;
    expect_room("{" NOTIFIED ",\"payload\":{\"user_id\":9007199254740993}}", "9007199254740993",
                ROUTE_TO_USER);
    expect_room("{" NOTIFIED ",\"payload\":{},\"metadata\":{\"user_id\":-7}}", "-7", ROUTE_TO_USER);
    refuse("{" NOTIFIED ",\"payload\":{\"user_id\":7.0}}", ERR_RANGE, "payload.user_id");
    refuse("{" NOTIFIED ",\"payload\":{\"user_id\":7e1}}", ERR_RANGE, "payload.user_id");
}

static void an_event_without_a_usable_user_is_bad(void **state)
{
    (void)state;
    refuse("{" NOTIFIED ",\"payload\":{\"chat_id\":\"" CHAT "\"}}", ERR_MISSING, "no user");
    refuse("{" NOTIFIED ",\"metadata\":{\"user_id\":null}}", ERR_MISSING, "no user");
    refuse("{" NOTIFIED ",\"payload\":{\"user_id\":\"\"}}", ERR_RANGE, "payload.user_id");
    refuse("{" NOTIFIED ",\"payload\":{\"userId\":true},\"metadata\":{\"user_id\":\"m\"}}", ERR_RANGE,
           "payload.userId");
    refuse("{" NOTIFIED ",\"metadata\":{\"user_id\":\"a\\u0000b\"}}", ERR_RANGE, "metadata.user_id");
}

static void what_is_not_one_json_object_is_bad(void **state)
{
    (void)state;
    refuse("", ERR_SYNTAX, "not valid JSON");
    refuse("not json", ERR_SYNTAX, "not valid JSON");
    refuse("{" POSTED ",\"payload\":{\"chat_id\":\"" CHAT "\"}", ERR_SYNTAX, "not valid JSON");
    refuse("{" POSTED ",\"payload\":{\"chat_id\":\"" CHAT "\"}}x", ERR_SYNTAX, "not valid JSON");
    refuse("\xef\xbb\xbf{" POSTED ",\"payload\":{\"chat_id\":\"" CHAT "\"}}", ERR_SYNTAX, "not valid JSON");
    refuse("{" POSTED ",\"payload\":{\"chat_id\":\"" CHAT "\",\"x\":\"\xff\"}}", ERR_SYNTAX,
           "not valid JSON");
    refuse("{" POSTED ",\"payload\":{\"x\":NaN}}", ERR_SYNTAX, "not valid JSON");
    refuse("[{" POSTED "}]", ERR_SYNTAX, "not a JSON object");
}

static void event_type_must_be_there_plain_and_known(void **state)
{
    (void)state;
    char text[256], longest[CLIENT_TYPE_MAX + 2];

    refuse("{\"payload\":{}}", ERR_MISSING, "event_type is missing");
    refuse("{\"event_type\":7}", ERR_RANGE, "event_type");
    refuse("{\"event_type\":\"\"}", ERR_RANGE, "event_type");
    refuse("{\"event_type\":\"message.created\\u0000\"}", ERR_RANGE, "event_type");
    refuse("{\"event_type\":\"invoice.paid\"}", ERR_UNKNOWN, "\"invoice.paid\"");
    memset(longest, 'e', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    snprintf(text, sizeof text, "{\"event_type\":\"%s\"}", longest);
    refuse(text, ERR_RANGE, "event_type");
    snprintf(text, sizeof text, "{\"event_type\":\"%s\"}", longest + 1);
    refuse(text, ERR_UNKNOWN, "eee...");
}

static void what_only_informs_is_left_out_when_it_is_not_usable(void **state)
{
    (void)state;
    struct domain_event event =
        accept("{" POSTED ",\"occurred_at\":1700000000,\"payload\":{\"chat_id\":\"" CHAT "\"},"
               "\"metadata\":{\"correlation_id\":\"a\\nb\",\"traceparent\":\"00-zz\"}}");

    assert_slice(event.occurred_at, "");
    assert_slice(event.correlation_id, "");
    assert_slice(event.traceparent, "");
    domain_event_release(&event);
    event = accept("{" POSTED ",\"metadata\":7,\"payload\":{\"chat_id\":\"" CHAT "\"},\"occurred_at\":"
                   "\"2026-11-23T10:15:30.12345678901234567890123456789012345678901234567890Z\"}");
    assert_slice(event.occurred_at, "");
    domain_event_release(&event);
}

#define IN_CHAT ",\"payload\":{\"chat_id\":\"" CHAT "\"}}"

static void expect_id(const char *json, const char *id)
{
    char text[512];

    snprintf(text, sizeof text, "{" POSTED ",\"id\":%s" IN_CHAT, json);
    struct domain_event event = accept(text);
    assert_slice(event.id, id);
    domain_event_release(&event);
}

static void refuse_id(const char *json)
{
    char text[512];

    snprintf(text, sizeof text, "{" POSTED ",\"id\":%s" IN_CHAT, json);
    refuse(text, ERR_RANGE, "id is not a string of 1 to 128 printable ASCII characters");
}

static void an_id_is_used_as_it_is_or_refused(void **state)
{
    (void)state;
    char digits[EVENT_ID_MAX + 2], quoted[EVENT_ID_MAX + 4];

    expect_id("null", "");
    expect_id("\"e-1\"", "e-1");
    expect_id("\"\\u0065-1\"", "e-1");
    expect_id("7", "7");
    expect_id("-12345678901234567890123", "-12345678901234567890123");
    expect_id("1,\"i\\u0064\":9007199254740993", "9007199254740993");
    static const char *const unusable[] = {
        "\"\"", "\"a b\"", "\"a\\nb\"", "\"a\\u0000\"", "\"\\u00e9\"",
        "7.0",  "7e1",     "true",      "[\"a\"]",      "{\"a\":1}",
    };
    for (size_t i = 0; i < COUNT(unusable); i++)
        refuse_id(unusable[i]);
    memset(digits, '7', EVENT_ID_MAX + 1);
    digits[EVENT_ID_MAX + 1] = '\0';
    refuse_id(digits);
    expect_id(digits + 1, digits + 1);
    snprintf(quoted, sizeof quoted, "\"%s\"", digits);
    refuse_id(quoted);
    snprintf(quoted, sizeof quoted, "\"%s\"", digits + 1);
    expect_id(quoted, digits + 1);
}

static void an_absent_payload_is_null(void **state)
{
    (void)state;
    struct domain_event event =
        accept("{" POSTED ",\"aggregate_type\":\"chat\",\"aggregate_id\":\"" CHAT "\"}");

    assert_slice(event.payload, "null");
    domain_event_release(&event);
}

static void nesting_is_limited_before_the_parser_runs(void **state)
{
    (void)state;
    size_t size = 1024 * 1024;
    char *deep = malloc(size), reason[REASON_SIZE];
    struct domain_event event;

    assert_non_null(deep);
    memset(deep, '[', size);
    assert_int_equal(domain_event_parse((struct slice){deep, size}, map, &event, reason), ERR_TOO_DEEP);
    free(deep);
}

static void expect_change(const char *text, enum event_change change, enum revocation_kind kind,
                          const char *id)
{
    struct domain_event event = accept(text);

    assert_int_equal(event.change, change);
    assert_int_equal(event.revocation.kind, kind);
    assert_string_equal(event.revocation.id, id);
    assert_false(event.change_failed);
    if (kind == REVOCATION_USER_IN_CHAT || kind == REVOCATION_CHAT) {
        char chat[UUID_TEXT_SIZE];
        uuid_format(&event.revocation.chat, chat);
        assert_string_equal(chat, CHAT);
    }
    domain_event_release(&event);
}

static void events_that_take_rights_away_or_give_them_back_say_whose(void **state)
{
    (void)state;
    expect_change("{\"event_type\":\"chat.member_removed\",\"payload\":{\"chat_id\":\"" CHAT
                  "\",\"user_id\":\"ben\",\"member_id\":\"row-7\"}}",
                  EVENT_REMOVES_MEMBER, REVOCATION_USER_IN_CHAT, "ben");
    expect_change(
        "{\"event_type\":\"chat.member_removed\",\"aggregate_type\":\"Chat\",\"aggregate_id\":\"" CHAT
        "\",\"metadata\":{\"user_id\":\"actor\"},\"payload\":{\"MemberID\":12345678901234567890123}}",
        EVENT_REMOVES_MEMBER, REVOCATION_USER_IN_CHAT, "12345678901234567890123");
    expect_change("{\"event_type\":\"chat.member_added\",\"payload\":{\"ChatID\":\"" CHAT
                  "\",\"UserID\":\"" CHAT_UPPER "\"}}",
                  EVENT_ADDS_MEMBER, REVOCATION_USER_IN_CHAT, CHAT);
    expect_change("{\"event_type\":\"chat.deleted\",\"payload\":{\"chat_id\":\"" CHAT "\"}}",
                  EVENT_DELETES_CHAT, REVOCATION_CHAT, "");
    expect_change("{" POSTED ",\"payload\":{\"chat_id\":\"" CHAT "\",\"user_id\":\"ben\"}}",
                  EVENT_CHANGES_NOTHING, 0, "");
}

static void an_event_that_only_revokes_needs_no_row_and_has_no_room(void **state)
{
    (void)state;
    expect_change("{\"event_type\":\"access.revoked\",\"payload\":{\"token_id\":\"t-1\"}}",
                  EVENT_REVOKES_ACCESS, REVOCATION_TOKEN, "t-1");
    struct domain_event event = accept("{\"id\":\"e\",\"event_type\":\"access.revoked\",\"payload\":"
                                       "{\"UserID\":7,\"chat_id\":\"" CHAT "\",\"before\":5}}");
    assert_null(event.rule);
    assert_int_equal(event.room.len, 0);
    assert_int_equal(event.revocation.kind, REVOCATION_USER_IN_CHAT);
    assert_string_equal(event.revocation.id, "7");
    assert_int_equal(event.revocation.at_s, 5);
    assert_slice(event.id, "e");
    domain_event_release(&event);
    refuse("{\"event_type\":\"access.revoked\"}", ERR_MISSING, "payload is missing");
    refuse("{\"event_type\":\"access.revoked\",\"payload\":{\"chat_id\":\"" CHAT "\"}}", ERR_MISSING,
           "neither payload.user_id nor payload.token_id");
}

static void an_event_that_does_not_say_whom_it_removes_goes_its_way(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"event_type\":\"chat.member_removed\",\"payload\":{\"chat_id\":\"" CHAT "\"}}",
        "{\"event_type\":\"chat.member_removed\",\"metadata\":{\"user_id\":\"actor\"},\"payload\":{"
        "\"chat_id\":\"" CHAT "\",\"user_id\":\"\"}}",
    };

    for (size_t i = 0; i < COUNT(events); i++) {
        struct domain_event event;
        char reason[REASON_SIZE] = "";
        assert_int_equal(domain_event_parse(slice_of(events[i]), map, &event, reason), ERR_OK);
        assert_int_equal(event.change, EVENT_CHANGES_NOTHING);
        assert_true(event.change_failed);
        assert_non_null(strstr(reason, "payload.user_id"));
        assert_string_equal(event.rule->type, "chat.member_removed");
        domain_event_release(&event);
    }
}

static void feed(struct slice input)
{
    static const char head[] = "{" POSTED ",\"payload\":{\"chat_id\":\"" CHAT "\"},\"again\":";
    struct domain_event event, again;
    char reason[REASON_SIZE];

    if (domain_event_parse(input, map, &event, reason)) {
        assert_true(strlen(reason) > 0);
        return;
    }
    /* What was cut out as the payload is itself one JSON value. */
    size_t len = sizeof head - 1 + event.payload.len + 1;
    char *text = malloc(len);
    assert_non_null(text);
    memcpy(text, head, sizeof head - 1);
    memcpy(text + sizeof head - 1, event.payload.data, event.payload.len);
    text[len - 1] = '}';
    assert_int_equal(domain_event_parse((struct slice){text, len}, map, &again, reason), ERR_OK);
    domain_event_release(&again);
    domain_event_release(&event);
    free(text);
}

static void damaged_events_are_refused_or_cut_out_correctly(void **state)
{
    (void)state;
    const struct slice seeds[] = {
        SLICE_LITERAL(
            "{\"id\":\"e-1\"," POSTED
            ",\"metadata\":{\"correlation_id\":\"c\"},\"payload\":{\"ChatID\":\"" CHAT
            "\",\"n\":12345678901234567890,\"t\":\"\\ud83d\\ude00 \\\"x\\\"\",\"a\":[1,{\"b\":null}]}}"),
        SLICE_LITERAL("{" POSTED ",\"aggregate_type\":\"chat\",\"aggregate_id\":\"" CHAT
                      "\",\"payload\":[1,2,{\"a\":\"]\"}]}"),
        SLICE_LITERAL("{" NOTIFIED ",\"payload\":{\"user_id\":9007199254740993},\"occurred_at\":\"2026\"}"),
    };

    mutate_each(seeds, COUNT(seeds), 9000, feed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documented_envelope_is_read_whole),
        cmocka_unit_test(payload_bytes_are_never_touched),
        cmocka_unit_test(the_last_of_two_payloads_counts_for_room_and_bytes_alike),
        cmocka_unit_test(the_chat_is_found_in_every_documented_place),
        cmocka_unit_test(an_event_without_a_usable_chat_is_bad),
        cmocka_unit_test(the_user_is_found_in_every_documented_place),
        cmocka_unit_test(numeric_user_ids_are_exact_and_spelled_as_a_token_would),
        cmocka_unit_test(an_event_without_a_usable_user_is_bad),
        cmocka_unit_test(what_is_not_one_json_object_is_bad),
        cmocka_unit_test(event_type_must_be_there_plain_and_known),
        cmocka_unit_test(what_only_informs_is_left_out_when_it_is_not_usable),
        cmocka_unit_test(an_id_is_used_as_it_is_or_refused),
        cmocka_unit_test(an_absent_payload_is_null),
        cmocka_unit_test(nesting_is_limited_before_the_parser_runs),
        cmocka_unit_test(events_that_take_rights_away_or_give_them_back_say_whose),
        cmocka_unit_test(an_event_that_only_revokes_needs_no_row_and_has_no_room),
        cmocka_unit_test(an_event_that_does_not_say_whom_it_removes_goes_its_way),
        cmocka_unit_test(damaged_events_are_refused_or_cut_out_correctly),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
