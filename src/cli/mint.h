/* Tokens as a node of this configuration takes them.   Thread: any. */
#ifndef ROOMCAST_CLI_MINT_H
#define ROOMCAST_CLI_MINT_H

#include <roomcast/base/err.h>
#include <roomcast/config/config.h>

/* Of `user`, from now on; `chats` as in struct token_mint. By auth.hmac_secret, which must be set. Errors as
 * of token_mint(); the caller frees. */
enum err mint_for(const struct config *config, const char *user, const char *chats, uint64_t lifetime_s,
                  char **ret_token) MUST_CHECK;

#endif
