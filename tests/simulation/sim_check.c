#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STALE_ECHO_MS 10000u /* so long an answer may rest on what a deposed leader said */

void sim_fail(struct sim *sim, const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    print_error("seed %llu, at %llu ms: %s\nreplay it with ROOMCAST_SEED=%llu\n",
                (unsigned long long)sim->seed, (unsigned long long)sim->now_ms, text,
                (unsigned long long)sim->seed);
    fail();
    abort();
}

/* --- where a position is in what was ever stored --- */

static bool is_of(const struct sim_record *record, const char *epoch)
{
    return strcmp(record->event.position.epoch, epoch) == 0;
}

/* The record at this position, or just before it for number 0 of an epoch. */
static int index_of(struct sim *sim, unsigned room, const struct position *position)
{
    const struct sim_list *truth = &sim->stream.truth[room];

    struct position_empty empty;
    /* Behind what the stream held then; but where a rollback may have taken that back, places are given
     * twice. */
    if (!sim->plan.rolls_back && position_parse_empty(position, &empty)) {
        unsigned i = truth->count;
        while (i > 0 && (truth->at[i - 1]->created_s > empty.created_s ||
                         (truth->at[i - 1]->created_s == empty.created_s &&
                          truth->at[i - 1]->event.stream_seq > empty.last_seq)))
            i--;
        return (int)i - 1;
    }
    if (position_is_empty(position))
        return ANYWHERE;
    uint64_t seq = position->seq + (position->seq == 0);
    for (unsigned i = truth->count; i > 0; i--)
        if (truth->at[i - 1]->event.position.seq == seq && is_of(truth->at[i - 1], position->epoch))
            return (int)i - 1 - (position->seq == 0);
    sim_fail(sim, "nothing was ever stored as %s:%llu of room %u", position->epoch,
             (unsigned long long)position->seq, room);
}

/* Where the client is. What a rollback took away may have been stored again under the same number, by a relay
 * that had no answer yet: that is the same event. A relay that does not remember gives the number to another
 * one, and nobody who only knows a number can tell. */
static int index_of_cursor(struct sim *sim, unsigned room, const struct sim_cursor *cursor)
{
    const struct sim_list *truth = &sim->stream.truth[room];

    if (cursor->index < 0 || !truth->at[cursor->index]->is_vanished)
        return cursor->index;
    int again = index_of(sim, room, &cursor->position);
    bool is_same = truth->at[again]->number == truth->at[cursor->index]->number;
    return is_same || sim->plan.forgets ? again : cursor->index;
}

/* No event between the two may be missed; those that a rollback took away cannot be had. */
static void check_between(struct sim *sim, unsigned room, int from, int to)
{
    for (int i = from + 1; i < to; i++) {
        const struct sim_record *record = sim->stream.truth[room].at[i];
        if (!record->is_vanished)
            sim_fail(sim, "%s:%llu of room %u was passed over in silence", record->event.position.epoch,
                     (unsigned long long)record->event.position.seq, room);
    }
}

/* --- what a client hears --- */

void sim_check_event(struct sim *sim, struct sim_client *client, const struct sim_frame *frame)
{
    struct sim_cursor *cursor = &client->cursors[frame->room];
    const struct sim_list *truth = &sim->stream.truth[frame->room];
    int index = index_of(sim, frame->room, &frame->position);

    SIM_CHECK(sim, cursor->is_known && cursor->is_subscribed);
    SIM_CHECK(sim, index >= 0);
    while (sim->plan.forgets && index > 0 && truth->at[index]->number != frame->number)
        index--; /* what a node still had when its number was given again */
    SIM_CHECK(sim, truth->at[index]->number == frame->number);
    if (strcmp(cursor->position.epoch, frame->position.epoch) == 0 &&
        frame->position.seq != cursor->position.seq + 1)
        sim_fail(sim, "client %u room %u: %s:%llu after %llu", client->number, frame->room,
                 frame->position.epoch, (unsigned long long)frame->position.seq,
                 (unsigned long long)cursor->position.seq);
    int from = index_of_cursor(sim, frame->room, cursor);
    if (from != ANYWHERE && !sim->plan.forgets) {
        SIM_CHECK(sim, index > from);
        check_between(sim, frame->room, from, index);
    }
    cursor->position = frame->position;
    cursor->index = index;
}

