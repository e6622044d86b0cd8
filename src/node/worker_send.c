/* What goes to a client, and what becomes of it when the client cannot take it. */
#include "worker_internal.h"

#include <stdlib.h>

#include <roomcast/base/log.h>
#include <roomcast/wire/server_message.h>
#include <roomcast/wire/stream_cursor.h>

#define PREFETCH_AHEAD 12 /* members of a room: a push takes a tenth of what memory takes to answer */

static void count_queued(struct worker *worker, const struct frame *frame)
{
    worker->deliveries++;
    worker->queued_bytes += (int64_t)frame->len;
}

void client_drop_queue(struct worker *worker, struct session *session)
{
    worker->queued_bytes -= (int64_t)session->queue.bytes;
    outqueue_clear(&session->queue);
}

void client_note_queued(struct worker *worker, struct client *client, uint32_t frames, size_t bytes)
{
    worker->deliveries += frames;
    worker->queued_bytes += (int64_t)bytes;
    client_schedule(worker, client, WRITE_BEHIND);
}

/* What waits for its turn has not been offered to the kernel yet: only who cannot take that is slow. */
static enum outqueue_verdict push(struct worker *worker, struct client *client, struct frame *frame,
                                  uint32_t audience)
{
    struct session *session = &client->session;
    frame = frame_variant(frame, session->queue.takes_deflated);
    const struct outqueue_limits *limits = &worker->shared->rules.queue;
    enum outqueue_verdict verdict = outqueue_push(&session->queue, frame, limits);
    while (verdict == OUTQUEUE_OVERFLOW && client_write_now(worker, client))
        verdict = outqueue_push(&session->queue, frame, limits);
    if (verdict == OUTQUEUE_QUEUED) {
        count_queued(worker, frame);
        client_schedule(worker, client, audience);
    }
    return verdict;
}

void client_send_frame(struct worker *worker, struct client *client, struct frame *frame)
{
    if (client->session.state != SESSION_OPEN)
        return;
    enum outqueue_verdict verdict = push(worker, client, frame, WRITE_ALONE);
    if (verdict == OUTQUEUE_OVERFLOW) {
        /* Who asks and never reads the answers. */
        const struct session_rules *rules = &worker->shared->rules;
        struct outqueue_limits twice = {2 * rules->queue.max_frames + rules->max_rooms,
                                        2 * rules->queue.max_bytes};
        verdict = outqueue_push(&client->session.queue, frame, &twice);
        if (verdict == OUTQUEUE_QUEUED)
            count_queued(worker, frame); /* it is blocked: what it has leaves when it takes in again */
    }
    if (verdict != OUTQUEUE_QUEUED)
        client_close(worker, client, verdict == OUTQUEUE_OVERFLOW ? CLOSE_SLOW_CONSUMER : CLOSE_OVERLOADED);
}

/* Typing and presence are the first to go under pressure. */
static void send_signal(struct worker *worker, struct client *client, struct frame *frame, uint32_t audience)
{
    if (client->session.state == SESSION_OPEN && push(worker, client, frame, audience) != OUTQUEUE_QUEUED)
        metrics_inc(METRIC_SIGNALS_DROPPED);
}

/* `before`: the position of the room without this event. */
static void send_event(struct worker *worker, struct client *client, const struct hub_frame *output,
                       const struct position *before, uint32_t audience)
{
    if (output->room.route != ROUTE_TO_CHAT)
        client_note_notified(client, before);
    if (client->session.state != SESSION_OPEN ||
        (output->frame && push(worker, client, output->frame, audience) == OUTQUEUE_QUEUED))
        return;
    if (!client_fall_behind(worker, client, &output->room, before, output->stream_seq))
        client_close(worker, client, CLOSE_SLOW_CONSUMER);
    else
        metrics_inc(METRIC_LAGGED);
    client_note_stall(worker, client); /* nothing else looks at it before the kernel takes something */
    if (!output->frame)
        client_note_queued(worker, client, 0, 0); /* its queue may be empty: nothing would have it ask */
}

void client_send_placed(struct worker *worker, struct client *client, const struct room_key *room,
                        const struct position *position)
{
    struct stream_mark scratch;
    struct slice mark = {NULL, 0};
    if (position && client->session.is_stream)
        mark = stream_mark_make(room, position, &scratch);
    struct frame *frame =
        buffer_failed(&worker->text) ? NULL : frame_new_beside(FRAME_TEXT, buffer_slice(&worker->text), mark);
    if (!frame) {
        client_close(worker, client, CLOSE_OVERLOADED);
        return;
    }
    client_send_frame(worker, client, frame);
    frame_unref(&frame);
}

void client_send_text(struct worker *worker, struct client *client)
{
    client_send_placed(worker, client, NULL, NULL);
}

/* The disconnect message passes the queue's limits: it is small, and the last one. */
void client_send_last(struct worker *worker, struct client *client)
{
    static const struct outqueue_limits no_limits = {.max_frames = UINT32_MAX, .max_bytes = SIZE_MAX};
    struct frame *frame =
        buffer_failed(&worker->text) ? NULL : frame_new(FRAME_TEXT, buffer_slice(&worker->text));
    if (frame && outqueue_push(&client->session.queue, frame, &no_limits) == OUTQUEUE_QUEUED)
        count_queued(worker, frame); /* without memory it ends without a word */
    frame_unref(&frame);
    client_schedule(worker, client, WRITE_ALONE);
}

void client_send_error(struct worker *worker, struct client *client, enum error_code code,
                       const char *message, const struct room_key *chat, const struct request_id *id)
{
    buffer_clear(&worker->text);
    server_error(&worker->text, code, message, chat, id);
    client_send_text(worker, client);
}

void worker_deliver(struct worker *worker, struct hub_frame *output)
{
    uint32_t count;
    const struct room_member *members = rooms_members(worker->rooms, &output->room, &count);
    struct position before = output->position;
    before.seq--;
    /* Nobody joins or leaves while this runs: who cannot take the event falls behind, or is marked as
     * closing. */
    for (uint32_t i = 0; i < count; i++) {
        struct client *client = (struct client *)session_of_rooms(members[i].list);
        if (i + PREFETCH_AHEAD < count)
            session_prefetch(session_of_rooms(members[i + PREFETCH_AHEAD].list));
        if (output->but_not_sender && room_key_is_stored(client->session.claims.user, &output->sender))
            continue;
        if (output->what == HUB_SIGNAL) {
            send_signal(worker, client, output->frame, count);
        } else if (members[i].lag) {
            client_pass_by(worker, client, members[i].lag);
        } else if (output->what == HUB_EVENT) {
            send_event(worker, client, output, &before, count);
        } else {
            client_send_frame(worker, client, output->frame);
        }
    }
    frame_unref(&output->frame);
    free(output);
}
