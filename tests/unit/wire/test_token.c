#include "token_test.h"

#include <roomcast/base/buffer.h>
#include <roomcast/wire/position.h>

#include <mutate.h>

static struct token_verifier *verifier; /* of hmac_options() */

static int start(void **state)
{
    (void)state;
    struct token_options options = hmac_options();

    if (sodium_init() < 0)
        return -1;
    verifier = new_verifier(&options);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    token_verifier_free(&verifier);
    assert_null(verifier);
    token_verifier_free(&verifier);
    return 0;
}

/* The result for an HS256 token with these claims. */
static enum err claim(const char *claims)
{
    return verify(verifier, hmac_token(HS256, claims));
}

static struct token_claims accept(const char *text)
{
    struct token_claims claims;

    assert_int_equal(verify_at(verifier, hmac_token(HS256, text), NOW, &claims), ERR_OK);
    return claims;
}

static void the_example_of_rfc_7515_a_1_verifies(void **state)
{
    (void)state;
    /* The key is binary, 64 bytes. */
    static const unsigned char key[] = {3,   35,  53,  75,  43,  15,  165, 188, 131, 126, 6,   101, 119,
                                        123, 166, 143, 90,  179, 40,  230, 240, 84,  201, 40,  169, 15,
                                        132, 178, 210, 80,  46,  191, 211, 251, 90,  146, 210, 6,   71,
                                        239, 150, 138, 180, 195, 119, 98,  61,  34,  61,  46,  33,  114,
                                        5,   46,  79,  8,   192, 205, 154, 245, 103, 208, 128, 163};
    static const char token[] = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
                                ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
                                "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
                                ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    struct token_options options = hmac_options();

    options.hmac_secret = (struct slice){(const char *)key, sizeof key};
    options.user_claim = "iss";
    options.issuer = "joe";
    struct token_verifier *example = new_verifier(&options);
    struct token_claims claims;
    assert_int_equal(verify_at(example, strdup(token), 1300819379, &claims), ERR_OK);
    assert_user(&claims, "joe");
    assert_int_equal(claims.expires_at, 1300819380);
    token_claims_release(&claims);
    assert_int_equal(verify_at(example, strdup(token), 1300819380 + 30, NULL), ERR_EXPIRED);
    token_verifier_free(&example);
}

static void what_is_not_three_parts_of_base64url_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        ".",       "..",           "...",      "a",      "a.b",    "a.b.",   ".b.c",   "a..c",
        "a.b.c.d", "a.b..c",       "a.b.c.",   "a.b.c=", "a.b.c ", " a.b.c", "a.b+.c", "a.b/.c",
        "a.b\n.c", "Bearer a.b.c", "{}.{}.{}",
    };
    const char *reason;
    struct token_claims claims;

    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(verify(verifier, strdup(wrong[i])), ERR_SYNTAX);
    assert_int_equal(token_verify(verifier, (struct slice){NULL, 0}, NOW, &claims, &reason), ERR_MISSING);
    assert_int_equal(token_verify(verifier, SLICE_LITERAL("a.b.c\0"), NOW, &claims, &reason), ERR_SYNTAX);
}

static void damage_to_a_good_token_is_noticed(void **state)
{
    (void)state;
    char *token = hmac_token(HS256, "{\"sub\":\"u\"}");
    size_t len = strlen(token);

    for (size_t i = 0; i < len; i++) {
        char *damaged = strdup(token);
        assert_non_null(damaged);
        damaged[i] = damaged[i] == 'A' ? 'B' : 'A';
        assert_int_not_equal(verify(verifier, damaged), ERR_OK);
    }
    char *doubled = malloc(len + 2);
    assert_non_null(doubled);
    snprintf(doubled, len + 2, "%s.", token);
    assert_int_equal(verify(verifier, doubled), ERR_SYNTAX);
    *strrchr(token, '.') = '\0';
    assert_int_equal(verify(verifier, append_dot(token)), ERR_SYNTAX);
}

