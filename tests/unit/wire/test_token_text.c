/* Claims that are kept as they are, for a service that decides by them. */
#include "token_test.h"

#define MAX 64

static struct token_verifier *keeping_verifier(void)
{
    struct token_options options = hmac_options();

    options.keep_claims_max = MAX;
    return new_verifier(&options);
}

static void claims_are_kept_byte_for_byte(void **state)
{
    (void)state;
    static const char text[] = "{ \"sub\":\"u\", \"n\":12345678901234567890.0, \"\\u0061\":\"\xc3\xa9\" }\n";
    struct token_verifier *verifier = keeping_verifier();
    struct token_claims claims;

    assert_int_equal(verify_at(verifier, hmac_token(HS256, text), NOW, &claims), ERR_OK);
    assert_user(&claims, "u");
    assert_slice(shared_text_slice(claims.text), text);
    token_claims_release(&claims);
    assert_null(claims.text);
    token_verifier_free(&verifier);
}

static void more_claims_than_are_kept_are_refused(void **state)
{
    (void)state;
    struct token_verifier *verifier = keeping_verifier();
    char text[MAX + 2];

    memset(text, ' ', sizeof text);
    memcpy(text, "{\"sub\":\"u\"}", 11);
    text[MAX] = '\0';
    assert_int_equal(verify(verifier, hmac_token(HS256, text)), ERR_OK);
    text[MAX] = ' ';
    text[MAX + 1] = '\0';
    assert_int_equal(verify(verifier, hmac_token(HS256, text)), ERR_TOO_BIG);
    token_verifier_free(&verifier);
}

static void nothing_is_kept_unless_asked_for(void **state)
{
    (void)state;
    struct token_options options = hmac_options();
    struct token_verifier *verifier = new_verifier(&options);
    struct token_claims claims;

    assert_int_equal(verify_at(verifier, hmac_token(HS256, "{\"sub\":\"u\"}"), NOW, &claims), ERR_OK);
    assert_null(claims.text);
    token_claims_release(&claims);
    token_verifier_free(&verifier);
}

static int start(void **state)
{
    (void)state;
    return sodium_init() < 0 ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims_are_kept_byte_for_byte),
        cmocka_unit_test(more_claims_than_are_kept_are_refused),
        cmocka_unit_test(nothing_is_kept_unless_asked_for),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
