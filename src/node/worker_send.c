#include "worker_internal.h"

#include <stdlib.h>

#include <roomcast/base/log.h>
#include <roomcast/wire/server_message.h>

#define WRITES_PER_TURN 64 /* then the loop looks for what has come meanwhile: half a millisecond */
#define REPLAY_BYTES                                                                                         \
    (256u * 1024) /* of missed events to one client in one turn: others want to be served too */

#define PREFETCH_AHEAD 4 /* members of a room, whose memory is wanted soon */

struct write_batch {
    struct client *clients[WRITES_PER_TURN];
    struct ws_send sends[WRITES_PER_TURN];
    struct frame *frames[WRITES_PER_TURN]; /* what is sent, a reference each */
    uint32_t counts[WRITES_PER_TURN];      /* of queued frames in it */
    uint32_t len;
};

/* The last run of queued frames that was put together: in a busy room the next session has the same. */
struct joined_run {
    struct frame *parts[WRITE_BATCH_FRAMES]; /* references */
    uint32_t count;
    struct frame *frame; /* owned; NULL: none */
};

struct send_state {
    struct write_schedule schedule;
    struct write_batch batch;
    struct joined_run run;
};

struct send_state *send_state_new(void)
{
    struct send_state *state = calloc(1, sizeof *state);
    if (state)
        write_schedule_init(&state->schedule);
    return state;
}

static void forget_run(struct joined_run *run)
{
    for (uint32_t i = 0; i < run->count; i++)
        frame_unref(&run->parts[i]);
    run->count = 0;
    frame_unref(&run->frame);
}

void send_state_free(struct send_state **state)
{
    if (!*state)
        return;
    forget_run(&(*state)->run);
    free(*state);
    *state = NULL;
}

static struct client *client_of(struct write_place *place)
{
    return (struct client *)((char *)place - offsetof(struct session, place));
}

/* Events wait for others to leave with them (write.delay_ms), unless that is a whole write already. */
static bool may_wait(const struct worker *worker, const struct client *client, uint32_t audience)
{
    const struct outqueue *queue = &client->session.queue;
    return worker->shared->config->write_delay_ms > 0 && audience != WRITE_ALONE &&
           audience != WRITE_BEHIND && queue->count < WRITE_BATCH_FRAMES && queue->bytes < WRITE_BATCH_BYTES;
}

