#include "worker_internal.h"

#include <stdlib.h>

#include <roomcast/base/log.h>
#include <roomcast/wire/server_message.h>

#define REPLAY_TURN_BYTES                                                                                    \
    (1u << 20) /* of missed events to one client in one turn: others want to be served too */

static void mark_dirty(struct worker *worker, struct session *session)
{
    if (session->write != SESSION_WRITE_IDLE)
        return;
    session->write = SESSION_WRITE_DIRTY;
    session->next_dirty = worker->dirty;
    worker->dirty = session;
}

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

/* Takes as many queued frames as fit into one write. One frame is written from where it is; several are put
 * together in the worker's scratch. Returns how many frames `ret_bytes` holds. */
static uint32_t gather(struct worker *worker, struct outqueue *queue, struct slice *ret_bytes)
{
    struct frame *frames[64];
    uint32_t count = outqueue_peek(queue, frames, sizeof frames / sizeof frames[0]);
    if (count == 0)
        return 0;
    if (count == 1 || frames[0]->len + frames[1]->len > WRITE_BATCH_BYTES) {
        *ret_bytes = (struct slice){(const char *)frames[0]->bytes, frames[0]->len};
        return 1;
    }
    size_t len = 0;
    uint32_t taken = 0;
    while (taken < count && len + frames[taken]->len <= WRITE_BATCH_BYTES) {
        memcpy(worker->batch + len, frames[taken]->bytes, frames[taken]->len);
        len += frames[taken]->len;
        taken++;
    }
    *ret_bytes = (struct slice){worker->batch, len};
    return taken;
}

/* Writes what is queued, as far as the kernel takes it. False: it did not take all, or the connection is
 * gone. */
static bool write_queue(struct worker *worker, struct session *session)
{
    struct slice bytes;
    uint32_t count;
    while (session->connection && session->write != SESSION_WRITE_BLOCKED &&
           (count = gather(worker, &session->queue, &bytes)) > 0) {
        enum ws_write result = ws_connection_write(session->connection, bytes.data, bytes.len);
        if (result == WS_GONE) {
            client_drop_queue(worker, session); /* on_closed follows */
            return false;
        }
        worker->writes++;
        worker->written_bytes += bytes.len;
        worker->queued_bytes -= (int64_t)bytes.len;
        while (count-- > 0)
            outqueue_pop(&session->queue);
        if (result == WS_BLOCKED)
            session->write = SESSION_WRITE_BLOCKED;
    }
    return session->connection && session->write != SESSION_WRITE_BLOCKED;
}

void client_note_queued(struct worker *worker, struct client *client, uint32_t frames, size_t bytes)
{
    worker->deliveries += frames;
    worker->queued_bytes += (int64_t)bytes;
    mark_dirty(worker, &client->session);
}

/* Nothing of this turn has been offered to the kernel yet: only who cannot take that is slow. */
static enum outqueue_verdict push(struct worker *worker, struct client *client, struct frame *frame)
{
    struct session *session = &client->session;
    const struct outqueue_limits *limits = &worker->shared->rules.queue;
    enum outqueue_verdict verdict = outqueue_push(&session->queue, frame, limits);
    if (verdict == OUTQUEUE_OVERFLOW && session->write == SESSION_WRITE_DIRTY && write_queue(worker, session))
        verdict = outqueue_push(&session->queue, frame, limits);
    if (verdict == OUTQUEUE_QUEUED)
        client_note_queued(worker, client, 1, frame->len);
    return verdict;
}

void client_send_frame(struct worker *worker, struct client *client, struct frame *frame)
{
    if (client->session.state != SESSION_OPEN)
        return;
    enum outqueue_verdict verdict = push(worker, client, frame);
    if (verdict == OUTQUEUE_OVERFLOW) {
        /* Who asks and never reads the answers. */
        const struct session_rules *rules = &worker->shared->rules;
        struct outqueue_limits twice = {2 * rules->queue.max_frames + rules->max_rooms,
                                        2 * rules->queue.max_bytes};
        verdict = outqueue_push(&client->session.queue, frame, &twice);
        if (verdict == OUTQUEUE_QUEUED)
            client_note_queued(worker, client, 1, frame->len);
    }
    if (verdict != OUTQUEUE_QUEUED)
        client_close(worker, client, verdict == OUTQUEUE_OVERFLOW ? CLOSE_SLOW_CONSUMER : CLOSE_OVERLOADED);
}

