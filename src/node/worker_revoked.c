/* Rights that were taken away while the session lasts: who has them still loses them now. */
#include "worker_internal.h"

#include <roomcast/base/log.h>
#include <roomcast/wire/server_message.h>

#include "revoked.h"

#define STEPS_PER_TURN   64u   /* revocations; the rest in the next turn */
#define MEMBERS_PER_TURN 1024u /* of a chat that is closed: a millisecond or two */
#define TOKEN_WALK_MS    200u  /* between two walks through all clients in search of tokens */

/* --- what the session may still do --- */

bool client_is_revoked(struct worker *worker, const struct client *client)
{
    return revoked_find(worker->shared->revoked, &client->session.claims, NULL) != 0;
}

static enum revocation_kind find_room(struct worker *worker, const struct client *client,
                                      const struct room_key *room)
{
    struct uuid chat;
    if (room->route != ROUTE_TO_CHAT || uuid_parse(room_key_name(room), &chat) != ERR_OK)
        return 0;
    return revoked_find(worker->shared->revoked, &client->session.claims, &chat);
}

bool client_may_read(struct worker *worker, const struct client *client, const struct room_key *chat)
{
    return session_may_read(&client->session, chat, &worker->shared->rules) &&
           find_room(worker, client, chat) == 0;
}

/* --- taking away --- */

static bool is_here(const struct client *client)
{
    return client->session.state == SESSION_OPENING || client->session.state == SESSION_OPEN;
}

static void close_if_revoked(struct worker *worker, struct client *client)
{
    if (!is_here(client) || !client->session.connection || !client_is_revoked(worker, client))
        return;
    metrics_inc(METRIC_REVOKED_SESSIONS);
    client_close(worker, client, CLOSE_REVOKED);
}

static void end_room(struct worker *worker, struct client *client, const struct room_key *room,
                     enum revocation_kind kind)
{
    for (struct hub_request *request = client->open; request; request = request->next) {
        if (request->purpose == FOR_SUBSCRIBE && room_key_equal(&request->room, room))
            request->cancelled = true;
    }
    if (!client_leave(worker, client, room) || !is_here(client))
        return;
    metrics_inc(METRIC_REVOKED_ROOMS);
    log_debug("room_revoked", LOG_TEXT("session", client->session.id),
              LOG_SLICE("room", room_key_name(room)));
    buffer_clear(&worker->text);
    if (kind == REVOCATION_CHAT)
        server_unsubscribed(&worker->text, room, "CHAT_DELETED", "the chat was deleted");
    else
        server_unsubscribed(&worker->text, room, "MEMBERSHIP_REVOKED", "the user is no member any more");
    client_send_text(worker, client);
}

static void check_room(struct worker *worker, struct client *client, const struct room_key *room)
{
    enum revocation_kind kind = find_room(worker, client, room);
    if (kind == REVOCATION_CHAT || kind == REVOCATION_USER_IN_CHAT)
        end_room(worker, client, room, kind);
}

/* All sessions of the user, by the channel that each of them is in. */
static void check_user(struct worker *worker, const struct revocation *revocation)
{
    struct room_key user, room;
    uint32_t count;
    if (room_key_for_user((struct slice){revocation->id, revocation->id_len}, &user) != ERR_OK)
        return;
    room_key_for_chat(&revocation->chat, &room);
    rooms_members(worker->rooms, &user, &count);
    for (uint32_t i = count; i-- > 0;) {
        const struct room_member *members = rooms_members(worker->rooms, &user, &count);
        if (i >= count)
            continue;
        struct client *client = (struct client *)session_of_rooms(members[i].list);
        if (revocation->kind == REVOCATION_USER)
            close_if_revoked(worker, client);
        else
            check_room(worker, client, &room);
    }
}

/* Everybody leaves. False: there are more than one turn may take. */
static bool close_chat(struct worker *worker, const struct revocation *revocation)
{
    struct room_key room;
    uint32_t count;
    room_key_for_chat(&revocation->chat, &room);
    for (uint32_t left = MEMBERS_PER_TURN; left > 0; left--) {
        const struct room_member *members = rooms_members(worker->rooms, &room, &count);
        if (count == 0)
            return true;
        end_room(worker, (struct client *)session_of_rooms(members[count - 1].list), &room, REVOCATION_CHAT);
    }
    rooms_members(worker->rooms, &room, &count);
    return count == 0;
}

static void check_all(struct worker *worker, bool rooms_too)
{
    struct client *next;
    for (struct client *client = worker->clients; client; client = next) {
        next = client->next;
        close_if_revoked(worker, client);
        for (uint32_t i = client->session.rooms.count; rooms_too && i-- > 0;) {
            struct room_key room;
            room_list_key(&client->session.rooms, i, &room);
            check_room(worker, client, &room);
        }
    }
}

/* False: it has to go on in the next turn. */
static bool work_on(struct worker *worker, const struct revocation *revocation)
{
    switch (revocation->kind) {
    case REVOCATION_USER:
    case REVOCATION_USER_IN_CHAT:
        check_user(worker, revocation);
        return true;
    case REVOCATION_CHAT:
        return close_chat(worker, revocation);
    case REVOCATION_TOKEN:
        worker->revoking.has_tokens = true;
        return true;
    }
    return true;
}

void worker_take_revoked(struct worker *worker)
{
    struct worker_revoking *revoking = &worker->revoking;
    for (uint32_t steps = STEPS_PER_TURN; steps > 0; steps--) {
        if (!revoking->is_under_way) {
            switch (revoked_next(worker->shared->revoked, worker->now_ms, &revoking->seen,
                                 &revoking->revocation)) {
            case REVOKED_NOTHING:
                return;
            case REVOKED_MANY:
                check_all(worker, true);
                continue;
            case REVOKED_ONE:
                break;
            }
        }
        revoking->is_under_way = !work_on(worker, &revoking->revocation);
        if (revoking->is_under_way)
            break;
    }
    loop_wake_send(worker->wake);
}

void worker_look_for_tokens(struct worker *worker)
{
    struct worker_revoking *revoking = &worker->revoking;
    if (!revoking->has_tokens || worker->now_ms < revoking->look_at_ms)
        return;
    revoking->has_tokens = false;
    revoking->look_at_ms = worker->now_ms + TOKEN_WALK_MS;
    check_all(worker, false);
}
