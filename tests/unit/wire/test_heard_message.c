#include <roomcast/wire/heard_message.h>
#include <roomcast/wire/http_reply.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define CHAT "22222222-2222-4222-8222-222222222222"

static struct heard_message heard(const char *text)
{
    struct heard_message message;
    assert_int_equal(heard_message_parse(slice_of(text), &message), ERR_OK);
    return message;
}

static void an_event_has_its_place_and_its_data_byte_for_byte(void **state)
{
    (void)state;
    struct heard_message message = heard("{\"type\":\"chat.message.posted\",\"chat_id\":\"" CHAT
                                         "\",\"epoch\":\"k3x9\",\"seq\":9007199254740991,\"id\":\"a\","
                                         "\"data\":{\"n\": 9223372036854775807}}");
    assert_int_equal(message.kind, HEARD_EVENT);
    assert_true(message.has_chat && message.has_position);
    assert_string_equal(message.position.epoch, "k3x9");
    assert_true(message.position.seq == UINT64_C(9007199254740991));
    assert_true(slice_equal(message.data, SLICE_LITERAL("{\"n\": 9223372036854775807}")));
    heard_message_release(&message);
}

static void acks_and_control_are_told_apart(void **state)
{
    static const struct {
        const char *text;
        enum heard_kind kind;
    } rows[] = {
        {"{\"type\":\"connected\",\"notifications\":{\"epoch\":\"k\",\"seq\":1}}", HEARD_CONNECTED},
        {"{\"type\":\"ack\",\"action\":\"subscribed\",\"epoch\":\"k\",\"seq\":1}", HEARD_SUBSCRIBED},
        {"{\"type\":\"ack\",\"action\":\"notifications\",\"epoch\":\"k\",\"seq\":1}", HEARD_NOTIFICATIONS},
        {"{\"type\":\"ack\",\"action\":\"refreshed\"}", HEARD_ACK},
        {"{\"type\":\"error\",\"code\":\"X\",\"epoch\":\"k\",\"seq\":1}", HEARD_ERROR},
        {"{\"type\":\"unsubscribed\"}", HEARD_UNSUBSCRIBED},
        {"{\"type\":\"disconnect\"}", HEARD_DISCONNECT},
        {"{\"type\":\"pong\"}", HEARD_PONG},
        {"{\"type\":\"chat.typing\",\"chat_id\":\"" CHAT "\"}", HEARD_OTHER},
        {"{\"type\":\"of a later release\"}", HEARD_OTHER},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct heard_message message = heard(rows[i].text);
        assert_int_equal(message.kind, rows[i].kind);
        heard_message_release(&message);
    }
}

static void what_recovered_says_and_whether_it_is_said_differ(void **state)
{
    (void)state;
    struct heard_message whole = heard("{\"type\":\"ack\",\"recovered\":true,\"replayed\":12}"),
                         lost = heard("{\"type\":\"ack\",\"recovered\":false}"),
                         first = heard("{\"type\":\"ack\"}");
    assert_true(whole.has_recovered && whole.recovered && whole.replayed == 12);
    assert_true(lost.has_recovered && !lost.recovered);
    assert_false(first.has_recovered);
    heard_message_release(&whole);
    heard_message_release(&lost);
    heard_message_release(&first);
}

static void a_place_that_cannot_be_handed_back_is_none(void **state)
{
    static const char *const rows[] = {
        "{\"type\":\"x\",\"epoch\":\"\",\"seq\":1}",      "{\"type\":\"x\",\"epoch\":\"k\",\"seq\":-1}",
        "{\"type\":\"x\",\"epoch\":\"k\",\"seq\":1.5}",   "{\"type\":\"x\",\"epoch\":\"k\",\"seq\":\"1\"}",
        "{\"type\":\"x\",\"epoch\":\"k\\n\",\"seq\":1}",  "{\"type\":\"x\",\"epoch\":7,\"seq\":1}",
        "{\"type\":\"x\",\"epoch\":\"k\",\"seq\":1e300}", "{\"type\":\"x\",\"seq\":1}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct heard_message message = heard(rows[i]);
        assert_false(message.has_position);
        assert_int_equal(message.kind, HEARD_OTHER);
        heard_message_release(&message);
    }
}

static void what_no_node_says_is_refused(void **state)
{
    static const char *const rows[] = {"", "[]", "{", "{}", "{\"type\":7}", "{\"type\":\"\"}", "<html>"};
    struct heard_message message;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(heard_message_parse(slice_of(rows[i]), &message), ERR_SYNTAX);
}

static void a_reply_is_fit_for_a_terminal_and_cut_where_it_is_long(void **state)
{
    struct http_reply reply;
    char text[2048] = "{\"error\":{\"code\":\"A\\u001b[31m\",\"message\":\"";

    (void)state;
    memset(text + strlen(text), 'm', 1200);
    strcat(text, "\"}}");
    assert_int_equal(http_reply_parse(slice_of(text), &reply), ERR_OK);
    assert_string_equal(reply.code, "A\\u001b[31m");
    assert_int_equal(strlen(reply.message), HTTP_REPLY_MESSAGE_SIZE - 1);
    assert_int_equal(
        http_reply_parse(SLICE_LITERAL("{\"success\":true,\"accepted\":2,\"skipped\":-1}"), &reply), ERR_OK);
    assert_true(reply.accepted == 2 && reply.skipped == 0 && reply.message[0] == '\0');
    assert_int_equal(http_reply_parse(SLICE_LITERAL("Not Found"), &reply), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_has_its_place_and_its_data_byte_for_byte),
        cmocka_unit_test(acks_and_control_are_told_apart),
        cmocka_unit_test(what_recovered_says_and_whether_it_is_said_differ),
        cmocka_unit_test(a_place_that_cannot_be_handed_back_is_none),
        cmocka_unit_test(what_no_node_says_is_refused),
        cmocka_unit_test(a_reply_is_fit_for_a_terminal_and_cut_where_it_is_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
