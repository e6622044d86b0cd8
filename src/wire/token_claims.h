/* What the claims of a token must say, and what is kept of them. Looks at claims only: that the signature is
 * good has been settled before. Only token.c includes this. */
#ifndef ROOMCAST_SRC_WIRE_TOKEN_CLAIMS_H
#define ROOMCAST_SRC_WIRE_TOKEN_CLAIMS_H

#include <jansson.h>

#include <roomcast/wire/token.h>

/* What a verifier demands; strings owned by the verifier. */
struct token_rules {
    char *issuer;   /* "": any */
    char *audience; /* "": any */
    char *user_claim;
    char *chats_claim;
    uint64_t leeway_s;
    bool require_expiry;
    size_t keep_claims_max; /* 0: they are not kept */
};

/* Errors and `ret_reason` as token_verify. */
enum err token_claims_read(const json_t *claims, const struct token_rules *rules, uint64_t now_unix_s,
                           struct token_claims *ret_claims, const char **ret_reason) MUST_CHECK;

#endif
