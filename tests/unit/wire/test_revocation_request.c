#include "wire_test.h"

#include <roomcast/wire/revocation_request.h>

#include <mutate.h>

#define USER "\"user_id\":\"ben\""

static void expect(const char *text, enum revocation_kind kind, const char *chat, const char *id)
{
    struct revocation out;
    char reason[192] = "", found[UUID_TEXT_SIZE];

    if (revocation_request_parse(slice_of(text), &out, reason))
        fail_msg("%s: refused: %s", text, reason);
    assert_int_equal(out.kind, kind);
    assert_string_equal(out.id, id);
    assert_int_equal(out.id_len, strlen(id));
    uuid_format(&out.chat, found);
    assert_string_equal(found, chat ? chat : "00000000-0000-0000-0000-000000000000");
    assert_true(out.order == 0 && out.lifted_order == 0);
}

static void refuse(const char *text, enum err expected, const char *words)
{
    struct revocation out = {.order = 7};
    char reason[192] = "";

    assert_int_equal(revocation_request_parse(slice_of(text), &out, reason), expected);
    assert_int_equal(out.order, 7);
    if (!strstr(reason, words))
        fail_msg("\"%s\" does not say \"%s\"", reason, words);
}

static void a_request_names_a_user_a_user_in_a_chat_or_a_token(void **state)
{
    (void)state;
    expect("{" USER "}", REVOCATION_USER, NULL, "ben");
    expect("{\"UserID\":\"" CHAT_UPPER "\",\"chat_id\":null}", REVOCATION_USER, NULL, CHAT);
    expect("{\"userId\":12345678901234567890123,\"ChatID\":\"" CHAT_UPPER "\"}", REVOCATION_USER_IN_CHAT,
           CHAT, "12345678901234567890123");
    expect("{" USER ",\"chatId\":\"" CHAT "\",\"reason\":\"left\"}", REVOCATION_USER_IN_CHAT, CHAT, "ben");
    expect("{\"token_id\":\"t-1\"}", REVOCATION_TOKEN, NULL, "t-1");
}

static void a_request_may_say_which_tokens_and_until_when(void **state)
{
    (void)state;
    struct revocation out;
    char reason[192];

    assert_int_equal(
        revocation_request_parse(
            SLICE_LITERAL("{" USER ",\"before\":1764140000.9,\"expires_at\":1764143600}"), &out, reason),
        ERR_OK);
    assert_int_equal(out.at_s, 1764140000);
    assert_int_equal(out.until_s, 1764143600);
    assert_int_equal(revocation_request_parse(SLICE_LITERAL("{" USER ",\"before\":null}"), &out, reason),
                     ERR_OK);
    assert_true(out.at_s == 0 && out.until_s == 0);
}

static void nothing_is_guessed_in_a_request(void **state)
{
    (void)state;
    refuse("{}", ERR_MISSING, "neither user_id nor token_id");
    refuse("{\"chat_id\":\"" CHAT "\"}", ERR_MISSING, "neither user_id nor token_id");
    refuse("{\"user\":\"ben\"}", ERR_MISSING, "user_id");
    refuse("{" USER ",\"token_id\":\"t\"}", ERR_MISMATCH, "token_id stands alone");
    refuse("{" USER ",\"chat_id\":\"x\"}", ERR_RANGE, "chat_id is not a UUID");
    refuse("{" USER ",\"chat_id\":7}", ERR_RANGE, "chat_id is not a UUID");
    refuse("{\"user_id\":\"\"}", ERR_RANGE, "user_id is not a user id");
    refuse("{\"user_id\":1.5}", ERR_RANGE, "user_id is not a user id");
    refuse("{\"user_id\":[\"ben\"]}", ERR_RANGE, "user_id is not a user id");
    refuse("{\"token_id\":7}", ERR_RANGE, "token_id is not a token id");
    refuse("{\"token_id\":\"\"}", ERR_RANGE, "token_id is not a token id");
    refuse("{" USER ",\"before\":\"now\"}", ERR_RANGE, "before is not a time");
    refuse("{" USER ",\"before\":0}", ERR_RANGE, "before is not a time");
    refuse("{" USER ",\"expires_at\":1e300}", ERR_RANGE, "expires_at is not a time");
    refuse("[{" USER "}]", ERR_SYNTAX, "not a JSON object");
    refuse("{" USER, ERR_SYNTAX, "not valid JSON");
}

static void feed(struct slice input)
{
    struct revocation out;
    char reason[192] = "";

    if (revocation_request_parse(input, &out, reason)) {
        assert_true(reason[0] != '\0');
        return;
    }
    struct buffer bytes;
    out.until_s = 1;
    out.order = 1;
    buffer_init(&bytes, REVOCATIONS_MAX_BYTES);
    assert_int_equal(revocations_encode(&out, 1, &bytes), ERR_OK);
    buffer_fini(&bytes);
}

static void what_is_accepted_can_be_stored(void **state)
{
    (void)state;
    const struct slice seeds[] = {
        SLICE_LITERAL("{\"userId\":1234,\"ChatID\":\"" CHAT_UPPER "\",\"before\":1764140000}"),
        SLICE_LITERAL("{\"token_id\":\"t-1\",\"expires_at\":1764140000,\"reason\":\"x\"}"),
    };

    mutate_each(seeds, COUNT(seeds), 6000, feed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_names_a_user_a_user_in_a_chat_or_a_token),
        cmocka_unit_test(a_request_may_say_which_tokens_and_until_when),
        cmocka_unit_test(nothing_is_guessed_in_a_request),
        cmocka_unit_test(what_is_accepted_can_be_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
