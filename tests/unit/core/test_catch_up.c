#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <roomcast/core/catch_up.h>

#include "outqueue_front.h"

static const struct outqueue_limits wide = {.max_frames = 1000, .max_bytes = 1 << 20};
static const struct outqueue_limits narrow = {.max_frames = 3, .max_bytes = 1 << 20};
static const struct position at_10 = {.epoch = "a", .seq = 10};

struct scene {
    struct catch_up catch_up;
    struct outqueue queue;
};

static void begin(struct scene *scene)
{
    catch_up_init(&scene->catch_up, &at_10);
    outqueue_init(&scene->queue);
    assert_int_equal(scene->catch_up.state, CATCH_UP_ASK);
}

static void end(struct scene *scene)
{
    catch_up_fini(&scene->catch_up);
    outqueue_fini(&scene->queue);
}

/* The events from..to; each frame tells its number. */
static struct replay *events(uint64_t from, uint64_t to)
{
    struct position first = {.epoch = "a", .seq = from};
    uint32_t count = (uint32_t)(to + 1 - from);
    struct frame *frames[64];
    size_t bytes = 0;
    assert_true(count <= sizeof frames / sizeof frames[0]);
    for (uint32_t i = 0; i < count; i++) {
        char text[24];
        snprintf(text, sizeof text, "%llu", (unsigned long long)(from + i));
        frames[i] = frame_new(FRAME_TEXT, slice_of(text));
        assert_non_null(frames[i]);
        bytes += frames[i]->len;
    }
    struct replay *replay = replay_new(&first, count, bytes);
    assert_non_null(replay);
    memcpy(replay->frames, frames, count * sizeof frames[0]);
    return replay;
}

static void hear(struct scene *scene, uint64_t from, uint64_t to)
{
    for (uint64_t seq = from; seq <= to; seq++) {
        const struct frame *frame = outqueue_front(&scene->queue);
        assert_non_null(frame);
        assert_int_equal(strtoull(frame_payload(frame).data, NULL, 10), seq);
        outqueue_pop(&scene->queue);
    }
    assert_null(outqueue_front(&scene->queue));
}

static uint32_t pump(struct scene *scene, const struct outqueue_limits *limits)
{
    uint32_t count;
    catch_up_pump(&scene->catch_up, &scene->queue, limits, SIZE_MAX, &count);
    return count;
}

static void a_session_is_live_again_when_everything_is_queued(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    catch_up_asked(&scene.catch_up);
    catch_up_answer(&scene.catch_up, events(11, 15), 0, true);
    assert_int_equal(scene.catch_up.state, CATCH_UP_REPLAYING);
    assert_int_equal(pump(&scene, &wide), 5);
    assert_int_equal(scene.catch_up.state, CATCH_UP_DONE);
    assert_int_equal(scene.catch_up.cursor.seq, 15);
    hear(&scene, 11, 15);
    end(&scene);
}

static void what_the_queue_does_not_take_waits_and_goes_on_where_it_was(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    catch_up_asked(&scene.catch_up);
    catch_up_answer(&scene.catch_up, events(11, 17), 0, true);
    assert_int_equal(pump(&scene, &narrow), 3);
    assert_int_equal(pump(&scene, &narrow), 0);
    assert_int_equal(scene.catch_up.cursor.seq, 13);
    hear(&scene, 11, 13);
    assert_int_equal(pump(&scene, &narrow), 3);
    hear(&scene, 14, 16);
    assert_int_equal(scene.catch_up.state, CATCH_UP_REPLAYING);
    assert_int_equal(pump(&scene, &narrow), 1);
    hear(&scene, 17, 17);
    assert_int_equal(scene.catch_up.state, CATCH_UP_DONE);
    end(&scene);
}

static void a_client_that_takes_compressed_frames_is_replayed_those_that_there_are(void **state)
{
    (void)state;
    struct scene scene;
    uint32_t count;
    begin(&scene);
    scene.queue.takes_deflated = true;
    struct replay *replay = events(11, 12);
    frame_add_deflated(replay->frames[1], SLICE_LITERAL("deflated"));
    catch_up_asked(&scene.catch_up);
    catch_up_answer(&scene.catch_up, replay, 0, true);
    assert_int_equal(catch_up_pump(&scene.catch_up, &scene.queue, &wide, SIZE_MAX, &count),
                     (2 + 2) + (2 + 8));
    assert_int_equal(outqueue_front(&scene.queue)->bytes[0], 0x81);
    outqueue_pop(&scene.queue);
    assert_int_equal(outqueue_front(&scene.queue)->bytes[0], 0xC1);
    outqueue_pop(&scene.queue);
    end(&scene);
}

static void a_turn_takes_no_more_bytes_than_it_may(void **state)
{
    (void)state;
    struct scene scene;
    uint32_t count;
    begin(&scene);
    catch_up_asked(&scene.catch_up);
    catch_up_answer(&scene.catch_up, events(11, 17), 0, true);
    assert_int_equal(catch_up_pump(&scene.catch_up, &scene.queue, &wide, 5, &count), 8);
    assert_int_equal(count, 2);
    assert_int_equal(catch_up_pump(&scene.catch_up, &scene.queue, &wide, 0, &count), 0);
    assert_int_equal(count, 0);
    hear(&scene, 11, 12);
    end(&scene);
}