static void tokens_without_a_signature_are_refused_however_they_say_it(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "{\"alg\":\"none\"}",  "{\"alg\":\"None\"}",         "{\"alg\":\"NONE\"}", "{\"alg\":\"\"}",
        "{\"alg\":\"hs256\"}", "{\"alg\":\"HS256\\u0020\"}", "{\"alg\":\"HS1\"}",  "{\"alg\":\"HS2566\"}",
    };

    for (size_t i = 0; i < COUNT(headers); i++) {
        char *token = unsigned_token(slice_of(headers[i]), SLICE_LITERAL("{\"sub\":\"u\"}"));
        assert_int_equal(verify(verifier, append_dot(token)), ERR_SYNTAX);
        assert_int_equal(verify(verifier, hmac_token(headers[i], "{\"sub\":\"u\"}")), ERR_SIGNATURE);
    }
}

static void headers_are_read_strictly(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "{}",
        "[]",
        "null",
        "{\"alg\":7}",
        "{\"alg\":[\"HS256\"]}",
        "{\"alg\":\"HS256\"",
        "{\"alg\":\"HS256\",\"alg\":\"HS256\"}",
        "{\"alg\":\"none\",\"alg\":\"HS256\"}",
        "{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}",
        "{\"alg\":\"HS256\",\"crit\":null}",
        "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}",
        "{\"alg\":\"HS256\",\"typ\":7}",
        "{\"alg\":\"HS256\",\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}",
    };

    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(verify(verifier, hmac_token(wrong[i], "{\"sub\":\"u\"}")), ERR_SYNTAX);
    assert_int_equal(verify(verifier, hmac_token("{\"alg\":\"HS256\"}", "{\"sub\":\"u\"}")), ERR_OK);
    assert_int_equal(
        verify(verifier, hmac_token("{\"typ\":\"jwt\",\"kid\":\"1\",\"alg\":\"HS256\"}", "{\"sub\":\"u\"}")),
        ERR_OK);
}

static void another_secret_is_a_bad_signature(void **state)
{
    (void)state;
    assert_int_equal(verify(verifier, hmac_token_bytes(SLICE_LITERAL(HS256), SLICE_LITERAL("{\"sub\":\"u\"}"),
                                                       SLICE_LITERAL("0123456789abcdef0123456789abcdeF"))),
                     ERR_SIGNATURE);
    assert_int_equal(verify(verifier, hmac_token_bytes(SLICE_LITERAL(HS256), SLICE_LITERAL("{\"sub\":\"u\"}"),
                                                       SLICE_LITERAL(""))),
                     ERR_SIGNATURE);
}

static char *signed_by(const char *secret)
{
    return hmac_token_bytes(slice_of(HS256), SLICE_LITERAL("{\"sub\":\"u\"}"), slice_of(secret));
}

static void while_secrets_are_changed_tokens_of_both_are_good_and_of_no_other(void **state)
{
    (void)state;
    static const char old[] = "fedcba9876543210fedcba9876543210",
                      other[] = "0000000000000000fedcba9876543210";
    char problem[256];
    struct token_verifier *none = NULL;
    struct token_options options = hmac_options();

    options.hmac_previous = SLICE_LITERAL(old);
    struct token_verifier *both = new_verifier(&options);
    assert_int_equal(verify(both, signed_by(SECRET)), ERR_OK);
    assert_int_equal(verify(both, signed_by(old)), ERR_OK);
    assert_int_equal(verify(both, signed_by(other)), ERR_SIGNATURE);
    assert_int_equal(verify(both, signed_by("")), ERR_SIGNATURE);
    assert_int_equal(verify(verifier, signed_by(old)), ERR_SIGNATURE);
    token_verifier_free(&both);
    options.hmac_previous = SLICE_LITERAL("too short");
    assert_int_equal(token_verifier_new(&options, &none, problem), ERR_CONFIG);
    assert_non_null(strstr(problem, "previous"));
    options.hmac_previous = SLICE_LITERAL(old);
    options.hmac_secret = (struct slice){NULL, 0};
    assert_int_equal(token_verifier_new(&options, &none, problem), ERR_CONFIG);
}

