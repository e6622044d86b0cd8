#include "mint.h"

#include <roomcast/base/clock.h>
#include <roomcast/wire/token.h>

enum err mint_for(const struct config *config, const char *user, const char *chats, uint64_t lifetime_s,
                  char **ret_token)
{
    const struct token_mint mint = {
        .hmac_secret = slice_of(config->auth_hmac_secret),
        .user = user,
        .chats = chats,
        .issuer = config->auth_issuer[0] ? config->auth_issuer : NULL,
        .audience = config->auth_audience[0] ? config->auth_audience : NULL,
        .user_claim = config->auth_user_claim,
        .chats_claim = config->authorization_claim,
        .issued_at = clock_wall_ms() / 1000,
        .lifetime_s = lifetime_s,
    };
    return token_mint(&mint, ret_token);
}