static void a_part_of_a_shared_replay_is_enough(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    catch_up_asked(&scene.catch_up);
    catch_up_answer(&scene.catch_up, events(8, 13), 3, true);
    assert_int_equal(pump(&scene, &wide), 3);
    assert_int_equal(scene.catch_up.cursor.seq, 13);
    hear(&scene, 11, 13);
    end(&scene);
}

static void after_a_page_that_is_not_all_the_next_one_is_asked_for(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    catch_up_asked(&scene.catch_up);
    catch_up_answer(&scene.catch_up, events(11, 12), 0, false);
    pump(&scene, &wide);
    assert_int_equal(scene.catch_up.state, CATCH_UP_ASK);
    assert_int_equal(scene.catch_up.cursor.seq, 12);
    hear(&scene, 11, 12);
    end(&scene);
}

static void an_event_that_passes_by_during_the_replay_is_asked_for(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    catch_up_asked(&scene.catch_up);
    catch_up_answer(&scene.catch_up, events(11, 15), 0, true);
    pump(&scene, &narrow);
    catch_up_pass_by(&scene.catch_up);
    hear(&scene, 11, 13);
    pump(&scene, &narrow);
    assert_int_equal(scene.catch_up.state, CATCH_UP_ASK);
    assert_int_equal(scene.catch_up.cursor.seq, 15);
    end(&scene);
}

static void what_passed_by_before_the_answer_is_in_it(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    catch_up_pass_by(&scene.catch_up);
    catch_up_asked(&scene.catch_up);
    catch_up_pass_by(&scene.catch_up);
    catch_up_answer(&scene.catch_up, events(11, 12), 0, true);
    pump(&scene, &wide);
    assert_int_equal(scene.catch_up.state, CATCH_UP_DONE);
    end(&scene);
}

static void an_answer_with_nothing_in_it_ends_the_catch_up_or_asks_again(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    catch_up_asked(&scene.catch_up);
    catch_up_answer(&scene.catch_up, events(11, 10), 0, false);
    assert_int_equal(scene.catch_up.state, CATCH_UP_ASK);
    catch_up_asked(&scene.catch_up);
    catch_up_answer(&scene.catch_up, events(11, 10), 0, true);
    assert_int_equal(scene.catch_up.state, CATCH_UP_DONE);
    assert_true(position_equal(&scene.catch_up.cursor, &at_10));
    end(&scene);
}

static void without_an_answer_it_asks_again_from_where_it_was(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    catch_up_asked(&scene.catch_up);
    catch_up_failed(&scene.catch_up);
    assert_int_equal(scene.catch_up.state, CATCH_UP_ASK);
    assert_true(position_equal(&scene.catch_up.cursor, &at_10));
    end(&scene);
}

static void whoever_was_told_of_a_loss_goes_on_from_the_rooms_position(void **state)
{
    (void)state;
    struct scene scene;
    struct position position = {.epoch = "b", .seq = 3};
    begin(&scene);
    catch_up_asked(&scene.catch_up);
    catch_up_lost(&scene.catch_up, &position);
    assert_int_equal(scene.catch_up.state, CATCH_UP_DONE);
    assert_true(position_equal(&scene.catch_up.cursor, &position));
    end(&scene);
}

static void a_session_that_ends_gives_its_part_of_the_replay_back(void **state)
{
    (void)state;
    struct scene scene;
    struct replay *replay = events(11, 15);
    struct frame *frame = replay->frames[0];
    begin(&scene);
    catch_up_asked(&scene.catch_up);
    catch_up_answer(&scene.catch_up, replay_ref(replay), 0, true);
    pump(&scene, &narrow);
    assert_int_equal(atomic_load(&frame->refs), 2);
    end(&scene);
    assert_int_equal(atomic_load(&frame->refs), 1);
    assert_int_equal(atomic_load(&replay->refs), 1);
    frame_ref(frame);
    replay_unref(&replay);
    assert_null(replay);
    assert_int_equal(atomic_load(&frame->refs), 1); /* the last one lets the frames go */
    frame_unref(&frame);
    replay_unref(&replay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_live_again_when_everything_is_queued),
        cmocka_unit_test(what_the_queue_does_not_take_waits_and_goes_on_where_it_was),
        cmocka_unit_test(a_client_that_takes_compressed_frames_is_replayed_those_that_there_are),
        cmocka_unit_test(a_turn_takes_no_more_bytes_than_it_may),
        cmocka_unit_test(a_part_of_a_shared_replay_is_enough),
        cmocka_unit_test(after_a_page_that_is_not_all_the_next_one_is_asked_for),
        cmocka_unit_test(an_event_that_passes_by_during_the_replay_is_asked_for),
        cmocka_unit_test(what_passed_by_before_the_answer_is_in_it),
        cmocka_unit_test(an_answer_with_nothing_in_it_ends_the_catch_up_or_asks_again),
        cmocka_unit_test(without_an_answer_it_asks_again_from_where_it_was),
        cmocka_unit_test(whoever_was_told_of_a_loss_goes_on_from_the_rooms_position),
        cmocka_unit_test(a_session_that_ends_gives_its_part_of_the_replay_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
