#include "worker_echo.h"

#ifdef ROOMCAST_CONFORMANCE

#include <stdio.h>

#include <roomcast/base/random.h>

bool echo_is_asked(const struct ws_request *request)
{
    return request->is_upgrade && slice_equal(request->path, SLICE_LITERAL("/echo"));
}

bool echo_claims(struct token_claims *ret_claims)
{
    char name[32] = "echo-";
    random_text(name + 5, 16);
    struct room_key user;
    if (room_key_for_user(slice_of(name), &user) != ERR_OK)
        return false;
    *ret_claims = (struct token_claims){.user = room_key_store(&user)};
    return ret_claims->user != NULL;
}

void echo_open(struct worker *worker, struct client *client)
{
    session_opened(&client->session, worker->now_ms, worker->shared->rules.ping_interval_ms);
    client_arm(worker, client);
}

/* Past the queue's limits, which count for what the node says by itself: here the client decides how much
 * comes. */
bool echo_take(struct worker *worker, struct client *client, enum frame_opcode opcode, struct slice payload)
{
    static const struct outqueue_limits no_limits = {.max_frames = UINT32_MAX, .max_bytes = SIZE_MAX};
    if (!client->is_echo)
        return false;
    if (client->session.state != SESSION_OPEN)
        return true;
    struct frame *frame = frame_new(opcode, payload);
    if (frame && outqueue_push(&client->session.queue, frame, &no_limits) == OUTQUEUE_QUEUED)
        client_note_queued(worker, client, 1, frame->len);
    else
        client_close(worker, client, CLOSE_OVERLOADED);
    frame_unref(&frame);
    return true;
}

#endif
