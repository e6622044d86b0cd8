/* authorization.mode request: a fresh token may allow less than the old one, so the service is asked again
 * about every chat that the session is in. */
#include "worker_internal.h"

#include <roomcast/base/log.h>
#include <roomcast/wire/server_message.h>

void client_ask_rights(struct worker *worker, struct client *client, const struct room_key *room)
{
    struct room_key user = client_user(client);
    struct hub_request *request = hub_request_new(HUB_MAY_READ, worker->index, room, &user);
    if (request)
        request->claims = shared_text_ref(client->session.claims.text);
    (void)client_ask(worker, client, request, FOR_RIGHTS); /* without memory it stays, as without an answer */
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
    for (uint32_t i = 0; i < session->rooms.count; i++) {
        struct room_key room;
        room_list_key(&session->rooms, i, &room);
        if (room.route == ROUTE_TO_CHAT)
            client_ask_rights(worker, client, &room);
    }
}

/* An answer by claims that have been replaced meanwhile says nothing: by the new ones it is being asked. */
void client_on_rights_answer(struct worker *worker, struct client *client, const struct hub_request *request)
{
    if (request->status != ERR_FORBIDDEN || request->claims != client->session.claims.text ||
        !client_leave(worker, client, &request->room))
        return;
    buffer_clear(&worker->text);
    server_unsubscribed(&worker->text, &request->room, "MEMBERSHIP_REVOKED",
                        "the new token does not allow this chat");
    client_send_text(worker, client);
}