static void claims_are_read_strictly(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "x",
        "[]",
        "\"u\"",
        "{\"sub\":\"u\"",
        "{\"sub\":\"u\"}x",
        "{\"sub\":\"u\",\"sub\":\"admin\"}",
        "{\"sub\":\"u\",\"exp\":9999999999,\"exp\":1}",
        "{\"sub\":\"u\\u0000\"}",
        "{\"sub\":\"\xff\"}",
        "{\"sub\":\"u\",\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}",
    };

    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(claim(wrong[i]), ERR_SYNTAX);
    assert_int_equal(
        verify(verifier, hmac_token_bytes(SLICE_LITERAL(HS256), SLICE_LITERAL("{\"sub\":\"u\"}\0"),
                                          SLICE_LITERAL(SECRET))),
        ERR_SYNTAX);
}

static enum err claim_at(const char *claims, uint64_t now)
{
    return verify_at(verifier, hmac_token(HS256, claims), now, NULL);
}

static void expiry_counts_to_the_second_with_its_leeway(void **state)
{
    (void)state;
    assert_int_equal(claim_at("{\"sub\":\"u\",\"exp\":1000}", 1029), ERR_OK);
    assert_int_equal(claim_at("{\"sub\":\"u\",\"exp\":1000}", 1030), ERR_EXPIRED);
    assert_int_equal(claim_at("{\"sub\":\"u\",\"exp\":1000.5}", 1030), ERR_OK);
    assert_int_equal(claim_at("{\"sub\":\"u\",\"exp\":1000.5}", 1031), ERR_EXPIRED);
    assert_int_equal(claim_at("{\"sub\":\"u\",\"exp\":-5}", 1), ERR_OK);
    assert_int_equal(claim("{\"sub\":\"u\",\"exp\":-1e300}"), ERR_EXPIRED);
    assert_int_equal(claim("{\"sub\":\"u\",\"exp\":0}"), ERR_EXPIRED);
    assert_int_equal(claim("{\"sub\":\"u\",\"exp\":\"9999999999\"}"), ERR_SYNTAX);
    assert_int_equal(claim("{\"sub\":\"u\",\"exp\":null}"), ERR_SYNTAX);
}

static void not_before_counts_to_the_second_with_its_leeway(void **state)
{
    (void)state;
    assert_int_equal(claim_at("{\"sub\":\"u\",\"nbf\":1030}", 1000), ERR_OK);
    assert_int_equal(claim_at("{\"sub\":\"u\",\"nbf\":1031}", 1000), ERR_NOT_YET);
    assert_int_equal(claim_at("{\"sub\":\"u\",\"nbf\":1030.5}", 1000), ERR_NOT_YET);
    assert_int_equal(claim_at("{\"sub\":\"u\",\"nbf\":-1}", 0), ERR_OK);
    assert_int_equal(claim("{\"sub\":\"u\",\"nbf\":\"0\"}"), ERR_SYNTAX);
    assert_int_equal(claim("{\"sub\":\"u\",\"iat\":99999999999}"), ERR_OK);
}

static void expiry_is_told_in_whole_seconds_and_0_means_never(void **state)
{
    (void)state;
    static const struct {
        const char *claims;
        uint64_t expires_at;
    } cases[] = {
        {"{\"sub\":\"u\"}", 0},
        {"{\"sub\":\"u\",\"exp\":1800000000}", 1800000000},
        {"{\"sub\":\"u\",\"exp\":1800000000.9}", 1800000000},
        {"{\"sub\":\"u\",\"exp\":1e300}", SEQ_MAX},
        {"{\"sub\":\"u\",\"exp\":9223372036854775807}", SEQ_MAX},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct token_claims claims = accept(cases[i].claims);
        assert_int_equal(claims.expires_at, cases[i].expires_at);
        token_claims_release(&claims);
    }
    struct token_claims claims;
    assert_int_equal(verify_at(verifier, hmac_token(HS256, "{\"sub\":\"u\",\"exp\":0}"), 0, &claims), ERR_OK);
    assert_int_equal(claims.expires_at, 1);
    token_claims_release(&claims);
}