/* What is queued for the client, or can be, leaves soon. */
static void schedule(struct worker *worker, struct client *client, uint32_t audience)
{
    struct write_schedule *schedule = &worker->send->schedule;
    struct write_place *place = &client->session.place;
    if (client->session.is_blocked)
        return;
    if (may_wait(worker, client, audience))
        write_schedule_put_off(schedule, place, audience,
                               worker->now_ms + worker->shared->config->write_delay_ms);
    else
        write_schedule_add(schedule, place, audience);
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

/* --- writing --- */

static struct frame *join(struct joined_run *run, struct frame *const *frames, uint32_t count)
{
    if (run->frame && run->count == count && memcmp(run->parts, frames, count * sizeof frames[0]) == 0)
        return frame_ref(run->frame);
    forget_run(run);
    run->frame = frame_join(frames, count);
    if (!run->frame)
        return NULL;
    for (run->count = 0; run->count < count; run->count++)
        run->parts[run->count] = frame_ref(frames[run->count]);
    return frame_ref(run->frame);
}

/* What leaves in one write: a single frame from where it is, several put together. */
static struct frame *gather(struct joined_run *run, const struct outqueue *queue, uint32_t *ret_count)
{
    struct frame *frames[WRITE_BATCH_FRAMES];
    uint32_t queued = outqueue_peek(queue, frames, WRITE_BATCH_FRAMES), count = 0;
    size_t len = 0;
    while (count < queued && (count == 0 || len + frames[count]->len <= WRITE_BATCH_BYTES))
        len += frames[count++]->len;
    struct frame *joined = count > 1 ? join(run, frames, count) : NULL;
    *ret_count = joined ? count : 1; /* without memory they leave one by one */
    return joined ? joined : frame_ref(frames[0]);
}

static void add_to_batch(struct send_state *send, struct client *client)
{
    struct write_batch *batch = &send->batch;
    struct session *session = &client->session;
    if (!session->connection || session->is_blocked || session->queue.count == 0)
        return;
    struct frame *frame = gather(&send->run, &session->queue, &batch->counts[batch->len]);
    batch->clients[batch->len] = client;
    batch->frames[batch->len] = frame;
    batch->sends[batch->len] =
        (struct ws_send){.connection = session->connection, .bytes = frame->bytes, .len = frame->len};
    batch->len++;
}

static void settle(struct worker *worker, struct client *client, enum ws_write result, uint32_t count)
{
    struct session *session = &client->session;
    if (result == WS_GONE) {
        client_drop_queue(worker, session); /* on_closed follows */
        return;
    }
    size_t before = session->queue.bytes;
    while (count-- > 0)
        outqueue_pop(&session->queue);
    size_t written = before - session->queue.bytes;
    worker->writes++;
    worker->written_bytes += written;
    worker->queued_bytes -= (int64_t)written;
    session->is_blocked = result == WS_BLOCKED;
}

/* One write for each, as far as the kernel takes it. Calls nothing back. */
static void write_batch(struct worker *worker)
{
    struct write_batch *batch = &worker->send->batch;
    ws_server_send(worker->server, batch->sends, batch->len);
    for (uint32_t i = 0; i < batch->len; i++) {
        settle(worker, batch->clients[i], batch->sends[i].result, batch->counts[i]);
        frame_unref(&batch->frames[i]);
    }
    batch->len = 0;
}

static bool write_now(struct worker *worker, struct client *client)
{
    add_to_batch(worker->send, client);
    bool tried = worker->send->batch.len > 0;
    write_batch(worker);
    return tried;
}

/* --- queueing --- */

void client_note_queued(struct worker *worker, struct client *client, uint32_t frames, size_t bytes)
{
    worker->deliveries += frames;
    worker->queued_bytes += (int64_t)bytes;
    schedule(worker, client, WRITE_BEHIND);
}

/* What waits for its turn has not been offered to the kernel yet: only who cannot take that is slow. */
static enum outqueue_verdict push(struct worker *worker, struct client *client, struct frame *frame,
                                  uint32_t audience)
{
    struct session *session = &client->session;
    frame = frame_variant(frame, session->queue.takes_deflated);
    const struct outqueue_limits *limits = &worker->shared->rules.queue;
    enum outqueue_verdict verdict = outqueue_push(&session->queue, frame, limits);
    while (verdict == OUTQUEUE_OVERFLOW && write_now(worker, client))
        verdict = outqueue_push(&session->queue, frame, limits);
    if (verdict == OUTQUEUE_QUEUED) {
        count_queued(worker, frame);
        schedule(worker, client, audience);
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

static void note_stall(struct worker *worker, struct client *client)
{
    if (!client->session.is_blocked || !client->catch_ups)
        return;
    session_stalled(&client->session, &worker->shared->rules, worker->now_ms);
    client_arm(worker, client);
}

/* `before`: the position of the room without this event. */
static void send_event(struct worker *worker, struct client *client, const struct hub_frame *output,
                       const struct position *before, uint32_t audience)
{
    if (output->room.route != ROUTE_TO_CHAT)
        client_note_notified(client, before);
    if (client->session.state != SESSION_OPEN ||
        push(worker, client, output->frame, audience) == OUTQUEUE_QUEUED)
        return;
    if (!client_fall_behind(worker, client, &output->room, before, output->stream_seq, 0))
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
    schedule(worker, client, WRITE_ALONE);
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
        struct client *client = members[i].session;
        if (i + PREFETCH_AHEAD < count)
            __builtin_prefetch(members[i + PREFETCH_AHEAD].session, 1);
        if (output->but_not_sender && room_key_equal(&client->session.claims.user, &output->sender))
            continue;
        if (output->what == HUB_SIGNAL) {
            send_signal(worker, client, output->frame, count);
        } else if (members[i].lag) {
            catch_up_pass_by(members[i].lag);
        } else if (output->what == HUB_EVENT) {
            send_event(worker, client, output, &before, count);
        } else {
            client_send_frame(worker, client, output->frame);
        }
    }
    frame_unref(&output->frame);
    free(output);
}

/* --- the end of a turn --- */

/* What a write made possible: the next page of what the client missed, or the close frame. */
static void go_on(struct worker *worker, struct client *client)
{
    struct session *session = &client->session;
    if (!session->is_blocked && session->connection) {
        if (client->catch_ups && session->queue.count == 0)
            client_pump(worker, client, REPLAY_BYTES);
        if (session->queue.count > 0)
            schedule(worker, client, WRITE_BEHIND);
    }
    note_stall(worker, client);
    if (session->state == SESSION_CLOSING && session->connection && session->queue.count == 0) {
        const struct close_reason_row *row = close_reason_row(session->close_reason);
        ws_connection_close(session->connection, row->code, row->text);
    }
}

static void write_turn(struct worker *worker)
{
    struct send_state *send = worker->send;
    struct write_place *places[WRITES_PER_TURN];
    uint32_t count = write_schedule_take(&send->schedule, places, WRITES_PER_TURN);
    for (uint32_t i = 0; i < count; i++)
        __builtin_prefetch(client_of(places[i])->session.connection, 1);
    for (uint32_t i = 0; i < count; i++)
        add_to_batch(send, client_of(places[i]));
    write_batch(worker);
    for (uint32_t i = 0; i < count; i++)
        go_on(worker, client_of(places[i]));
}

/* What is due by now takes part in this turn; the timer makes a turn when the next is. */
static void release_due(struct worker *worker)
{
    if (!worker->write_delay)
        return;
    uint64_t left_ms = write_schedule_release(&worker->send->schedule, loop_now_ms(worker->loop));
    if (left_ms > 0)
        loop_timer_start(worker->write_delay, left_ms, 0);
}

void worker_flush(struct worker *worker)
{
    struct send_state *send = worker->send;
    release_due(worker);
    write_turn(worker);
    if (!write_schedule_is_empty(&send->schedule))
        loop_turn_again(worker->loop);
    else
        forget_run(&send->run);
    metrics_add(METRIC_DELIVERIES, worker->deliveries);
    metrics_add(METRIC_WRITES, worker->writes);
    metrics_change(METRIC_QUEUED_BYTES, worker->queued_bytes);
    worker->queued_bytes = 0;
    metrics_add(METRIC_WRITTEN_BYTES, worker->written_bytes);
    worker->deliveries = worker->writes = worker->written_bytes = 0;
}

void client_unschedule(struct worker *worker, struct client *client)
{
    write_schedule_remove(&worker->send->schedule, &client->session.place);
}
