#include "sim.h"

#include <stdio.h>
#include <string.h>

#include "outqueue_front.h"

#define WRITE_MAX 16u /* frames in one write */
#define AGAIN_MS  300u

static const struct outqueue_limits no_limits = {.max_frames = UINT32_MAX, .max_bytes = SIZE_MAX};

/* --- writing --- */

static void pump_all(struct sim *sim, struct sim_session *session);

static void arrive(struct sim *sim, void *object, uint64_t unused)
{
    (void)unused;
    sim_client_receive(sim, object, sim->task_frame);
}

static void write(struct sim *sim, void *object, uint64_t unused)
{
    struct sim_session *session = object;
    struct frame *frame;
    (void)unused;

    session->is_writing = false;
    if (session->session.state != SESSION_OPEN || session->is_cut)
        return;
    if (sim->now_ms < session->stalled_ms) {
        session->is_writing = true;
        sim_in(sim, session->stalled_ms - sim->now_ms, write, session, 0);
        return;
    }
    for (unsigned i = 0; i < (session->pace_ms ? 1 : WRITE_MAX); i++) {
        if (!(frame = outqueue_front(&session->session.queue)))
            break;
        uint64_t at_ms = sim->now_ms + 1 + sim_roll(sim, 20);
        if (at_ms < session->arrival_ms)
            at_ms = session->arrival_ms;
        session->arrival_ms = at_ms;
        sim_in_with(sim, at_ms - sim->now_ms, arrive, session, frame_ref(frame));
        outqueue_pop(&session->session.queue);
    }
    pump_all(sim, session);
}

static void write_soon(struct sim *sim, struct sim_session *session)
{
    if (session->is_writing || session->is_cut || !outqueue_front(&session->session.queue))
        return;
    session->is_writing = true;
    sim_in(sim, session->pace_ms + sim_roll(sim, 2), write, session, 0);
}

static void say(struct sim *sim, struct sim_session *session, const struct sim_frame *content)
{
    struct frame *frame = sim_frame_new(sim, content, 0);

    SIM_CHECK(sim, outqueue_push(&session->session.queue, frame, &no_limits) == OUTQUEUE_QUEUED);
    frame_unref(&frame);
    write_soon(sim, session);
}

void sim_session_stall(struct sim *sim, struct sim_session *session, uint64_t ms)
{
    session->stalled_ms = sim->now_ms + ms;
}

/* --- catching up --- */

static struct sim_catch_up *catch_up_of(const struct sim_session *session, unsigned room)
{
    struct sim_catch_up *catch_up = session->catch_ups;

    while (catch_up && catch_up->room != room)
        catch_up = (struct sim_catch_up *)catch_up->catch_up.next;
    return catch_up;
}

static struct sim_catch_up *fall_behind(struct sim *sim, struct sim_session *session, unsigned room,
                                        const struct position *cursor)
{
    struct sim_catch_up *catch_up = sim_alloc(sim, sizeof *catch_up);

    catch_up_init(&catch_up->catch_up, cursor);
    catch_up->room = room;
    catch_up->catch_up.next = session->catch_ups ? &session->catch_ups->catch_up : NULL;
    session->catch_ups = catch_up;
    return catch_up;
}

static void forget(struct sim_session *session, struct sim_catch_up *gone)
{
    struct sim_catch_up **link = &session->catch_ups;

    while (*link != gone)
        link = (struct sim_catch_up **)&(*link)->catch_up.next;
    *link = (struct sim_catch_up *)gone->catch_up.next;
    catch_up_fini(&gone->catch_up);
}

static void ask(struct sim *sim, struct sim_session *session, unsigned room, int kind,
                const struct position *since)
{
    struct sim_request *request = sim_alloc(sim, sizeof *request);

    request->kind = kind;
    request->session = session;
    request->room = room;
    request->worker = session->worker;
    request->waiter.has_since = since != NULL;
    if (since)
        request->waiter.since = *since;
    sim_hub_ask(sim, session->node, request);
}

/* Brings one as far as it gets now. */
static void advance(struct sim *sim, struct sim_session *session, struct sim_catch_up *catch_up)
{
    struct catch_up *core = &catch_up->catch_up;
    uint32_t count;

    if (core->state == CATCH_UP_REPLAYING) {
        catch_up_pump(core, &session->session.queue, &sim->plan.queue, 700, &count);
        sim->counts->replayed += count;
    }
    if (core->state == CATCH_UP_ASK) {
        ask(sim, session, catch_up->room, REQUEST_CATCH_UP, &core->cursor);
        catch_up_asked(core);
        sim->counts->catch_up_pages++;
    } else if (core->state == CATCH_UP_DONE) {
        forget(session, catch_up);
    }
}

