#include <roomcast/core/outqueue.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void outqueue_init(struct outqueue *queue)
{
    *queue = (struct outqueue){.slots = NULL, .capacity = OUTQUEUE_INLINE};
}

/* Not stored as a pointer into itself, so that a queue may be moved in memory with its owner. */
static struct frame **slots_of(const struct outqueue *queue)
{
    return queue->slots ? queue->slots : (struct frame **)queue->few;
}

static struct frame **slot(const struct outqueue *queue, uint32_t position)
{
    return &slots_of(queue)[(queue->head + position) % queue->capacity];
}

static void shrink(struct outqueue *queue)
{
    free(queue->slots);
    queue->slots = NULL;
    queue->capacity = OUTQUEUE_INLINE;
    queue->head = 0;
}

void outqueue_fini(struct outqueue *queue)
{
    outqueue_clear(queue);
}

static bool grow(struct outqueue *queue)
{
    uint32_t wanted = queue->capacity * 2 < 8 ? 8 : queue->capacity * 2;
    struct frame **slots = malloc(wanted * sizeof(struct frame *));
    if (!slots)
        return false;
    for (uint32_t i = 0; i < queue->count; i++)
        slots[i] = *slot(queue, i);
    free(queue->slots);
    queue->slots = slots;
    queue->capacity = wanted;
    queue->head = 0;
    return true;
}

enum outqueue_verdict outqueue_push(struct outqueue *queue, struct frame *frame,
                                    const struct outqueue_limits *limits)
{
    bool fits = queue->count < limits->max_frames && frame->len <= limits->max_bytes &&
                queue->bytes <= limits->max_bytes - frame->len;
    if (queue->count > 0 && !fits)
        return OUTQUEUE_OVERFLOW;
    if (queue->count == queue->capacity && !grow(queue))
        return OUTQUEUE_NO_MEMORY;
    *slot(queue, queue->count) = frame_ref(frame);
    queue->count++;
    queue->bytes += frame->len;
    return OUTQUEUE_QUEUED;
}

void outqueue_pop(struct outqueue *queue)
{
    assert(queue->count > 0);
    struct frame *frame = *slot(queue, 0);
    queue->bytes -= frame->len;
    queue->head = (queue->head + 1) % queue->capacity;
    queue->count--;
    frame_unref(&frame);
    if (queue->count == 0 && queue->slots)
        shrink(queue);
}

uint32_t outqueue_peek(const struct outqueue *queue, struct frame **frames, uint32_t max)
{
    uint32_t count = queue->count < max ? queue->count : max;
    for (uint32_t i = 0; i < count; i++)
        frames[i] = *slot(queue, i);
    return count;
}

void outqueue_clear(struct outqueue *queue)
{
    while (queue->count > 0)
        outqueue_pop(queue);
}
