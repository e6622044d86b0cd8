/* Rights taken away, as services say it: the body of POST /v1/revocations, and domain events.
 *
 *   {"user_id":"...", "chat_id":"..."}       the user in that chat
 *   {"user_id":"..."}                        the user, everywhere
 *   {"token_id":"..."}                       one token, by its jti
 *
 * Members are spelled as in domain events (user_id, UserID, userId). `before`: tokens issued later are not
 * bound. `expires_at`: nobody has such a token any more. Both Unix seconds. */
#ifndef ROOMCAST_WIRE_REVOCATION_REQUEST_H
#define ROOMCAST_WIRE_REVOCATION_REQUEST_H

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/wire/revocation.h>

/* Sets kind, chat and id; at_s and until_s as far as the request says, else 0; order is left 0. On an error
 * `reason` (192 bytes) says what is wrong, naming the member. */
enum err revocation_request_parse(struct slice text, struct revocation *ret_revocation,
                                  char *reason) MUST_CHECK;

#endif