void sim_check_loss(struct sim *sim, struct sim_client *client, const struct sim_frame *frame)
{
    struct sim_cursor *cursor = &client->cursors[frame->room];
    int index = index_of(sim, frame->room, &frame->position);
    bool is_told = frame->kind == SIM_POSITION_LOST || (frame->had_since && cursor->is_known);

    /* Whoever is in a room before its first event, on a node that could not ask for long, cannot know that
     * nothing came and went; who was told nothing of the stream cannot know it either. */
    bool cannot_know = position_is_empty(&cursor->position) &&
                       (frame->kind == SIM_POSITION_LOST || strcmp(cursor->position.epoch, EPOCH_EMPTY) == 0);
    if (is_told && !sim_plan_loses(&sim->plan) && !cannot_know)
        sim_fail(sim, "client %u room %u: a loss is told, and nothing is lost: %s:%llu, now %s:%llu",
                 client->number, frame->room, cursor->position.epoch,
                 (unsigned long long)cursor->position.seq, frame->position.epoch,
                 (unsigned long long)frame->position.seq);
    if (cursor->index >= NOWHERE && index > cursor->index && cursor->is_known)
        sim->counts->events_lost += (uint64_t)(index - cursor->index);
    cursor->is_known = cursor->is_subscribed = true;
    cursor->position = frame->position;
    cursor->index = index;
}

void sim_check_recovery(struct sim *sim, struct sim_client *client, const struct sim_frame *frame)
{
    struct sim_cursor *cursor = &client->cursors[frame->room];
    const struct sim_list *truth = &sim->stream.truth[frame->room];
    const struct sim_stream *stream = &sim->stream;

    SIM_CHECK(sim, cursor->is_known && frame->had_since);
    SIM_CHECK(sim, frame->replayed == frame->position.seq - cursor->position.seq);
    cursor->is_subscribed = true;
    if (sim_plan_loses(&sim->plan) ||
        (stream->stale_to_ms != 0 && sim->now_ms < stream->stale_to_ms + STALE_ECHO_MS))
        return;
    /* The leader was asked where the room stands: what was stored before is promised. */
    int index = index_of(sim, frame->room, &frame->position);
    for (int i = index + 1; index != ANYWHERE && i < (int)truth->count; i++)
        if (truth->at[i]->stored_ms + sim->plan.rules.fresh_ms < cursor->asked_ms)
            sim_fail(sim, "client %u room %u: recovered up to %llu, which was not the end", client->number,
                     frame->room, (unsigned long long)frame->position.seq);
}

/* --- the end --- */

static bool is_caught_up(struct sim *sim, const struct sim_client *client, unsigned room)
{
    const struct sim_cursor *cursor = &client->cursors[room];
    const struct sim_list *truth = &sim->stream.truth[room];

    if (!client->session || !cursor->is_known || !cursor->is_subscribed)
        return false;
    int from = index_of_cursor(sim, room, cursor);
    for (int i = from == ANYWHERE ? 0 : from + 1; i < (int)truth->count; i++)
        if (!truth->at[i]->is_vanished && !(from == ANYWHERE && truth->at[i]->is_deleted))
            return false;
    return true;
}

static const char *unrest_of_feed(const struct sim_feed *feed)
{
    if (!feed)
        return NULL;
    if (!feed->feed.is_settled || feed_has_gap(&feed->feed))
        return "a feed has a gap";
    const struct feed_work *work = feed->feed.work;
    if (work && (work->reading > 0 || work->next_ask_id != 0))
        return "a feed reads";
    return (work && work->waiters) || feed->feed.ready ? "somebody waits" : NULL;
}

static const char *unrest_of_client(struct sim *sim, const struct sim_client *client)
{
    const struct sim_session *session = client->session;

    if (!session)
        return "a client is not connected";
    if (session->catch_ups || session->session.queue.count > 0)
        return "a session has not caught up";
    for (unsigned room = 0; room < ROOMS; room++)
        if (client->in_room[room] && (session->is_subscribing[room] || !is_caught_up(sim, client, room)))
            return "a client has not caught up";
    return NULL;
}

static const char *unrest(struct sim *sim)
{
    const char *text = NULL;

    for (unsigned i = 0; i < sim->redis.count && !text; i++)
        text = sim->redis.is_acknowledged[i] ? NULL : "an event is not acknowledged";
    for (unsigned i = 0; i < CLIENTS && !text; i++)
        text = unrest_of_client(sim, &sim->clients[i]);
    for (unsigned node = 0; node < NODES; node++)
        for (unsigned room = 0; room < ROOMS && !text; room++)
            text = unrest_of_feed(sim->nodes[node].feeds[room]);
    return text;
}

bool sim_is_quiet(struct sim *sim)
{
    return unrest(sim) == NULL;
}

static void check_stored(struct sim *sim)
{
    unsigned copies[EVENTS_MAX] = {0};

    for (unsigned room = 0; room < ROOMS; room++) {
        const struct sim_list *truth = &sim->stream.truth[room];
        for (unsigned i = 0; i < truth->count; i++) {
            copies[truth->at[i]->number]++;
            SIM_CHECK(sim, i == 0 || truth->at[i - 1]->number < truth->at[i]->number);
        }
    }
    for (unsigned i = 0; i < sim->redis.count; i++)
        SIM_CHECK(sim, copies[i] == 1);
}

void sim_check_end(struct sim *sim)
{
    const char *text = unrest(sim);

    if (text)
        sim_fail(sim, "long after the last fault %s", text);
    if (!sim->plan.rolls_back && !sim->plan.is_recreated)
        check_stored(sim);
}
