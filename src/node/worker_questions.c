/* Questions to the hub about a client: which are under way, and how many may be. */
#include "worker_internal.h"

#include <roomcast/base/log.h>

/* Of one session, until they are answered: resuming all of its rooms in one frame, being behind in each, and
 * some more. Its right to each is asked on top of that: not because the client said something. */
static uint32_t max_questions(const struct session_rules *rules, enum request_purpose purpose)
{
    return (purpose == FOR_RIGHTS ? 3 : 2) * rules->max_rooms + 16;
}

enum err client_ask(struct worker *worker, struct client *client, struct hub_request *request,
                    enum request_purpose purpose)
{
    if (!request) {
        log_error("out_of_memory", LOG_TEXT("doing", "asking the hub"));
        return ERR_NO_MEMORY;
    }
    if (client->session.requests >= max_questions(&worker->shared->rules, purpose)) {
        hub_request_free(&request);
        return ERR_BUSY;
    }
    request->session = client;
    request->purpose = purpose;
    request->next = client->open;
    if (client->open)
        client->open->previous = request;
    client->open = request;
    client->session.requests++;
    hub_ask(worker->shared->hub, request);
    return ERR_OK;
}

void client_take_back(struct hub_request *request)
{
    struct client *client = request->session;
    if (request->previous)
        request->previous->next = request->next;
    else
        client->open = request->next;
    if (request->next)
        request->next->previous = request->previous;
    client->session.requests--;
}

void client_forget_request(struct hub_request *request)
{
    client_take_back(request);
    hub_request_free(&request);
}

void client_tell_part(struct worker *worker, struct client *client, const struct room_key *room)
{
    struct room_key user = client_user(client);
    struct hub_request *request = hub_request_new(HUB_PART, worker->index, room, &user);
    if (request)
        hub_ask(worker->shared->hub, request);
    else /* the room stays subscribed longer than it need be: no event is lost by that */
        log_error("out_of_memory", LOG_TEXT("doing", "leaving a room"));
    if (room->route == ROUTE_TO_CHAT)
        metrics_change(METRIC_SUBSCRIPTIONS, -1);
}
