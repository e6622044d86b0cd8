#include "wire_test.h"

#include <stdio.h>
#include <stdlib.h>

#include <roomcast/wire/client_message.h>

#include <mutate.h>

static const struct client_limits limits = {.max_depth = 8, .max_chats = 3};

static struct client_message accept(const char *text)
{
    struct client_message message;
    struct client_fault fault;

    assert_int_equal(client_message_parse(slice_of(text), &limits, &message, &fault), ERR_OK);
    return message;
}

/* Returns the fault for what else a test wants to see of it. */
static struct client_fault refuse(const char *text, enum err expected, enum error_code code,
                                  const char *words)
{
    struct client_message message = {.chats_count = 77};
    struct client_fault fault;

    assert_int_equal(client_message_parse(slice_of(text), &limits, &message, &fault), expected);
    assert_int_equal(message.chats_count, 77);
    assert_string_equal(error_code_text(fault.code), error_code_text(code));
    if (!strstr(fault.message, words))
        fail_msg("\"%s\" does not say \"%s\"", fault.message, words);
    return fault;
}

static void every_type_and_alias_is_understood(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum client_message_type type;
    } cases[] = {
        {"{\"type\":\"subscribe.chat\",\"chat_id\":\"" CHAT "\"}", CLIENT_SUBSCRIBE},
        {"{\"type\":\"subscribe\",\"chat_id\":\"" CHAT "\"}", CLIENT_SUBSCRIBE},
        {"{\"type\":\"unsubscribe.chat\",\"chat_id\":\"" CHAT "\"}", CLIENT_UNSUBSCRIBE},
        {"{\"type\":\"unsubscribe\",\"chat_id\":\"" CHAT "\"}", CLIENT_UNSUBSCRIBE},
        {"{\"type\":\"chat.typing\",\"chat_id\":\"" CHAT "\"}", CLIENT_TYPING},
        {"{\"type\":\"ping\"}", CLIENT_PING},
        {"{\"type\":\"presence.get\",\"chat_id\":\"" CHAT "\"}", CLIENT_PRESENCE_GET},
        {"{\"type\":\"auth.refresh\",\"token\":\"a.b.c\"}", CLIENT_AUTH_REFRESH},
        {"{\"type\":\"notifications.resume\"}", CLIENT_NOTIFICATIONS_RESUME},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct client_message message = accept(cases[i].text);
        assert_int_equal(message.type, cases[i].type);
        assert_int_equal(message.id.kind, REQUEST_ID_NONE);
        client_message_release(&message);
    }
}

static void one_chat_comes_in_any_case_with_its_cursor(void **state)
{
    (void)state;
    struct client_message message =
        accept(" {\"chat_id\":\"" CHAT_UPPER "\",\"type\":\"subscribe\",\"future\":{\"x\":[1]},\"id\":7,"
               "\"since\":{\"epoch\":\"k3x9\",\"seq\":9007199254740991,\"x\":1}} \n");

    assert_int_equal(message.chats_count, 1);
    assert_slice(room_key_name(&message.chats[0].chat), CHAT);
    assert_true(message.chats[0].has_since);
    assert_string_equal(message.chats[0].since.epoch, "k3x9");
    assert_int_equal(message.chats[0].since.seq, SEQ_MAX);
    assert_int_equal(message.id.kind, REQUEST_ID_NUMBER);
    assert_int_equal(message.id.number, 7);
    client_message_release(&message);
    assert_null(message.chats);
    assert_null(message.document);
}

static void a_batch_keeps_its_order_and_each_cursor(void **state)
{
    (void)state;
    struct client_message message =
        accept("{\"type\":\"subscribe\",\"chats\":[{\"chat_id\":\"" CHAT "\"},{\"chat_id\":\"" OTHER_CHAT
               "\",\"since\":{\"epoch\":\"0\",\"seq\":0}}]}");

    assert_int_equal(message.chats_count, 2);
    assert_false(message.chats[0].has_since);
    assert_slice(room_key_name(&message.chats[1].chat), OTHER_CHAT);
    assert_true(message.chats[1].has_since);
    assert_int_equal(message.chats[1].since.seq, 0);
    client_message_release(&message);
}

