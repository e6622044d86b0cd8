#include "worker_internal.h"

#include <stdlib.h>

#include <roomcast/base/log.h>
#include <roomcast/wire/server_message.h>

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

void client_send_frame(struct worker *worker, struct client *client, struct frame *frame, bool is_event)
{
    struct session *session = &client->session;
    if (session->state != SESSION_OPEN)
        return;
    switch (outqueue_push(&session->queue, frame, &worker->shared->rules.queue)) {
    case OUTQUEUE_QUEUED:
        count_queued(worker, frame);
        mark_dirty(worker, session);
        return;
    case OUTQUEUE_OVERFLOW:
        /* Nothing of this turn has been offered to the kernel yet: only who cannot take that is slow. */
        if (session->write == SESSION_WRITE_DIRTY && write_queue(worker, session) &&
            outqueue_push(&session->queue, frame, &worker->shared->rules.queue) == OUTQUEUE_QUEUED) {
            count_queued(worker, frame);
            return;
        }
        if (!is_event) { /* typing and presence are the first to go under pressure */
            metrics_inc(METRIC_SIGNALS_DROPPED);
            return;
        }
        client_close(worker, client, CLOSE_SLOW_CONSUMER);
        return;
    case OUTQUEUE_NO_MEMORY:
        client_close(worker, client, CLOSE_OVERLOADED);
        return;
    }
}

void client_send_text(struct worker *worker, struct client *client)
{
    struct frame *frame =
        buffer_failed(&worker->text) ? NULL : frame_new(FRAME_TEXT, buffer_slice(&worker->text));
    if (!frame) {
        client_close(worker, client, CLOSE_OVERLOADED);
        return;
    }
    client_send_frame(worker, client, frame, true);
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
    /* Nobody joins or leaves while this runs: an overflow only marks the session as closing. */
    for (uint32_t i = 0; i < count; i++) {
        struct client *client = members[i].session;
        if (output->but_not_sender && room_key_equal(&client->session.claims.user, &output->sender))
            continue;
        client_send_frame(worker, client, output->frame, output->is_event);
    }
    frame_unref(&output->frame);
    free(output);
}

void client_flush(struct worker *worker, struct client *client)
{
    struct session *session = &client->session;
    write_queue(worker, session);
    if (session->state == SESSION_CLOSING && session->connection && !outqueue_front(&session->queue)) {
        const struct close_reason_row *row = close_reason_row(session->close_reason);
        ws_connection_close(session->connection, row->code, row->text);
    }
}

void worker_flush(struct worker *worker)
{
    while (worker->dirty) {
        /* One that has ended meanwhile has nothing queued any more, and is freed after this. */
        struct session *session = worker->dirty;
        worker->dirty = session->next_dirty;
        if (session->write == SESSION_WRITE_DIRTY)
            session->write = SESSION_WRITE_IDLE;
        client_flush(worker, (struct client *)session);
    }
    metrics_add(METRIC_DELIVERIES, worker->deliveries);
    metrics_add(METRIC_WRITES, worker->writes);
    metrics_change(METRIC_QUEUED_BYTES, worker->queued_bytes);
    worker->queued_bytes = 0;
    metrics_add(METRIC_WRITTEN_BYTES, worker->written_bytes);
    worker->deliveries = worker->writes = worker->written_bytes = 0;
}
