/* One client's connection, as the broker's rules see it.
 *
 *   [opening] --- session_opened() ---> [open]
 *       |                                 |
 *       +------- session_begin_close() ---+---> [closing] --- session_ended() ---> [ended]
 *       +------------------- session_ended() (the connection broke) ---------------^
 *
 *   opening  upgraded, or a stream; waiting for the user's own channel, then `connected` is said
 *   open     messages flow
 *   closing  nothing is taken in or queued any more; what is queued leaves, then the close frame
 *   ended    the connection is gone; freed when no request for it is under way (`requests`)
 *
 * Owns: claims, queue, list of rooms.   Thread: the worker's.   Pure: no sockets, no clock, no JSON. */
#ifndef ROOMCAST_CORE_SESSION_H
#define ROOMCAST_CORE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/core/close_reason.h>
#include <roomcast/core/outqueue.h>
#include <roomcast/core/rate_limit.h>
#include <roomcast/core/rooms.h>
#include <roomcast/core/timer_wheel.h>
#include <roomcast/core/write_schedule.h>
#include <roomcast/wire/token.h>

#define SESSION_ID_LEN 12

enum session_state { SESSION_OPENING, SESSION_OPEN, SESSION_CLOSING, SESSION_ENDED };

/* What every session of a node obeys. Immutable. */
struct session_rules {
    struct rate_limit_rule messages; /* messages from the client */
    struct rate_limit_rule excess;   /* messages beyond that, before CLOSE_RATE_LIMITED */
    struct rate_limit_rule errors;   /* wrong messages, before CLOSE_PROTOCOL_VIOLATION */
    struct outqueue_limits queue;
    uint32_t max_rooms;
    uint64_t ping_interval_ms, ping_timeout_ms;
    uint64_t expiry_grace_ms;
    uint64_t close_timeout_ms; /* for the queue to drain once closing */
    uint64_t slow_grace_ms;    /* without any progress, while more is to be written than the kernel takes */
    bool open_authorization;   /* the token does not decide which chats: everybody may read all, or a service
                                  is asked by the hub */
};

struct session {
    /* what a delivery touches: kept together, it is one or two lines of the processor's cache */
    struct outqueue queue;
    struct write_place place; /* in the worker's schedule */
    void *connection;         /* borrowed: the client's connection; NULL before it opens and once ended */
    enum session_state state;
    bool is_blocked; /* the kernel takes no more for now: nothing is written until it does */
    bool is_stream;  /* of server-sent events: pings are not answered */

    /* state */
    enum close_reason close_reason; /* closing and later, when we began it */
    uint32_t requests;              /* questions about this session that are under way elsewhere */
    struct room_list rooms;

    /* identity */
    char id[SESSION_ID_LEN + 1];
    struct token_claims claims; /* owned */

    /* what it may still say */
    struct rate_limit messages, excess, errors;

    /* times, monotonic ms; 0: none */
    struct wheel_timer timer; /* set to the earliest of the following */
    uint64_t ping_at, pong_by, expires_at, close_by;
    uint64_t stall_by;    /* close unless the client takes something in until then */
    uint64_t catch_up_at; /* look again at the rooms in which it is behind */
};

/* Whose list of rooms it is. */
static inline struct session *session_of_rooms(struct room_list *list)
{
    return (struct session *)((char *)list - offsetof(struct session, rooms));
}

/* Has the processor fetch what a delivery touches. */
static inline void session_prefetch(const struct session *session)
{
    const char *bytes = (const char *)session;
    __builtin_prefetch(bytes, 1);
    __builtin_prefetch(bytes + 64, 1);
}

/* Takes over `claims`. `id`: SESSION_ID_LEN characters. `wall_ms` and `now_ms` are the same instant on the
 * two clocks. */
void session_init(struct session *session, const char *id, struct token_claims *claims,
                  const struct session_rules *rules, uint64_t wall_ms, uint64_t now_ms);
/* State ENDED or never opened, no rooms, no requests. */
void session_fini(struct session *session);

/* `first_ping_ms` spreads the first pings of connections that came together. */
void session_opened(struct session *session, uint64_t now_ms, uint64_t first_ping_ms);
/* False when it is closing or ended already: the first reason stands. */
bool session_begin_close(struct session *session, enum close_reason reason, const struct session_rules *rules,
                         uint64_t now_ms);
void session_ended(struct session *session);

/* May one more message be worked on? */
enum session_admit { SESSION_ADMIT, SESSION_ADMIT_NOT, SESSION_ADMIT_CLOSE };
enum session_admit session_admit_message(struct session *session, const struct session_rules *rules,
                                         uint64_t now_ms);
/* A message was wrong: false when that was one too many. */
bool session_tolerate_error(struct session *session, const struct session_rules *rules, uint64_t now_ms);
/* May the user read this chat (proto/README.md: Who may read a chat)? */
bool session_may_read(const struct session *session, const struct room_key *chat,
                      const struct session_rules *rules);

/* Replaces the claims by those of a fresh token of the same user, taking them over. ERR_MISMATCH: another
 * user; nothing is taken over. */
enum err session_refresh(struct session *session, struct token_claims *claims,
                         const struct session_rules *rules, uint64_t wall_ms, uint64_t now_ms) MUST_CHECK;

/* The client answered a ping. */
void session_ponged(struct session *session);
/* More waits for the client than the kernel takes: from now on it has to take something in within the grace
 * time. session_progressed(): it did. */
void session_stalled(struct session *session, const struct session_rules *rules, uint64_t now_ms);
void session_progressed(struct session *session, const struct session_rules *rules, uint64_t now_ms);
/* What is due now; the caller acts, then sets the timer to session_next_due(). */
enum session_due {
    SESSION_DUE_NOTHING,
    SESSION_DUE_PING,    /* send one; the pong's deadline is set, unless it is a stream */
    SESSION_DUE_NO_PONG, /* close with CLOSE_NO_PONG */
    SESSION_DUE_EXPIRED, /* close with CLOSE_TOKEN_EXPIRED */
    SESSION_DUE_SLOW,    /* close with CLOSE_SLOW_CONSUMER */
    SESSION_DUE_CATCH_UP,
    SESSION_DUE_DROP, /* it did not drain in time: cut the connection */
};
enum session_due session_tick(struct session *session, const struct session_rules *rules, uint64_t now_ms);
/* 0: never. */
uint64_t session_next_due(const struct session *session);

#endif
