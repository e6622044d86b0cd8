/* What the hub has sent: worked on in its order, but that the events of large rooms let others pass.
 *
 * Queueing an event for 10,000 members takes half a millisecond, several in a row a few; whoever came behind
 * them would wait for as long. So they are held back and worked on a few at a time, each time after a turn's
 * writes. What belongs to one room stays in order: while something of a room is held, whatever follows for
 * the room, events and answers, is held behind it. Rooms are told apart by a hash: another room of the same
 * bucket waits with it, which costs it time and nothing else. */
#include "worker_internal.h"

#include <stdlib.h>

#include <roomcast/base/hash.h>

#define LARGE_ROOM      1024 /* members: about 50 microseconds to queue for */
#define PUSHES_PER_TURN 4096 /* of held events: a fifth of a millisecond; but one event at least */

struct arrivals {
    struct inbox_item *first, **tail; /* held */
    uint32_t held_of[ARRIVALS_BUCKETS];
};

struct arrivals *arrivals_new(void)
{
    struct arrivals *arrivals = calloc(1, sizeof *arrivals);
    if (arrivals)
        arrivals->tail = &arrivals->first;
    return arrivals;
}

static const struct room_key *room_of(const struct hub_output *output)
{
    return output->kind == HUB_OUTPUT_ANSWER ? &((const struct hub_request *)output)->room
                                             : &((const struct hub_frame *)output)->room;
}

static uint32_t *held_of(struct arrivals *arrivals, const struct hub_output *output)
{
    const struct room_key *room = room_of(output);
    return &arrivals->held_of[hash_bytes(room, ROOM_KEY_BYTES(room)) % ARRIVALS_BUCKETS];
}

static uint32_t members_of(struct worker *worker, const struct hub_output *output)
{
    uint32_t count;
    rooms_members(worker->rooms, room_of(output), &count);
    return count;
}

static void deliver(struct worker *worker, struct hub_frame *output)
{
    atomic_fetch_sub_explicit(&worker->arriving.bytes, hub_frame_cost(output), memory_order_relaxed);
    worker_deliver(worker, output);
}

static void answer(struct worker *worker, struct hub_request *request)
{
    atomic_fetch_sub_explicit(&worker->arriving.bytes, request->carried, memory_order_relaxed);
    client_on_answer(worker, request);
}

static void work_on(struct worker *worker, struct hub_output *output)
{
    if (output->kind == HUB_OUTPUT_ANSWER)
        answer(worker, (struct hub_request *)output);
    else
        deliver(worker, (struct hub_frame *)output);
}

static bool has_to_wait(struct worker *worker, const struct hub_output *output)
{
    if (*held_of(worker->arrivals, output) > 0)
        return true;
    return output->kind == HUB_OUTPUT_FRAME && members_of(worker, output) > LARGE_ROOM;
}

void worker_take_arrivals(struct worker *worker)
{
    struct arrivals *arrivals = worker->arrivals;
    struct inbox_item *item = inbox_take(&worker->arriving.inbox);
    while (item) {
        struct inbox_item *next = item->next;
        struct hub_output *output = (struct hub_output *)item;
        if (has_to_wait(worker, output)) {
            ++*held_of(arrivals, output);
            item->next = NULL;
            *arrivals->tail = item;
            arrivals->tail = &item->next;
        } else {
            work_on(worker, output);
        }
        item = next;
    }
}

static struct hub_output *take_held(struct arrivals *arrivals)
{
    struct inbox_item *item = arrivals->first;
    if (!item)
        return NULL;
    arrivals->first = item->next;
    if (!arrivals->first)
        arrivals->tail = &arrivals->first;
    struct hub_output *output = (struct hub_output *)item;
    --*held_of(arrivals, output);
    return output;
}

void worker_work_on_held(struct worker *worker)
{
    struct hub_output *output;
    uint32_t pushes = 0;
    while (pushes < PUSHES_PER_TURN && (output = take_held(worker->arrivals))) {
        pushes += 1 + members_of(worker, output);
        work_on(worker, output);
    }
    if (pushes > 0)
        loop_turn_again(worker->loop); /* for what was queued just now, and what is still held */
}

static void forget(struct hub_output *output)
{
    if (output->kind == HUB_OUTPUT_ANSWER) {
        client_forget_request((struct hub_request *)output);
        return;
    }
    struct hub_frame *frame = (struct hub_frame *)output;
    frame_unref(&frame->frame);
    free(frame);
}

void worker_drop_arrivals(struct worker *worker)
{
    struct hub_output *output;
    while (worker->arrivals && (output = take_held(worker->arrivals)))
        forget(output);
    free(worker->arrivals);
    worker->arrivals = NULL;
    inbox_close(&worker->arriving.inbox);
    struct inbox_item *item = inbox_take(&worker->arriving.inbox);
    while (item) {
        struct inbox_item *next = item->next;
        forget((struct hub_output *)item);
        item = next;
    }
}
