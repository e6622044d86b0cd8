/* How often the users of one chat may say that they are typing (cluster/OPERATING.md: Every limit): per user,
 * over all connections.
 *
 * A start is let through when the user's last one is old enough; the stop that ends a start that was let
 * through always is, so that nobody is left typing for ever; anything else is held back. Owns: one small
 * entry per user who typed lately.   Thread: its owner's.   Time is given. */
#ifndef ROOMCAST_CORE_TYPING_LIMIT_H
#define ROOMCAST_CORE_TYPING_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include <roomcast/wire/room_key.h>

struct typing_limit {
    struct typist *typists; /* owned; by user */
    uint32_t count, sweep_at;
};

#define TYPING_USERS_MAX 4096 /* in one chat within a minute; further ones are held back */

void typing_limit_init(struct typing_limit *limit);
void typing_limit_fini(struct typing_limit *limit);
bool typing_limit_pass(struct typing_limit *limit, const struct room_key *user, bool is_typing,
                       uint64_t interval_ms, uint64_t now_ms);

#endif
