/* Who may read which chat when a domain service decides: what it has said and still holds, what it has to be
 * asked, and who waits for that.
 *
 *                 authz_ask              authz_next           authz_answer
 *   not known --------------> QUEUED ----------------> ASKED --------------> ALLOWED or DENIED, until ...
 *        ^                      | nobody waits any more  | no answer            | its time is up, forgotten,
 *        +----------------------+------------------------+----------------------+ or the room is needed
 *
 * Whoever asks for a pair of user and chat that is queued or asked already waits for the same answer. What is
 * asked at once, what waits and what is kept is bounded; users take turns, and one alone can neither hold all
 * questions nor push out all answers.
 *
 * Owns: the pairs, and a reference to the claims of each that is not asked yet; borrows the waiters.
 * Thread: its owner's.   Pure: no bus, no clock. */
#ifndef ROOMCAST_CORE_AUTHZ_CACHE_H
#define ROOMCAST_CORE_AUTHZ_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/base/shared_text.h>
#include <roomcast/base/uuid.h>
#include <roomcast/wire/room_key.h>

struct authz_cache;
struct authz_pair;

struct authz_limits {
    size_t in_flight, in_flight_per_user; /* pairs asked at once */
    size_t pending;                       /* pairs queued or asked */
    size_t known, known_per_user;         /* answers kept; those used longest ago go first */
    uint64_t wait_ms;                     /* how long one waits in all */
};

/* Embedded in whatever waits; its own until it is handed back. */
struct authz_waiter {
    struct authz_waiter *prev, *next;    /* of the same pair; in a list that is handed back: `next` only */
    struct authz_waiter *sooner, *later; /* all of them, by deadline */
    struct authz_pair *pair;
    uint64_t deadline_ms;
};

enum err authz_cache_new(const struct authz_limits *limits, struct authz_cache **ret_cache) MUST_CHECK;
/* Nobody may wait any more: authz_give_up(). Accepts NULL, nulls. */
void authz_cache_free(struct authz_cache **cache);

enum authz_verdict {
    AUTHZ_ALLOWED,
    AUTHZ_DENIED,
    AUTHZ_WAIT, /* the waiter is taken in, and handed back by one of the functions below */
    AUTHZ_FULL, /* too much is pending */
    AUTHZ_NO_MEMORY,
};
/* `claims`: of who asks; sent when the pair has to be asked for. */
enum authz_verdict authz_ask(struct authz_cache *cache, const struct room_key *user, const struct uuid *chat,
                             struct shared_text *claims, struct authz_waiter *waiter, uint64_t now_ms);

struct authz_question {
    struct authz_pair *pair; /* for the answer */
    struct room_key user;
    struct uuid chat;
    struct shared_text *claims; /* a reference, the caller's */
};
/* The question to be sent next: the oldest of the user whose turn it is; one of authz_answer() and
 * authz_no_answer() must follow. False: there is none, or as many are on their way as may be. */
bool authz_next(struct authz_cache *cache, struct authz_question *ret_question);

/* Each returns those who waited for it, linked by `next`; NULL: nobody. `keep_ms` 0: the answer is not kept.
 */
struct authz_waiter *authz_answer(struct authz_cache *cache, struct authz_pair *pair, bool allowed,
                                  uint64_t keep_ms, uint64_t now_ms);
struct authz_waiter *authz_no_answer(struct authz_cache *cache, struct authz_pair *pair);
/* Those who have waited for wait_ms. */
struct authz_waiter *authz_expire(struct authz_cache *cache, uint64_t now_ms);
/* Everybody. */
struct authz_waiter *authz_give_up(struct authz_cache *cache);

/* What is known of the user's chats, and what comes of the questions that are pending, no longer counts for
 * who asks from now on. */
void authz_forget_user(struct authz_cache *cache, const struct room_key *user);

size_t authz_pending(const struct authz_cache *cache);

#endif