static void pump_all(struct sim *sim, struct sim_session *session)
{
    struct sim_catch_up *catch_up = session->catch_ups, *next;

    for (; catch_up; catch_up = next) {
        next = (struct sim_catch_up *)catch_up->catch_up.next;
        if (catch_up->catch_up.state == CATCH_UP_REPLAYING)
            advance(sim, session, catch_up);
    }
    write_soon(sim, session);
}

static void ask_again(struct sim *sim, void *object, uint64_t room)
{
    struct sim_session *session = object;
    struct sim_catch_up *catch_up = catch_up_of(session, (unsigned)room);

    if (session->session.state == SESSION_OPEN && catch_up && catch_up->catch_up.state == CATCH_UP_ASK)
        advance(sim, session, catch_up);
}

static void on_catch_up(struct sim *sim, struct sim_session *session, struct sim_request *request)
{
    struct sim_catch_up *catch_up = catch_up_of(session, request->room);
    struct sim_frame lost = {.kind = SIM_POSITION_LOST, .room = request->room, .position = request->position};

    SIM_CHECK(sim, catch_up);
    switch (request->verdict) {
    case FEED_RECOVERED:
        catch_up_answer(&catch_up->catch_up, request->replay, 0, request->is_all);
        request->replay = NULL;
        advance(sim, session, catch_up);
        write_soon(sim, session);
        break;
    case FEED_TIMED_OUT:
        catch_up_failed(&catch_up->catch_up);
        sim_in(sim, AGAIN_MS, ask_again, session, request->room);
        break;
    case FEED_AT_POSITION:
    case FEED_UNPROVEN:
        sim->counts->catch_ups_lost++;
        catch_up_lost(&catch_up->catch_up, &request->position);
        say(sim, session, &lost);
        advance(sim, session, catch_up);
        break;
    }
}

/* --- subscribing --- */

void sim_session_subscribe(struct sim *sim, struct sim_session *session, unsigned room,
                           const struct position *since)
{
    if (session->session.state != SESSION_OPEN)
        return;
    session->is_subscribing[room] = true;
    ask(sim, session, room, REQUEST_SUBSCRIBE, since);
}

static void join(struct sim *sim, struct sim_session *session, struct sim_request *request)
{
    struct room_key key = sim_room_key(request->room);
    struct sim_frame ack = {.kind = SIM_ACK,
                            .room = request->room,
                            .position = request->position,
                            .is_recovered = request->verdict == FEED_RECOVERED,
                            .had_since = request->waiter.has_since,
                            .replayed = request->replay ? request->replay->count : 0};

    SIM_CHECK(sim, rooms_join(session->node->workers[session->worker].rooms, &key, &session->session.rooms) ==
                       ERR_OK);
    say(sim, session, &ack);
    if (!request->replay)
        return;
    struct sim_catch_up *catch_up = fall_behind(sim, session, request->room, &request->waiter.since);
    catch_up_asked(&catch_up->catch_up);
    catch_up_answer(&catch_up->catch_up, request->replay, 0, request->is_all);
    request->replay = NULL;
    advance(sim, session, catch_up);
    write_soon(sim, session);
}

static void on_subscribe(struct sim *sim, struct sim_session *session, struct sim_request *request)
{
    struct sim_frame later = {.kind = SIM_TRY_LATER, .room = request->room};

    session->is_subscribing[request->room] = false;
    if (request->verdict != FEED_TIMED_OUT) {
        join(sim, session, request);
        return;
    }
    say(sim, session, &later);
    ask(sim, session, request->room, REQUEST_PART, NULL);
}

static void on_answer(struct sim *sim, struct sim_request *request)
{
    struct sim_session *session = request->session;

    if (session->session.state != SESSION_OPEN) {
        replay_unref(&request->replay);
        if (request->kind == REQUEST_SUBSCRIBE)
            ask(sim, session, request->room, REQUEST_PART, NULL);
    } else if (request->kind == REQUEST_SUBSCRIBE) {
        on_subscribe(sim, session, request);
    } else {
        on_catch_up(sim, session, request);
    }
}

/* --- fan-out --- */

