/* Rooms in which a client is behind: it resumed and is being given what it missed, or its queue was full.
 * Either way the room's live events pass it by, and it is served by its cursor until it has caught up. */
#include "worker_internal.h"

#include <stdlib.h>

#include <roomcast/base/log.h>
#include <roomcast/wire/server_message.h>

#define ASK_AGAIN_MS          500  /* after the hub could not say */
#define NOTIFICATIONS_HELD_MS 1000 /* after `connected`, for a client that resumes them */
#define RESUMING_HELD_MS                                                                                     \
    30000 /* notifications of a client whose resume is not answered, or was UNAVAILABLE */

static struct client_catch_up *outer(struct catch_up *catch_up)
{
    return (struct client_catch_up *)catch_up;
}

/* What a member that is behind has noted in the room: its catch-up; or, while its notifications wait and none
 * has come, so that they need no catch-up yet, only that. Everybody who connects is held for a moment. */
static void *held_mark(struct client *client)
{
    return client;
}

static struct client_catch_up *find(struct worker *worker, struct client *client, const struct room_key *room)
{
    void *lag = rooms_lag(worker->rooms, room, &client->session.rooms);
    return lag && lag != held_mark(client) ? outer(lag) : NULL;
}

const struct position *client_cursor(struct worker *worker, struct client *client,
                                     const struct room_key *room)
{
    void *lag = rooms_lag(worker->rooms, room, &client->session.rooms);
    if (!lag)
        return NULL;
    return lag == held_mark(client) ? &client->unresumed : &outer(lag)->catch_up.cursor;
}

static void look_again(struct worker *worker, struct client *client, uint64_t at_ms)
{
    struct session *session = &client->session;
    if (session->catch_up_at != 0 && session->catch_up_at <= at_ms)
        return;
    session->catch_up_at = at_ms;
    client_arm(worker, client);
}

static struct client_catch_up *begin(struct worker *worker, struct client *client,
                                     const struct room_key *room, const struct position *cursor)
{
    struct client_catch_up *behind = calloc(1, sizeof *behind + ROOM_KEY_STORED(room));
    if (!behind)
        return NULL;
    memcpy(behind->room, room, ROOM_KEY_STORED(room));
    catch_up_init(&behind->catch_up, cursor);
    behind->catch_up.next = client->catch_ups;
    client->catch_ups = &behind->catch_up;
    rooms_set_lag(worker->rooms, room, &client->session.rooms, &behind->catch_up);
    metrics_change(METRIC_LAGGING, 1);
    return behind;
}

bool client_fall_behind(struct worker *worker, struct client *client, const struct room_key *room,
                        const struct position *cursor, uint64_t next_stream_seq)
{
    struct client_catch_up *behind = begin(worker, client, room, cursor);
    if (!behind)
        return false;
    behind->next_stream_seq = next_stream_seq;
    return true;
}

static void finish(struct catch_up **link)
{
    struct catch_up *catch_up = *link;
    *link = catch_up->next;
    catch_up_fini(catch_up);
    free(outer(catch_up));
    metrics_change(METRIC_LAGGING, -1);
}

void client_end_catch_up(struct client *client, const struct room_key *room)
{
    for (struct catch_up **link = &client->catch_ups; *link; link = &(*link)->next) {
        if (room_key_is_stored(outer(*link)->room, room)) {
            finish(link);
            return;
        }
    }
}

void client_end_catch_ups(struct client *client)
{
    while (client->catch_ups)
        finish(&client->catch_ups);
}

/* --- notifications that wait for a resume --- */

/* A client that resumes its notifications says so first thing: what comes live before that would stand before
 * what it has missed. */
void client_hold_notifications(struct worker *worker, struct client *client, const struct position *position)
{
    struct room_key user = client_user(client);
    client->unresumed = *position;
    client->held_until_ms = worker->now_ms + NOTIFICATIONS_HELD_MS;
    rooms_set_lag(worker->rooms, &user, &client->session.rooms, held_mark(client));
    look_again(worker, client, client->held_until_ms);
}