static void expiry_can_be_demanded(void **state)
{
    (void)state;
    struct token_options options = hmac_options();

    options.require_expiry = true;
    struct token_verifier *strict = new_verifier(&options);
    assert_int_equal(verify(strict, hmac_token(HS256, "{\"sub\":\"u\"}")), ERR_MISSING);
    assert_int_equal(verify(strict, hmac_token(HS256, "{\"sub\":\"u\",\"exp\":1800000000}")), ERR_OK);
    token_verifier_free(&strict);
}

static void issuer_and_audience_must_fit_when_they_are_configured(void **state)
{
    (void)state;
    static const struct {
        const char *claims;
        enum err err;
    } cases[] = {
        {"{\"sub\":\"u\",\"iss\":\"me\",\"aud\":\"chat\"}", ERR_OK},
        {"{\"sub\":\"u\",\"iss\":\"me\",\"aud\":[\"x\",7,\"chat\"]}", ERR_OK},
        {"{\"sub\":\"u\",\"iss\":\"me\",\"aud\":[]}", ERR_MISMATCH},
        {"{\"sub\":\"u\",\"iss\":\"me\",\"aud\":[\"x\"]}", ERR_MISMATCH},
        {"{\"sub\":\"u\",\"iss\":\"me\",\"aud\":[[\"chat\"]]}", ERR_MISMATCH},
        {"{\"sub\":\"u\",\"iss\":\"me\",\"aud\":{\"chat\":\"chat\"}}", ERR_MISMATCH},
        {"{\"sub\":\"u\",\"iss\":\"me\",\"aud\":\"chats\"}", ERR_MISMATCH},
        {"{\"sub\":\"u\",\"iss\":\"me\",\"aud\":\"Chat\"}", ERR_MISMATCH},
        {"{\"sub\":\"u\",\"iss\":\"me\"}", ERR_MISMATCH},
        {"{\"sub\":\"u\",\"iss\":\"m\",\"aud\":\"chat\"}", ERR_MISMATCH},
        {"{\"sub\":\"u\",\"iss\":[\"me\"],\"aud\":\"chat\"}", ERR_MISMATCH},
        {"{\"sub\":\"u\",\"aud\":\"chat\"}", ERR_MISMATCH},
    };
    struct token_options options = hmac_options();

    options.issuer = "me";
    options.audience = "chat";
    struct token_verifier *strict = new_verifier(&options);
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(verify(strict, hmac_token(HS256, cases[i].claims)), cases[i].err);
    token_verifier_free(&strict);
    assert_int_equal(claim("{\"sub\":\"u\",\"iss\":7,\"aud\":{}}"), ERR_OK);
}

static void the_user_is_text_or_an_integer_from_the_configured_claim(void **state)
{
    (void)state;
    static const struct {
        const char *claims, *user;
    } good[] = {
        {"{\"sub\":\"u-1\"}", "u-1"},
        {"{\"sub\":\"" CHAT_UPPER "\"}", CHAT},
        {"{\"sub\":42}", "42"},
        {"{\"sub\":9223372036854775807}", "9223372036854775807"},
    };
    static const char *const wrong[] = {"{\"sub\":\"\"}", "{\"sub\":null}",    "{\"sub\":4.5}",
                                        "{\"sub\":true}", "{\"sub\":[\"u\"]}", "{\"sub\":\"a\\nb\"}"};

    for (size_t i = 0; i < COUNT(good); i++) {
        struct token_claims claims = accept(good[i].claims);
        assert_user(&claims, good[i].user);
        token_claims_release(&claims);
    }
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(claim(wrong[i]), ERR_SYNTAX);
    assert_int_equal(claim("{\"user_id\":\"u\"}"), ERR_MISSING);
    struct token_options options = hmac_options();
    options.user_claim = "user_id";
    struct token_verifier *other = new_verifier(&options);
    assert_int_equal(verify(other, hmac_token(HS256, "{\"user_id\":\"u\"}")), ERR_OK);
    assert_int_equal(verify(other, hmac_token(HS256, "{\"sub\":\"u\"}")), ERR_MISSING);
    token_verifier_free(&other);
}