static void deliver(struct sim *sim, struct sim_session *session, const struct sim_output *output)
{
    struct sim_catch_up *catch_up = catch_up_of(session, output->room);
    struct sim_frame lost = {.kind = SIM_POSITION_LOST, .room = output->room, .position = output->position};

    if (catch_up) {
        catch_up_pass_by(&catch_up->catch_up);
        return;
    }
    if (output->kind == OUTPUT_LOST) {
        say(sim, session, &lost);
        return;
    }
    if (outqueue_push(&session->session.queue, output->frame, &sim->plan.queue) == OUTQUEUE_QUEUED) {
        write_soon(sim, session);
        return;
    }
    struct position cursor = output->position;
    cursor.seq--;
    sim->counts->catch_ups++;
    advance(sim, session, fall_behind(sim, session, output->room, &cursor));
}

static void work_on(struct sim *sim, struct sim_node *node, unsigned worker, struct sim_output *output)
{
    struct room_key key = sim_room_key(output->room);
    uint32_t count;

    if (output->kind == OUTPUT_ANSWER) {
        on_answer(sim, output->request);
        return;
    }
    const struct room_member *members = rooms_members(node->workers[worker].rooms, &key, &count);
    for (uint32_t i = 0; i < count; i++)
        deliver(sim, (struct sim_session *)session_of_rooms(members[i].list), output);
}

static struct sim_output *take(struct sim_worker *worker)
{
    struct sim_output *output = worker->inbox;

    if (!output)
        return NULL;
    worker->inbox = output->next;
    if (!worker->inbox)
        worker->inbox_tail = &worker->inbox;
    return output;
}

static void work(struct sim *sim, struct sim_node *node, unsigned worker)
{
    struct sim_output *output;

    while ((output = take(&node->workers[worker]))) {
        work_on(sim, node, worker, output);
        frame_unref(&output->frame);
    }
}

static void work_of_0(struct sim *sim, void *object, uint64_t life)
{
    struct sim_node *node = object;
    if (node->life == life)
        work(sim, node, 0);
}

static void work_of_1(struct sim *sim, void *object, uint64_t life)
{
    struct sim_node *node = object;
    if (node->life == life)
        work(sim, node, 1);
}

void sim_worker_put(struct sim *sim, struct sim_node *node, unsigned worker, struct sim_output *output)
{
    struct sim_worker *to = &node->workers[worker];

    if (!to->inbox)
        sim_in(sim, sim_roll(sim, 3), worker ? work_of_1 : work_of_0, node, node->life);
    *to->inbox_tail = output;
    to->inbox_tail = &output->next;
}

/* --- sessions --- */

struct sim_session *sim_session_open(struct sim *sim, struct sim_node *node, struct sim_client *client)
{
    struct sim_session *session = sim_alloc(sim, sizeof *session);
    struct token_claims claims = {0};

    session->node = node;
    session->worker = sim_roll(sim, WORKERS);
    session->client = client;
    session->pace_ms = client->pace_ms;
    session_init(&session->session, "abcdefghijkl", &claims, &sim->session_rules, sim->now_ms, sim->now_ms);
    session_opened(&session->session, sim->now_ms, 1000);
    session->next = node->workers[session->worker].sessions;
    node->workers[session->worker].sessions = session;
    return session;
}

void sim_session_end(struct sim *sim, struct sim_session *session)
{
    struct sim_worker *worker = &session->node->workers[session->worker];
    struct sim_session **link = &worker->sessions;
    struct room_key key;

    if (session->session.state == SESSION_ENDED)
        return;
    while (*link != session)
        link = &(*link)->next;
    *link = session->next;
    for (unsigned room = 0; room < ROOMS; room++) {
        key = sim_room_key(room);
        if (rooms_leave(worker->rooms, &key, &session->session.rooms))
            ask(sim, session, room, REQUEST_PART, NULL);
    }
    while (session->catch_ups)
        forget(session, session->catch_ups);
    session_ended(&session->session);
    session_fini(&session->session);
}

void sim_worker_fini(struct sim *sim, struct sim_node *node, unsigned number)
{
    struct sim_worker *worker = &node->workers[number];
    struct sim_output *output;

    while ((output = take(worker))) {
        frame_unref(&output->frame);
        if (output->request)
            replay_unref(&output->request->replay);
    }
    while (worker->sessions) {
        struct sim_session *session = worker->sessions;
        sim_session_end(sim, session);
        if (!session->is_cut && session->client->session == session)
            sim_client_cut(sim, session->client, 100 + sim_roll(sim, 3000));
    }
    rooms_free(&worker->rooms);
}
