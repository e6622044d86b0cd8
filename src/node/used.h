/* One-time tokens (auth.one_time): which ones were used, here and, as far as they say so, on other nodes.
 *
 *   handshakes, refreshes --used_take--> [ table ] <--on_message-- bus: other nodes
 *                         --used_tell------------------------------> bus
 *
 * Of two that come with one token at once, to whichever worker, one is let in. Another node knows of it when
 * its signal has come; one that started later, or was cut off from NATS then, never does.
 *
 * Of the tables there is one a node; all calls accept NULL, the option is off then and any token is good.
 * Thread: new, start, stop and free on the main thread, all else from any. */
#ifndef ROOMCAST_NODE_USED_H
#define ROOMCAST_NODE_USED_H

#include <roomcast/base/err.h>
#include <roomcast/config/config.h>
#include <roomcast/io/bus.h>
#include <roomcast/wire/token_use.h>

#define USED_LIMIT 1000000u /* tokens, about 110 MB; beyond, one-time tokens are refused */

struct used;

/* Both are borrowed; `limit`: tokens. */
enum err used_new(const struct config *config, struct bus *bus, size_t limit,
                  struct used **ret_used) MUST_CHECK;
enum err used_start(struct used *used) MUST_CHECK;

/* Of a token that is good otherwise: from now on nobody else may come with it. Follow it by used_tell() or by
 * used_give_back(). ERR_MISSING: it has no jti or no exp; ERR_FORBIDDEN: it was used before; ERR_BUSY: too
 * many were used; ERR_NO_MEMORY. With each a `ret_reason`, static. */
enum err used_take(struct used *used, const struct token_claims *claims, struct token_use *ret_use,
                   const char **ret_reason) MUST_CHECK;
/* Its bearer is let in: the other nodes hear of it. Logs when they do not. */
void used_tell(struct used *used, const struct token_use *use);
/* Its bearer is not let in, for another reason: it may come again. */
void used_give_back(struct used *used, const struct token_use *use);

/* Every tick: forgets some of what is over. */
void used_expire(struct used *used);

/* Leaves the subject. */
void used_stop(struct used *used);
/* After used_stop(), and after the bus was freed. Nulls. */
void used_free(struct used **used);

#endif
