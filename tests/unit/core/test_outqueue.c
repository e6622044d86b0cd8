#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "outqueue_front.h"

static const struct outqueue_limits limits = {.max_frames = 100, .max_bytes = 1000};

static struct frame *text(const char *payload)
{
    struct frame *frame = frame_new(FRAME_TEXT, slice_of(payload));
    assert_non_null(frame);
    return frame;
}

static unsigned refs(struct frame *frame)
{
    return atomic_load(&frame->refs);
}

static void frames_come_out_in_order_and_give_their_reference_back(void **state)
{
    (void)state;
    struct outqueue queue;
    struct frame *frames[20];
    outqueue_init(&queue);
    for (int i = 0; i < 20; i++) {
        frames[i] = text("x");
        assert_int_equal(outqueue_push(&queue, frames[i], &limits), OUTQUEUE_QUEUED);
        assert_int_equal(refs(frames[i]), 2);
    }
    assert_int_equal(queue.bytes, 20 * 3);
    for (int i = 0; i < 20; i++) {
        assert_ptr_equal(outqueue_front(&queue), frames[i]);
        outqueue_pop(&queue);
        assert_int_equal(refs(frames[i]), 1);
        frame_unref(&frames[i]);
    }
    assert_null(outqueue_front(&queue));
    assert_int_equal(queue.bytes, 0);
    outqueue_fini(&queue);
}

static void too_many_frames_overflow_and_nothing_is_queued(void **state)
{
    (void)state;
    struct outqueue queue;
    struct outqueue_limits few = {.max_frames = 2, .max_bytes = 1000};
    struct frame *frame = text("x");
    outqueue_init(&queue);
    assert_int_equal(outqueue_push(&queue, frame, &few), OUTQUEUE_QUEUED);
    assert_int_equal(outqueue_push(&queue, frame, &few), OUTQUEUE_QUEUED);
    assert_int_equal(outqueue_push(&queue, frame, &few), OUTQUEUE_OVERFLOW);
    assert_int_equal(refs(frame), 3);
    assert_int_equal(queue.count, 2);
    outqueue_fini(&queue);
    assert_int_equal(refs(frame), 1);
    frame_unref(&frame);
}

static void too_many_bytes_overflow_but_a_first_frame_always_fits(void **state)
{
    (void)state;
    struct outqueue queue;
    struct outqueue_limits small = {.max_frames = 10, .max_bytes = 4};
    struct frame *large = text("a frame larger than the whole queue"), *tiny = text("x");
    outqueue_init(&queue);
    assert_int_equal(outqueue_push(&queue, large, &small), OUTQUEUE_QUEUED);
    assert_int_equal(outqueue_push(&queue, tiny, &small), OUTQUEUE_OVERFLOW);
    outqueue_pop(&queue);
    assert_int_equal(outqueue_push(&queue, tiny, &small), OUTQUEUE_QUEUED);
    outqueue_fini(&queue);
    frame_unref(&large);
    frame_unref(&tiny);
}

static void an_empty_queue_holds_no_memory(void **state)
{
    (void)state;
    struct outqueue queue;
    struct frame *frame = text("x");
    outqueue_init(&queue);
    for (int i = 0; i < 50; i++)
        assert_int_equal(outqueue_push(&queue, frame, &limits), OUTQUEUE_QUEUED);
    assert_non_null(queue.slots);
    for (int i = 0; i < 50; i++)
        outqueue_pop(&queue);
    assert_null(queue.slots);
    outqueue_fini(&queue);
    frame_unref(&frame);
}

static void random_pushes_and_pops_keep_the_order(void **state)
{
    (void)state;
    struct outqueue queue;
    struct frame *frames[500], *peeked[7];
    unsigned pushed = 0, popped = 0;
    outqueue_init(&queue);
    srand(11);
    while (popped < 500) {
        if (pushed < 500 && rand() % 5 < 3) {
            frames[pushed] = text("abc");
            if (outqueue_push(&queue, frames[pushed], &limits) == OUTQUEUE_QUEUED)
                pushed++;
            else
                frame_unref(&frames[pushed]);
        } else if (queue.count > 0) {
            uint32_t count = outqueue_peek(&queue, peeked, 7);
            for (uint32_t i = 0; i < count; i++)
                assert_ptr_equal(peeked[i], frames[popped + i]);
            outqueue_pop(&queue);
            frame_unref(&frames[popped++]);
        }
        assert_int_equal(queue.count, pushed - popped);
    }
    outqueue_fini(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_out_in_order_and_give_their_reference_back),
        cmocka_unit_test(too_many_frames_overflow_and_nothing_is_queued),
        cmocka_unit_test(too_many_bytes_overflow_but_a_first_frame_always_fits),
        cmocka_unit_test(an_empty_queue_holds_no_memory),
        cmocka_unit_test(random_pushes_and_pops_keep_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
