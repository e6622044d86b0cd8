#include <roomcast/core/session.h>

#include <assert.h>
#include <string.h>

static void set_expiry(struct session *session, const struct session_rules *rules, uint64_t wall_ms,
                       uint64_t now_ms)
{
    if (session->claims.expires_at == 0) {
        session->expires_at = 0;
        return;
    }
    /* The leeway of verification may let a token in that has just expired: it gets the grace like any other.
     */
    uint64_t expiry_wall_ms = session->claims.expires_at * 1000 + rules->expiry_grace_ms;
    session->expires_at = now_ms + (expiry_wall_ms > wall_ms ? expiry_wall_ms - wall_ms : 0);
}

void session_init(struct session *session, const char *id, struct token_claims *claims,
                  const struct session_rules *rules, uint64_t wall_ms, uint64_t now_ms)
{
    assert(strlen(id) == SESSION_ID_LEN);
    *session = (struct session){.state = SESSION_OPENING, .claims = *claims};
    *claims = (struct token_claims){0};
    memcpy(session->id, id, sizeof session->id);
    outqueue_init(&session->queue);
    rate_limit_init(&session->messages, &rules->messages, now_ms);
    rate_limit_init(&session->excess, &rules->excess, now_ms);
    rate_limit_init(&session->errors, &rules->errors, now_ms);
    set_expiry(session, rules, wall_ms, now_ms);
}

void session_fini(struct session *session)
{
    assert(session->state == SESSION_ENDED || !session->connection);
    assert(session->requests == 0 && !wheel_timer_is_set(&session->timer));
    token_claims_release(&session->claims);
    outqueue_fini(&session->queue);
    room_list_fini(&session->rooms);
}

void session_opened(struct session *session, uint64_t now_ms, uint64_t first_ping_ms)
{
    assert(session->state == SESSION_OPENING);
    session->state = SESSION_OPEN;
    session->ping_at = now_ms + first_ping_ms;
}

bool session_begin_close(struct session *session, enum close_reason reason, const struct session_rules *rules,
                         uint64_t now_ms)
{
    if (session->state != SESSION_OPENING && session->state != SESSION_OPEN)
        return false;
    session->state = SESSION_CLOSING;
    session->close_reason = reason;
    session->ping_at = session->pong_by = session->expires_at = session->stall_by = session->catch_up_at = 0;
    session->close_by = now_ms + rules->close_timeout_ms;
    return true;
}

void session_ended(struct session *session)
{
    assert(session->state != SESSION_ENDED);
    session->state = SESSION_ENDED;
    session->connection = NULL;
    session->ping_at = session->pong_by = session->expires_at = session->close_by = 0;
    session->stall_by = session->catch_up_at = 0;
    outqueue_clear(&session->queue);
}

enum session_admit session_admit_message(struct session *session, const struct session_rules *rules,
                                         uint64_t now_ms)
{
    if (rate_limit_take(&session->messages, &rules->messages, now_ms))
        return SESSION_ADMIT;
    return rate_limit_take(&session->excess, &rules->excess, now_ms) ? SESSION_ADMIT_NOT
                                                                     : SESSION_ADMIT_CLOSE;
}

bool session_tolerate_error(struct session *session, const struct session_rules *rules, uint64_t now_ms)
{
    return rate_limit_take(&session->errors, &rules->errors, now_ms);
}

bool session_may_read(const struct session *session, const struct room_key *chat,
                      const struct session_rules *rules)
{
    assert(chat->route == ROUTE_TO_CHAT);
    struct uuid uuid;
    if (uuid_parse(room_key_name(chat), &uuid) != ERR_OK)
        return false;
    return rules->open_authorization || token_claims_allow(&session->claims, &uuid);
}

enum err session_refresh(struct session *session, struct token_claims *claims,
                         const struct session_rules *rules, uint64_t wall_ms, uint64_t now_ms)
{
    struct room_key user = token_claims_user(claims);
    if (!room_key_is_stored(session->claims.user, &user))
        return ERR_MISMATCH;
    token_claims_release(&session->claims);
    session->claims = *claims;
    *claims = (struct token_claims){0};
    set_expiry(session, rules, wall_ms, now_ms);
    return ERR_OK;
}

void session_ponged(struct session *session)
{
    session->pong_by = 0;
}

void session_stalled(struct session *session, const struct session_rules *rules, uint64_t now_ms)
{
    if (session->state == SESSION_OPEN && session->stall_by == 0)
        session->stall_by = now_ms + rules->slow_grace_ms;
}

void session_progressed(struct session *session, const struct session_rules *rules, uint64_t now_ms)
{
    session->stall_by = 0;
    if (session->pong_by != 0) /* the ping stands in the queue, behind what the client is still taking in */
        session->pong_by = now_ms + rules->ping_timeout_ms;
}

static bool is_due(uint64_t deadline_ms, uint64_t now_ms)
{
    return deadline_ms != 0 && deadline_ms <= now_ms;
}

enum session_due session_tick(struct session *session, const struct session_rules *rules, uint64_t now_ms)
{
    if (is_due(session->close_by, now_ms))
        return SESSION_DUE_DROP;
    if (is_due(session->expires_at, now_ms))
        return SESSION_DUE_EXPIRED;
    if (is_due(session->stall_by, now_ms))
        return SESSION_DUE_SLOW;
    if (is_due(session->pong_by, now_ms))
        return SESSION_DUE_NO_PONG;
    if (is_due(session->catch_up_at, now_ms)) {
        session->catch_up_at = 0;
        return SESSION_DUE_CATCH_UP;
    }
    if (is_due(session->ping_at, now_ms)) {
        session->ping_at = now_ms + rules->ping_interval_ms;
        if (session->is_blocked) { /* a ping would wait behind it all: progress is proof enough */
            session_stalled(session, rules, now_ms);
            return SESSION_DUE_NOTHING;
        }
        if (session->pong_by == 0 && !session->is_stream)
            session->pong_by = now_ms + rules->ping_timeout_ms;
        return SESSION_DUE_PING;
    }
    return SESSION_DUE_NOTHING;
}

uint64_t session_next_due(const struct session *session)
{
    const uint64_t deadlines[] = {session->ping_at,  session->pong_by,  session->expires_at,
                                  session->close_by, session->stall_by, session->catch_up_at};
    uint64_t next = 0;
    for (size_t i = 0; i < sizeof deadlines / sizeof deadlines[0]; i++)
        deadline_sooner(&next, deadlines[i]);
    return next;
}
