/* When the queue allocates, when it gives back, and what becomes of a push for which there is no memory. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <roomcast/core/outqueue.h>

#include "failing_alloc.h"
#include "outqueue.c"
#include "outqueue_front.h"
#include "seeded.h"

static const struct outqueue_limits wide = {.max_frames = 100000, .max_bytes = SIZE_MAX};

/* Of `len` bytes in all, header included. */
static struct frame *frame_of(size_t len)
{
    static char payload[4096];
    struct frame *frame;

    assert_in_range(len, 2, 127);
    frame = frame_new(FRAME_TEXT, (struct slice){payload, len - 2});
    assert_non_null(frame);
    assert_int_equal(frame->len, len);
    return frame;
}

static unsigned refs(struct frame *frame)
{
    return atomic_load(&frame->refs);
}

static void push_many(struct outqueue *queue, struct frame *frame, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(outqueue_push(queue, frame, &wide), OUTQUEUE_QUEUED);
}

static void empty_queue_has_no_front(void **state)
{
    (void)state;
    struct outqueue queue;
    struct frame *first;

    outqueue_init(&queue);
    assert_null(outqueue_front(&queue));
    assert_int_equal(outqueue_peek(&queue, &first, 1), 0);
    outqueue_clear(&queue);
    outqueue_fini(&queue);
}

static void one_frame_at_a_time_needs_no_allocation(void **state)
{
    (void)state;
    struct outqueue queue;
    struct frame *frame = frame_of(10);
    size_t before = alloc_calls;

    outqueue_init(&queue);
    for (int i = 0; i < 1000; i++) {
        push_many(&queue, frame, i % 3 == 0 ? OUTQUEUE_INLINE : 1);
        while (outqueue_front(&queue))
            outqueue_pop(&queue);
    }
    push_many(&queue, frame, 1); /* never empty, always moving on in the ring */
    for (int i = 0; i < 1000; i++) {
        push_many(&queue, frame, 1);
        outqueue_pop(&queue);
    }
    assert_int_equal(alloc_calls, before);
    outqueue_fini(&queue);
    assert_int_equal(refs(frame), 1);
    frame_unref(&frame);
}

static void overflow_by_bytes_begins_one_byte_above_the_limit(void **state)
{
    (void)state;
    const struct outqueue_limits limits = {.max_frames = 100, .max_bytes = 100};
    struct outqueue queue;
    struct frame *ninety = frame_of(90), *ten = frame_of(10), *eleven = frame_of(11);

    outqueue_init(&queue);
    assert_int_equal(outqueue_push(&queue, ninety, &limits), OUTQUEUE_QUEUED);
    assert_int_equal(outqueue_push(&queue, eleven, &limits), OUTQUEUE_OVERFLOW);
    assert_int_equal(refs(eleven), 1);
    assert_int_equal(queue.bytes, 90);
    assert_int_equal(outqueue_push(&queue, ten, &limits), OUTQUEUE_QUEUED);
    assert_int_equal(queue.bytes, 100);
    outqueue_pop(&queue);
    assert_int_equal(queue.bytes, 10);
    assert_int_equal(outqueue_push(&queue, eleven, &limits), OUTQUEUE_QUEUED);
    outqueue_fini(&queue);
    frame_unref(&ninety);
    frame_unref(&ten);
    frame_unref(&eleven);
}

static void queue_that_runs_empty_gives_its_memory_back(void **state)
{
    (void)state;
    struct outqueue queue;
    struct frame *frame = frame_of(10);
    size_t before = alloc_live;

    outqueue_init(&queue);
    push_many(&queue, frame, 1000);
    assert_true(alloc_live > before);
    while (queue.count > 1)
        outqueue_pop(&queue);
    outqueue_pop(&queue);
    assert_int_equal(alloc_live, before);
    push_many(&queue, frame, 1000);
    outqueue_clear(&queue);
    assert_int_equal(alloc_live, before);
    assert_int_equal(queue.bytes, 0);
    push_many(&queue, frame, 1000);
    outqueue_fini(&queue);
    assert_int_equal(alloc_live, before);
    assert_int_equal(refs(frame), 1);
    frame_unref(&frame);
}

static void push_without_memory_queues_nothing_and_keeps_the_rest(void **state)
{
    (void)state;
    struct outqueue queue;
    struct frame *frame = frame_of(10), *late = frame_of(10);

    outqueue_init(&queue);
    push_many(&queue, frame, OUTQUEUE_INLINE);
    alloc_fail(1);
    assert_int_equal(outqueue_push(&queue, late, &wide), OUTQUEUE_NO_MEMORY);
    assert_true(alloc_failed);
    assert_int_equal(refs(late), 1);
    assert_int_equal(queue.count, OUTQUEUE_INLINE);
    assert_int_equal(queue.bytes, OUTQUEUE_INLINE * 10);
    assert_int_equal(outqueue_push(&queue, late, &wide), OUTQUEUE_QUEUED); /* memory is back */
    for (int i = 0; i < OUTQUEUE_INLINE; i++)
        outqueue_pop(&queue);
    assert_ptr_equal(outqueue_front(&queue), late);
    outqueue_fini(&queue);
    assert_int_equal(refs(frame), 1);
    frame_unref(&frame);
    frame_unref(&late);
}

/* Pushes and pops in random bursts, so that the ring wraps, grows while wrapped and shrinks again. */
static void order_is_kept_as_in_a_naive_list(void **state)
{
    (void)state;
    enum { FRAMES = 64, PUSHES = 20000 };
    static uint32_t expected[PUSHES]; /* which frame was pushed as the n-th */
    struct frame *frames[FRAMES], *seen[40];
    struct outqueue queue;
    uint64_t seed = 42;
    uint32_t in = 0, out = 0;
    size_t bytes = 0;

    for (uint32_t i = 0; i < FRAMES; i++)
        frames[i] = frame_of(2 + i);
    outqueue_init(&queue);
    while (out < PUSHES) {
        for (uint64_t burst = seeded_below(&seed, 50); burst > 0 && in < PUSHES; burst--, in++) {
            expected[in] = (uint32_t)seeded_below(&seed, FRAMES);
            push_many(&queue, frames[expected[in]], 1);
            bytes += frames[expected[in]]->len;
        }
        uint32_t max = (uint32_t)seeded_below(&seed, 41);
        uint32_t count = outqueue_peek(&queue, seen, max);
        assert_int_equal(count, in - out < max ? in - out : max);
        for (uint32_t i = 0; i < count; i++)
            assert_ptr_equal(seen[i], frames[expected[out + i]]);
        for (uint64_t burst = seeded_below(&seed, 60); burst > 0 && out < in; burst--, out++) {
            assert_ptr_equal(outqueue_front(&queue), frames[expected[out]]);
            bytes -= frames[expected[out]]->len;
            outqueue_pop(&queue);
        }
        assert_int_equal(queue.count, in - out);
        assert_int_equal(queue.bytes, bytes);
    }
    outqueue_fini(&queue);
    assert_int_equal(alloc_live, 0);
    for (uint32_t i = 0; i < FRAMES; i++) {
        assert_int_equal(refs(frames[i]), 1);
        frame_unref(&frames[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_queue_has_no_front),
        cmocka_unit_test(one_frame_at_a_time_needs_no_allocation),
        cmocka_unit_test(overflow_by_bytes_begins_one_byte_above_the_limit),
        cmocka_unit_test(queue_that_runs_empty_gives_its_memory_back),
        cmocka_unit_test(push_without_memory_queues_nothing_and_keeps_the_rest),
        cmocka_unit_test(order_is_kept_as_in_a_naive_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
