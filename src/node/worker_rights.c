/* authorization.mode request: a fresh token may allow less than the old one, so the service is asked again
 * about every chat that the session is in. */
#include "worker_internal.h"

#include <roomcast/base/log.h>
#include <roomcast/wire/server_message.h>

static void end_room(struct worker *worker, struct client *client, const struct room_key *room,
                     const char *why)
{
    client_leave(worker, client, room);
    buffer_clear(&worker->text);
    server_unsubscribed(&worker->text, room, "MEMBERSHIP_REVOKED", why);
    client_send_text(worker, client);
}

/* `room` NULL: about any. */
static bool is_asking(const struct client *client, const struct room_key *room)
{
    for (const struct hub_request *request = client->open; request; request = request->next) {
        if (request->purpose == FOR_RIGHTS && (!room || room_key_equal(&request->room, room)))
            return true;
    }
    return false;
}

/* A client must not be able to keep a chat by having so many questions open that this one is not asked. */
static void ask(struct worker *worker, struct client *client, const struct room_key *room)
{
    struct room_key user = client_user(client);
    struct hub_request *request = hub_request_new(HUB_MAY_READ, worker->index, room, &user);
    if (request)
        request->claims = shared_text_ref(client->session.claims.text);
    if (client_ask(worker, client, request, FOR_RIGHTS) != ERR_OK)
        end_room(worker, client, room, "whether the new token allows this chat cannot be asked now");
}

void client_ask_rights(struct worker *worker, struct client *client, const struct room_key *room)
{
    if (!is_asking(client, room)) /* else that answer, by older claims, leads to a new question */
        ask(worker, client, room);
}

void client_claims_changed(struct worker *worker, struct client *client)
{
    struct session *session = &client->session;
    struct room_key user = client_user(client);
    if (!session->claims.text)
        return;
    struct hub_request *request = hub_request_new(HUB_NEW_CLAIMS, worker->index, &user, &user);
    if (request)
        hub_ask(worker->shared->hub, request);
    else
        log_error("out_of_memory", LOG_TEXT("doing", "asking anew what a user may read"));
    bool is_asking_some = is_asking(client, NULL);
    for (uint32_t i = session->rooms.count; i-- > 0;) {
        struct room_key room;
        room_list_key(&session->rooms, i, &room);
        if (room.route == ROUTE_TO_CHAT && !(is_asking_some && is_asking(client, &room)))
            ask(worker, client, &room);
    }
}

void client_on_rights_answer(struct worker *worker, struct client *client, const struct hub_request *request)
{
    if (!rooms_has(worker->rooms, &request->room, &client->session.rooms))
        return;
    if (request->claims != client->session.claims.text)
        ask(worker, client, &request->room);
    else if (request->status == ERR_FORBIDDEN)
        end_room(worker, client, &request->room, "the new token does not allow this chat");
}