static void end_hold(struct worker *worker, struct client *client)
{
    struct room_key user = client_user(client);
    client->unresumed = (struct position){.seq = 0};
    client->held_until_ms = 0;
    rooms_set_lag(worker->rooms, &user, &client->session.rooms, NULL);
}

void client_hold_longer(struct worker *worker, struct client *client)
{
    struct room_key user = client_user(client);
    struct client_catch_up *behind = find(worker, client, &user);
    uint64_t *until_ms = behind ? &behind->held_until_ms : &client->held_until_ms;
    if (*until_ms == 0 || client->has_resumed)
        return;
    *until_ms = worker->now_ms + RESUMING_HELD_MS;
    look_again(worker, client, *until_ms);
}

void client_pass_by(struct worker *worker, struct client *client, void *lag)
{
    if (lag != held_mark(client)) {
        catch_up_pass_by(lag);
        return;
    }
    struct room_key user = client_user(client);
    struct position cursor = client->unresumed;
    uint64_t until_ms = client->held_until_ms;
    end_hold(worker, client);
    struct client_catch_up *behind = begin(worker, client, &user, &cursor);
    if (!behind) {
        client_close(worker, client, CLOSE_OVERLOADED);
        return;
    }
    behind->held_until_ms = until_ms;
    catch_up_pass_by(&behind->catch_up);
}

/* Nothing has come while they waited. */
static void look_at_hold(struct worker *worker, struct client *client)
{
    if (client->held_until_ms == 0)
        return;
    if (client->held_until_ms <= worker->now_ms)
        end_hold(worker, client);
    else
        look_again(worker, client, client->held_until_ms);
}

void client_note_notified(struct client *client, const struct position *cursor)
{
    if (!client->has_resumed && client->unresumed.epoch[0] == '\0')
        client->unresumed = *cursor;
}

/* What its replays keep in memory, and what it has asked for: one that takes in slowly must not hold the
 * memory of all. */
static size_t held_bytes(const struct client *client)
{
    size_t bytes = 0;
    for (struct catch_up *catch_up = client->catch_ups; catch_up; catch_up = catch_up->next) {
        bytes += catch_up->replay ? catch_up->replay->bytes : 0;
        bytes += outer(catch_up)->question ? FEED_PAGE_BYTES : 0;
    }
    return bytes;
}

/* Only while the queue is calm: a client that cannot take what it has needs nothing more. */
static void ask(struct worker *worker, struct client *client, struct client_catch_up *behind)
{
    const struct outqueue *queue = &client->session.queue;
    const struct outqueue_limits *limits = &worker->shared->rules.queue;
    uint64_t not_before_ms =
        behind->held_until_ms > behind->not_before_ms ? behind->held_until_ms : behind->not_before_ms;
    if (not_before_ms > worker->now_ms) {
        look_again(worker, client, not_before_ms);
        return;
    }
    if (queue->count > limits->max_frames / 2 || queue->bytes > limits->max_bytes / 2 ||
        held_bytes(client) > worker->shared->config->resume_max_bytes)
        return; /* looked at again when something has gone out, or an answer has come */
    if (behind->held_until_ms != 0)
        client_note_notified(client, &behind->catch_up.cursor);
    behind->held_until_ms = 0;
    struct room_key user = client_user(client), room;
    room_key_load(behind->room, &room);
    struct hub_request *question = hub_request_new(HUB_CATCH_UP, worker->index, &room, &user);
    if (question) {
        question->waiter.has_since = true;
        question->waiter.since = behind->catch_up.cursor;
        question->waiter.next_stream_seq = behind->next_stream_seq;
    }
    if (client_ask(worker, client, question, FOR_CATCH_UP) != ERR_OK) {
        behind->not_before_ms = worker->now_ms + ASK_AGAIN_MS;
        look_again(worker, client, behind->not_before_ms);
        return;
    }
    behind->question = question;
    behind->next_stream_seq = 0; /* of the first event only */
    catch_up_asked(&behind->catch_up);
}