static void when_a_token_was_issued_is_read_where_it_says_so(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        uint64_t issued_at;
    } cases[] = {
        {"{\"sub\":\"u\",\"iat\":1764140000}", 1764140000},
        {"{\"sub\":\"u\",\"iat\":1764140000.9}", 1764140000},
        {"{\"sub\":\"u\"}", 0},
        {"{\"sub\":\"u\",\"iat\":\"1764140000\"}", 0},
        {"{\"sub\":\"u\",\"iat\":-5}", 0},
        {"{\"sub\":\"u\",\"iat\":1e300}", 0},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct token_claims claims = accept(cases[i].json);
        assert_int_equal(claims.issued_at, cases[i].issued_at);
        token_claims_release(&claims);
    }
}

static void the_token_id_is_kept_when_it_fits(void **state)
{
    (void)state;
    struct token_claims claims = accept("{\"sub\":\"u\",\"jti\":\"id-1\"}");
    assert_string_equal(claims.id, "id-1");
    token_claims_release(&claims);
    claims = accept(
        "{\"sub\":\"u\",\"jti\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}");
    assert_null(claims.id);
    token_claims_release(&claims);
    claims = accept("{\"sub\":\"u\",\"jti\":7}");
    assert_null(claims.id);
    token_claims_release(&claims);
}

static bool allows(const char *text, const char *chat)
{
    struct token_claims claims = accept(text);
    struct uuid uuid;

    assert_int_equal(uuid_parse(slice_of(chat), &uuid), ERR_OK);
    bool allowed = token_claims_allow(&claims, &uuid);
    token_claims_release(&claims);
    return allowed;
}

static void chats_are_a_list_in_any_case_or_a_star(void **state)
{
    (void)state;
    assert_true(allows("{\"sub\":\"u\",\"chats\":[\"" OTHER_CHAT "\",\"" CHAT_UPPER "\"]}", CHAT));
    assert_true(
        allows("{\"sub\":\"u\",\"chats\":[\"" CHAT "\",\"" OTHER_CHAT "\",\"" CHAT "\"]}", OTHER_CHAT));
    assert_true(allows("{\"sub\":\"u\",\"chats\":\"*\"}", CHAT));
    assert_true(allows("{\"sub\":\"u\",\"chats\":[\"x\",\"*\"]}", CHAT));
    assert_false(allows("{\"sub\":\"u\",\"chats\":[\"" OTHER_CHAT "\"]}", CHAT));
    assert_false(allows("{\"sub\":\"u\",\"chats\":[]}", CHAT));
    assert_false(allows("{\"sub\":\"u\"}", CHAT));
}

static void what_is_no_chat_id_matches_nothing(void **state)
{
    (void)state;
    struct token_claims claims = accept("{\"sub\":\"u\",\"chats\":[7,null,\"**\",\"\",{},[\"" CHAT
                                        "\"],\"general\",\"" OTHER_CHAT "\"]}");

    assert_int_equal(claims.chats_count, 1);
    assert_false(claims.all_chats);
    token_claims_release(&claims);
    assert_false(allows("{\"sub\":\"u\",\"chats\":\"" CHAT "\"}", CHAT));
    assert_false(allows("{\"sub\":\"u\",\"chats\":{\"*\":true}}", CHAT));
    assert_false(allows("{\"sub\":\"u\",\"chats\":true}", CHAT));
    assert_false(allows("{\"sub\":\"u\",\"chats\":\"* \"}", CHAT));
}

/* An HS256 token whose chats claim holds `count` times `element`. */
static char *token_of_many(size_t count, const char *element)
{
    struct buffer claims;

    buffer_init(&claims, 4 * 1024 * 1024);
    buffer_append_text(&claims, "{\"sub\":\"u\",\"chats\":[0");
    for (size_t i = 1; i < count; i++)
        buffer_append_text(&claims, element);
    buffer_append_text(&claims, "]}");
    char *token = hmac_token(HS256, buffer_text(&claims));
    buffer_fini(&claims);
    return token;
}

