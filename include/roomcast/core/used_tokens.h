/* Tokens that were used and must not be again, each until it is over.
 *
 * Owns: one entry per token, about 110 bytes, never more than its limit: when that is reached, it takes no
 * more rather than forgetting one that could come again.
 * Thread: callers take turns (the node holds a lock around it).   Pure: the time is an argument. */
#ifndef ROOMCAST_CORE_USED_TOKENS_H
#define ROOMCAST_CORE_USED_TOKENS_H

#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/wire/token_use.h>

struct used_tokens;

/* `limit`: tokens. ERR_NO_MEMORY. */
enum err used_tokens_new(size_t limit, struct used_tokens **ret_tokens) MUST_CHECK;
/* Accepts NULL, nulls. */
void used_tokens_free(struct used_tokens **tokens);

/* Remembers it until it is forgotten by used_tokens_expire(). ERR_FORBIDDEN: it is remembered already;
 * ERR_BUSY: as many are as may be; ERR_NO_MEMORY. With any of them nothing is changed. */
enum err used_tokens_add(struct used_tokens *tokens, const unsigned char id[TOKEN_USE_ID_BYTES],
                         uint64_t until_s) MUST_CHECK;
/* From now on it stays until it expires, whoever gives it back; nothing when it is not there. */
void used_tokens_keep(struct used_tokens *tokens, const unsigned char id[TOKEN_USE_ID_BYTES]);
/* As if it had never been added; nothing when it is not there, or kept. */
void used_tokens_remove(struct used_tokens *tokens, const unsigned char id[TOKEN_USE_ID_BYTES]);
/* Forgets those whose `until_s` has come, the earliest first, at most `most` of them. */
void used_tokens_expire(struct used_tokens *tokens, uint64_t now_s, size_t most);

size_t used_tokens_count(const struct used_tokens *tokens);

#endif