size_t client_pump(struct worker *worker, struct client *client, size_t max_bytes)
{
    size_t bytes = 0;
    struct catch_up **link = &client->catch_ups;
    if (client->session.state == SESSION_OPEN)
        look_at_hold(worker, client);
    while (client->session.state == SESSION_OPEN && *link) {
        struct catch_up *catch_up = *link;
        if (catch_up->state == CATCH_UP_REPLAYING && bytes < max_bytes) {
            uint32_t count;
            size_t queued = catch_up_pump(catch_up, &client->session.queue, &worker->shared->rules.queue,
                                          max_bytes - bytes, &count);
            client_note_queued(worker, client, count, queued);
            metrics_add(METRIC_EVENTS_REPLAYED, count);
            bytes += queued;
        }
        if (catch_up->state == CATCH_UP_ASK)
            ask(worker, client, outer(catch_up));
        if (catch_up->state == CATCH_UP_DONE) {
            struct room_key room;
            room_key_load(outer(catch_up)->room, &room);
            rooms_set_lag(worker->rooms, &room, &client->session.rooms, NULL);
            finish(link);
        } else {
            link = &catch_up->next;
        }
    }
    return bytes;
}

void client_resume(struct worker *worker, struct client *client, struct hub_request *request)
{
    struct client_catch_up *behind = find(worker, client, &request->room);
    const struct position *cursor = request->is_recovered ? &request->waiter.since : &request->position;
    bool is_live = !request->replay && request->is_all;
    if (client->session.state != SESSION_OPEN)
        return;
    if (rooms_lag(worker->rooms, &request->room, &client->session.rooms) == held_mark(client))
        end_hold(worker, client);
    if (!behind && is_live)
        return;
    if (behind) { /* its own idea of its place counts, whatever was under way */
        struct catch_up *next = behind->catch_up.next;
        catch_up_fini(&behind->catch_up);
        catch_up_init(&behind->catch_up, cursor);
        behind->catch_up.next = next;
        behind->question = NULL;
        behind->held_until_ms = behind->not_before_ms = 0;
    } else if (!(behind = begin(worker, client, &request->room, cursor))) {
        client_close(worker, client, CLOSE_OVERLOADED);
        return;
    }
    if (request->replay && held_bytes(client) > worker->shared->config->resume_max_bytes) {
        replay_unref(&request->replay); /* page by page, then */
        request->is_all = false;
    }
    catch_up_asked(&behind->catch_up);
    catch_up_answer(&behind->catch_up, request->replay, request->replay_at, request->is_all);
    request->replay = NULL;
    client_pump(worker, client, SIZE_MAX);
}

static void tell_lost(struct worker *worker, struct client *client, const struct hub_request *request)
{
    metrics_inc(METRIC_LOST_LAGGED);
    buffer_clear(&worker->text);
    server_position_lost(&worker->text, request->room.route == ROUTE_TO_CHAT ? &request->room : NULL,
                         &request->position);
    client_send_placed(worker, client, &request->room, &request->position);
}

void client_on_catch_up_answer(struct worker *worker, struct client *client, struct hub_request *request)
{
    struct client_catch_up *behind = find(worker, client, &request->room);
    if (!behind || behind->question != request)
        return; /* it has left, or resumed from elsewhere */
    behind->question = NULL;
    if (request->status != ERR_OK) {
        catch_up_failed(&behind->catch_up);
        behind->not_before_ms = worker->now_ms + ASK_AGAIN_MS;
        look_again(worker, client, behind->not_before_ms);
        return;
    }
    if (request->is_recovered) {
        catch_up_answer(&behind->catch_up, request->replay, request->replay_at, request->is_all);
        request->replay = NULL;
    } else {
        catch_up_lost(&behind->catch_up, &request->position);
        tell_lost(worker, client, request);
    }
    client_pump(worker, client, SIZE_MAX);
}