static void huge_tokens_and_lists_are_refused(void **state)
{
    (void)state;
    char *huge = malloc(TOKEN_MAX_BYTES + 2);

    assert_non_null(huge);
    memset(huge, 'a', TOKEN_MAX_BYTES + 1);
    huge[TOKEN_MAX_BYTES + 1] = '\0';
    assert_int_equal(verify(verifier, huge), ERR_TOO_BIG);
    assert_int_equal(verify(verifier, token_of_many(TOKEN_CHATS_MAX, ",1")), ERR_OK);
    assert_int_equal(verify(verifier, token_of_many(TOKEN_CHATS_MAX + 1, ",1")), ERR_TOO_BIG);
    assert_int_equal(verify(verifier, token_of_many(1000, ",\"" CHAT "\"")), ERR_OK);
    assert_int_equal(verify(verifier, token_of_many(100000, ",\"" CHAT "\"")), ERR_TOO_BIG);
}

static void feed(struct slice input)
{
    const char *reason = NULL;
    struct token_claims claims;
    enum err err = token_verify(verifier, input, NOW, &claims, &reason);

    if (!err)
        token_claims_release(&claims);
    else
        assert_non_null(reason);
}

static void feed_as_claims(struct slice input)
{
    char *token = hmac_token_bytes(SLICE_LITERAL(HS256), input, SLICE_LITERAL(SECRET));

    feed(slice_of(token));
    free(token);
}

static void damaged_tokens_headers_and_claims_are_refused_and_nothing_worse(void **state)
{
    (void)state;
    const struct slice claims[] = {
        SLICE_LITERAL("{\"sub\":\"u\",\"exp\":1800000000,\"nbf\":1.5,\"jti\":\"x\",\"chats\":[\"" CHAT
                      "\",\"*\",7]}"),
        SLICE_LITERAL("{\"sub\":42,\"aud\":[\"a\"],\"iss\":\"b\",\"chats\":\"*\"}"),
    };
    char *good = hmac_token_bytes(SLICE_LITERAL(HS256), claims[0], SLICE_LITERAL(SECRET));
    const struct slice tokens[] = {slice_of(good)};

    mutate_each(tokens, COUNT(tokens), 3000, feed);
    mutate_each(claims, COUNT(claims), 5000, feed_as_claims);
    free(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(when_a_token_was_issued_is_read_where_it_says_so),
        cmocka_unit_test(the_example_of_rfc_7515_a_1_verifies),
        cmocka_unit_test(what_is_not_three_parts_of_base64url_is_refused),
        cmocka_unit_test(damage_to_a_good_token_is_noticed),
        cmocka_unit_test(tokens_without_a_signature_are_refused_however_they_say_it),
        cmocka_unit_test(headers_are_read_strictly),
        cmocka_unit_test(another_secret_is_a_bad_signature),
        cmocka_unit_test(while_secrets_are_changed_tokens_of_both_are_good_and_of_no_other),
        cmocka_unit_test(claims_are_read_strictly),
        cmocka_unit_test(expiry_counts_to_the_second_with_its_leeway),
        cmocka_unit_test(not_before_counts_to_the_second_with_its_leeway),
        cmocka_unit_test(expiry_is_told_in_whole_seconds_and_0_means_never),
        cmocka_unit_test(expiry_can_be_demanded),
        cmocka_unit_test(issuer_and_audience_must_fit_when_they_are_configured),
        cmocka_unit_test(the_user_is_text_or_an_integer_from_the_configured_claim),
        cmocka_unit_test(the_token_id_is_kept_when_it_fits),
        cmocka_unit_test(chats_are_a_list_in_any_case_or_a_star),
        cmocka_unit_test(what_is_no_chat_id_matches_nothing),
        cmocka_unit_test(huge_tokens_and_lists_are_refused),
        cmocka_unit_test(damaged_tokens_headers_and_claims_are_refused_and_nothing_worse),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