static void other_fields_are_read(void **state)
{
    (void)state;
    struct client_message message = accept("{\"type\":\"chat.typing\",\"chat_id\":\"" CHAT "\"}");
    assert_true(message.is_typing);
    client_message_release(&message);
    message = accept("{\"type\":\"chat.typing\",\"chat_id\":\"" CHAT "\",\"is_typing\":false}");
    assert_false(message.is_typing);
    client_message_release(&message);
    /* an epoch that cannot be one of ours is another one, and no fault */
    message = accept(
        "{\"type\":\"notifications.resume\",\"since\":{\"epoch\":\"K-3 of another server\",\"seq\":5}}");
    assert_true(message.has_since);
    assert_string_equal(message.since.epoch, "-");
    client_message_release(&message);
    message = accept("{\"type\":\"auth.refresh\",\"token\":\"a.b.c\",\"id\":\"r1\"}");
    assert_slice(message.token, "a.b.c");
    assert_int_equal(message.id.kind, REQUEST_ID_TEXT);
    assert_string_equal(message.id.text, "r1");
    client_message_release(&message);
    message =
        accept("{\"type\":\"notifications.resume\",\"since\":{\"epoch\":\"a\",\"seq\":5},\"id\":4294967295}");
    assert_true(message.has_since);
    assert_int_equal(message.since.seq, 5);
    assert_int_equal(message.id.number, UINT32_MAX);
    client_message_release(&message);
}

static void what_is_no_json_object_is_said_to_be_none(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        " ",
        "ping",
        "{",
        "{\"type\":\"ping\"",
        "{\"type\":\"ping\"}x",
        "{\"type\":\"ping\"}{}",
        "[]",
        "[1]",
        "\"ping\"",
        "7",
        "null",
        "{'type':'ping'}",
        "{\"type\":\"ping\",}",
        "\xef\xbb\xbf{\"type\":\"ping\"}",
        "{\"type\":\"\xff\"}",
        "{\"type\":\"\\ud800\"}",
        "{\"type\":\"pi\nng\"}",
        "{\"id\":01,\"type\":\"ping\"}",
    };

    for (size_t i = 0; i < COUNT(wrong); i++)
        refuse(wrong[i], ERR_SYNTAX, ERROR_CODE_INVALID_JSON, "JSON");
    struct client_message message;
    struct client_fault fault;
    assert_int_equal(client_message_parse((struct slice){NULL, 0}, &limits, &message, &fault), ERR_SYNTAX);
    assert_int_equal(client_message_parse(SLICE_LITERAL("{\"type\":\"ping\"}\0"), &limits, &message, &fault),
                     ERR_SYNTAX);
}

static void valid_json_that_no_client_needs_is_refused_by_name(void **state)
{
    (void)state;
    refuse("{\"type\":\"ping\",\"type\":\"ping\"}", ERR_SYNTAX, ERROR_CODE_INVALID_MESSAGE, "twice");
    refuse("{\"type\":\"pi\\u0000ng\"}", ERR_SYNTAX, ERROR_CODE_INVALID_MESSAGE, "U+0000");
    refuse("{\"type\":\"ping\",\"a\\u0000\":1}", ERR_SYNTAX, ERROR_CODE_INVALID_MESSAGE, "U+0000");
    refuse("{\"type\":\"ping\",\"id\":99999999999999999999}", ERR_RANGE, ERROR_CODE_INVALID_MESSAGE,
           "too large");
    refuse("{\"type\":\"ping\",\"id\":1e999}", ERR_RANGE, ERROR_CODE_INVALID_MESSAGE, "too large");
}

static void nesting_is_limited_before_the_parser_runs(void **state)
{
    (void)state;
    struct client_message message = accept("{\"type\":\"ping\",\"x\":[[[[[[[1]]]]]]]}");
    client_message_release(&message);
    refuse("{\"type\":\"ping\",\"x\":[[[[[[[[1]]]]]]]]}", ERR_TOO_DEEP, ERROR_CODE_INVALID_JSON, "8 levels");
    refuse("[[[[[[[[[[[[[[[[", ERR_TOO_DEEP, ERROR_CODE_INVALID_JSON, "8 levels");
}

static void a_wrong_type_is_told_short_and_printable(void **state)
{
    (void)state;
    refuse("{}", ERR_MISSING, ERROR_CODE_INVALID_MESSAGE, "field \"type\"");
    refuse("{\"type\":7}", ERR_RANGE, ERROR_CODE_INVALID_MESSAGE, "field \"type\"");
    refuse("{\"type\":null}", ERR_RANGE, ERROR_CODE_INVALID_MESSAGE, "field \"type\"");
    refuse("{\"type\":\"PING\"}", ERR_UNKNOWN, ERROR_CODE_UNKNOWN_TYPE, "\"PING\"");
    refuse("{\"type\":\"\"}", ERR_UNKNOWN, ERROR_CODE_UNKNOWN_TYPE, "\"\"");
    refuse("{\"type\":\"a\\n\\u00fc\"}", ERR_UNKNOWN, ERROR_CODE_UNKNOWN_TYPE, "\"a???\"");
    struct client_fault fault =
        refuse("{\"id\":\"x\",\"type\":"
               "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}",
               ERR_UNKNOWN, ERROR_CODE_UNKNOWN_TYPE, "x...\"");
    assert_true(strlen(fault.message) < 80);
    assert_string_equal(fault.id.text, "x");
}