/* Typing and presence are the first to go under pressure. */
static void send_signal(struct worker *worker, struct client *client, struct frame *frame)
{
    if (client->session.state == SESSION_OPEN && push(worker, client, frame) != OUTQUEUE_QUEUED)
        metrics_inc(METRIC_SIGNALS_DROPPED);
}

static void note_stall(struct worker *worker, struct client *client)
{
    if (client->session.write != SESSION_WRITE_BLOCKED || !client->catch_ups)
        return;
    session_stalled(&client->session, &worker->shared->rules, worker->now_ms);
    client_arm(worker, client);
}

static void send_event(struct worker *worker, struct client *client, const struct hub_frame *output)
{
    /* It has had everything before this event. */
    struct position cursor = output->position;
    cursor.seq--;
    if (output->room.route != ROUTE_TO_CHAT)
        client_note_notified(client, &cursor);
    if (client->session.state != SESSION_OPEN || push(worker, client, output->frame) == OUTQUEUE_QUEUED)
        return;
    if (!client_fall_behind(worker, client, &output->room, &cursor, output->stream_seq, 0))
        client_close(worker, client, CLOSE_SLOW_CONSUMER);
    else
        metrics_inc(METRIC_LAGGED);
    note_stall(worker, client); /* nothing else looks at it before the kernel takes something */
}

void client_send_text(struct worker *worker, struct client *client)
{
    struct frame *frame =
        buffer_failed(&worker->text) ? NULL : frame_new(FRAME_TEXT, buffer_slice(&worker->text));
    if (!frame) {
        client_close(worker, client, CLOSE_OVERLOADED);
        return;
    }
    client_send_frame(worker, client, frame);
    frame_unref(&frame);
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
    mark_dirty(worker, &client->session);
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
    /* Nobody joins or leaves while this runs: who cannot take the event falls behind, or is marked as
     * closing. */
    for (uint32_t i = 0; i < count; i++) {
        struct client *client = members[i].session;
        if (output->but_not_sender && room_key_equal(&client->session.claims.user, &output->sender))
            continue;
        if (output->what == HUB_SIGNAL) {
            send_signal(worker, client, output->frame);
        } else if (members[i].lag) {
            catch_up_pass_by(members[i].lag);
        } else if (output->what == HUB_EVENT) {
            send_event(worker, client, output);
        } else {
            client_send_frame(worker, client, output->frame);
        }
    }
    frame_unref(&output->frame);
    free(output);
}

bool client_flush(struct worker *worker, struct client *client)
{
    struct session *session = &client->session;
    size_t left = REPLAY_TURN_BYTES, pumped;
    bool goes_on = write_queue(worker, session);
    while (goes_on && client->catch_ups && left > 0 && (pumped = client_pump(worker, client, left)) > 0) {
        goes_on = write_queue(worker, session);
        left -= pumped < left ? pumped : left;
    }
    note_stall(worker, client);
    if (session->state == SESSION_CLOSING && session->connection && !outqueue_front(&session->queue)) {
        const struct close_reason_row *row = close_reason_row(session->close_reason);
        ws_connection_close(session->connection, row->code, row->text);
    }
    return goes_on && left == 0;
}

void worker_flush(struct worker *worker)
{
    struct session *again = NULL;
    while (worker->dirty) {
        /* One that has ended meanwhile has nothing queued any more, and is freed after this. */
        struct session *session = worker->dirty;
        worker->dirty = session->next_dirty;
        /* It stays marked meanwhile: what its replays queue leaves in this flush, or in the next turn. */
        bool goes_on = client_flush(worker, (struct client *)session);
        if (session->write != SESSION_WRITE_DIRTY)
            continue;
        if (goes_on || outqueue_front(&session->queue)) {
            session->next_dirty = again;
            again = session;
        } else {
            session->write = SESSION_WRITE_IDLE;
        }
    }
    worker->dirty = again;
    if (again)
        loop_wake_send(worker->wake);
    metrics_add(METRIC_DELIVERIES, worker->deliveries);
    metrics_add(METRIC_WRITES, worker->writes);
    metrics_change(METRIC_QUEUED_BYTES, worker->queued_bytes);
    worker->queued_bytes = 0;
    metrics_add(METRIC_WRITTEN_BYTES, worker->written_bytes);
    worker->deliveries = worker->writes = worker->written_bytes = 0;
}
