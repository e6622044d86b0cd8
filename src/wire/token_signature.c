#include "token_signature.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#define PART_MAX 66                  /* bytes of R and of S on P-521, the largest curve */
#define DER_MAX  (2 * PART_MAX + 16) /* the same in ASN.1 */

static const EVP_MD *digest_of(const struct token_alg *alg)
{
    return alg->bits == 256 ? EVP_sha256() : alg->bits == 384 ? EVP_sha384() : EVP_sha512();
}

/* JWS has R and S side by side, each as long as the curve's order (RFC 7518 section 3.4); OpenSSL wants them
 * as an ASN.1 sequence. Returns its length, 0 when the signature has another size. */
static size_t to_der(const EVP_PKEY *key, struct slice signature, unsigned char *der)
{
    size_t part = ((size_t)EVP_PKEY_get_bits(key) + 7) / 8;
    const unsigned char *bytes = (const unsigned char *)signature.data;

    if (part > PART_MAX || signature.len != 2 * part)
        return 0;
    BIGNUM *r = BN_bin2bn(bytes, (int)part, NULL), *s = BN_bin2bn(bytes + part, (int)part, NULL);
    ECDSA_SIG *pair = ECDSA_SIG_new();
    int len = 0;
    if (r && s && pair && ECDSA_SIG_set0(pair, r, s) == 1) {
        r = s = NULL; /* the pair's now */
        unsigned char *end = der;
        len = i2d_ECDSA_SIG(pair, &end);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return len > 0 ? (size_t)len : 0;
}

bool token_signature_verify(EVP_PKEY *key, const struct token_alg *alg, struct slice signed_text,
                            struct slice signature)
{
    unsigned char der[DER_MAX];
    const unsigned char *bytes = (const unsigned char *)signature.data;
    size_t len = signature.len;

    if (alg->family == TOKEN_ECDSA) {
        bytes = der;
        len = to_der(key, signature, der);
    }
    EVP_MD_CTX *context = len > 0 ? EVP_MD_CTX_new() : NULL;
    bool good =
        context && EVP_DigestVerifyInit(context, NULL, digest_of(alg), NULL, key) == 1 &&
        EVP_DigestVerify(context, bytes, len, (const unsigned char *)signed_text.data, signed_text.len) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error(); /* this thread's queue */
    return good;
}