static void a_wrong_id_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"-1", "4294967296", "1.0", "true", "null", "[]", "{}"};
    char text[256], longest[REQUEST_ID_TEXT_MAX + 2];

    for (size_t i = 0; i < COUNT(wrong); i++) {
        snprintf(text, sizeof text, "{\"type\":\"ping\",\"id\":%s}", wrong[i]);
        refuse(text, ERR_RANGE, ERROR_CODE_INVALID_MESSAGE,
               "field \"id\" must be a string of at most 64 bytes");
    }
    memset(longest, 'i', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    snprintf(text, sizeof text, "{\"type\":\"ping\",\"id\":\"%s\"}", longest);
    refuse(text, ERR_RANGE, ERROR_CODE_INVALID_MESSAGE, "field \"id\"");
    snprintf(text, sizeof text, "{\"type\":\"ping\",\"id\":\"%s\"}", longest + 1);
    struct client_message message = accept(text);
    assert_string_equal(message.id.text, longest + 1);
    client_message_release(&message);
}

static void a_wrong_chat_is_told_with_an_example(void **state)
{
    (void)state;
    refuse("{\"type\":\"presence.get\"}", ERR_MISSING, ERROR_CODE_INVALID_MESSAGE,
           "field \"chat_id\" is missing");
    refuse("{\"type\":\"subscribe\",\"chat_id\":7}", ERR_RANGE, ERROR_CODE_INVALID_MESSAGE,
           "field \"chat_id\" must be a UUID, like 6f1c");
    struct client_fault fault = refuse("{\"type\":\"chat.typing\",\"chat_id\":\"general\",\"id\":9}",
                                       ERR_RANGE, ERROR_CODE_INVALID_MESSAGE, "must be a UUID");
    assert_false(fault.has_chat);
    assert_int_equal(fault.id.number, 9);
}

static void a_wrong_cursor_names_its_part_and_the_chat(void **state)
{
    (void)state;
    static const struct {
        const char *since, *words;
        enum err err;
    } cases[] = {
        {"null", "\"since\" must be an object", ERR_RANGE},
        {"7", "\"since\" must be an object", ERR_RANGE},
        {"{}", "\"since.epoch\"", ERR_MISSING},
        {"{\"epoch\":7,\"seq\":1}", "\"since.epoch\"", ERR_RANGE},
        {"{\"epoch\":\"\",\"seq\":1}", "\"since.epoch\"", ERR_RANGE},
        {"{\"epoch\":\"0123456789012345678901234567890123456789012345678901234567890123x\",\"seq\":1}",
         "\"since.epoch\"", ERR_RANGE},
        {"{\"epoch\":\"a\"}", "\"since.seq\"", ERR_MISSING},
        {"{\"epoch\":\"a\",\"seq\":-1}", "\"since.seq\"", ERR_RANGE},
        {"{\"epoch\":\"a\",\"seq\":1.5}", "\"since.seq\"", ERR_RANGE},
        {"{\"epoch\":\"a\",\"seq\":\"1\"}", "\"since.seq\"", ERR_RANGE},
        {"{\"epoch\":\"a\",\"seq\":9007199254740992}", "to 9007199254740991", ERR_RANGE},
    };
    char text[256];

    for (size_t i = 0; i < COUNT(cases); i++) {
        snprintf(text, sizeof text, "{\"type\":\"subscribe\",\"chat_id\":\"" CHAT "\",\"since\":%s}",
                 cases[i].since);
        struct client_fault fault = refuse(text, cases[i].err, ERROR_CODE_INVALID_MESSAGE, cases[i].words);
        assert_true(fault.has_chat);
        assert_slice(room_key_name(&fault.chat), CHAT);
        snprintf(text, sizeof text, "{\"type\":\"notifications.resume\",\"since\":%s}", cases[i].since);
        refuse(text, cases[i].err, ERROR_CODE_INVALID_MESSAGE, cases[i].words);
    }
}

