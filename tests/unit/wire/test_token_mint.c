#include "token_test.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <roomcast/base/random.h>

static struct token_mint sample(void)
{
    return (struct token_mint){
        .hmac_secret = SLICE_LITERAL(SECRET),
        .user = "J\xc3\xbcrgen \"M\"",
        .chats = CHAT_UPPER "," OTHER_CHAT,
        .issuer = "me",
        .audience = "chat",
        .user_claim = "sub",
        .chats_claim = "chats",
        .issued_at = NOW,
        .lifetime_s = 3600,
    };
}

static struct token_claims mint_and_verify(const struct token_mint *mint)
{
    struct token_options options = hmac_options();
    struct token_claims claims;
    char *token;

    options.issuer = mint->issuer ? mint->issuer : "";
    options.audience = mint->audience ? mint->audience : "";
    options.user_claim = mint->user_claim;
    options.chats_claim = mint->chats_claim;
    options.require_expiry = true;
    struct token_verifier *verifier = new_verifier(&options);
    assert_int_equal(token_mint(mint, &token), ERR_OK);
    assert_int_equal(verify_at(verifier, token, NOW, &claims), ERR_OK);
    token_verifier_free(&verifier);
    return claims;
}

static void a_minted_token_verifies_and_says_what_was_asked(void **state)
{
    (void)state;
    struct token_mint mint = sample();
    struct token_claims claims = mint_and_verify(&mint);

    assert_user(&claims, "J\xc3\xbcrgen \"M\"");
    assert_int_equal(claims.expires_at, NOW + 3600);
    assert_int_equal(claims.chats_count, 2);
    assert_false(claims.all_chats);
    token_claims_release(&claims);
}

static void each_minted_token_has_an_id_of_its_own(void **state)
{
    (void)state;
    struct token_mint mint = sample();
    struct token_claims one = mint_and_verify(&mint), two = mint_and_verify(&mint);

    assert_non_null(one.id);
    assert_non_null(two.id);
    assert_string_not_equal(one.id, two.id);
    token_claims_release(&one);
    token_claims_release(&two);
}

static void everything_but_the_user_may_be_left_out(void **state)
{
    (void)state;
    struct token_mint mint = sample();

    mint.issuer = mint.audience = mint.chats = NULL;
    mint.user_claim = "uid";
    struct token_claims claims = mint_and_verify(&mint);
    assert_int_equal(claims.chats_count, 0);
    assert_false(claims.all_chats);
    token_claims_release(&claims);
    mint.chats = "";
    claims = mint_and_verify(&mint);
    assert_int_equal(claims.chats_count, 0);
    token_claims_release(&claims);
    mint.chats = "*";
    mint.chats_claim = "rooms";
    claims = mint_and_verify(&mint);
    assert_true(claims.all_chats);
    token_claims_release(&claims);
}

static void what_would_not_verify_is_not_minted(void **state)
{
    (void)state;
    struct token_mint mint = sample();
    char *token = NULL;

    mint.hmac_secret = SLICE_LITERAL("too short");
    assert_int_equal(token_mint(&mint, &token), ERR_CONFIG);
    mint = sample();
    mint.user = "";
    assert_int_equal(token_mint(&mint, &token), ERR_RANGE);
    mint = sample();
    mint.chats = "general";
    assert_int_equal(token_mint(&mint, &token), ERR_SYNTAX);
    mint.chats = CHAT ",,";
    assert_int_equal(token_mint(&mint, &token), ERR_SYNTAX);
    mint.chats = "*," CHAT;
    assert_int_equal(token_mint(&mint, &token), ERR_SYNTAX);
    assert_null(token);
}

static char *pem_of(EVP_PKEY *key, bool is_private)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL, *data;

    assert_int_equal(is_private ? PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)
                                : PEM_write_bio_PUBKEY(bio, key),
                     1);
    long len = BIO_get_mem_data(bio, &data);
    text = strndup(data, (size_t)len);
    BIO_free(bio);
    return text;
}

static void with_a_private_key_it_is_an_es256_token(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    char *private = pem_of(key, true), *public = pem_of(key, false), *token;
    struct token_mint mint = sample();
    struct token_options options = pem_options(public);
    struct token_claims claims;

    mint.private_key_pem = slice_of(private);
    mint.hmac_secret = (struct slice){0};
    struct token_verifier *verifier = new_verifier(&options);
    assert_int_equal(token_mint(&mint, &token), ERR_OK);
    assert_int_equal(verify_at(verifier, token, NOW, &claims), ERR_OK);
    token_claims_release(&claims);
    mint.private_key_pem = slice_of(public);
    assert_int_equal(token_mint(&mint, &token), ERR_CONFIG);
    token_verifier_free(&verifier);
    EVP_PKEY_free(key);
    free(private);
    free(public);
}

int main(void)
{
    if (random_init() != ERR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minted_token_verifies_and_says_what_was_asked),
        cmocka_unit_test(each_minted_token_has_an_id_of_its_own),
        cmocka_unit_test(everything_but_the_user_may_be_left_out),
        cmocka_unit_test(with_a_private_key_it_is_an_es256_token),
        cmocka_unit_test(what_would_not_verify_is_not_minted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
