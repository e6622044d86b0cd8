/* What is queued leaves: a turn's share of the sessions that have something to write, together. */
#include "worker_internal.h"

#include <stdlib.h>

#include "worker_stream.h"

/* Then the loop looks for what has come meanwhile. Few, a third of a millisecond, while events of small
 * rooms come between those of large ones; otherwise more, since io_uring pays with the number. */
#define WRITES_PER_TURN  256
#define WRITES_IF_SHARED 64
#define SHARED_MS        1000 /* how long turns stay short after small and large ones met */

#define REPLAY_BYTES                                                                                         \
    (256u * 1024) /* of missed events to one client in one turn: others want to be served too */

/* What a batch has for streams of server-sent events, whose bytes each stream has for itself: then it leaves.
 */
#define STREAMS_BYTES (256u * 1024)

struct write_batch {
    struct client *clients[WRITES_PER_TURN];
    struct ws_send sends[WRITES_PER_TURN];
    struct frame *frames[WRITES_PER_TURN]; /* what is sent, a reference each; NULL: bytes of `streams` */
    size_t streams_at[WRITES_PER_TURN];    /* then: the first of them */
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
    struct buffer streams;    /* what the batch has for streams; kept for the next one */
    uint64_t shared_until_ms; /* turns are short until then */
};

struct send_state *send_state_new(void)
{
    struct send_state *state = calloc(1, sizeof *state);
    if (!state)
        return NULL;
    write_schedule_init(&state->schedule);
    buffer_init(&state->streams, SIZE_MAX / 2); /* bounded by STREAMS_BYTES and one write more */
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
    buffer_fini(&(*state)->streams);
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

void client_schedule(struct worker *worker, struct client *client, uint32_t audience)
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

/* The same for a stream: in its own form, each event with the client's own id, so behind each other in a
 * buffer that all of the batch share. */
static void add_stream(struct send_state *send, struct client *client)
{
    struct write_batch *batch = &send->batch;
    struct frame *frames[WRITE_BATCH_FRAMES];
    uint32_t queued = outqueue_peek(&client->session.queue, frames, WRITE_BATCH_FRAMES), count = 0;
    size_t at = send->streams.len;
    while (count < queued && send->streams.len - at < WRITE_BATCH_BYTES)
        stream_write(client, frames[count++], &send->streams);
    if (buffer_failed(&send->streams)) {
        /* Its cursor may be ahead of what it has: it comes back with its own. */
        buffer_cut(&send->streams, at);
        ws_connection_drop(client->session.connection);
        return;
    }
    batch->clients[batch->len] = client;
    batch->frames[batch->len] = NULL;
    batch->streams_at[batch->len] = at;
    batch->counts[batch->len] = count;
    batch->sends[batch->len] =
        (struct ws_send){.connection = client->session.connection, .len = send->streams.len - at};
    batch->len++;
}

static void add_to_batch(struct send_state *send, struct client *client)
{
    struct write_batch *batch = &send->batch;
    struct session *session = &client->session;
    if (!session->connection || session->is_blocked || session->queue.count == 0)
        return;
    if (session->is_stream) {
        add_stream(send, client);
        return;
    }
    struct frame *frame = gather(&send->run, &session->queue, &batch->counts[batch->len]);
    batch->clients[batch->len] = client;
    batch->frames[batch->len] = frame;
    batch->sends[batch->len] =
        (struct ws_send){.connection = session->connection, .bytes = frame->bytes, .len = frame->len};
    batch->len++;
}

void client_set_blocked(struct client *client, bool is_blocked)
{
    if (client->session.is_blocked == is_blocked)
        return;
    client->session.is_blocked = is_blocked;
    metrics_change(METRIC_BLOCKED, is_blocked ? 1 : -1);
}

static void settle(struct worker *worker, struct client *client, const struct ws_send *send, uint32_t count)
{
    struct session *session = &client->session;
    if (send->result == WS_GONE) {
        client_drop_queue(worker, session); /* on_closed follows */
        return;
    }
    size_t before = session->queue.bytes;
    while (count-- > 0)
        outqueue_pop(&session->queue);
    worker->writes++;
    worker->written_bytes += send->len;
    worker->queued_bytes -= (int64_t)(before - session->queue.bytes);
    client_set_blocked(client, send->result == WS_BLOCKED);
}

/* One write for each, as far as the kernel takes it. Calls nothing back. */
static void write_batch(struct worker *worker)
{
    struct send_state *send = worker->send;
    struct write_batch *batch = &send->batch;
    for (uint32_t i = 0; send->streams.len > 0 && i < batch->len; i++) {
        if (!batch->frames[i]) /* only now: the buffer may have moved */
            batch->sends[i].bytes = send->streams.data + batch->streams_at[i];
    }
    ws_server_send(worker->server, batch->sends, batch->len);
    for (uint32_t i = 0; i < batch->len; i++) {
        settle(worker, batch->clients[i], &batch->sends[i], batch->counts[i]);
        frame_unref(&batch->frames[i]);
    }
    batch->len = 0;
    if (send->streams.cap > STREAMS_BYTES) /* a large message was among them */
        buffer_fini(&send->streams);
    buffer_clear(&send->streams);
}

bool client_write_now(struct worker *worker, struct client *client)
{
    add_to_batch(worker->send, client);
    bool tried = worker->send->batch.len > 0;
    write_batch(worker);
    return tried;
}

void client_write_out(struct worker *worker, struct client *client)
{
    while (client->session.queue.count > 0 && !client->session.is_blocked && client_write_now(worker, client))
        continue;
}

void client_note_stall(struct worker *worker, struct client *client)
{
    if (!client->session.is_blocked || !client->catch_ups)
        return;
    session_stalled(&client->session, &worker->shared->rules, worker->now_ms);
    client_arm(worker, client);
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
            client_schedule(worker, client, WRITE_BEHIND);
    }
    client_note_stall(worker, client);
    if (session->state == SESSION_CLOSING && session->connection && session->queue.count == 0) {
        const struct close_reason_row *row = close_reason_row(session->close_reason);
        ws_connection_close(session->connection, row->code, row->text);
    }
}

