#include <roomcast/core/history.h>

#include <assert.h>
#include <stdlib.h>

#define CAPACITY_FIRST 8u

void history_init(struct history *history)
{
    *history = (struct history){.count = 0};
}

static struct history_slot *slot_at(const struct history *history, uint32_t index)
{
    return &history->slots[(history->head + index) & (history->capacity - 1)];
}

struct history_slot *history_slot(const struct history *history, uint64_t seq)
{
    if (history->count == 0 || seq < history->first || seq - history->first >= history->count)
        return NULL;
    return slot_at(history, (uint32_t)(seq - history->first));
}

static void drop(struct history *history, struct history_slot *slot)
{
    if (!slot->frame)
        return;
    history->bytes -= frame_held_bytes(slot->frame);
    frame_unref(&slot->frame);
}

void history_clear(struct history *history)
{
    for (uint32_t i = 0; i < history->count; i++)
        drop(history, slot_at(history, i));
    free(history->slots);
    *history = (struct history){.count = 0};
}

void history_fini(struct history *history)
{
    history_clear(history);
}

/* Capacities are powers of two. */
static enum err move_to(struct history *history, uint32_t capacity)
{
    struct history_slot *slots = malloc(capacity * sizeof *slots);
    if (!slots)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < history->count; i++)
        slots[i] = *slot_at(history, i);
    free(history->slots);
    history->slots = slots;
    history->capacity = capacity;
    history->head = 0;
    return ERR_OK;
}

static enum err grow(struct history *history, uint64_t wanted)
{
    if (wanted > HISTORY_SLOTS_MAX)
        return ERR_RANGE;
    uint32_t capacity = history->capacity ? history->capacity : CAPACITY_FIRST;
    while (capacity < wanted)
        capacity *= 2;
    return capacity == history->capacity ? ERR_OK : move_to(history, capacity);
}

/* One long absence does not keep a room large for ever. */
static void shrink(struct history *history)
{
    uint32_t capacity = history->capacity;

    while (capacity > CAPACITY_FIRST && history->count <= capacity / 4)
        capacity /= 2;
    if (capacity < history->capacity)
        (void)move_to(history, capacity); /* without memory: it stays as it is */
}

enum err history_reach(struct history *history, uint64_t seq)
{
    if (history->count == 0)
        history->first = seq;
    uint64_t first = seq < history->first ? seq : history->first;
    uint64_t end = history->first + history->count; /* one above the last */
    if (seq >= end)
        end = seq + 1;
    enum err err = grow(history, end - first);
    if (err != ERR_OK)
        return err;
    while (history->first > first) {
        history->first--;
        history->head = (history->head - 1) & (history->capacity - 1);
        history->count++;
        *slot_at(history, 0) = (struct history_slot){.stream_seq = 0};
    }
    while (history->first + history->count < end) {
        history->count++;
        *slot_at(history, history->count - 1) = (struct history_slot){.stream_seq = 0};
    }
    return ERR_OK;
}

void history_put(struct history *history, const struct feed_event *event)
{
    struct history_slot *slot = history_slot(history, event->position.seq);

    assert(slot && !slot->frame);
    slot->frame = frame_ref(event->frame);
    slot->stream_seq = event->stream_seq;
    slot->id_hash = event->id_hash;
    slot->is_gone = false;
    history->bytes += frame_held_bytes(event->frame);
}

bool history_locate(struct history *history, uint64_t seq, const struct trail *trail)
{
    bool agrees = true;

    for (uint32_t i = 0; i < trail->count && seq > 1 + i; i++) {
        struct history_slot *slot = history_slot(history, seq - 1 - i);
        if (slot && slot->stream_seq == 0)
            slot->stream_seq = trail->seqs[i];
        else if (slot && slot->id_hash != 0 && slot->stream_seq != 0 && slot->stream_seq != trail->seqs[i])
            agrees = false;
    }
    return agrees;
}

void history_drop_frame(struct history *history, uint64_t seq)
{
    struct history_slot *slot = history_slot(history, seq);

    if (slot)
        drop(history, slot);
}

void history_forget_below(struct history *history, uint64_t seq)
{
    while (history->count > 0 && history->first < seq) {
        drop(history, slot_at(history, 0));
        history->head = (history->head + 1) & (history->capacity - 1);
        history->first++;
        history->count--;
    }
    shrink(history);
}

void history_forget_above(struct history *history, uint64_t seq)
{
    while (history->count > 0 && history_last(history) > seq) {
        drop(history, slot_at(history, history->count - 1));
        history->count--;
    }
    shrink(history);
}

uint64_t history_held_from(const struct history *history, uint64_t seq, uint64_t lowest)
{
    uint64_t from = seq + 1;

    while (from > lowest) {
        const struct history_slot *slot = history_slot(history, from - 1);
        if (!slot || !slot->frame)
            break;
        from--;
    }
    return from;
}
