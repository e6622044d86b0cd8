#include "wire_test.h"

#include <roomcast/wire/authz_message.h>

static void a_question_names_user_chat_and_the_tokens_claims(void **state)
{
    (void)state;
    struct room_key user, chat;
    struct buffer out;
    assert_int_equal(room_key_for_user(SLICE_LITERAL("an\"na"), &user), ERR_OK);
    assert_int_equal(room_key_for_chat_text(SLICE_LITERAL("22222222-2222-4222-8222-22222222222A"), &chat),
                     ERR_OK);
    buffer_init(&out, AUTHZ_QUESTION_MAX);
    authz_question_encode(&user, &chat, SLICE_LITERAL("{ \"sub\":\"an\\\"na\",\"n\":12345678901234567890 }"),
                          &out);
    assert_string_equal(buffer_text(&out),
                        "{\"user_id\":\"an\\\"na\",\"chat_id\":\"22222222-2222-4222-8222-22222222222a\","
                        "\"claims\":{ \"sub\":\"an\\\"na\",\"n\":12345678901234567890 }}");
    buffer_fini(&out);
}

static void the_largest_question_fits(void **state)
{
    (void)state;
    static char claims[AUTHZ_CLAIMS_MAX];
    char name[USER_ID_MAX];
    struct room_key user, chat;
    struct buffer out;
    memset(claims, ' ', sizeof claims);
    memset(name, '"', sizeof name);
    assert_int_equal(room_key_for_user((struct slice){name, sizeof name}, &user), ERR_OK);
    room_key_for_chat(&(struct uuid){{1}}, &chat);
    buffer_init(&out, AUTHZ_QUESTION_MAX);
    authz_question_encode(&user, &chat, (struct slice){claims, sizeof claims}, &out);
    assert_false(buffer_failed(&out));
    buffer_fini(&out);
}

static void expect(const char *text, bool allowed, bool has_cache_s, uint64_t cache_s)
{
    struct authz_answer answer;
    assert_int_equal(authz_answer_decode(slice_of(text), &answer), ERR_OK);
    assert_int_equal(answer.allowed, allowed);
    assert_int_equal(answer.has_cache_s, has_cache_s);
    assert_int_equal(answer.cache_s, cache_s);
}

static void an_answer_says_whether_and_for_how_long(void **state)
{
    (void)state;
    expect("{\"allowed\":true}", true, false, 0);
    expect("{\"allowed\":false}", false, false, 0);
    expect(" {\"cache_s\":0,\"allowed\":true} ", true, true, 0);
    expect("{\"allowed\":false,\"cache_s\":86400,\"why\":{\"more\":[1,2]}}", false, true, 86400);
}

static void whatever_else_is_no_answer(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err err;
    } bad[] = {
        {"", ERR_SYNTAX},
        {"true", ERR_SYNTAX},
        {"[true]", ERR_SYNTAX},
        {"{\"allowed\":true", ERR_SYNTAX},
        {"{\"allowed\":true}{}", ERR_SYNTAX},
        {"{\"allowed\":1}", ERR_SYNTAX},
        {"{\"allowed\":\"true\"}", ERR_SYNTAX},
        {"{\"allowed\":null}", ERR_SYNTAX},
        {"{\"allowed\":false,\"allowed\":true}", ERR_SYNTAX},
        {"{\"allowed\":true,\"cache_s\":1.5}", ERR_SYNTAX},
        {"{\"allowed\":true,\"cache_s\":\"60\"}", ERR_SYNTAX},
        {"{\"allowed\":true,\"x\":\"\xff\"}", ERR_SYNTAX},
        {"{}", ERR_MISSING},
        {"{\"Allowed\":true}", ERR_MISSING},
        {"{\"allowed\":true,\"cache_s\":-1}", ERR_RANGE},
        {"{\"allowed\":true,\"cache_s\":86401}", ERR_RANGE},
        {"{\"allowed\":true,\"x\":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}", ERR_SYNTAX},
    };
    struct authz_answer answer = {.cache_s = 77};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(authz_answer_decode(slice_of(bad[i].text), &answer), bad[i].err);
    assert_int_equal(answer.cache_s, 77);
}

static void an_answer_over_the_limit_is_not_read(void **state)
{
    (void)state;
    char text[AUTHZ_ANSWER_MAX + 1];
    struct authz_answer answer;
    memset(text, ' ', sizeof text);
    memcpy(text, "{\"allowed\":true}", 16);
    assert_int_equal(authz_answer_decode((struct slice){text, AUTHZ_ANSWER_MAX}, &answer), ERR_OK);
    assert_int_equal(authz_answer_decode((struct slice){text, AUTHZ_ANSWER_MAX + 1}, &answer), ERR_TOO_BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_names_user_chat_and_the_tokens_claims),
        cmocka_unit_test(the_largest_question_fits),
        cmocka_unit_test(an_answer_says_whether_and_for_how_long),
        cmocka_unit_test(whatever_else_is_no_answer),
        cmocka_unit_test(an_answer_over_the_limit_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