static void a_wrong_batch_names_the_element(void **state)
{
    (void)state;
    refuse("{\"type\":\"subscribe\",\"chats\":[]}", ERR_RANGE, ERROR_CODE_INVALID_MESSAGE, "field \"chats\"");
    refuse("{\"type\":\"subscribe\",\"chats\":{}}", ERR_RANGE, ERROR_CODE_INVALID_MESSAGE, "field \"chats\"");
    refuse("{\"type\":\"subscribe\",\"chats\":null}", ERR_RANGE, ERROR_CODE_INVALID_MESSAGE,
           "field \"chats\"");
    refuse("{\"type\":\"subscribe\",\"chats\":[1,2,3,4]}", ERR_TOO_BIG, ERROR_CODE_INVALID_MESSAGE,
           "the 3 allowed");
    refuse("{\"type\":\"subscribe\",\"chats\":[{\"chat_id\":\"" CHAT "\"}],\"chat_id\":\"" CHAT "\"}",
           ERR_RANGE, ERROR_CODE_INVALID_MESSAGE, "not both");
    refuse("{\"type\":\"subscribe\",\"chats\":[{\"chat_id\":\"" CHAT "\"}],\"since\":{}}", ERR_RANGE,
           ERROR_CODE_INVALID_MESSAGE, "\"since\" belongs");
    refuse("{\"type\":\"subscribe\",\"chats\":[\"" CHAT "\"]}", ERR_RANGE, ERROR_CODE_INVALID_MESSAGE,
           "chats[0]");
    struct client_fault fault =
        refuse("{\"type\":\"subscribe\",\"chats\":[{\"chat_id\":\"" CHAT "\"},{}]}", ERR_MISSING,
               ERROR_CODE_INVALID_MESSAGE, "field \"chats[1].chat_id\" is missing");
    assert_false(fault.has_chat);
    fault =
        refuse("{\"type\":\"subscribe\",\"chats\":[{\"chat_id\":\"" CHAT "\",\"since\":{\"epoch\":\"a\"}}]}",
               ERR_MISSING, ERROR_CODE_INVALID_MESSAGE, "field \"chats[0].since.seq\"");
    assert_slice(room_key_name(&fault.chat), CHAT);
}

static void other_wrong_fields_are_named(void **state)
{
    (void)state;
    refuse("{\"type\":\"chat.typing\",\"chat_id\":\"" CHAT "\",\"is_typing\":1}", ERR_RANGE,
           ERROR_CODE_INVALID_MESSAGE, "field \"is_typing\" must be true or false");
    refuse("{\"type\":\"auth.refresh\"}", ERR_MISSING, ERROR_CODE_INVALID_MESSAGE, "field \"token\"");
    refuse("{\"type\":\"auth.refresh\",\"token\":\"\"}", ERR_RANGE, ERROR_CODE_INVALID_MESSAGE,
           "field \"token\"");
    refuse("{\"type\":\"auth.refresh\",\"token\":[]}", ERR_RANGE, ERROR_CODE_INVALID_MESSAGE,
           "field \"token\"");
}

static void feed(struct slice input)
{
    struct client_message message;
    struct client_fault fault;

    if (client_message_parse(input, &limits, &message, &fault)) {
        assert_true(strlen(fault.message) > 0);
        return;
    }
    for (size_t i = 0; i < message.chats_count; i++)
        assert_int_equal(message.chats[i].chat.len, UUID_TEXT_LEN);
    client_message_release(&message);
}

static void damaged_messages_are_answered_and_nothing_worse(void **state)
{
    (void)state;
    const struct slice seeds[] = {
        SLICE_LITERAL("{\"type\":\"subscribe\",\"chat_id\":\"" CHAT
                      "\",\"id\":7,\"since\":{\"epoch\":\"k3\",\"seq\":1}}"),
        SLICE_LITERAL("{\"type\":\"subscribe\",\"chats\":[{\"chat_id\":\"" CHAT
                      "\"},{\"chat_id\":\"" OTHER_CHAT
                      "\",\"since\":{\"epoch\":\"0\",\"seq\":0}}],\"id\":\"x\"}"),
        SLICE_LITERAL("{\"type\":\"chat.typing\",\"chat_id\":\"" CHAT "\",\"is_typing\":true}"),
        SLICE_LITERAL("{\"type\":\"auth.refresh\",\"token\":\"a.b.c\"}"),
    };

    mutate_each(seeds, COUNT(seeds), 8000, feed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_and_alias_is_understood),
        cmocka_unit_test(one_chat_comes_in_any_case_with_its_cursor),
        cmocka_unit_test(a_batch_keeps_its_order_and_each_cursor),
        cmocka_unit_test(other_fields_are_read),
        cmocka_unit_test(what_is_no_json_object_is_said_to_be_none),
        cmocka_unit_test(valid_json_that_no_client_needs_is_refused_by_name),
        cmocka_unit_test(nesting_is_limited_before_the_parser_runs),
        cmocka_unit_test(a_wrong_type_is_told_short_and_printable),
        cmocka_unit_test(a_wrong_id_is_refused),
        cmocka_unit_test(a_wrong_chat_is_told_with_an_example),
        cmocka_unit_test(a_wrong_cursor_names_its_part_and_the_chat),
        cmocka_unit_test(a_wrong_batch_names_the_element),
        cmocka_unit_test(other_wrong_fields_are_named),
        cmocka_unit_test(damaged_messages_are_answered_and_nothing_worse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