static uint32_t writes_of_turn(struct worker *worker)
{
    struct send_state *send = worker->send;
    if (write_schedule_is_shared(&send->schedule))
        send->shared_until_ms = worker->now_ms + SHARED_MS;
    return worker->now_ms < send->shared_until_ms ? WRITES_IF_SHARED : WRITES_PER_TURN;
}

static void write_turn(struct worker *worker)
{
    struct send_state *send = worker->send;
    struct write_place *places[WRITES_PER_TURN];
    uint32_t count = write_schedule_take(&send->schedule, places, writes_of_turn(worker));
    for (uint32_t i = 0; i < count; i++)
        __builtin_prefetch(client_of(places[i])->session.connection, 1);
    for (uint32_t i = 0; i < count; i++) {
        if (send->streams.len >= STREAMS_BYTES)
            write_batch(worker);
        add_to_batch(send, client_of(places[i]));
    }
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

/* Once per turn. */
static void count_turn(struct worker *worker)
{
    metrics_add(METRIC_DELIVERIES, worker->deliveries);
    metrics_add(METRIC_WRITES, worker->writes);
    metrics_change(METRIC_QUEUED_BYTES, worker->queued_bytes);
    atomic_fetch_add_explicit(&worker->queued, worker->queued_bytes, memory_order_relaxed);
    worker->queued_bytes = 0;
    metrics_add(METRIC_WRITTEN_BYTES, worker->written_bytes);
    worker->deliveries = worker->writes = worker->written_bytes = 0;
    if (worker->counts_as_io_uring && ws_server_plain_writes(worker->server)) { /* it failed meanwhile */
        metrics_change(METRIC_IO_URING_WORKERS, -1);
        worker->counts_as_io_uring = false;
    }
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
    count_turn(worker);
}

void client_unschedule(struct worker *worker, struct client *client)
{
    write_schedule_remove(&worker->send->schedule, &client->session.place);
}
