#include <sodium.h>

#include <roomcast/wire/token.h>

#include "fuzz.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define HEADER "eyJhbGciOiJIUzI1NiJ9" /* {"alg":"HS256"} */
#define NOW    1700000000

static struct token_verifier *new_verifier(void)
{
    /* The public key of RFC 8037, appendix A.2. */
    static const char pem[] = "-----BEGIN PUBLIC KEY-----\n"
                              "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
                              "-----END PUBLIC KEY-----\n";
    struct token_options options = {
        .hmac_secret = SLICE_LITERAL(SECRET),
        .public_key_pem = SLICE_LITERAL(pem),
        .issuer = "",
        .audience = "",
        .user_claim = "sub",
        .chats_claim = "chats",
    };
    struct token_verifier *verifier;
    char problem[256];

    must(sodium_init() >= 0);
    must(token_verifier_new(&options, &verifier, problem) == ERR_OK);
    return verifier;
}

/* A token with these claims and a good signature, so that the fuzzer gets behind it. The caller frees. */
static char *sign(struct slice claims)
{
    const int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    size_t claims_size = sodium_base64_ENCODED_LEN(claims.len, variant);
    size_t mac_size = sodium_base64_ENCODED_LEN(sizeof mac, variant);
    char *token = malloc(sizeof HEADER + claims_size + mac_size);

    must(token);
    memcpy(token, HEADER ".", sizeof HEADER);
    sodium_bin2base64(token + sizeof HEADER, claims_size, (const unsigned char *)claims.data, claims.len,
                      variant);
    crypto_auth_hmacsha256(mac, (const unsigned char *)token, strlen(token), (const unsigned char *)SECRET);
    char *end = token + strlen(token);
    *end++ = '.';
    sodium_bin2base64(end, mac_size, mac, sizeof mac, variant);
    return token;
}

static void verify(struct slice token)
{
    static struct token_verifier *verifier;
    struct token_claims claims;
    const char *reason = NULL;

    if (!verifier)
        verifier = new_verifier();
    if (token_verify(verifier, token, NOW, &claims, &reason)) {
        must(reason);
        return;
    }
    must(token_claims_user(&claims).len > 0);
    token_claims_release(&claims);
}

/* Text that begins with '{' is taken as claims and signed first; anything else is a token. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || data[0] != '{') {
        verify(fuzz_slice(data, size));
        return 0;
    }
    char *token = sign(fuzz_slice(data, size));
    verify(slice_of(token));
    free(token);
    return 0;
}
